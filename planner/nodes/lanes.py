"""Where batches of calls are carried out: threads here, spawned processes, other machines. One seam.

A lane is a `concurrent.futures.Executor` with a number of slots, and what differs between the kinds: what a
batch has to carry with it, and what can still stop it.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

from planner.nodes.ledger import Grant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from planner.model import Node
    from planner.nodes.caller import Caller, Manner
    from planner.verdict import Answer, Call, Try


class Retried(NamedTuple):
    """What a worker elsewhere would have told `on_retry`."""

    call: Call
    failed: Try
    pause: float


class Done(NamedTuple):
    """The end of a batch: an answer for each call, in order; and what was tried again, if nobody was told."""

    answers: tuple[Answer, ...]
    retried: tuple[Retried, ...] = ()


class Lane(Protocol):
    """A place where batches are carried out.

    Attributes:
        slots: batches at once.
        writes: whether it may carry out writes.
        patience: seconds after which a batch is given up for lost; None where its end is sure to be told.
    """

    slots: int
    writes: bool
    patience: float | None

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[Done]:
        """Hand a batch over. The future fails when nobody knows what became of it: the lane is gone then."""

    def received(self, done: Done) -> Done:
        """The same, with all times as this process counts them."""

    def revoke(self) -> None:
        """Allow no further try of what was handed over, as far as it can be reached."""

    def renew(self) -> None:
        """Prolong the permit of what was handed over, likewise."""

    def close(self) -> None:
        """End everything; what is in flight is cut off. Waits for nothing."""


class Crew(Protocol):
    """Finds lanes.

    Attributes:
        alone: whether its lanes take the place of this process's threads.
    """

    alone: bool

    def recruit(self, lanes: Sequence[Lane]) -> Iterable[Future[Lane]]:
        """Further lanes, for when they are ready. Asked at the start, and about every second.

        `lanes` are those that are there.
        """

    def close(self) -> None:
        """End what is not a lane's."""


class ThreadLane:
    """Threads of this process, which ask for the run's permit themselves."""

    patience: float | None = None
    writes: bool = True

    def __init__(self, slots: int, caller: Caller, permit: Callable[[], bool]) -> None:
        """Start no thread yet."""
        self.slots = slots
        self._caller = caller
        self._permit = permit
        self._grant = Grant(permit)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="planner-nodes")

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[Done]:
        """See the protocol."""
        return self._threads.submit(self._carry_out, node, calls, self._grant)

    def _carry_out(self, node: Node, calls: tuple[Call, ...], grant: Grant) -> Done:
        return Done(tuple(self._caller.answer(node, call, grant) for call in calls))

    def received(self, done: Done) -> Done:
        """They are."""
        return done

    def revoke(self) -> None:
        """End pauses, too. What is handed over afterwards is allowed again."""
        grant, self._grant = self._grant, Grant(self._permit)
        grant.revoke()

    def renew(self) -> None:
        """The permit is asked for every try."""

    def close(self) -> None:
        """See the protocol."""
        self.revoke()
        self._threads.shutdown(wait=False)
        self._caller.abort()


class Order(NamedTuple):
    """A batch for another process.

    Attributes:
        number: by which the process knows that it has had it; unique for a coordinator.
        worker: the process that it is for, and no other: whoever is started in its place must not repeat it.
        manner: how the calls are made.
        node: that all calls go to.
        calls: in order.
        until: when no further try may begin (the worker's monotonic seconds).
    """

    number: int
    worker: str
    manner: Manner
    node: Node
    calls: tuple[Call, ...]
    until: float


@dataclass(slots=True)
class WorkerLane:
    """A process that works on orders, here or on another machine.

    Attributes:
        executor: hands functions to it.
        work: carries an order out, there.
        worker: names the process.
        manner: how its calls are made.
        horizon: until when a permit lasts that nobody renews (monotonic seconds).
        slots: batches at once.
        behind: seconds to add to the worker's clock to have ours; too many by at most the time that the
            message which told it was under way. So a batch expires early rather than late, and a suspicion
            begins late rather than early (Cristian, Probabilistic clock synchronization, 1989).
        tell: calls a function there at once, while batches are worked on; None where that is not possible.
        end: ends the process, if it is ours.
    """

    executor: Executor
    work: Callable[[Order], Done]
    worker: str
    manner: Manner
    horizon: Callable[[], float]
    slots: int
    writes: bool = True
    patience: float | None = None
    behind: float = 0.0
    tell: Callable[..., None] | None = None
    end: Callable[[], None] = lambda: None
    _numbers: count[int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Count from one."""
        self._numbers = count(1)

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[Done]:
        """See the protocol."""
        until = self.horizon() - self.behind
        order = Order(next(self._numbers), self.worker, self.manner, node, calls, until)
        return self.executor.submit(self.work, order)

    def received(self, done: Done) -> Done:
        """Every time is later by what the worker's clock is behind."""
        if not self.behind:
            return done
        return done._replace(
            answers=tuple(
                answer._replace(tries=tuple(t._replace(at=t.at + self.behind) for t in answer.tries))
                for answer in done.answers
            )
        )

    def revoke(self) -> None:
        """See the protocol. Where nobody can be told, the batches' own expiry ends them."""
        if self.tell is not None:
            self.tell("revoke")

    def renew(self) -> None:
        """See the protocol."""
        if self.tell is not None:
            self.tell("renew", self.horizon() - self.behind)

    def close(self) -> None:
        """See the protocol."""
        self.revoke()
        self.end()
