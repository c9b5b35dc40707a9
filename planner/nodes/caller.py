"""Carries calls out, in the thread that asks for it: in this process, or in a worker."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3.util import Timeout

from planner.access import ANYWHERE
from planner.nodes.adapter import Ways
from planner.nodes.body import LARGEST, LARGEST_LIST, listed, record
from planner.nodes.exchange import Exchange, Reader
from planner.nodes.failures import words
from planner.nodes.known import Known
from planner.nodes.ledger import Grant, Ledger
from planner.nodes.retry import Patience
from planner.nodes.wire import Route
from planner.references import hide, repeat_a_secret
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.access import Places
    from planner.model import Node
    from planner.ports import Clock

UNSENT = "stopped before it was sent"


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls are made, whoever makes them. Durations are seconds.

    Attributes:
        connect_timeout: for a connection to one address, and for sending.
        read_timeout: from a request to the whole header of its answer, and again to its whole body.
        retry_statuses: the statuses that are tried again.
        backoff: the first pause between tries; it doubles.
        backoff_max: the longest pause, `Retry-After` included.
        connections: that are kept, per node.
        nodes: for how many nodes they are kept.
        places: where secrets may be taken from.
    """

    connect_timeout: float
    read_timeout: float
    retry_statuses: frozenset[int]
    backoff: float
    backoff_max: float
    connections: int
    nodes: int
    places: Places = ANYWHERE


class Caller:
    """Carries calls out, over kept connections. Any number of threads may use it."""

    def __init__(
        self,
        manner: Manner,
        clock: Clock,
        *,
        rng: random.Random | None = None,
        on_retry: Callable[[Call, Try, float], None] | None = None,
    ) -> None:
        """`on_retry` is told before every pause, in the same thread: the call, the failed try, the pause."""
        self._clock = clock
        self._places = manner.places
        self._ways = Ways(manner.nodes, manner.connections)
        self._routes: dict[Node, Route] = {}
        self._flying: set[Ledger] = set()
        self._lock = threading.Lock()
        patience = Patience(
            manner.retry_statuses,
            manner.backoff,
            manner.backoff_max,
            clock,
            rng or random.Random(),  # jitter is no secret  # nosec B311
            on_retry,
        )
        timeout = Timeout(connect=manner.connect_timeout, read=manner.read_timeout)
        self._exchange = Exchange(patience, timeout, Known())

    def answer(self, node: Node, call: Call, grant: Grant) -> Answer:
        """Carry a call out. It is answered, whatever happens."""
        ledger = Ledger(self._clock, grant)
        body: Body | None = None
        trouble = ""
        with self._lock:
            self._flying.add(ledger)
        try:
            body = self._carry_out(node, call, ledger)
        except Exception as error:  # noqa: BLE001  (a call is never lost, whatever happens)
            trouble = words(error)
            if ledger.open:
                ledger.failed(error)
        finally:
            with self._lock:
                self._flying.discard(ledger)
        if not ledger.tries:  # it failed before its first try began
            return unsent(call, self._clock, TryEnd.NOT_SENT, trouble)
        return Answer(call, tuple(ledger.tries), body)

    def abort(self) -> None:
        """Cut off everything that is in flight; it still gets its answer."""
        with self._lock:
            flying = tuple(self._flying)
        for ledger in flying:
            ledger.abort()

    def close(self) -> None:
        """Close the connections."""
        self._ways.close()

    def _carry_out(self, node: Node, call: Call, ledger: Ledger) -> Body | None:
        route = self._route(node)
        reader: Reader[Body] | None = None
        if call.method is Method.READ:
            reader = Reader(LARGEST, lambda content: _quiet(record(content, route.dialect), call), _faulty)
        elif call.method is Method.LIST:
            reader = Reader(
                LARGEST_LIST, lambda content: _quiet_list(listed(content, route.dialect)), _faulty, whole=True
            )
        return self._exchange.run(call, ledger, route, route.target(call), reader)

    def _route(self, node: Node) -> Route:
        """The route to a node, made at its first call so that a bad one fails its own node's calls only.

        Its secrets are found here, in the process that sends: a worker looks in its own environment.
        """
        route = self._routes.get(node)
        if route is None:
            route = self._routes[node] = Route(node, self._ways, self._places)
        return route


def _quiet(body: Body, call: Call) -> Body:
    """An id that nobody asked for will be told to the user; it may be what the node was shown."""
    return body if body.group == call.group else body._replace(group=hide(body.group))


def _quiet_list(body: Body) -> Body:
    """Ids of a list are told to the user, too. None of them can be left out, or be another one."""
    if repeat_a_secret(body.groups):
        return _faulty("the list repeats a credential as an id")
    return body


def unsent(call: Call, clock: Clock, end: TryEnd = TryEnd.STOPPED, why: str = UNSENT) -> Answer:
    """The answer to a call that no node has seen."""
    return Answer(call, (Try(end, clock.now(), detail=why),))


def _faulty(text: str) -> Body:
    return Body(fault=text)
