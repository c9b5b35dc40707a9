"""How soon changes that failed are tried again: after a pause that grows while they fail the same way."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from planner.app.pausing import LONGEST, Pause, check_pause, failed_node, pause_of
from planner.errors import ChangesPending, PlannerError
from planner.model import Plan
from planner.ports import Record
from planner.verdict import Method
from tests.builders import CLUSTER, Bench

FIRST = 600.0
WHY = "step 5 (create b on node02): 403; the node does not accept these credentials"
FAILED_AT = "2026-03-01T12:00:00Z"


def at(minutes: int) -> str:
    """So many minutes after the last failure."""
    return f"2026-03-01T{12 + minutes // 60:02}:{minutes % 60:02}:00Z"


def try_once(bench: Bench, *, group: str = "b", node: str = "node02", status: int = 403) -> None:
    """Try the file, and let one node turn one group down."""
    bench.on(Method.CREATE, group, node, status)
    with contextlib.suppress(PlannerError):
        bench.apply()
    bench.heal()


def stop_once(bench: Bench) -> None:
    """Try the file, and interrupt the run in the middle."""
    bench.on(Method.CREATE, "b", "node02", bench.interrupt)
    with contextlib.suppress(PlannerError):
        bench.apply()
    bench.heal()


def records_of(bench: Bench) -> tuple[Record, ...]:
    """The last transactions, as a real store holds them: with the time of their end."""
    return tuple(replace(record, finished=FAILED_AT) for record in bench.store.history(CLUSTER))


def pause(bench: Bench, now: str = FAILED_AT, first: float = FIRST, plan: Plan | None = None) -> Pause | None:
    return pause_of(plan or bench.plan(), records_of(bench), now, first)


def waits(bench: Bench) -> float | None:
    """Minutes from the last failure; None for no pause."""
    found = pause(bench)
    if found is None:
        return None
    hours, minutes = found.until[11:16].split(":")
    return (int(hours) - 12) * 60 + int(minutes)


@pytest.fixture
def bench() -> Bench:
    return Bench("a", "b")


def test_what_never_failed_is_tried_at_once(bench: Bench) -> None:
    assert waits(bench) is None
    bench.apply()
    bench.world.nodes["node02"].discard("b")
    assert waits(bench) is None


def test_the_pause_doubles_while_it_fails_the_same_way(bench: Bench) -> None:
    found = []
    for _ in range(8):
        try_once(bench)
        found.append(waits(bench))
    assert found == [10, 20, 40, 80, 160, 320, 320, 320]
    assert max(f for f in found if f) == LONGEST * 10


def test_it_ends_at_its_time_and_not_before(bench: Bench) -> None:
    try_once(bench)
    assert pause(bench, at(9)) == Pause(1, 1, WHY, at(10))
    assert pause(bench, at(10)) is None


def test_it_is_the_same_way_whichever_cell_of_the_node_comes_first(bench: Bench) -> None:
    """Requests are in flight together: the first answer is chance."""
    try_once(bench, group="a")
    try_once(bench, group="b")
    try_once(bench, group="a")
    assert waits(bench) == 40


def test_a_failure_at_another_node_begins_anew(bench: Bench) -> None:
    try_once(bench)
    try_once(bench)
    assert waits(bench) == 20
    try_once(bench, node="node03")
    assert waits(bench) == 10


def test_the_same_step_with_another_status_is_the_same_way(bench: Bench) -> None:
    try_once(bench, status=403)
    try_once(bench, status=422)
    assert waits(bench) == 20


def test_other_changes_are_tried_at_once(bench: Bench) -> None:
    try_once(bench)
    plan = bench.plan()
    bench.world.nodes["node03"].add("b")
    assert waits(bench) is None, "one cell less"
    bench.world.nodes["node03"].discard("b")
    assert waits(bench) == 10
    assert pause(bench, plan=replace(plan, source="another file")) is None
    moved = tuple(replace(node, url=f"{node.url}:81") for node in plan.nodes)
    assert pause(bench, plan=replace(plan, nodes=moved)) is None, "it fails on other nodes, if at all"


def test_what_was_applied_since_begins_anew(bench: Bench) -> None:
    try_once(bench)
    bench.apply()
    for nodes in bench.world.nodes.values():
        nodes.clear()
    assert waits(bench) is None


def test_a_run_that_was_stopped_once_says_nothing_of_the_plan(bench: Bench) -> None:
    stop_once(bench)
    assert failed_node(bench.store.history(CLUSTER)[0]) == ""
    assert waits(bench) is None
    stop_once(bench)
    assert waits(bench) == 10, "it never comes to its end: its deadline is too short, say"
    stop_once(bench)
    assert waits(bench) == 20


def test_the_pause_can_be_switched_off_and_a_clock_that_went_back_makes_none(bench: Bench) -> None:
    try_once(bench)
    assert pause(bench, first=0) is None
    assert pause(bench, "2026-03-01T11:59:59Z") is None


def test_runs_that_died_are_not_said_to_have_failed(bench: Bench) -> None:
    stop_once(bench)
    stop_once(bench)
    found = pause(bench)
    assert found is not None
    assert (found.failures, found.stopped) == (2, True)


def test_the_error_says_all(bench: Bench) -> None:
    try_once(bench)
    try_once(bench)
    records = records_of(bench)
    bench.store.history = lambda cluster, limit=50: records[:limit]  # type: ignore[method-assign]
    bench.world.wall = lambda ago=0.0: at(1)  # type: ignore[method-assign]
    with pytest.raises(ChangesPending) as caught:
        check_pause(bench.plan(), bench.store, bench.world, FIRST)
    error = caught.value
    assert error.what == (
        "These changes failed 2 times in a row, each time the same way, and are not tried again before "
        "2026-03-01T12:20:00Z"
    )
    assert (error.where, error.why) == ("TX 2", WHY)
    assert "--backoff-after-failure 0" in error.next
    check_pause(bench.plan(), bench.store, bench.world, 0)
