"""What the commands print as JSON, and their schemas. `Ended` holds every output to its schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from planner.cli.commands import schema
from planner.cli.main import STREAMS, invoke
from planner.cli.schemas import SCHEMAS, schema_text
from planner.cli.session import Session
from planner.desired import schema_text as groups_schema
from planner.model import Action, Cell, Node, Policy, Step, StepState
from planner.ports import CellMark, Intent, Wave
from planner.simulator import SimulatedCluster
from planner.store import open_store
from tests.cli.conftest import Ended, Shop
from tests.schemas import check_document, check_log

Run: TypeAlias = Callable[..., Ended]


@pytest.fixture
def run(in_process: None, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, which takes no time."""

    def run_here(*arguments: str) -> Ended:
        capsys.readouterr()
        code, _ = invoke(list(arguments))
        return Ended(code, *capsys.readouterr())

    return run_here


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_printed_by_its_name(run: Run, name: str) -> None:
    ended = run("schema", name)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == schema_text(name)


def test_without_a_name_it_is_that_of_the_file(run: Run) -> None:
    assert run("schema").out == groups_schema()
    assert run("schema", "nothing").code == 64


def test_the_schemas_are_listed(run: Run) -> None:
    listed = run("schema", "--list").out.splitlines()
    assert [line.split()[0] for line in listed] == list(SCHEMAS)
    told = run("schema", "--help").out
    assert all(what in told for what in SCHEMAS.values())
    context = schema.command.make_context("schema", [])
    (name,) = (each for each in schema.command.params if each.name == "name")
    assert [each.value for each in name.shell_complete(context, "ev")] == ["events"]


def test_every_command_with_json_prints_what_its_schema_says(run: Run, shop: Shop) -> None:
    shop.file("kept", "a", "{id: old, state: absent}")
    planned = run("plan", "--out", "plan.json", "--format", "json")
    check_document(json.loads((shop.folder / "plan.json").read_text("utf-8")))
    assert planned.json["summary"]["create"] == 1
    events = run("apply", "plan.json", "--format", "json").events
    assert events[1]["plan"]["digest"] == planned.json["digest"]
    again = run("apply", "plan.json", "--format", "json").events[-1]
    assert (again["outcome"], again["transaction"]) == ("already applied", 1)
    assert again["steps"]["applied"] == 6
    formats = {
        "planner.status": ("status",),
        "planner.history": ("history",),
        "planner.transaction": ("show", "1"),
        "planner.plan": ("undo", "1"),
        "planner.recovered": ("recover",),
        "planner.error": ("show", "9"),
    }
    for format, arguments in formats.items():
        assert run(*arguments, "--format", "json").json["format"] == format


