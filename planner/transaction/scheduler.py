"""Many small procedures on one thread: the event loop of a transaction.

A *task* is a generator. It yields a `Call` and is resumed with its `Answer`, or it yields a time (monotonic
seconds) and is resumed when that has come. So the life of one cell reads from top to bottom, while
`parallelism` requests are in flight. Nothing here knows of threads, sockets or real time: given the same
answers in the same order, a run is the same run.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from planner.ports import Stop
from planner.verdict import Answer, Call

if TYPE_CHECKING:
    from planner.model import Step
    from planner.ports import Clock, Control, Nodes

Task: TypeAlias = Generator[Call | float, Any, None]

HEARTBEAT = 0.5
"""Seconds between two looks at the control at the latest: the lock's proof must stay younger than 5 s."""


class StepFailed(Exception):
    """A step cannot be carried out; the reverse follows.

    Attributes:
        step: the step; None where a bystander or the whole run is meant.
        why: in words.
    """

    def __init__(self, step: Step | None, why: str) -> None:
        super().__init__(why)
        self.step = step
        self.why = why


class RunInterrupted(StepFailed):
    """The user or the system asked the run to stop."""

    def __init__(self) -> None:
        super().__init__(None, "interrupted")


class Abandoned(Exception):
    """Leave at once: a second interrupt, or no time left. The journal is ready for `recover`.

    Attributes:
        why: in words.
    """

    def __init__(self, stop: Stop) -> None:
        expired = stop is Stop.EXPIRE
        self.why = "the grace period after the interrupt is over" if expired else "a second interrupt"
        super().__init__(self.why)


class Scheduler:
    """Runs tasks with a bounded number of requests in flight."""

    def __init__(
        self,
        nodes: Nodes,
        clock: Clock,
        control: Control,
        parallelism: int,
        on_interrupt: Callable[[bool], None] = lambda _stops: None,
    ) -> None:
        """`on_interrupt` is told of the first interrupt, and whether it stops what is being done."""
        self._nodes = nodes
        self._clock = clock
        self._control = control
        self._parallelism = parallelism
        self._flying: dict[int, Task] = {}
        self._queued: deque[tuple[Task, Call]] = deque()
        self._sleeping: list[tuple[float, int, Task]] = []
        self._naps = 0
        self._failure: StepFailed | None = None
        self._on_interrupt = on_interrupt
        self._told = False

    def run(self, tasks: Iterable[Task], *, interruptible: bool = True) -> None:
        """Run every task to its end, starting them in order.

        After the first failure, and after an interrupt where `interruptible`, no task starts or goes on: what
        is in flight is awaited (its further tries are revoked), the rest is closed.

        Raises:
            StepFailed: the first failure of a task, after all that was in flight was answered.
            RunInterrupted: likewise, for an interrupt.
            Abandoned: a second interrupt, or the end of its grace; requests may still be in flight.
            LockLost: the lock is not provably held; requests may still be in flight.
        """
        self._failure = None
        source, more = iter(tasks), True
        flying, sleeping = self._flying, self._sleeping
        while True:
            self._look_at_control(interruptible)
            now = self._clock.now()
            if sleeping and sleeping[0][0] <= now:
                self._wake(now)
            if more or self._queued:
                more = self._fill(source)
            if not flying and not sleeping:
                break
            next_look = now + HEARTBEAT
            if sleeping:
                next_look = min(next_look, sleeping[0][0])
            answer = self._nodes.wait(next_look)
            if answer is not None:
                self._resume(flying.pop(answer.call.id), answer)
        if self._failure is not None:
            raise self._failure

    def _look_at_control(self, interruptible: bool) -> None:
        stop = self._control.check()
        if stop is None:
            return
        if stop in (Stop.ABANDON, Stop.EXPIRE):
            raise Abandoned(stop)
        stops = interruptible and self._failure is None
        if stops:
            self._fail(RunInterrupted())
        if not self._told:
            self._told = True
            self._on_interrupt(stops)

    def _wake(self, now: float) -> None:
        while self._sleeping and self._sleeping[0][0] <= now:
            self._resume(heapq.heappop(self._sleeping)[2], None)

    def _fill(self, source: Iterator[Task]) -> bool:
        """Send what is queued, then start new tasks, while there is room in flight.

        Returns whether there may be more tasks to start.
        """
        while len(self._flying) < self._parallelism:
            if self._queued:
                task, call = self._queued.popleft()
                self._flying[call.id] = task
                self._nodes.submit(call)
                continue
            task_or_none = None if self._failure else next(source, None)
            if task_or_none is None:
                return False
            self._resume(task_or_none, None)
        return True

    def _resume(self, task: Task, value: Answer | None) -> None:
        try:
            wish = task.send(value)
        except StopIteration:
            return
        except StepFailed as failure:
            self._fail(failure)
            return
        if self._failure is not None:
            task.close()
        elif isinstance(wish, Call):
            self._queued.append((task, wish))
        else:
            self._naps += 1
            heapq.heappush(self._sleeping, (wish, self._naps, task))

    def _fail(self, failure: StepFailed) -> None:
        if self._failure is None:
            self._failure = failure
            self._nodes.revoke()
        for _, _, task in self._sleeping:
            task.close()
        for task, _ in self._queued:
            task.close()
        self._sleeping.clear()
        self._queued.clear()
