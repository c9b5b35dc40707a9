"""What became of the steps of a transaction that did not end well: told by the engine, and adding up."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from planner.counts import StepCounts
from planner.errors import Incomplete, Interrupted, PlannerError, Reversed
from planner.model import StepState
from planner.verdict import Method
from tests.builders import ABSENT, NAMES, READ, Bench, group

if TYPE_CHECKING:
    from planner.counts import Ending

POST, DEL = Method.CREATE, Method.DELETE


def counted(counts: StepCounts | None) -> dict[str, int]:
    """The counts that are not 0."""
    assert counts is not None
    return {name: number for name, number in asdict(counts).items() if number}


def ending(bench: Bench, kind: type[PlannerError]) -> Ending:
    """What an apply came to that fails in this way."""
    with pytest.raises(kind) as caught:
        bench.apply()
    found = caught.value.ending
    assert found is not None
    return found


def test_every_state_is_counted_once() -> None:
    for state in StepState:
        for tried in (True, False):
            assert StepCounts.of([(state, tried)]).total == 1
    assert StepCounts.of((state, True) for state in StepState).total == len(StepState)


def test_what_was_sent_is_reversed_and_the_rest_never_started() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.always(POST, "a", "node03", "error_before")
    found = ending(bench, Reversed)
    assert counted(found.steps) == {"reversed": 6}, "the others went on meanwhile"
    assert found.failed_step == 3


def test_what_a_node_turned_down_was_not_applied() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node03", 403)
    assert counted(ending(bench, Reversed).steps) == {"reversed": 2, "not_applied": 1, "never_started": 3}


def test_what_never_reached_its_node_was_not_applied() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", lambda: bench.kill("node02"))
    plan = bench.plan()
    with pytest.raises(Reversed) as caught:
        bench.apply(plan)
    assert caught.value.ending is not None
    assert counted(caught.value.ending.steps) == {"reversed": 1, "not_applied": 1, "never_started": 1}


def test_what_somebody_else_met_is_not_ours() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", lambda: bench.world.nodes["node01"].add("a"))
    bench.on(POST, "a", "node03", 403)
    assert counted(ending(bench, Reversed).steps) == {"reversed": 1, "not_ours": 1, "not_applied": 1}


def test_an_interrupt_before_the_first_write_started_nothing() -> None:
    bench = Bench("a")
    bench.store.on_commit = lambda moment: bench.interrupt() if moment == "after begin" else None
    assert counted(ending(bench, Interrupted).steps) == {"never_started": 3}


def test_a_second_interrupt_tells_what_was_sent_from_what_was_only_marked() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    found = ending(bench, Incomplete)
    assert counted(found.steps) == {"applied": 2, "never_started": 4}, "all were marked in one wave"
    assert found.failed_step is None


def test_a_second_interrupt_in_the_reverse_tells_what_is_reversed_already() -> None:
    bench = Bench(group("a", state=ABSENT), holds={"a": NAMES}, parallelism=2)
    bench.on(DEL, "a", "node01", 403)
    bench.on(POST, "a", "node03", 500, bench.interrupt_twice)
    found = ending(bench, Incomplete)
    assert counted(found.steps) == {"reversed": 1, "unknown": 1, "not_applied": 1}


def test_a_lost_lock_leaves_what_was_done_applied() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.steal_lock)
    assert counted(ending(bench, Incomplete).steps) == {"applied": 2, "never_started": 1}


def test_a_reverse_that_is_incomplete_and_its_recovery() -> None:
    bench = Bench("a", "b", parallelism=1, reverse_timeout=1.0)

    def die() -> int:
        bench.kill("node01", "node02")
        return 403

    bench.on(POST, "a", "node03", die)
    found = ending(bench, Incomplete)
    assert counted(found.steps) == {"failed": 2, "not_applied": 1, "never_started": 3}
    with pytest.raises(Incomplete) as caught:
        bench.recover(skip=["node01"])
    assert caught.value.ending is not None
    assert counted(caught.value.ending.steps) == {
        "set_aside": 1,
        "failed": 1,
        "not_applied": 1,
        "never_started": 3,
    }
    bench.kill()
    recovered = bench.recover()
    assert recovered is not None
    assert counted(recovered.steps) == {"set_aside": 1, "reversed": 1, "not_applied": 1, "never_started": 3}


def test_a_store_that_could_not_be_told() -> None:
    bench = Bench("a", parallelism=1)

    def fail() -> int:
        bench.break_store("before commit")
        return 403

    bench.on(POST, "a", "node02", fail)
    assert counted(ending(bench, Incomplete).steps) == {"reversed": 1, "not_applied": 1, "never_started": 1}


def test_a_recovery_that_is_abandoned_tells_it_too() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    ending(bench, Incomplete)
    bench.world.die()
    bench.heal()
    bench.on(READ, "a", "node01", bench.interrupt_twice)
    with pytest.raises(Incomplete) as caught:
        bench.recover()
    assert caught.value.ending is not None
    assert caught.value.ending.steps.total == 3


def test_a_recovery_counts_what_never_reached_its_node_as_the_run_did() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", lambda: bench.kill("node02"))
    bench.always(DEL, "a", "node01", "error_before")
    rest = {"not_applied": 1, "never_started": 1}
    assert counted(ending(bench, Incomplete).steps) == {"failed": 1, **rest}
    bench.heal()
    bench.kill()
    recovered = bench.recover()
    assert recovered is not None
    assert counted(recovered.steps) == {"reversed": 1, **rest}
