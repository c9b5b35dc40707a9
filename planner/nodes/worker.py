"""What a worker process does: orders in, answers out. It holds no lock and no journal, and asks nobody.

A batch carries its own expiry, which is looked at before every try: when the coordinator is gone, nothing
more is sent a few seconds later. Where the coordinator is on the same machine, it prolongs the permit of what
it has handed over, and takes it back at once.
"""

from __future__ import annotations

import pickle  # for a coordinator whose worker this is  # nosec B403
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from planner import __version__
from planner.clock import SystemClock
from planner.nodes.caller import Caller
from planner.nodes.lanes import Done, Order, Retried
from planner.nodes.ledger import Grant

if TYPE_CHECKING:
    from planner.nodes.caller import Manner
    from planner.verdict import Call, Try

REMEMBERED = 100_000
"""Orders of which the process knows that it has had them."""


class NotHere(Exception):
    """The order is for another process, or has been carried out: it may have been sent already."""


class Hello(NamedTuple):
    """Who a process is, which version of planner it has, and what its clock says (monotonic seconds)."""

    worker: str
    version: str
    now: float


class Worker:
    """The state of a worker process."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        self._clock = SystemClock()
        self._callers: dict[Manner, Caller] = {}
        self._retried: ContextVar[list[Retried]] = ContextVar("retried")
        self._lock = threading.Lock()
        self._grants: set[Grant] = set()
        self._had: dict[str, None] = {}
        self._until = float("-inf")

    def hello(self) -> Hello:
        """Who this is."""
        return Hello(self.id, __version__, self._clock.now())

    def carry_out(self, order: Order) -> Done:
        """Carry an order out, once.

        Raises:
            NotHere: it is another process's, or is here for the second time.
        """
        if order.worker != self.id:
            raise NotHere(f"the order is for {order.worker}, and this is {self.id}")
        grant = Grant(lambda: self._clock.now() < max(order.until, self._until))
        with self._lock:
            if order.id in self._had:
                raise NotHere(f"order {order.id} was carried out before")
            self._had[order.id] = None
            if len(self._had) > REMEMBERED:
                del self._had[next(iter(self._had))]
            self._grants.add(grant)
            caller = self._caller(order.manner)
        token = self._retried.set([])
        try:
            answers = tuple(caller.answer(order.node, call, grant) for call in order.calls)
            return Done(answers, tuple(self._retried.get()))
        finally:
            self._retried.reset(token)
            with self._lock:
                self._grants.discard(grant)

    def revoke(self) -> None:
        """Allow no further try of what is here now."""
        with self._lock:
            grants = tuple(self._grants)
        for grant in grants:
            grant.revoke()

    def renew(self, until: float) -> None:
        """Let permits last until then (this machine's monotonic seconds)."""
        self._until = until

    def _caller(self, manner: Manner) -> Caller:
        caller = self._callers.get(manner)
        if caller is None:
            caller = self._callers[manner] = Caller(manner, self._clock, on_retry=self._note)
        return caller

    def _note(self, call: Call, failed: Try, pause: float) -> None:
        self._retried.get().append(Retried(call, failed, pause))


WORKER = Worker()
"""Of this process, if it is one: a task of an executor is a function, and can find no other state."""


def hello() -> Hello:
    """See `Worker`."""
    return WORKER.hello()


def carry_out(order: bytes) -> bytes:
    """See `Worker`; both are pickled."""
    # Whoever may give orders to this process may run code in it anyway: see docs/threats.md on Dask.
    done = WORKER.carry_out(pickle.loads(order))  # noqa: S301  (of our coordinator)  # nosec B301
    return pickle.dumps(done, pickle.HIGHEST_PROTOCOL)
