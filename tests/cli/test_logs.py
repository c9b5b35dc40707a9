"""The log in JSON: nothing else on stderr, the story of a run in a few lines, and no secret in any."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from planner import __version__
from planner.cli import logs
from planner.cli.main import invoke
from planner.events import Event
from planner.simulator import SimulatedCluster
from planner.store import open_store
from tests.cli.conftest import Ended, Shop
from tests.schemas import check_log

Run: TypeAlias = Callable[..., tuple[Ended, list[Any]]]
SECRETS = ("geheim-store", "geheim-notify", "geheim-header", "geheim-token")
FILE = "  api: {headers: {X-Tenant: geheim-header}}\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A process has one log."""
    hook, show = sys.excepthook, warnings.showwarning
    yield
    logs.configure("info", "text")
    logging.captureWarnings(False)
    sys.excepthook, warnings.showwarning = hook, show


@pytest.fixture
def run(in_process: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; every line on stderr is one of the log."""
    monkeypatch.setenv("PLANNER_LOG_FORMAT", "json")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")  # its annotations would be lines for people

    def run_here(*arguments: str) -> tuple[Ended, list[Any]]:
        capsys.readouterr()
        code, _ = invoke(list(arguments))
        ended = Ended(code, *capsys.readouterr())
        return ended, check_log(ended.err)

    return run_here


def events_of(lines: list[Any], *without: str) -> list[str]:
    return [line.get("event", "") for line in lines if line.get("event") not in without]


def test_the_story_of_a_run(run: Run, shop: Shop) -> None:
    shop.file("kept", "old", "a")
    run("apply", "--yes")
    shop.file("kept", "old", "a", "b")
    ended, lines = run("reconcile", "--apply-changes")
    assert ended.code == 0
    assert events_of(lines, "phase") == ["run-started", "planned", "begun", "applied", "run-ended"]
    phases = [line["message"] for line in lines if line.get("event") == "phase"]
    assert phases == ["Reading: 12 cells", "Reading: 3 cells", "Creating: 3 cells", "Verifying: 3 cells"]
    assert all({"time", "level", "message", "transaction", "node"} <= line.keys() for line in lines)
    assert {line["level"] for line in lines} == {"info"}
    by_kind = {line["event"]: line for line in lines}
    first, last = by_kind["run-started"], by_kind["run-ended"]
    assert (first["command"], first["version"], first["transaction"]) == ("reconcile", __version__, None)
    assert by_kind["planned"]["message"] == "Plan: 1 to create, on 3 nodes (3 requests)."
    assert (by_kind["planned"]["steps"], by_kind["planned"]["cluster"]) == (3, "test")
    assert by_kind["begun"]["message"] == "transaction 2 began: 3 steps"
    assert by_kind["begun"]["transaction"] == 2
    assert by_kind["applied"]["message"].startswith("Apply complete: 1 group created")
    assert (last["exit_code"], last["transaction"], last["command"]) == (0, 2, "reconcile")
    assert 0 < last["seconds"] < 100


def test_a_run_that_is_reversed(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "a")
    cluster.set_faults("node02:POST:error-before=1")
    ended, lines = run("apply", "--yes", "--retries", "1", "--format", "json")
    assert ended.code == 3
    assert ended.events[-1]["outcome"] == "reversed"
    failed = next(line for line in lines if line.get("event") == "failed")
    assert (failed["node"], failed["group"], failed["step"], failed["action"]) == ("node02", "a", 2, "create")
    assert (failed["level"], failed["transaction"]) == ("warning", 1)
    assert "Reversing: 3 cells" in [line["message"] for line in lines]
    assert not {"retried", "started", "done", "undone"} & set(events_of(lines))
    error, end = lines[-2:]
    assert (error["event"], error["level"]) == ("error", "error")
    assert (error["code"], error["exit_code"]) == ("reversed", 3)
    assert "Reversed: every node is as it was" in error["message"]
    assert error["next"] == "see what each step met: planner show 1"
    assert (error["transaction"], end["transaction"], end["exit_code"]) == (1, 1, 3)


def test_retries_are_for_debug(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "a")
    cluster.set_faults("node02:POST:error-before=1")
    _, lines = run("apply", "--yes", "--retries", "1", "--log-level", "debug", "--quiet")
    retried = [line for line in lines if line.get("event") == "retried"]
    assert {(line["node"], line["group"], line["level"]) for line in retried} == {("node02", "a", "debug")}
    assert {"started", "done", "undone"} <= set(events_of(lines))


def test_a_quiet_run_logs_what_went_wrong_only(run: Run, shop: Shop) -> None:
    shop.file("kept", "old", "a")
    (line,) = run("apply", "--yes", "--quiet")[1]  # what is wrong, and not that it is done
    assert "the store knows nothing of cluster 'test' yet" in line["message"]
    assert run("apply", "--yes", "--quiet")[1] == []
    (shop.folder / "groups.yaml").write_text("version: 2", "utf-8")
    (line,) = run("apply", "--yes", "--quiet")[1]
    assert (line["code"], line["exit_code"]) == ("file-invalid", 1)
    assert line["details"]


def test_what_is_recovered_and_set_aside(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    leave_half_way(run, shop, cluster)
    ended, lines = run("recover", "--skip", "node02", "--settle", "1ms")
    assert ended.code == 0, ended.err
    recovering = next(line for line in lines if line.get("event") == "recovering")
    assert (recovering["message"], recovering["transaction"]) == ("recovering transaction 1 (apply)", 1)
    aside = next(line for line in lines if line.get("event") == "set-aside")
    assert (aside["node"], aside["group"], aside["level"]) == ("node02", "a", "warning")
    assert next(line for line in lines if line.get("event") == "recovered")["transaction"] == 1
    assert lines[-1]["exit_code"] == 0


def leave_half_way(run: Run, shop: Shop, cluster: SimulatedCluster) -> Ended:
    """A reverse that cannot be carried out: exit 4."""
    shop.file("kept", "old", "a", "b")
    cluster.set_faults("node01:POST:error-before=1,node02:DELETE:error-before=1")
    # One node after the other, so that node02 has the group when node01 fails.
    quick = ("--retries", "0", "--reverse-timeout", "50ms", "--settle", "1ms")
    ended, lines = run("apply", "--yes", "--canary", "node02", *quick)
    assert ended.code == 4, ended.err
    undone = [line for line in lines if line.get("event") == "undo-failed"]
    assert {(line["node"], line["level"]) for line in undone} == {("node02", "error")}
    assert lines[-1]["exit_code"] == 4
    cluster.set_faults("")
    return ended


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("no-such-command",), 64),
        (("apply", "--no-such-option"), 64),
        (("apply", "--retries", "many"), 64),
        (("apply",), 64),  # no question is asked among lines of JSON
        (("validate", "--file", "missing.yaml"), 1),
        (("status",), 1),
        (("schema", "nothing"), 64),
        (("apply", "missing.json"), 1),
    ],
)
def test_an_error_is_a_line_too(run: Run, arguments: tuple[str, ...], code: int) -> None:
    for form in ((), ("--format", "json")):
        if form and arguments[0] in ("no-such-command", "schema"):
            continue
        ended, lines = run(*arguments, *form)
        assert ended.code == code
        (error,) = [line for line in lines if line.get("event") == "error"]
        assert (error["level"], error["exit_code"]) == ("error", code)


@pytest.mark.parametrize("where", ["flag", "flag=", ".env"])
def test_the_format_counts_before_the_settings_are_read(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.delenv("PLANNER_LOG_FORMAT")
    flags = {"flag": ("--log-format", "json"), "flag=": ("--log-format=json",), ".env": ()}[where]
    if where == ".env":
        (shop.folder / ".env").write_text("PLANNER_LOG_FORMAT=json\n", "utf-8")
    _, (error,) = run("plan", *flags, "--retries", "many")
    assert error["code"] == "usage"


def test_an_interrupt_is_a_line_too(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    shop.file("kept")
    monkeypatch.setattr("planner.cli.session.Session.world", interrupt)
    ended, lines = run("plan")
    assert ended.code == 130
    assert [line["event"] for line in lines] == ["run-started", "error", "run-ended"]


def test_a_result_that_is_lost_is_a_line_too(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.file("kept", "old", "a")
    run("plan", "--out", "plan.json")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _ = invoke(["apply", "plan.json"])
        monkeypatch.undo()
    lines = check_log(capsys.readouterr().err)
    assert code == 0
    assert "the result could not be written: No space left on device." in [line["message"] for line in lines]


def test_what_other_libraries_say_is_a_line_too(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("status")
    logging.getLogger("urllib3").error("theirs\nwith two lines")
    logging.getLogger("other").info("not told")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    theirs, python, bug = check_log(capsys.readouterr().err)
    assert (theirs["message"], theirs["level"]) == ("theirs\nwith two lines", "error")
    assert "DeprecationWarning: old" in python["message"]
    assert (bug["message"], bug["code"]) == ("A bug in planner: ZeroDivisionError: a bug", "bug")
    assert "test_logs.py" in bug["details"][-1]


def test_many_cells_do_not_flood(capsys: pytest.CaptureFixture[str]) -> None:
    class Nobody:
        def emit(self, event: Event) -> None:
            pass

    logs.configure("info", "json")
    reporter = logs.LogReporter(Nobody())
    reporter.emit(Event("phase", "reverse", total=100))
    for number in range(100):
        reporter.emit(Event("undo-failed", "why", None, "n", f"g{number}"))
    reporter.emit(Event("phase", "verify", total=1))
    reporter.emit(Event("undo-failed", "w" * 9999, None, "n", "g"))
    lines = check_log(capsys.readouterr().err)
    assert len([line for line in lines if line.get("event") == "undo-failed"]) == logs.LINES_PER_KIND + 1
    assert max(len(json.dumps(line)) for line in lines) < 5000


def test_nothing_secret_is_logged(
    run: Run, shop: Shop, cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At debug, and with every ending that a run has."""
    monkeypatch.setenv("PLANNER_LOG_LEVEL", "debug")
    monkeypatch.setenv("PLANNER_NOTIFY", "http://127.0.0.1:1/geheim-notify")
    monkeypatch.setenv("NODE_TOKEN", "geheim-token")
    monkeypatch.setenv("PLANNER_STORE_TO", "postgresql+psycopg://me:geheim-store@127.0.0.1:1/none")
    said = []

    def ends(code: int, *arguments: str) -> None:
        ended, _ = run(*arguments)
        said.append(ended.err)
        assert ended.code == code, ended.err

    def file(*groups: str, more: str = "") -> None:
        text = f"version: 1\ncluster:\n  name: test\n{FILE}{more}groups: [{', '.join(groups)}]\n"
        (shop.folder / "groups.yaml").write_text(text, "utf-8")

    file("kept", "old", "a")
    ends(0, "apply", "--yes")
    file("kept", "old", "a", "b")
    ends(2, "plan", "--detailed-exitcode", "--out", "plan.json")
    ends(6, "reconcile")
    with open_store(f"sqlite:///{shop.folder}/planner.db") as store, store.lock("test", "apply", 0):
        ends(5, "apply", "plan.json")
    cluster.set_faults("node02:POST:error-before=1")
    ends(3, "apply", "plan.json", "--retries", "1")
    cluster.set_faults("")
    file("{id: kept, state: absent}", more="limits: {max_deletes: 0}\n")
    ends(7, "plan", "--detailed-exitcode")
    ends(1, "store", "copy")
    ends(64, "plan", "--retries", "many")
    cluster.kill("node02")
    ends(1, "plan", "--retries", "0")
    cluster.revive("node02")
    leave_half_way(run, shop, cluster)
    ends(4, "apply", "--yes")
    for url in (
        "postgresql+psycopg://me:geheim-store@127.0.0.1:1/none",
        "postgresql+psycopg://127.0.0.1:1/none?user=me&password=geheim-store",
    ):
        monkeypatch.setenv("PLANNER_STORE", url)
        ends(1, "apply", "--yes")
    monkeypatch.setenv("PLANNER_STORE", "postgresql://me:geheim-store@db/none")
    ends(64, "apply", "--yes")
    monkeypatch.setenv("PLANNER_NODES", "node01=http://me:geheim-token@127.0.0.1:1")
    monkeypatch.delenv("PLANNER_STORE")
    ends(64, "plan")
    whole = "".join(said)
    assert len(said) > 12
    for secret in SECRETS:
        assert secret not in whole
