"""Law 10: cells with an unanswered write are watched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner import diff
from planner.app import applying, planning
from planner.errors import Incomplete, Reversed
from planner.model import Cell, Plan
from planner.transaction import recovery
from planner.verdict import Method, Try
from tests.builders import ABSENT, CLUSTER, NAMES, Bench, desired, group
from tests.laws.book import law, replaced, when, wrapped
from tests.laws.crashing import left_by_a_dead_run

POST, DEL = Method.CREATE, Method.DELETE
LATE = 500.0
"""Seconds: far beyond the settle time."""


def reversed_with_an_unanswered_write() -> Bench:
    """`a` was being created on node02 without an answer; it was reversed, and the request is on its way."""
    bench = Bench("a", tries=1)
    bench.on(POST, "a", "node02", "hang_before")
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.as_before
    return bench


def found_late(bench: Bench, name: str) -> Plan:
    """The request lands, nobody declares the group any more, and the next plan finds it."""
    bench.world.pass_time(LATE)
    bench.world.nodes[name].add("a")
    bench.file = desired("b")
    plan = bench.plan()
    assert [(step.action, step.reason) for step in plan.steps if step.cell == Cell("a", name)] == [
        ("delete", "late effect of TX 1")
    ]
    return plan


def _nobody_watches(self: Try) -> bool:
    return False


def _as_marked(restore: Any) -> Any:
    def only_what_is_marked(run: Any, mark: Any, now: float) -> None:
        restore(run, mark, now)
        run.unanswered = mark.unanswered

    return only_what_is_marked


@law(
    "10.1",
    replaced(Try, "unanswered", property(_nobody_watches)),
    replaced(diff, "_late", lambda *args, **also: None),
)
def a_late_effect_after_a_reverse_is_found() -> None:
    found_late(reversed_with_an_unanswered_write(), "node02")


@law("10.1", wrapped(recovery, "_restore", _as_marked))
def a_late_effect_after_a_recovery_is_found() -> None:
    """The run died while its create on node03 was on the way; no mark says that it went unanswered."""
    bench = left_by_a_dead_run()
    bench.recover()
    assert bench.as_before
    assert bench.store.watched(CLUSTER)
    found_late(bench, "node02")


@law("10.1", replaced(Try, "unanswered", property(_nobody_watches)))
def what_a_gateway_answered_in_the_nodes_place_is_watched() -> None:
    bench = Bench("a", tries=1)
    bench.on(POST, "a", "node02", 504)
    with pytest.raises(Reversed):
        bench.apply()
    found_late(bench, "node02")


def _for_ever(to_watch: Any) -> Any:
    return lambda store, cluster, policy, clock: to_watch(store, cluster, policy, _Stopped(clock))


class _Stopped:
    """A clock of a world without time."""

    def __init__(self, clock: Any) -> None:
        self.now = clock.now

    def wall(self, ago: float = 0.0) -> str:
        return ""


@law("10.1", wrapped(planning, "to_watch", _for_ever))
def after_its_time_a_cell_is_not_watched_any_more() -> None:
    bench = reversed_with_an_unanswered_write()
    bench.world.nodes["node02"].add("a")
    bench.file = desired("b")
    bench.world.wall = lambda ago=0.0: "2026-01-09T00:00:00Z" if ago == 0.0 else "2026-01-02T00:00:00Z"  # type: ignore[method-assign]
    assert not [step for step in bench.plan().steps if step.cell.group == "a"]


@law("10.2", replaced(diff, "watched_only", lambda *args: ()))
def a_watched_cell_is_read_although_the_file_does_not_name_it() -> None:
    bench = reversed_with_an_unanswered_write()
    bench.file = desired()
    bench.forget_requests()
    bench.plan()
    assert [call for _, call in bench.world.submitted if (call.group, call.node) == ("a", "node02")]


@law("10.3", replaced(diff, "_late", lambda *args, **also: None))
def what_moved_late_is_planned_back_and_applied() -> None:
    bench = reversed_with_an_unanswered_write()
    bench.apply(found_late(bench, "node02"))
    assert bench.holders("a") == set()
    assert bench.holders("b") == set(NAMES)


@law("10.3", replaced(diff, "_late", lambda *args, **also: None))
def a_late_delete_of_a_group_that_nobody_declares_is_taken_back() -> None:
    """The reverse put `old` back; the DELETE that had timed out lands later, and takes it away again."""
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES}, tries=1)
    bench.on(DEL, "old", "node02", "hang_before")
    with pytest.raises(Reversed):
        bench.apply()
    bench.world.pass_time(LATE)
    bench.world.nodes["node02"].discard("old")
    bench.file = desired("b")
    plan = bench.plan()
    assert ("create", "late effect of TX 1") in [(step.action, step.reason) for step in plan.steps]
    bench.apply(plan)
    assert bench.holders("old") == set(NAMES)


def _of_no_consequence(closing: Any) -> Any:
    return lambda *args: replace(closing(*args), left=())


@law("10.4", wrapped(applying, "_closing", _of_no_consequence))
def what_a_later_plan_has_let_go_is_not_brought_back_by_the_watch_list() -> None:
    """A delete was reversed, and takes effect late on node02; then the group is deleted for good."""
    bench = Bench("b", holds={"a": NAMES, "b": NAMES}, tries=1).manage("a", "b")
    bench.on(DEL, "a", "node02", "hang_before")
    with pytest.raises(Reversed):
        bench.apply()
    bench.world.pass_time(LATE)
    bench.world.nodes["node02"].discard("a")
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.plan().steps == ()


@law("10.4", wrapped(applying, "_closing", _of_no_consequence))
def what_a_later_plan_has_let_go_is_not_brought_back_since_it_was_set_aside() -> None:
    bench = Bench("b", holds={"a": NAMES, "b": NAMES}, parallelism=1, reverse_timeout=5.0).manage("a", "b")
    # The deletes go backward through the nodes: node03 loses the group, and dies when node01 refuses.
    bench.on(DEL, "a", "node01", when(lambda: bench.kill("node03"), 403))
    with pytest.raises(Incomplete):
        bench.apply()
    bench.recover(skip=["node03"])
    bench.world.dead = {}
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.plan().steps == ()
    assert bench.store.set_aside(CLUSTER) == ()
