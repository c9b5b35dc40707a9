"""`planner.ports.Nodes` over HTTP: calls go to worker threads, answers come back through one queue."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from planner.nodes.adapter import NodeSession
from planner.nodes.body import LARGEST, LARGEST_LIST, listed, record
from planner.nodes.exchange import Exchange, Reader
from planner.nodes.failures import words
from planner.nodes.ledger import Grant, Ledger
from planner.nodes.mailbox import Mailbox
from planner.nodes.retry import Patience
from planner.nodes.wire import Route
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from planner.model import Node
    from planner.ports import Clock

LONGEST_WAIT = 3600.0
"""Seconds: the system's clock cannot count infinite ones."""

CLOSE_GRACE = 1.0
"""Seconds that `close` waits for workers whose connections it has cut."""


class HttpNodes:
    """The nodes of one run. Implements `planner.ports.Nodes`; a context manager.

    One thread calls `submit`, `wait` and `revoke`; `wake` may be called from a signal handler or any thread.
    """

    def __init__(  # noqa: PLR0913  (one argument per setting)
        self,
        nodes: Iterable[Node],
        *,
        connect_timeout: float,
        read_timeout: float,
        retry_statuses: Iterable[int],
        backoff: float,
        backoff_max: float,
        parallelism: int,
        clock: Clock,
        permit: Callable[[], bool],
        rng: random.Random | None = None,
        on_retry: Callable[[Call, Try, float], None] | None = None,
        authorization: Callable[[Node], str] | None = None,
    ) -> None:
        """Connect to nothing yet. Durations are seconds.

        Args:
            nodes: whom calls may name.
            connect_timeout: for a connection to one address, and for sending.
            read_timeout: from a request to the whole header of its answer, and again to its whole body.
            retry_statuses: the statuses that are tried again.
            backoff: the first pause between tries; it doubles.
            backoff_max: the longest pause, `Retry-After` included.
            parallelism: worker threads, and connections that are kept per node.
            clock: of the run.
            permit: asked before every try, from worker threads; nothing is sent without it.
            rng: for the jitter.
            on_retry: told before every pause, from worker threads: the call, the try that failed, the pause.
            authorization: the ``Authorization`` header for a node, from its credential reference; empty for
                none. Where it raises, the node's calls end as not sent.
        """
        self._nodes = {node.name: node for node in nodes}
        self._clock = clock
        self._permit = permit
        self._authorization = authorization
        self._grant = Grant(permit)
        self._answers: Mailbox[Answer | None] = Mailbox()
        self._routes: dict[str, Route] = {}
        self._flying: dict[Future[None], Ledger] = {}
        self._lock = threading.Lock()
        self._session = NodeSession(len(self._nodes), parallelism)
        self._exchange = Exchange(
            self._session,
            Patience(
                frozenset(retry_statuses), backoff, backoff_max, clock, rng or random.Random(), on_retry
            ),
            (connect_timeout, read_timeout),
        )
        self._workers = ThreadPoolExecutor(parallelism, thread_name_prefix="planner-nodes")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, call: Call) -> None:
        """Begin a call. It is answered exactly once, whatever happens."""
        ledger = Ledger(self._clock, self._grant)
        try:
            future = self._workers.submit(self._work, call, ledger)
        except RuntimeError:  # closed
            self._answers.put(self._answer_unsent(call, TryEnd.STOPPED, "stopped before it was sent"))
            return
        with self._lock:
            self._flying[future] = ledger
        future.add_done_callback(lambda done: self._landed(call, done))

    def wait(self, until: float) -> Answer | None:
        """Return the next answer, or None at `until` (the clock's seconds) or after a `wake`."""
        left = min(max(until - self._clock.now(), 0.0), LONGEST_WAIT)
        return self._answers.take(left)

    def wake(self) -> None:
        """Make `wait` return None; a `wake` that nobody waits for is kept for the next `wait`.

        Safe in a signal handler, as `Mailbox.put` is.
        """
        self._answers.put(None)

    def revoke(self) -> None:
        """Allow no further try of any call that was submitted so far, and end their pauses.

        What is in flight is still answered. Calls that are submitted later are allowed again.
        """
        grant, self._grant = self._grant, Grant(self._permit)
        grant.revoke()

    def close(self) -> None:
        """End everything: no further try, what is in flight is cut off and still gets its answer."""
        self.revoke()
        self._workers.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            flying = dict(self._flying)
        for ledger in flying.values():
            ledger.abort()
        wait(flying, timeout=CLOSE_GRACE)
        self._session.close()

    def _work(self, call: Call, ledger: Ledger) -> None:
        """Carry a call out, in a worker thread. The one place that answers, unless the call was cancelled."""
        body: Body | None = None
        trouble = ""
        try:
            body = self._carry_out(call, ledger)
        except Exception as error:  # noqa: BLE001  (a call is never lost, whatever happens)
            trouble = words(error)
            if ledger.open:
                ledger.failed(error)
        finally:
            if not ledger.tries:
                # It failed before its first try began.
                answer = self._answer_unsent(call, TryEnd.NOT_SENT, trouble)
            else:
                answer = Answer(call, tuple(ledger.tries), body)
            self._answers.put(answer)

    def _carry_out(self, call: Call, ledger: Ledger) -> Body | None:
        route = self._route(call.node)
        reader: Reader[Body] | None = None
        if call.method is Method.READ:
            reader = Reader(LARGEST, lambda content: record(content, route.dialect), _faulty)
        elif call.method is Method.LIST:
            reader = Reader(LARGEST_LIST, lambda content: listed(content, route.dialect), _faulty, whole=True)
        return self._exchange.run(call, ledger, route, route.target(call), reader)

    def _route(self, name: str) -> Route:
        """The route to a node, made at its first call so that a bad one fails its own node's calls only."""
        route = self._routes.get(name)
        if route is None:
            node = self._nodes[name]
            value = self._authorization(node) if self._authorization is not None else ""
            route = self._routes[name] = Route(node, self._session.environment(node.url), value)
        return route

    def _landed(self, call: Call, done: Future[None]) -> None:
        with self._lock:
            self._flying.pop(done, None)
        if done.cancelled():
            self._answers.put(self._answer_unsent(call, TryEnd.STOPPED, "stopped before it was sent"))

    def _answer_unsent(self, call: Call, end: TryEnd, why: str) -> Answer:
        return Answer(call, (Try(end, self._clock.now(), detail=why),))


def _faulty(text: str) -> Body:
    return Body(fault=text)