def test_retries_are_told_with_their_step(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    cluster.set_faults("node02:POST:error-before=1")
    shop.file("kept", "old", "a")
    ended = run("apply", "--yes", "--format", "json")
    assert ended.code == 3
    told = [event for event in ended.events if event["type"] == "retried"]
    assert {(event["step"], event["action"], event["request"]) for event in told} == {(2, "create", "create")}
    summary = ended.events[-1]
    assert (summary["outcome"], summary["transaction"], summary["failed_step"]) == ("reversed", 1, 2)
    assert summary["steps"]["reversed"] == summary["steps"]["total"] == 3
    shown = run("show", "1", "--format", "json").json
    assert shown["state"] == "reversed"
    assert "steps: 3 reversed" in ended.err


@contextmanager
def locked(shop: Shop) -> Iterator[None]:
    """Somebody else holds the lock."""
    with (
        open_store(f"sqlite:///{shop.folder}/planner.db") as store,
        store.lock("test", "apply", 0),
    ):
        yield


@pytest.mark.parametrize("arguments", [(), ("--format", "json")])
def test_the_exit_code_is_the_same_in_every_format(
    run: Run, shop: Shop, cluster: SimulatedCluster, arguments: tuple[str, ...]
) -> None:
    def last(*more: str) -> tuple[int, Any]:
        ended = run("apply", *more, *arguments)
        return ended.code, ended.events[-1] if arguments else {"outcome": None, "exit_code": ended.code}

    ends = []
    shop.file("kept", "old", "a")
    run("plan", "--out", "plan.json")
    with locked(shop):
        ends.append(last("plan.json"))
    ends.append(last("--yes"))
    ends.append(last("--yes"))
    cluster.change_groups("node01", remove=["a"])
    ends.append(last("plan.json"))
    shop.file("{id: kept, state: absent}", "old", "a", more="limits: {max_deletes: 0}\n")
    ends.append(last("--yes"))
    cluster.kill("node02")
    ends.append(last("--yes"))
    (shop.folder / "groups.yaml").write_text("version: 2")
    ends.append(last("--yes"))
    assert [code for code, _ in ends] == [5, 0, 0, 6, 7, 1, 1]
    assert all(summary["exit_code"] == code for code, summary in ends)
    if arguments:
        told = [summary["outcome"] for _, summary in ends]
        assert told == ["locked", "applied", "no changes", "stale", "refused", "failed", "failed"]
        started = [summary["steps"] and summary["steps"]["never_started"] for _, summary in ends]
        assert started == [3, 0, 0, 3, 4, None, None]


def test_the_log_in_json_is_what_its_schema_says(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "a")
    cluster.set_faults("node02:POST:error-before=1")
    log = ("--log-level", "debug", "--log-format", "json")
    ended = run("apply", "--yes", "--quiet", "--retries", "1", *log)
    assert ended.code == 3
    lines = check_log(ended.err)
    kinds = {line.get("event") for line in lines}
    assert {"phase", "begun", "started", "retried", "failed", "undone"} <= kinds
    steps = {line["step"] for line in lines if line.get("event") == "started"}
    assert steps <= {1, 2, 3}
    assert 2 in steps, "a number, as in every document"


def test_a_reconcile_ends_with_a_summary_too(run: Run, shop: Shop, cluster: SimulatedCluster) -> None:
    def last(*arguments: str) -> tuple[int, str]:
        ended = run("reconcile", *arguments, "--format", "json")
        assert ended.events[-1]["exit_code"] == ended.code
        return ended.code, ended.events[-1]["outcome"]

    shop.file("kept", "old", "a")
    assert last("--mode", "report") == (6, "stale")
    assert last("--apply-changes") == (0, "applied")
    assert last() == (0, "no changes")
    assert last("--mode", "report") == (0, "no changes")
    cluster.change_groups("node01", remove=["a"])
    assert last("--mode", "report") == (2, "changes pending")
    assert last("--nothing") == (64, "wrong usage")


def leave_a_transaction(shop: Shop) -> None:
    """Leave the store as a run does that died at its first write."""
    nodes = tuple(Node(name, url) for name, url in shop.nodes.items())
    steps = (Step(1, Action.CREATE, Cell("a", "node01"), "declared"),)
    with (
        open_store(f"sqlite:///{shop.folder}/planner.db") as store,
        store.lock("test", "apply", 0) as lease,
    ):
        number = lease.begin(Intent("apply", nodes, steps, Policy(settle=0.1)))
        lease.commit(number, Wave((CellMark(1, StepState.STARTED),)))


def test_what_is_unfinished_and_its_recovery(run: Run, shop: Shop) -> None:
    shop.file("kept", "old")
    leave_a_transaction(shop)
    assert run("status", "--format", "json").json["unfinished"]["cells"][0]["back_to"] == "absent"
    dry = run("recover", "--dry-run", "--format", "json")
    assert (dry.json["cells"][0]["step"], dry.err) == (1, "")
    with locked(shop):
        dry = run("recover", "--dry-run", "--format", "json")
    assert (dry.code, dry.json["cells"][0]["step"]) == (0, 1)
    assert dry.err.startswith("Warning: transaction 1 is running now (")
    events = run("reconcile", "--apply-changes", "--format", "json").events
    found = [event["document"] for event in events if event["type"] == "document"]
    assert [each["format"] for each in found] == ["planner.recovering", "planner.recovered"]
    assert found[1]["outcome"] == "reversed"
    assert found[1]["steps"]["reversed"] == 1
    assert events[-1]["outcome"] == "applied"


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--no-such-option", "--format", "json"),
        ("apply", "--format=json", "--no-such-option"),
        ("apply", "--format", "json"),
        ("plan", "--retries", "many", "--format", "json"),
        ("undo", "nine", "--format", "json"),
        ("no-such-command", "--format", "json"),
        ("recover", "--format", "text", "--format", "json", "--accept", "x"),
    ],
)
def test_wrong_usage_is_told_as_json_where_that_was_asked_for(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.out.startswith("{")
    assert "Error: " in ended.err
    if arguments[0] == "apply":
        assert ended.events[-1]["outcome"] == "wrong usage"
        assert ended.events[-1]["exit_code"] == ended.code == 64
    else:
        assert ended.json["error"]["exit_code"] == ended.code
        assert ended.code == 64


def test_wrong_usage_is_told_in_text_otherwise(run: Run) -> None:
    ended = run("plan", "--no-such-option", "--format", "text")
    assert (ended.code, ended.out) == (64, "")
    assert ended.err.startswith("Usage: planner plan")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_interrupt_before_any_signal_is_heeded(
    run: Run, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def interrupted(_session: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "desired", interrupted)
    ended = run("apply", "--yes", "--format", form)
    assert ended.code == 130
    assert "Interrupted; nothing was changed." in ended.err
    assert form == "text" or ended.events[-1]["outcome"] == "interrupted"


def test_the_commands_that_stream_events_are_known_to_the_group() -> None:
    """An error of their command line has to be a stream, too."""
    modules = Path(schema.__file__).parent.glob("*.py")
    assert {path.stem for path in modules if "events=True" in path.read_text("utf-8")} == STREAMS
