"""JSON: every output is valid, in one shape, and stdout holds nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from planner import codec
from planner.counts import Ending, StepCounts
from planner.errors import (
    ChangesPending,
    FileInvalid,
    Incomplete,
    Interrupted,
    Locked,
    LockLost,
    PlannerError,
    Refused,
    Reversed,
    StalePlan,
    WrongUsage,
)
from planner.events import EVENT_KINDS, Event
from planner.guards import refused
from planner.model import Cell, Presence, Refusal, StepState
from planner.ports import Holder, Unfinished, Watched
from planner.results import Applied, Aside, Recovered, Status
from planner.views.events import TYPES
from tests.views.samples import ALL, EXAMPLE, MIXED, WILD, Screen, plan, record

TOLD: dict[str, dict[str, Any]] = {"begun": {"transaction": 7}, "retried": {"request": "read", "pause": 0}}
NOON = "2026-01-01T12:00:00Z"


def document(screen: Screen) -> Any:
    assert screen.stdout.isascii()
    return json.loads(screen.stdout)


def lines(screen: Screen) -> list[Any]:
    assert screen.stdout.isascii()
    return [json.loads(line) for line in screen.stdout.splitlines()]


def test_a_plan_is_its_file_with_a_summary() -> None:
    screen = Screen("json")
    screen.plan(MIXED)
    shown = document(screen)
    assert shown.pop("summary") == {
        "create": 1,
        "repair": 2,
        "delete": 1,
        "adopt": 2,
        "nodes": 3,
        "requests": 8,
        "protect": 0,
        "unprotect": 0,
        "scope": None,
    }
    assert shown.pop("in_doubt") == []
    assert shown.pop("unmanaged") == []
    assert shown == json.loads(codec.dump_plan(MIXED))
    assert codec.load_plan(screen.stdout) == MIXED, "what was printed can be applied"


def test_what_is_unmanaged_stands_beside_the_plan_whole() -> None:
    cells = tuple(Cell(f"g{n:02}", name) for n in range(20) for name in ALL[:2])
    screen = Screen("json")
    screen.plan(replace(MIXED, unmanaged=cells))
    shown = document(screen)["unmanaged"]
    assert (len(shown), shown[19]) == (20, {"group": "g19", "nodes": ["node01", "node02"]})
    assert codec.load_plan(screen.stdout) == MIXED


def test_a_refused_plan_tells_every_guard_and_every_group() -> None:
    many = tuple(f"g{n}" for n in range(30))
    refusal = Refusal("max_deletes", "why", "cure", many, 30, 40, 20)
    expected = {
        "guard": "max_deletes",
        "why": "why",
        "cure": "cure",
        "groups": list(many),
        "count": 30,
        "of": 40,
        "limit": 20,
    }
    screen = Screen("json")
    screen.plan(plan(refusals=(refusal,)))
    assert document(screen)["plan"]["refusals"] == [expected]
    screen = Screen("json")
    screen.view.error(refused([refusal]))
    assert document(screen)["error"]["refusals"] == [expected]
    assert screen.stderr.splitlines()[3].endswith("max_deletes: " + ", ".join(many[:10]) + " and 20 more")


def test_wild_ids_survive() -> None:
    wild = plan(("create", WILD, ("node01",), WILD))
    screen = Screen("json")
    screen.plan(wild)
    assert document(screen)["plan"]["steps"][0]["group"] == WILD


def test_an_error_is_a_document_and_a_sentence() -> None:
    screen = Screen("json")
    screen.view.error(Refused("No", where="here", why="because", next="ask", details=["a"]))
    assert document(screen) == {
        "format": "planner.error",
        "version": 1,
        "error": {
            "code": "refused",
            "exit_code": 7,
            "what": "No",
            "where": "here",
            "why": "because",
            "next": "ask",
            "details": ["a"],
            "transaction": None,
            "failed_step": None,
            "steps": None,
        },
    }
    assert screen.stderr == "Error: No.\n  where: here\n  why: because\n  - a\n  next: ask\n"


def test_one_document_even_when_an_error_follows() -> None:
    screen = Screen("json")
    screen.plan(EXAMPLE)
    screen.view.error(ChangesPending("Changes are pending"))
    assert document(screen)["summary"]["requests"] == 12
    assert screen.stderr == "Changes are pending.\n"


def test_results_are_documents() -> None:
    shown: list[tuple[str, Any]] = []
    for method, argument in (
        ("applied", Applied(EXAMPLE, 7, (Cell("foo.bar", "node01"),))),
        ("applied", Applied(EXAMPLE, already=7)),
        ("applied", Applied(plan())),
        ("recovered", Recovered(7, (Cell("a", "node01"),))),
        ("recovered", Recovered()),
    ):
        screen = Screen("json")
        getattr(screen.view, method)(argument)
        found = document(screen)
        assert found["format"] == f"planner.{method}"
        assert found["version"] == 1
        shown.append((found["outcome"], found["transaction"]))
    assert shown == [
        ("applied", 7),
        ("already applied", 7),
        ("no changes", None),
        ("reversed", 7),
        ("nothing to recover", None),
    ]


def test_status_is_a_document() -> None:
    screen = Screen("json")
    left = record(StepState.DONE)
    screen.view.status(
        Status(
            "c",
            "s",
            3,
            Holder("me", "apply", NOON),
            left,
            set_aside=(Aside(1, Cell("a", "n"), "http://n", Presence.ABSENT, NOON),),
            watched=(
                Watched("g", "u", 1, Presence.ABSENT, "2026-01-01T00:00:00Z"),
                Watched("g", "v", 1, Presence.ABSENT, NOON),
            ),
            watch=3600.0,
            names={"u": "node09"},
            elsewhere=(Unfinished("old", 3, frozenset({"http://n"})),),
            last=left,
            next="do this",
        )
    )
    found = document(screen)
    assert found["needs_recover"] is True
    assert found["unfinished"]["cells"][0]["back_to"] == "present"
    assert found["next"] == "do this"
    assert found["elsewhere"] == [{"cluster": "old", "transaction": 3, "urls": ["http://n"]}]
    assert found["set_aside"] == [
        {
            "transaction": 1,
            "group": "a",
            "node": "n",
            "url": "http://n",
            "should_be": "absent",
            "since": NOON,
        }
    ]
    assert found["watched"][0] == {
        "group": "g",
        "url": "u",
        "node": "node09",
        "transaction": 1,
        "outcome": "absent",
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-01T01:00:00Z",
    }
    assert found["watched"][1]["node"] is None
    assert found["last_applied"] is None


def test_recover_prints_one_document() -> None:
    screen = Screen("json")
    screen.view.recovering(record(StepState.DONE), dry_run=False)
    assert screen.stdout == ""
    screen.view.recovered(Recovered(7))
    assert document(screen)["outcome"] == "reversed"


def test_a_dry_run_is_a_document() -> None:
    screen = Screen("json")
    screen.view.recovering(record(StepState.DONE, StepState.UNKNOWN), dry_run=True, aside={1})
    cells = document(screen)["cells"]
    assert [(cell["state"], cell["set_aside"]) for cell in cells] == [("unknown", False), ("done", True)]


def test_what_was_given_up_is_a_document() -> None:
    screen = Screen("json")
    aside = Aside(5, Cell("a", "n"), "http://n", Presence.PRESENT, NOON)
    screen.view.recovered(Recovered(given_up=(aside,)))
    found = document(screen)
    assert (found["outcome"], found["transaction"]) == ("given up", None)
    assert found["given_up"][0]["should_be"] == "present"


def test_cells_in_doubt_are_told_with_a_plan() -> None:
    screen = Screen("json")
    screen.plan(MIXED, doubts={Cell("fresh", "node01"): "in the middle of TX 2"})
    assert document(screen)["in_doubt"] == [
        {"group": "fresh", "node": "node01", "why": "in the middle of TX 2"}
    ]
    assert codec.load_plan(screen.stdout) == MIXED


def test_progress_of_a_document_is_text_on_stderr() -> None:
    screen = Screen("json", tty=True)
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=1))
        reporter.emit(Event("progress"))
    assert screen.stdout == ""
    assert screen.stderr == "Reading: 1 cell\nReading: done (0 s)\n"


def test_events_from_version_to_summary() -> None:
    screen = Screen("json", events=True)
    screen.plan(replace(EXAMPLE, warnings=("mind this",)))
    with screen.view.reporter() as reporter:
        reporter.emit(Event("begun", total=12, data={"transaction": 7}))
        reporter.emit(Event("phase", "create", total=9))
        reporter.emit(Event("done", "", EXAMPLE.steps[1], "node02", "foo.bar"))
        reporter.emit(
            Event("retried", "500", None, "node03", "foo.bar", data={"request": "read", "pause": 0.2})
        )
        reporter.emit(Event("undone", "", EXAMPLE.steps[1], "node02", "foo.bar"))
    screen.view.applied(Applied(EXAMPLE, 7, (Cell("foo.bar", "node01"),)))
    found = lines(screen)
    kinds = ["version", "planned", "diagnostic", "begun", "phase", "done", "retried", "reversed", "summary"]
    assert [line["type"] for line in found] == kinds
    assert {line["time"] for line in found} == {"2026-01-01T00:00:00Z"}
    assert [line["transaction"] for line in found] == [None] * 3 + [7] * 6
    assert (found[0]["format"], found[0]["version"]) == ("planner.events", 1)
    assert codec.load_plan(json.dumps(found[1]["plan"])).steps == EXAMPLE.steps
    assert (found[2]["severity"], found[2]["what"]) == ("warning", "mind this")
    assert found[5] == {
        "type": "done",
        "time": "2026-01-01T00:00:00Z",
        "transaction": 7,
        "step": 2,
        "action": "create",
        "node": "node02",
        "group": "foo.bar",
        "note": "",
        "phase": "create",
        "done": 1,
        "total": 9,
    }
    assert found[6]["step"] == 3, "the step of the cell, though a request was retried"
    assert (found[6]["request"], found[6]["pause"]) == ("read", 0.2)
    assert found[8]["outcome"] == "applied"
    assert found[8]["exit_code"] == 0
    assert found[8]["counts"]["requests"] == 11
    assert counted(found[8]["steps"]) == {"total": 12, "applied": 11, "not_ours": 1}
    assert screen.stderr == ""


def counted(steps: dict[str, int]) -> dict[str, int]:
    return {key: value for key, value in steps.items() if value}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PlannerError, "failed"),
        (FileInvalid, "failed"),
        (Reversed, "reversed"),
        (Incomplete, "incomplete"),
        (LockLost, "lock lost"),
        (Locked, "locked"),
        (StalePlan, "stale"),
        (Refused, "refused"),
        (WrongUsage, "wrong usage"),
        (Interrupted, "interrupted"),
    ],
)
def test_events_of_a_failure_end_with_a_summary(error: type[PlannerError], outcome: str) -> None:
    screen = Screen("json", events=True)
    screen.view.error(error("No"))
    found = lines(screen)
    assert [line["type"] for line in found] == ["version", "diagnostic", "summary"]
    assert (found[1]["severity"], found[1]["what"]) == ("error", "No")
    assert (found[1]["code"], found[1]["exit_code"]) == (error.code, error.exit_code)
    assert (found[2]["outcome"], found[2]["exit_code"]) == (outcome, error.exit_code)
    assert found[2]["steps"] is None, "there was no plan"
    assert screen.stderr.endswith("No.\n")


def test_a_summary_tells_what_became_of_the_steps() -> None:
    screen = Screen("json", events=True)
    screen.view.loaded(EXAMPLE)
    screen.view.error(Refused("No"))
    summary = lines(screen)[-1]
    assert counted(summary["steps"]) == {"total": 12, "never_started": 12}
    assert summary["transaction"] is None
    screen.view.error(Incomplete("No", ending=Ending(7, StepCounts(reversed=3, failed=9), 4)))
    summary = lines(screen)[-1]
    assert counted(summary["steps"]) == {"total": 12, "reversed": 3, "failed": 9}
    assert (summary["transaction"], summary["failed_step"]) == (7, 4)
    screen.view.error(PlannerError("something else"))
    assert lines(screen)[-1]["steps"] is None, "it cannot be told any more"


def test_every_event_is_one_valid_line() -> None:
    screen = Screen("json", events=True)
    with screen.view.reporter() as reporter:
        for kind in EVENT_KINDS:
            text = "create" if kind == "phase" else WILD
            reporter.emit(Event(kind, text, EXAMPLE.steps[0], WILD, WILD, data=TOLD.get(kind, {})))
    screen.view.warning(WILD)
    screen.view.recovering(record(StepState.DONE), dry_run=False)
    screen.view.recovered(Recovered(7, steps=StepCounts(reversed=1)))
    screen.view.status(Status("c", "s"))
    found = lines(screen)
    assert [line["type"] for line in found[1:-4]] == [TYPES.get(kind, kind) for kind in EVENT_KINDS]
    assert [line["type"] for line in found[-4:]] == ["diagnostic", "document", "document", "document"]
    assert all(line["node"] in (WILD, None) for line in found)


@pytest.mark.parametrize("events", [True, False])
def test_warnings_are_said_on_stderr_too(events: bool) -> None:
    screen = Screen("json", events=events, quiet=True)
    screen.view.warning("mind this")
    screen.view.info("by the way")
    assert screen.stderr == "Warning: mind this.\n"
