"""Many small procedures on one thread: the event loop of a transaction.

A *task* is a generator. It yields a `Call` and is resumed with its `Answer`, or it yields a time (monotonic
seconds) and is resumed when that has come. So the life of one cell reads from top to bottom, while many
requests are in flight. Nothing here knows of threads, sockets or real time: given the same
answers in the same order, a run is the same run.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import chain, count, islice
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

from planner.ports import Stop
from planner.verdict import Answer, Call

if TYPE_CHECKING:
    from planner.model import Step
    from planner.ports import Clock, Control, Nodes

Task: TypeAlias = Generator[Call | float, Any, None]

Tasks: TypeAlias = Mapping[str, Iterable[tuple[int, Task]]]
"""By the node that all calls of a task go to; each with its place in the order of all (rising)."""

HEARTBEAT = 0.5
"""Seconds between two looks at the control at the latest: the lock's proof must stay younger than 5 s."""

OTHERS = 4
"""Nodes besides the answering one that are asked for room: to ask all of them would be a square of work."""


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
    """Runs tasks; at each node are as many of their calls as it has room for.

    So a slow node, which has room for few, does not hold up the others. Where the number in flight is
    bounded, no node has more than its share of it while others wait.
    """

    def __init__(
        self,
        nodes: Nodes,
        clock: Clock,
        control: Control,
        on_interrupt: Callable[[bool], None] = lambda _stops: None,
    ) -> None:
        """`on_interrupt` is told of the first interrupt, and whether it stops what is being done."""
        self._nodes = nodes
        self._clock = clock
        self._control = control
        self._sources: dict[str, Iterator[tuple[int, Task]]] = {}
        self._first: dict[str, tuple[int, Task]] = {}  # of each node, the task that begins next
        self._ready: list[tuple[int, str]] = []  # a heap of nodes with such a task, the earliest first
        self._full: OrderedDict[str, None] = OrderedDict()  # those of them that had no room
        self._queued: dict[str, deque[tuple[Task, Call]]] = {}  # begun, and waiting for room at their node
        self._flying: dict[int, Task] = {}
        self._flying_at: Counter[str] = Counter()
        self._flight: int | None = None
        self._sleeping: list[tuple[float, int, str, Task]] = []
        self._naps = 0
        self._failure: StepFailed | None = None
        self._on_interrupt = on_interrupt
        self._told = False

    def run(self, tasks: Tasks, *, interruptible: bool = True, flight: int | None = None) -> None:
        """Run every task to its end.

        After the first failure, and after an interrupt where `interruptible`, no task starts or goes on: what
        is in flight is awaited (its further tries are revoked), the rest is closed.

        Args:
            tasks: of those for which there is room, the earliest starts first.
            interruptible: whether one interrupt stops them.
            flight: the most calls that may be submitted and not answered; None where the nodes decide alone.

        Raises:
            StepFailed: the first failure of a task, after all that was in flight was answered.
            RunInterrupted: likewise, for an interrupt.
            Abandoned: a second interrupt, or the end of its grace; requests may still be in flight.
            LockLost: the lock is not provably held; requests may still be in flight.
        """
        self._failure, self._flight = None, flight
        self._flying_at.clear()
        self._sources = {node: iter(source) for node, source in tasks.items()}
        self._queued = {node: deque() for node in tasks}
        for node in tasks:
            self._advance(node)
        flying, sleeping = self._flying, self._sleeping
        due: Iterable[str] = ()
        while True:
            self._look_at_control(interruptible)
            now = self._clock.now()
            if sleeping and sleeping[0][0] <= now:
                due = (*due, *self._wake(now))
            self._fill(due if flying else self._queued)
            if not flying and not sleeping and not self._is_waiting():
                break
            next_look = now + HEARTBEAT
            if sleeping:
                next_look = min(next_look, sleeping[0][0])
            answer = self._nodes.wait(next_look)
            if answer is None:
                due = self._queued  # every node: there may be room again
            else:
                node = answer.call.node
                self._flying_at[node] -= 1
                if not self._flying_at[node]:
                    del self._flying_at[node]
                self._resume(flying.pop(answer.call.id), node, answer)
                due = (node,)
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

    def _wake(self, now: float) -> list[str]:
        """Let those go on whose time has come; return their nodes."""
        nodes = []
        while self._sleeping and self._sleeping[0][0] <= now:
            _, _, node, task = heapq.heappop(self._sleeping)
            self._resume(task, node, None)
            nodes.append(node)
        return nodes

    def _is_waiting(self) -> bool:
        """Whether there is anything for which there was no room."""
        return bool(self._first) or any(self._queued.values())

    def _fill(self, nodes: Iterable[str]) -> None:
        """Send while there is room: first what is queued, then new tasks, the earliest first."""
        for node in nodes:
            self._send_queued(node)
        # Others, too, where they share a bound, or the share of a node that has nothing left to do.
        shared = self._flight is not None or not all(node in self._first for node in nodes)
        for node in (*nodes, *islice(self._full, OTHERS if shared else 0)):
            if node in self._full:
                del self._full[node]
                heapq.heappush(self._ready, (self._first[node][0], node))
        while self._ready:
            _, node = heapq.heappop(self._ready)
            if self._has_room(node):
                _, task = self._first.pop(node)
                self._advance(node)
                self._resume(task, node, None)
                self._send_queued(node)
            else:
                self._full[node] = None

    def _advance(self, node: str) -> None:
        """Take the next task of a node, so that it begins when it is the earliest."""
        following = next(self._sources[node], None)
        if following is not None:
            self._first[node] = following
            heapq.heappush(self._ready, (following[0], node))

    def _has_room(self, node: str) -> bool:
        if self._flight is not None:
            busy = max(len(self._first), len(self._flying_at), 1)
            if len(self._flying) >= self._flight or self._flying_at[node] >= ceil(self._flight / busy):
                return False
        return self._nodes.room(node) > 0

    def _send_queued(self, node: str) -> None:
        queued = self._queued[node]
        while queued and self._has_room(node):
            task, call = queued.popleft()
            self._flying[call.id] = task
            self._flying_at[node] += 1
            self._nodes.submit(call)

    def _resume(self, task: Task, node: str, value: Answer | None) -> None:
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
            self._queued[node].append((task, wish))
        else:
            self._naps += 1
            heapq.heappush(self._sleeping, (wish, self._naps, node, task))

    def _fail(self, failure: StepFailed) -> None:
        if self._failure is None:
            self._failure = failure
            self._nodes.revoke()
        for *_, task in self._sleeping:
            task.close()
        for queued in self._queued.values():
            for task, _ in queued:
                task.close()
            queued.clear()
        self._sleeping.clear()
        self._first.clear()
        self._ready.clear()
        self._full.clear()


def per_node(*work: tuple[Callable[[Any], Task], Iterable[Any], Callable[[Any], str]]) -> Tasks:
    """Tasks for `Scheduler.run`, in the order of the things that they are made of, each when its turn comes.

    Args:
        work: how to make a task of a thing, the things, and how to tell a thing's node.
    """
    places = count()
    tasks: dict[str, list[Iterator[tuple[int, Task]]]] = {}
    for make, things, node_of in work:
        lanes: dict[str, list[tuple[int, Any]]] = {}
        for place, thing in zip(places, things, strict=False):
            lanes.setdefault(node_of(thing), []).append((place, thing))
        for node, lane in lanes.items():
            tasks.setdefault(node, []).append(_making(make, lane))
    return {node: chain.from_iterable(each) for node, each in tasks.items()}


def _making(make: Callable[[Any], Task], lane: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Task]]:
    return ((place, make(thing)) for place, thing in lane)
