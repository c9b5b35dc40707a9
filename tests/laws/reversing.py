"""Law 4: one failure reverses all."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from planner.errors import Incomplete, Interrupted
from planner.events import Event
from planner.model import Cell, StepState
from planner.transaction import cells, machine
from planner.transaction.cells import Cells
from planner.transaction.scheduler import Scheduler, StepFailed
from planner.verdict import Method
from tests.builders import ABSENT, CLUSTER, LIE, NAMES, READ, Bench, group
from tests.laws.acting import reversed_by
from tests.laws.book import law, replaced, when, wrapped
from tests.simulation import mutations

POST, DEL = Method.CREATE, Method.DELETE


def _keeping(fail: Any) -> Any:
    def what_has_not_begun_is_kept(self: Any, failure: Any) -> None:
        first, ready, full = self._first.copy(), [*self._ready], self._full.copy()
        fail(self, failure)
        self._first, self._ready, self._full = first, ready, full

    return what_has_not_begun_is_kept


def _starting(fill: Any) -> Any:
    def as_if_nothing_had_failed(self: Any, nodes: Any) -> None:
        failure, self._failure = self._failure, None
        fill(self, nodes)
        self._failure = self._failure or failure

    return as_if_nothing_had_failed


@contextmanager
def _heedless() -> Iterator[None]:
    with wrapped(Scheduler, "_fail", _keeping)(), wrapped(Scheduler, "_fill", _starting)():
        yield


@law("4.1", _heedless)
def after_a_failure_no_new_step_starts() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node01", 403)
    reversed_by(bench)
    assert [write for write in bench.writes if write.startswith("create")] == ["create a on node01"]


def _deaf(resume: Any) -> Any:
    def answers_after_a_failure_are_dropped(self: Any, task: Any, node: str, value: Any) -> None:
        if self._failure is None or value is None:
            resume(self, task, node, value)

    return answers_after_a_failure_are_dropped


@law("4.2", wrapped(Scheduler, "_resume", _deaf))
def what_is_in_flight_when_a_step_fails_is_awaited_and_undone() -> None:
    bench = Bench("a", parallelism=3)
    bench.on(POST, "a", "node01", 403)
    bench.on(POST, "a", "node02", "hang_after")
    reversed_by(bench)
    assert bench.as_before


@law("4.3", replaced(machine, "reversed", iter))
def a_reverse_goes_backward_through_the_steps() -> None:
    gone = group("old", state=ABSENT)
    bench = Bench("a", gone, holds={"old": NAMES}, parallelism=1)
    bench.on(DEL, "old", "node01", when(bench.forget_requests, 403))  # the last step
    reversed_by(bench)
    assert bench.as_before
    looked_at = dict.fromkeys(f"{call.group} {call.node}" for _, call in bench.world.submitted)
    undone = ["old node02", "old node03", "a node03", "a node02", "a node01"]
    assert list(looked_at) == [*undone, "old node01"], "what was turned down is looked at in the end"


def _never_first(judge: Any) -> Any:
    return lambda *args, **more: judge(*args, **more)._replace(first=False)


@law("4.4", wrapped(cells, "judge_write", _never_first))
def what_somebody_else_did_first_is_left_alone() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1)
    plan = bench.plan()
    bench.on(POST, "a", "node01", lambda: bench.world.nodes["node01"].add("a"))
    bench.on(DEL, "old", "node03", lambda: bench.world.nodes["node03"].discard("old"))
    bench.on(DEL, "old", "node01", "hang_before", 403)  # the last step
    error = reversed_by(bench, plan)
    assert bench.holders("a") == {"node01"}
    assert bench.holders("old") == {"node01", "node02"}
    assert "a on node01: not ours, left as it is" in error.details


@law("4.4", wrapped(cells, "judge_write", _never_first))
def what_somebody_else_did_first_is_met_and_reported_and_adopted() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(POST, "a", "node02", lambda: bench.world.nodes["node02"].add("a"))
    assert bench.apply(plan).not_ours == (Cell("a", "node02"),)
    assert bench.store.knowledge(CLUSTER).managed["a", "http://node02"].adopted


def _always_first(judge: Any) -> Any:
    return lambda *args, **more: judge(*args, **more)._replace(first=True, suspect_since=None)


@law("4.5", wrapped(cells, "judge_write", _always_first))
def what_cannot_be_told_from_ours_is_undone_and_called_uncertain() -> None:
    """500 without an effect, then somebody else creates it, then our next try is told that it exists."""
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", "error_before", lambda: bench.world.nodes["node01"].add("a"))
    bench.on(POST, "a", "node02", 403)
    reversed_by(bench)
    assert bench.as_before
    told = [event._replace(step=None, node="", group="") for event in bench.world.events]
    assert Event("done", "origin uncertain") in told


def _without_patience(undo: Any) -> Any:
    def hasty(self: Any, run: Any) -> Any:
        self._policy = replace(self._policy, reverse_timeout=0.0)
        return undo(self, run)

    return hasty


@law("4.6", wrapped(Cells, "undo", _without_patience))
def a_reverse_waits_for_a_node_that_comes_back() -> None:
    bench = Bench("a", reverse_timeout=300.0, parallelism=1)

    def die() -> int:
        bench.world.dead = {"node01": (bench.world.time, bench.world.time + 200)}
        return 403

    bench.on(POST, "a", "node02", die)
    reversed_by(bench)
    assert bench.as_before


def _contagious(undo: Any) -> Any:
    def one_failure_stops_the_reverse(self: Any, run: Any) -> Generator[Any, Any, None]:
        yield from undo(self, run)
        if run.state is StepState.UNDO_FAILED:
            raise StepFailed(run.step, run.note)

    return one_failure_stops_the_reverse


@law("4.7", wrapped(Cells, "undo", _contagious))
def one_cell_that_cannot_be_brought_back_does_not_hold_up_the_others() -> None:
    """node02 is given up while node01 still settles."""
    bench = Bench("a", reverse_timeout=5.0, parallelism=1)
    bench.on(POST, "a", "node01", "error_after")
    bench.on(POST, "a", "node03", when(lambda: bench.kill("node02"), 403))
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.details == ("a on node02 should be absent: refused after 5 tries",)
    assert bench.holders("a") == {"node02"}
    assert bench.marks()["a on node01"] is StepState.UNDONE


@law("4.8", mutations.undo_without_reading)
def an_undo_that_was_acknowledged_and_not_done_is_found_out() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", LIE, LIE)
    reversed_by(bench)
    assert bench.as_before


def _uninterruptible(run: Any) -> Any:
    return lambda self, tasks, *, interruptible=True, flight=None: run(
        self, tasks, interruptible=False, flight=flight
    )


@law("4.9", wrapped(Scheduler, "run", _uninterruptible))
def an_interrupt_stops_and_reverses() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt)
    error = reversed_by(bench)
    assert (error.exit_code, bench.as_before) == (3, True)
    assert "create a on node03" not in bench.writes


@law("4.9", wrapped(Scheduler, "run", _uninterruptible))
def an_interrupt_before_any_change_changes_nothing() -> None:
    bench = Bench("a", parallelism=1)
    plan = bench.plan()
    bench.on(READ, "a", "node01", bench.interrupt)
    with pytest.raises(Interrupted) as caught:
        bench.apply(plan)
    assert (caught.value.exit_code, bench.writes) == (130, [])


@law("4.10", mutations.keep_going_after_lock_loss)
def a_second_interrupt_leaves_at_once_for_recover() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    _leaves_at_once(bench)


@law("4.10", mutations.keep_going_after_lock_loss)
def the_end_of_the_grace_period_leaves_at_once_for_recover() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.expire)
    _leaves_at_once(bench)


def _leaves_at_once(bench: Bench) -> None:
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.exit_code == 4
    assert "create a on node03" not in bench.writes
    assert "delete a on node01" not in bench.writes
    assert {"a on node01 should be absent", "a on node02 should be absent"} <= set(caught.value.details)
    bench.world.die()
    bench.heal()
    assert bench.recover() is not None
    assert bench.as_before
