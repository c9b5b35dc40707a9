"""The recipes for CI: valid, without known mistakes, pinned, and with no more rights than they need."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.github import ACTION, ROOT, plain_environment

TOOLS = Path(sys.executable).parent
GITHUB = ROOT / "examples" / "ci" / "github"
GITLAB = ROOT / "examples" / "ci" / "gitlab" / ".gitlab-ci.yml"
PLAN, APPLY = GITHUB / "planner-plan.yml", GITHUB / "planner-apply.yml"
RECIPES = [*sorted(GITHUB.iterdir()), ROOT / "action.yml"]


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


# What can be seen without running them.


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", sorted(GITHUB.iterdir())),
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.gitlab-ci", [GITLAB]),
    ],
)
def test_recipe_is_valid(schema: str, files: list[Path]) -> None:
    words: list[str | Path] = [TOOLS / "check-jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_known_mistake() -> None:
    words: list[str | Path] = [TOOLS / "zizmor", "--offline", "--no-config", "--persona=auditor", *RECIPES]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    ignored = {name for path in RECIPES for name in re.findall(r"zizmor: ignore\[(.*?)\]", path.read_text())}
    assert ignored == {"self-hosted-runner"}


def test_actions_are_pinned_and_their_versions_said() -> None:
    pins: dict[str, set[str]] = {}
    for path in RECIPES:
        for name, pin in re.findall(r"uses: (.+?)@(.*)", path.read_text("utf-8")):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), (path.name, name)
            pins.setdefault(name, set()).add(pin)
    assert len(pins) == 4
    assert all(len(versions) == 1 for versions in pins.values())


def test_no_job_may_more_than_it_needs() -> None:
    for path in (PLAN, APPLY):
        workflow = yaml_of(path)
        assert workflow["permissions"] == {}
        assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as true
        for name, job in workflow["jobs"].items():
            expected = {"pull-requests": "write"} if name == "comment" else {"contents": "read"}
            assert job["permissions"] == expected
            # Nothing of the branch runs beside a token that may write.
            assert (name == "comment") == (job["runs-on"] == "ubuntu-latest")


def test_two_applies_never_run_side_by_side_and_each_is_approved() -> None:
    workflow = yaml_of(APPLY)
    assert workflow["concurrency"] == {"group": "planner-production", "cancel-in-progress": False}
    assert {name: job["environment"] for name, job in workflow["jobs"].items()} == {
        "plan": "planner-sign",
        "apply": "production",
        "recover": "production",
    }
    jobs = yaml_of(GITLAB)
    for name in ("planner-apply", "planner-recover"):
        assert jobs[name]["resource_group"] == "production"
        assert jobs[name]["environment"] == {"name": "production"}
        assert {rule["when"] for rule in jobs[name]["rules"]} == {"manual"}


def test_no_pull_request_comes_near_the_key() -> None:
    assert "PLAN_KEY" not in PLAN.read_text("utf-8")
    assert {job.get("environment") for job in yaml_of(PLAN)["jobs"].values()} == {"planner-plan", None}
    keys = {
        name: [step["env"].get("PLAN_KEY") for step in job["steps"] if "PLANNER_STORE" in step.get("env", {})]
        for name, job in yaml_of(APPLY)["jobs"].items()
    }
    secret = "${{ secrets.PLANNER_PLAN_KEY }}"
    assert keys == {"plan": [secret], "apply": [secret], "recover": [None]}
    for name, job in yaml_of(GITLAB).items():
        for rule in job.get("rules", ()) if isinstance(job, dict) and name != "workflow" else ():
            on_main = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"]
            signs = "PLANNER_PLAN_KEY" in {**job.get("variables", {}), **rule.get("variables", {})}
            assert signs == (on_main and name != "planner-recover"), (name, rule)


def scripts() -> Iterator[tuple[str, str]]:
    for path in (PLAN, APPLY):
        for name, job in yaml_of(path)["jobs"].items():
            yield from ((f"{path.name}:{name}", step["run"]) for step in job["steps"] if "run" in step)
    yield from (("action.yml", step["run"]) for step in ACTION["runs"]["steps"])
    for name, job in yaml_of(GITLAB).items():
        yield from ((f"gitlab:{name}", line) for line in (job.get("script", ()) if "script" in job else ()))


def test_scripts_are_bash_and_hold_no_expression() -> None:
    """What an expression yields would be run as code; it comes through the environment instead."""
    found = list(scripts())
    assert len(found) >= 7
    for where, script in found:
        assert "${{" not in script, where
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), where


def test_hook_of_pre_commit() -> None:
    (hook,) = yaml_of(ROOT / ".pre-commit-hooks.yaml")
    assert (hook["id"], hook["language"]) == ("planner-validate", "python")
    names = ["groups.yaml", "clusters/a/groups.yml", "my-groups.yaml", "groups.yaml.md"]
    assert [bool(re.search(hook["files"], name)) for name in names] == [True, True, False, False]


# What is installed.


def test_requirements_are_the_whole_lock_with_hashes(tmp_path: Path) -> None:
    """pip is asked, with no index at hand: it agrees only where every package is named, pinned and here."""
    script = ROOT / ".ci" / "requirements.py"
    words: list[str | Path] = [sys.executable, script, "postgresql", "simulator"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert all(re.match(r"[\w.-]+==\S+ (; .+ )?--hash=sha256:", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"requests", "psycopg", "uvicorn", "poetry-core"} <= names
    assert not names & {"pytest", "mkdocs-material"}
    (tmp_path / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--require-hashes"]
    done = subprocess.run([*pip, "-r", tmp_path / "all.txt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout
    bare = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert not re.search("^(psycopg|uvicorn)", bare, re.MULTILINE)


def test_action_installs_what_is_hashed(tmp_path: Path) -> None:
    """With a Python that writes down what it is asked for."""
    fake = tmp_path / "python"
    fake.write_text(
        "#!/bin/bash\n"
        f'echo "$*" >> {tmp_path}/calls\n'
        f'if [[ "$1 $2" == "-m venv" ]]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
        f'if [[ "$1" == *.py ]]; then exec {sys.executable} "$@"; fi\n',
        encoding="utf-8",
    )
    fake.chmod(0o755)
    install = ACTION["runs"]["steps"][0]["run"]
    environment = plain_environment() | {
        "PYTHON": str(fake),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ACTION_PATH": str(ROOT),
    }
    subprocess.run(["bash", "-c", install], env=environment, check=True)
    calls = (tmp_path / "calls").read_text("utf-8").splitlines()
    pip = "-m pip --disable-pip-version-check --no-input --quiet install"
    assert [call for call in calls if " install " in call] == [
        f"{pip} --require-hashes --requirement {tmp_path}/planner/requirements.txt",
        f"{pip} --no-deps --no-build-isolation {ROOT}",
    ]
    assert "psycopg==" in (tmp_path / "planner" / "requirements.txt").read_text("utf-8")
