"""The events of whole runs, from the engine: however one ends, a summary tells it, and its counts add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import pytest

from planner.errors import PlannerError
from planner.events import Event
from planner.model import Limits
from planner.ports import Reporter
from planner.transaction import World as Ports
from planner.verdict import Method
from tests.builders import ABSENT, NAMES, READ, Bench, desired, group
from tests.schemas import check_output
from tests.unit.test_schemas import EVENTS, OWN_TYPES, enum_of
from tests.views.samples import Screen

POST, DEL = Method.CREATE, Method.DELETE
Prepare: TypeAlias = Callable[[Bench], None]


@cache
def events_of(prepare: Prepare) -> list[Any]:
    """The events of one apply of a plan file."""
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1, reverse_timeout=1.0)
    plan = bench.plan()
    prepare(bench)
    screen = Screen("json", events=True)
    screen.view.loaded(plan)
    try:
        with screen.view.reporter() as reporter:
            both = _Both(bench.world, reporter)
            result = bench.apply(plan, ports=Ports(bench.world, bench.world, bench.world, both))
        screen.view.applied(result)
    except PlannerError as error:
        screen.view.error(error)
    return check_output(screen.out.getvalue())


class _Both:
    """Tells several reporters."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def emit(self, event: Event) -> None:
        for each in self._reporters:
            each.emit(event)


def nothing(bench: Bench) -> None:
    """Everything goes well."""


def not_ours(bench: Bench) -> None:
    bench.on(POST, "a", "node01", lambda: bench.world.nodes["node01"].add("a"))


def refuses(bench: Bench) -> None:
    bench.on(POST, "a", "node03", 403)


def fails(bench: Bench) -> None:
    bench.always(DEL, "old", "node01", "error_before")


def interrupted(bench: Bench) -> None:
    bench.on(POST, "a", "node02", bench.interrupt)


def interrupted_before(bench: Bench) -> None:
    bench.store.on_commit = lambda moment: bench.interrupt() if moment == "after begin" else None


def interrupted_while_reading(bench: Bench) -> None:
    bench.on(READ, "a", "node02", bench.interrupt)


def interrupted_twice(bench: Bench) -> None:
    bench.on(POST, "a", "node02", bench.interrupt_twice)


def robbed(bench: Bench) -> None:
    bench.on(POST, "a", "node02", bench.steal_lock)


def incomplete(bench: Bench) -> None:
    def die() -> int:
        bench.kill("node01")
        return 403

    bench.on(POST, "a", "node03", die)


def store_broken(bench: Bench) -> None:
    def fail() -> int:
        bench.break_store("before commit")
        return 403

    bench.on(DEL, "old", "node01", fail)


def store_closed(bench: Bench) -> None:
    bench.break_store("before begin")


def stale(bench: Bench) -> None:
    bench.world.nodes["node01"].add("a")


def guarded(bench: Bench) -> None:
    bench.file = desired("a", group("old", state=ABSENT), limits=Limits(max_deletes=0))


CASES: list[tuple[Prepare, str, int, dict[str, int]]] = [
    (nothing, "applied", 0, {"applied": 6}),
    (not_ours, "applied", 0, {"applied": 5, "not_ours": 1}),
    (refuses, "reversed", 3, {"reversed": 2, "not_applied": 1, "never_started": 3}),
    (fails, "reversed", 3, {"reversed": 6}),
    (interrupted, "reversed", 3, {"reversed": 2, "never_started": 4}),
    (interrupted_before, "interrupted", 130, {"never_started": 6}),
    (interrupted_while_reading, "interrupted", 130, {"never_started": 6}),
    (interrupted_twice, "incomplete", 4, {"applied": 2, "never_started": 4}),
    (robbed, "incomplete", 4, {"applied": 2, "never_started": 4}),
    (incomplete, "incomplete", 4, {"reversed": 1, "failed": 1, "not_applied": 1, "never_started": 3}),
    (store_broken, "incomplete", 4, {"reversed": 5, "not_applied": 1}),
    (store_closed, "failed", 1, {"never_started": 6}),
    (stale, "stale", 6, {"never_started": 6}),
    (guarded, "refused", 7, {"never_started": 6}),
]


@pytest.mark.parametrize(
    ("prepare", "outcome", "code", "counts"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_the_last_line_tells_how_it_ended(
    prepare: Prepare, outcome: str, code: int, counts: dict[str, int]
) -> None:
    events = events_of(prepare)
    assert [event["type"] for event in events[:2]] == ["version", "planned"]
    summary = events[-1]
    assert (summary["outcome"], summary["exit_code"]) == (outcome, code)
    steps = {name: number for name, number in summary["steps"].items() if number}
    assert steps == {"total": 6, **counts}
    assert sum(event["type"] == "summary" for event in events) == 1
    errors = [each for each in events if each["type"] == "diagnostic" and each["severity"] == "error"]
    assert len(errors) == (code != 0)
    _agrees_with_what_was_told(events)


def _agrees_with_what_was_told(events: list[Any]) -> None:
    """The engine's counts, and what every single step was said to have come to."""
    counts, last = events[-1]["steps"], dict.fromkeys(range(1, 7), "")
    begun = [number for number, event in enumerate(events) if event["type"] == "begun"]
    for number, event in enumerate(events):
        if event["step"] is not None:
            last[event["step"]] = event["type"]
        if event["type"] not in ("version", "planned"):
            assert event["transaction"] == (1 if begun and number >= begun[0] else None), event
    told = list(last.values())
    assert counts["reversed"] == told.count("reversed")
    assert counts["failed"] == told.count("reverse-failed")
    if events[-1]["outcome"] != "applied":
        assert counts["never_started"] == told.count("")
    else:
        assert set(told) == {"verified"}


def test_every_type_of_event_is_provoked() -> None:
    """`retried` comes from the client of the nodes and `document` from other commands: see tests/cli."""
    seen = {event["type"] for case in CASES for event in events_of(case[0])}
    seen |= {event["type"] for event in events_of(suspicious)}
    assert seen == enum_of(EVENTS["properties"]["type"]) - {"retried", "document"}
    assert OWN_TYPES - {"document"} <= seen


def suspicious(bench: Bench) -> None:
    """A write whose outcome is not known."""
    bench.on(POST, "a", "node02", "hang_after")


def test_a_line_is_written_when_it_happens_and_holds_ascii_only() -> None:
    screen = Screen("json", events=True)
    screen.view.warning("ünï\x1b[31m")
    (_, line) = screen.stdout.splitlines()
    assert line.isascii()
    assert json.loads(line)["what"] == "ünï\x1b[31m"
