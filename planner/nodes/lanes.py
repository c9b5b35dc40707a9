"""Where batches of calls are carried out: threads here, spawned processes, other machines. One seam.

A lane is a `concurrent.futures.Executor` with a number of slots, and what differs between the kinds: what a
batch has to carry with it, and what can still stop it.
"""

from __future__ import annotations

import pickle  # for workers that carry out our code  # nosec B403
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

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

    def alive(self) -> bool:
        """Whether it is not known to be gone, with all that was handed over."""

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[Any]:
        """Hand a batch over. The future fails when nobody knows what became of it: the lane is gone then."""

    def received(self, result: Any) -> Done:
        """What the future's result says, with all times as this process counts them.

        Raises:
            Exception: it says nothing.
        """

    def revoke(self) -> None:
        """Allow no further try of what was handed over, as far as it can be reached."""

    def renew(self) -> None:
        """Prolong the permit of what was handed over, likewise."""

    def close(self) -> None:
        """End everything; what is in flight is cut off, where it can be reached. Waits for nothing."""


class Crew(Protocol):
    """Finds lanes, and may serve several clients of one run, one after the other.

    Attributes:
        alone: whether its lanes take the place of this process's threads.
        trouble: why there are no more lanes, in words; empty where nothing is known.
    """

    alone: bool
    trouble: str

    def recruit(self, manner: Manner, lanes: Sequence[Lane]) -> Iterable[Future[Lane]]:
        """Further lanes, for when they are ready. Asked at the start, and about every second.

        Args:
            manner: how their calls are made.
            lanes: those that are there.
        """


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

    def alive(self) -> bool:
        """As long as we are."""
        return True

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[Done]:
        """See the protocol."""
        return self._threads.submit(self._carry_out, node, calls, self._grant)

    def _carry_out(self, node: Node, calls: tuple[Call, ...], grant: Grant) -> Done:
        return Done(tuple(self._caller.answer(node, call, grant) for call in calls))

    def received(self, result: Any) -> Done:
        """It says that."""
        done: Done = result
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
        id: by which the process knows that it has had it.
        worker: the process that it is for, and no other: whoever is started in its place must not repeat it.
        manner: how the calls are made.
        node: that all calls go to.
        calls: in order.
        until: when no further try may begin (the worker's monotonic seconds).
    """

    id: str
    worker: str
    manner: Manner
    node: Node
    calls: tuple[Call, ...]
    until: float


_COORDINATOR = uuid4().hex
_ORDERS = count(1)


@dataclass(slots=True, eq=False)
class WorkerLane:
    """A process that works on orders, here or on another machine.

    Attributes:
        executor: hands functions to it.
        work: carries an order out, there; both it and what comes of it are pickled, so that nothing on the
            way takes a tuple for something else.
        worker: names the process.
        manner: how its calls are made.
        horizon: until when a permit lasts that nobody renews (monotonic seconds).
        slots: batches at once.
        writes: whether it may carry out writes.
        patience: seconds after which a batch is given up for lost; None where its end is sure to be told.
        lives: whether it is not known to be gone.
        behind: seconds to add to the worker's clock to have ours; too many by at most the time that the
            message which told it was under way. So a batch expires early rather than late, and a suspicion
            begins late rather than early (Cristian, Probabilistic clock synchronization, 1989).
        tell: calls a method of its `Worker` at once; None where that is not possible.
        end: ends the process, if it is ours.
    """

    executor: Executor
    work: Callable[[bytes], bytes]
    worker: str
    manner: Manner
    horizon: Callable[[], float]
    slots: int
    writes: bool = True
    patience: float | None = None
    lives: Callable[[], bool] = lambda: True
    behind: float = 0.0
    tell: Callable[..., None] | None = None
    end: Callable[[], None] = lambda: None

    def alive(self) -> bool:
        """See the protocol."""
        return self.lives()

    def submit(self, node: Node, calls: tuple[Call, ...]) -> Future[bytes]:
        """See the protocol."""
        order = Order(
            f"{_COORDINATOR}-{next(_ORDERS)}",
            self.worker,
            self.manner,
            node,
            calls,
            self.horizon() - self.behind,
        )
        return self.executor.submit(self.work, pickle.dumps(order, pickle.HIGHEST_PROTOCOL))

    def received(self, result: Any) -> Done:
        """Every time is later by what the worker's clock is behind."""
        done: Done = pickle.loads(result)  # noqa: S301  (of a worker that carries out our code)  # nosec B301
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
