"""Many tasks on one thread: order, a bounded flight, failures, sleep and interrupts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from planner.errors import Reversed
from planner.transaction import Abandoned, RunInterrupted
from planner.transaction.scheduler import HEARTBEAT, Scheduler, StepFailed, Task
from planner.verdict import Answer, Call, Method
from tests.builders import (
    READ,
    Bench,
)

POST = Method.CREATE


class Desk:
    """A scheduler over the simulated world, and tasks that write down what happens to them."""

    def __init__(self, parallelism: int) -> None:
        self.bench = Bench()
        self.world = self.bench.world
        self.world.parallelism = parallelism
        self.scheduler = Scheduler(self.world, self.world, self.world)
        self.log: list[str] = []

    def run(self, tasks: Iterable[Task], *, interruptible: bool = True) -> None:
        """Run tasks of one node."""
        self.scheduler.run({"node01": enumerate(tasks)}, interruptible=interruptible)

    def reader(self, number: int, *, reads: int = 1, fails: bool = False) -> Task:
        self.log.append(f"start {number}")
        try:
            for each in range(reads):
                answer: Answer = yield Call(number * 10 + each, READ, f"g{number}", "node01", 1)
                assert answer.call.group == f"g{number}"
                self.log.append(f"answer {number}")
                if fails:
                    raise StepFailed(None, f"task {number} failed")
        except GeneratorExit:
            self.log.append(f"closed {number}")
            raise

    def sleeper(self, number: int, until: float) -> Task:
        try:
            yield until
        except GeneratorExit:
            self.log.append(f"closed {number}")
            raise
        self.log.append(f"awake {number} at {self.world.time:g}")


@pytest.mark.parametrize("parallelism", [1, 3, 16])
def test_tasks_start_in_order_and_no_more_requests_fly_than_allowed(parallelism: int) -> None:
    desk = Desk(parallelism)
    desk.run(desk.reader(n) for n in range(12))
    assert [line for line in desk.log if "start" in line] == [f"start {n}" for n in range(12)]
    assert len([line for line in desk.log if "answer" in line]) == 12
    assert desk.world.most_flying == min(parallelism, 12)


def test_a_task_that_has_begun_goes_on_before_a_new_one_starts() -> None:
    desk = Desk(1)
    desk.run(desk.reader(n, reads=2) for n in range(2))
    assert desk.log == ["start 0", "answer 0", "answer 0", "start 1", "answer 1", "answer 1"]


def test_after_a_failure_nothing_starts_what_flies_is_awaited_and_its_task_does_not_go_on() -> None:
    desk = Desk(2)
    desk.bench.on(READ, "g0", "node01", "hang_before")  # answered ten seconds later
    with pytest.raises(StepFailed, match="task 1 failed"):
        desk.run([desk.reader(0, reads=2), desk.reader(1, fails=True), desk.reader(2)])
    assert desk.log == ["start 0", "start 1", "answer 1", "answer 0", "closed 0"]
    assert desk.world.flying == set()


def test_after_a_failure_sleepers_do_not_wake() -> None:
    desk = Desk(2)
    with pytest.raises(StepFailed):
        desk.run([desk.sleeper(0, desk.world.time + 5), desk.reader(1, fails=True)])
    assert "closed 0" in desk.log
    assert desk.world.time < 1005  # and nobody waits for them


def test_the_first_of_several_failures_is_told() -> None:
    desk = Desk(2)
    desk.bench.on(READ, "g0", "node01", "hang_before")
    with pytest.raises(StepFailed, match="task 1 failed"):
        desk.run([desk.reader(0, fails=True), desk.reader(1, fails=True)])
    assert "answer 0" in desk.log


def test_sleepers_wake_exactly_in_time_and_take_no_place_in_flight() -> None:
    desk = Desk(1)
    start = desk.world.time
    sleepers = [desk.sleeper(0, start + 60), desk.sleeper(1, start + 20.125), desk.sleeper(2, start)]
    desk.run([*sleepers, desk.reader(3)])
    assert desk.log == ["start 3", "awake 2 at 1000", "answer 3", "awake 1 at 1020.12", "awake 0 at 1060"]
    assert desk.world.time == start + 60


def test_the_control_is_looked_at_while_nothing_happens() -> None:
    desk = Desk(1)
    looks: list[float] = []
    desk.world.on_check = lambda: looks.append(desk.world.time)
    desk.run([desk.sleeper(0, desk.world.time + 20)])
    assert max(b - a for a, b in pairwise(looks)) <= HEARTBEAT


def test_an_interrupt_stops_tasks_that_can_be_stopped() -> None:
    desk = Desk(2)
    desk.bench.on(READ, "g0", "node01", desk.bench.interrupt)
    with pytest.raises(RunInterrupted):
        desk.run([desk.reader(0, reads=2), desk.reader(1, reads=2), desk.reader(2)])
    assert "start 2" not in desk.log
    assert {"closed 0", "closed 1"} <= set(desk.log)


def test_one_interrupt_does_not_stop_a_reverse_and_two_do() -> None:
    desk = Desk(1)
    desk.bench.interrupt()
    desk.run([desk.reader(0)], interruptible=False)
    assert desk.log == ["start 0", "answer 0"]
    desk.bench.interrupt()
    with pytest.raises(Abandoned):
        desk.run([desk.reader(1)], interruptible=False)


def test_further_tries_of_what_flies_are_revoked_by_an_interrupt() -> None:
    bench = Bench("a", parallelism=1)
    bench.world.backoff = 2.0  # longer than between two looks at the control

    def interrupted() -> str:
        bench.interrupt()
        return "error_before"

    bench.on(POST, "a", "node01", interrupted)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.writes == ["create a on node01"]
