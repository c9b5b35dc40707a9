"""The recipes for CI run: their own scripts, against a simulated cluster."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from planner.simulator import SimulatedCluster
from tests.cli.conftest import QUICK
from tests.cli.forks import Forks, forking
from tests.deploy.github import ACTION, ROOT, Runner, command, plain_environment
from tests.deploy.gitlab import GitLab, notes_of_a_merge_request
from tests.deploy.installed import installed

PLAN, APPLY = (ROOT / "examples" / "ci" / "github" / f"planner-{name}.yml" for name in ("plan", "apply"))

PULL = {
    "repository": "org/cluster",
    "server_url": "https://forge.example",
    "run_id": "7",
    "token": "a-token",
    "event": {
        "pull_request": {"number": "12", "head": {"sha": "c0ffee", "repo": {"full_name": "org/cluster"}}}
    },
}
FORK = PULL | {
    "event": {"pull_request": {"number": "12", "head": {"sha": "bad", "repo": {"full_name": "me/fork"}}}}
}
PUSH = {"repository": "org/cluster", "event": {}}

needs_jq = pytest.mark.skipif(
    shutil.which("jq") is None and not os.environ.get("CI"), reason="no jq; in CI that is a failure"
)

QUOTE = "<!-- planner:plan:test -->\nI quote it"


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(3, seed=7, groups=["kept"]) as simulated:
        yield simulated


@pytest.fixture
def repository(tmp_path: Path, cluster: SimulatedCluster) -> "Repository":
    return Repository(tmp_path / "repository", cluster)


class Repository:
    """A repository that holds groups.yaml."""

    def __init__(self, folder: Path, cluster: SimulatedCluster) -> None:
        folder.mkdir()
        self.folder = folder
        self._nodes = ", ".join(f"{{name: {name}, url: '{url}'}}" for name, url in cluster.urls.items())

    def write(self, *groups: str, more: str = "") -> None:
        text = (
            f"version: 1\ncluster: {{name: test, nodes: [{self._nodes}]}}\n{more}"
            f"groups: [{', '.join(groups)}]\n"
        )
        (self.folder / "groups.yaml").write_text(text, encoding="utf-8")


def settings(folder: Path) -> dict[str, str]:
    return QUICK | {"HOME": str(folder)}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as forks:
        yield forks


@pytest.fixture
def planner(tmp_path: Path, forks: Forks) -> Iterator[Path]:
    path = tmp_path / "planner" / "bin" / "planner"
    with installed(forks, path, tmp_path):
        yield path


@pytest.fixture
def runner(tmp_path: Path, repository: Repository, planner: Path) -> Runner:
    command(tmp_path / "bin" / "gh", Path(__file__).with_name("gh.py"))
    comments = tmp_path / "comments.json"
    comments.write_text(
        json.dumps(
            [
                {
                    "id": number,
                    "user": {"login": "reviewer"},
                    "body": "<!-- planner:plan:test -->\nI quote it",
                }
                for number in (1, 2, 3)
            ]
        )
    )
    environment = plain_environment(tmp_path / "bin") | settings(tmp_path) | {"COMMENTS": str(comments)}
    secrets = {"PLANNER_STORE": f"sqlite:///{tmp_path}/store.db", "PLANNER_PLAN_KEY": "5e1f" * 16}
    return Runner(repository.folder, tmp_path, secrets, environment)


def comments(runner: Runner) -> dict[int, str]:
    found = json.loads(Path(runner.environment["COMMENTS"]).read_text("utf-8"))
    return {comment["id"]: comment["body"] for comment in found}


@needs_jq
def test_pull_request_gets_one_comment_that_is_kept_up_to_date(
    runner: Runner, repository: Repository
) -> None:
    repository.write("kept", "added")
    jobs = runner.run(PLAN, PULL)
    assert {name: job.result for name, job in jobs.items()} == {"plan": "success", "comment": "success"}
    assert "1 to create" in jobs["plan"].summary
    assert {path.name for path in runner.artifacts["plan"].iterdir()} == {"plan.json", "plan.md", "plan.html"}
    *quotes, (number, body) = comments(runner).items()
    assert [body for _, body in quotes] == [QUOTE] * 3
    assert body.startswith("<!-- planner:plan:test -->\n")
    assert "1 to create" in body
    assert "Planned at c0ffee." in body
    assert "(https://forge.example/org/cluster/actions/runs/7)" in body

    # A guard stands against the next commit: the check fails, and says so in the same comment.
    repository.write("{id: kept, state: absent}", more="limits: {max_deletes: 0}\n")
    jobs = runner.run(PLAN, PULL)
    assert {name: job.result for name, job in jobs.items()} == {"plan": "failure", "comment": "success"}
    assert comments(runner).keys() == {1, 2, 3, number}
    assert "max_deletes" in comments(runner)[number]


def test_plan_without_changes_succeeds_and_nothing_waits_for_approval(
    runner: Runner, repository: Repository
) -> None:
    repository.write("kept")
    jobs = runner.run(APPLY, PUSH)  # adopts `kept`
    assert jobs["apply"].result == "success"
    jobs = runner.run(APPLY, PUSH)
    results = {name: job.result for name, job in jobs.items()}
    assert results == {"plan": "success", "apply": "skipped", "recover": "skipped"}
    assert "No changes" in jobs["plan"].summary


def test_plan_that_cannot_be_made_fails_and_leaves_the_comment(
    runner: Runner, repository: Repository
) -> None:
    repository.write("{id: kept, nodse: [node01]}")
    jobs = runner.run(PLAN, PULL)
    assert {name: job.result for name, job in jobs.items()} == {"plan": "failure", "comment": "skipped"}
    assert "nodse" in jobs["plan"].log
    assert "exit code 1" in jobs["plan"].summary
    assert runner.artifacts == {}


def test_fork_never_reaches_the_runner(runner: Runner, repository: Repository) -> None:
    repository.write("kept", "added")
    jobs = runner.run(PLAN, FORK)
    assert {name: job.result for name, job in jobs.items()} == {"plan": "skipped", "comment": "skipped"}


def test_exactly_the_approved_plan_is_applied_or_nothing(
    runner: Runner, repository: Repository, cluster: SimulatedCluster
) -> None:
    repository.write("kept", "added")
    jobs = runner.run(APPLY, PUSH)
    results = {name: job.result for name, job in jobs.items()}
    assert results == {"plan": "success", "apply": "success", "recover": "skipped"}
    assert "Apply complete" in jobs["apply"].log
    assert set(map(tuple, cluster.groups().values())) == {("added", "kept")}

    # Somebody changes the cluster while the next plan waits for approval.
    repository.write("kept", "added", "late")
    workflow = yaml.safe_load(APPLY.read_text("utf-8"))["jobs"]
    planned = runner.job(workflow["plan"], PUSH, {}, {})
    cluster.change_groups("node02", add=["late"])
    stale = runner.job(workflow["apply"], PUSH, {}, {"plan": planned})
    assert stale.result == "failure"
    assert "exit code 6" in stale.summary
    assert "late" not in cluster.groups()["node01"]

    # An artifact that is not the file that was approved is not even shown to planner.
    plan = runner.artifacts["plan"] / "plan.json"
    plan.write_text(plan.read_text("utf-8") + "\n", encoding="utf-8")
    altered = runner.job(workflow["apply"], PUSH, {}, {"plan": planned})
    assert altered.result == "failure"
    assert "is not the plan that was reviewed" in altered.log


def test_a_plan_of_a_pull_request_is_never_applied(
    runner: Runner, repository: Repository, cluster: SimulatedCluster
) -> None:
    """Whoever gets a plan file of theirs, and its sum, to where the approved one is waited for."""
    repository.write("kept", "added")
    planned = runner.run(PLAN, PULL)["plan"]
    plan = runner.artifacts["plan"] / "plan.json"
    planned.outputs |= {"changes": "true", "sha256": hashlib.sha256(plan.read_bytes()).hexdigest()}
    workflow = yaml.safe_load(APPLY.read_text("utf-8"))["jobs"]
    applied = runner.job(workflow["apply"], PUSH, {}, {"plan": planned})
    assert applied.result == "failure"
    assert "it is not signed" in applied.log
    assert "exit code 6" in applied.summary
    assert set(map(tuple, cluster.groups().values())) == {("kept",)}


def test_recover_is_a_run_of_its_own(runner: Runner, repository: Repository) -> None:
    repository.write("kept", "added")
    runner.run(APPLY, PUSH)  # so that there is a store
    jobs = runner.run(APPLY, PUSH, {"recover": True})
    results = {name: job.result for name, job in jobs.items()}
    assert results == {"plan": "skipped", "apply": "skipped", "recover": "success"}


def test_everything_about_a_merge_request(
    tmp_path: Path, repository: Repository, cluster: SimulatedCluster, planner: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = plain_environment(planner.parent, tmp_path / "bin") | settings(tmp_path)
    environment |= {"PLANNER_STORE": f"sqlite:///{tmp_path}/store.db", "PLAN_KEY": "5e1f" * 16}
    lab = GitLab(repository.folder, environment)

    repository.write("kept", "added")
    with notes_of_a_merge_request() as (address, notes):
        lab.environment |= {
            "CI_API_V4_URL": address,
            "CI_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_IID": "12",
            "CI_COMMIT_SHA": "c0ffee",
            "CI_PIPELINE_URL": "https://forge.example/pipelines/9",
            "REVIEW_TOKEN": "a-token",
        }
        assert lab.run("planner-plan") == 0
        assert lab.run("planner-note") == 0
        assert "1 to create" in notes[-1]["body"]
        assert "Planned at c0ffee" in notes[-1]["body"]
        count = len(notes)

        # The plan of a merge request is not signed, and never applied.
        assert lab.run("planner-apply", merged=True) == 6
        assert set(map(tuple, cluster.groups().values())) == {("kept",)}

        # After the merge; and somebody has changed the cluster before the second apply.
        assert lab.run("planner-plan", merged=True) == 0
        assert lab.run("planner-apply", merged=True) == 0
        assert set(map(tuple, cluster.groups().values())) == {("added", "kept")}
        repository.write("kept", "added", "late")
        assert lab.run("planner-plan", merged=True) == 0
        cluster.change_groups("node02", add=["late"])
        assert lab.run("planner-apply", merged=True) == 6
        assert "late" not in cluster.groups()["node01"]
        assert lab.run("planner-recover", merged=True) == 0

        # A guard fails the job, and the same note says why.
        repository.write("{id: kept, state: absent}", "added", more="limits: {max_deletes: 0}\n")
        assert lab.run("planner-plan") == 7
        assert lab.run("planner-note") == 0
        assert len(notes) == count
        assert "max_deletes" in notes[-1]["body"]

    repository.write("{id: kept, nodse: [node01]}")
    assert lab.run("planner-plan") == 1
    (repository.folder / "plan.json").write_text("{}", encoding="utf-8")
    lab.environment |= {"PLAN_EXIT": "2", "PLAN_SHA256": "0" * 64}
    assert lab.run("planner-apply", merged=True) == 1, "a plan file that is not the one of the pipeline"


def test_a_cancelled_run_reverses_first(tmp_path: Path) -> None:
    """The shell alone gets the signals; planner gets both, and its exit code is the step's."""
    fake = tmp_path / "planner" / "bin" / "planner"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        f"#!{sys.executable} -ESs\n"
        "import os, signal\n"
        "def reverse(*_):\n"
        "    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'left\\n'), os._exit(4)))\n"
        "    os.write(1, b'reversing\\n')\n"
        "signal.signal(signal.SIGTERM, reverse)\n"
        "os.write(1, b'started\\n')\n"
        "while True: signal.pause()\n",
        encoding="utf-8",
    )
    fake.chmod(0o755)
    environment = plain_environment() | {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "COMMAND": "apply",
        "FILE": "groups.yaml",
        "PLAN": "plan.json",
        "SHA256": "",
        "ARGS": "",
    }
    script = ACTION["runs"]["steps"][1]["run"]
    # A job in the background ignores SIGINT and hands that on; a shell that was started so cannot trap it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        step = subprocess.Popen(
            ["bash", "-e", "-c", script],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with step:
        try:
            assert step.stdout is not None
            assert step.stdout.readline() == "started\n"
            step.send_signal(signal.SIGINT)
            assert step.stdout.readline() == "reversing\n"
            step.send_signal(signal.SIGTERM)
            assert step.stdout.readline() == "left\n"
            step.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(step.pid, signal.SIGKILL)
    assert step.returncode == 4
    assert "exit-code=4\n" in (tmp_path / "output").read_text("utf-8")
