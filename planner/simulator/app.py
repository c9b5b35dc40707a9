"""The data path of one node, as a raw ASGI application: a request in, the truth or a fault out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from planner.simulator.faults import Answer, Effect, Strike
from planner.simulator.hold import Held, Hold, HoldEffect
from planner.simulator.journal import Journal
from planner.simulator.late import LateEffects
from planner.simulator.node import (
    COLLECTION,
    NO_METHOD,
    NO_PATH,
    PENDING,
    Call,
    Node,
    Reply,
    group_of_body,
    group_of_path,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Scope = MutableMapping[str, Any]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTROL_ROOT: Final = b"/_simulator/"
CONNECTION: Final = "connection"  # the key in scope["state"]
_BODY_LIMIT: Final = 1 << 20
_HELD: Final = "hold"
_JSON: Final = (b"content-type", b"application/json")


class Connection(Protocol):
    """What the data path needs of the connection that a request came over."""

    serves_control: bool

    def reset(self) -> None:
        """End the connection with a TCP RST."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all nodes of a cluster share."""

    journal: Journal = field(default_factory=Journal)
    hold: Hold = field(default_factory=Hold)
    late: LateEffects = field(default_factory=LateEffects)


class NodeApp:
    """The ASGI application of one node.

    Args:
        node: its state and luck.
        desk: what it shares with the other nodes.
        control: the application behind `CONTROL_ROOT`; no fault ever strikes it.
        listing: whether GET of the collection lists the ids.
        prefix: the path in front of ``/v1/``, without a slash at its end.
    """

    __slots__ = ("_control", "_desk", "_listing", "_node", "_prefix")

    def __init__(
        self, node: Node, desk: Desk, control: Application, *, listing: bool = False, prefix: str = ""
    ) -> None:
        self._node = node
        self._desk = desk
        self._control = control
        self._listing = listing
        self._prefix = prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: bytes = scope["raw_path"]
        if path.startswith(CONTROL_ROOT):
            await self._serve_control(scope, receive, send)
            return
        understood = self._understand(scope["method"], path)
        if isinstance(understood, Reply):
            self._desk.journal.count(self._node.name, scope["method"], understood.status)
            await _answer(send, understood)
            return
        if understood.is_write:
            body = await _read(receive)
            if body is None:
                return  # the client left before the request was whole: nobody ever saw it
            understood = Call(understood.method, group_of_body(body))
        await self._serve(understood, scope["state"][CONNECTION], receive, send)

    async def _serve_control(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"][CONNECTION]
        connection.serves_control = True
        try:
            await self._control(scope, receive, send)
        finally:
            connection.serves_control = False

    def _understand(self, method: str, path: bytes) -> Call | Reply:
        """Return the call (a write's id still to be read from its body), or what to answer at once."""
        if self._prefix:
            if not path.startswith(self._prefix):
                return NO_PATH
            path = path[len(self._prefix) :]
        if path == COLLECTION:
            listed = method == "GET" and self._listing
            return Call(method, None) if listed or method in ("POST", "DELETE") else NO_METHOD
        group = group_of_path(path)
        if group is None:
            return NO_PATH
        return Call(method, group) if method == "GET" else NO_METHOD

    async def _serve(self, call: Call, connection: Connection, receive: Receive, send: Send) -> None:
        strike = self._node.meet(call)
        held = self._desk.hold.take(call)
        if held is not None:
            await self._hold(call, held, receive, send)
        elif strike is not None:
            await self._strike(call, strike, connection, receive, send)
        else:
            reply = self._node.perform(call)
            self._desk.journal.record(self._node.name, call, reply.status, None, reply.effect)
            await _answer(send, reply)

    async def _strike(
        self, call: Call, strike: Strike, connection: Connection, receive: Receive, send: Send
    ) -> None:
        fault = strike.fault
        reply = self._node.perform(call) if fault.effect is Effect.NOW else Reply(0)
        if fault.answer is Answer.STATUS:
            reply = Reply(strike.status, reply.effect, b'{"error": "simulated"}')
        late = fault.effect is Effect.LATER and call.is_write
        silent = fault.answer in (Answer.NOTHING, Answer.RESET)
        status, effect = None if silent else reply.status, PENDING if late else reply.effect
        sequence = self._desk.journal.record(self._node.name, call, status, fault.name, effect)
        if late:
            self._desk.late.expect()
        if fault.answer is Answer.RESET:
            connection.reset()
        if silent:
            await _gone(receive)
        if late:
            self._desk.late.land_in(strike.seconds, lambda: self._land(call, sequence))
        if silent or (fault.answer is Answer.TRUE and not await _stays(receive, strike.seconds)):
            return
        await _answer(send, reply, strike.retry_after)

    async def _hold(self, call: Call, effect: HoldEffect, receive: Receive, send: Send) -> None:
        node, journal = self._node, self._desk.journal
        reply = node.perform(call) if effect is HoldEffect.BEFORE else Reply(500)
        logged = PENDING if effect is HoldEffect.AFTER and call.is_write else reply.effect
        sequence = journal.record(node.name, call, None, _HELD, logged)
        held = Held(sequence, node.name, call.method, call.group, effect.value)
        if not await self._desk.hold.keep(held):
            await _gone(receive)
            return
        if effect is HoldEffect.AFTER:
            reply = self._land(call, sequence)
        await _answer(send, reply)

    def _land(self, call: Call, sequence: int) -> Reply:
        reply = self._node.perform(call)
        self._desk.journal.landed(sequence, reply.effect)
        return reply


async def _read(receive: Receive) -> bytes | None:
    """Return the body, an empty one for one too large; None where the client left before its end."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) <= _BODY_LIMIT:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= _BODY_LIMIT else b""


async def _gone(receive: Receive) -> None:
    """Wait until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stays(receive: Receive, seconds: float) -> bool:
    """Wait so long; return False at once when the client leaves before."""
    try:
        async with asyncio.timeout(seconds):
            await _gone(receive)
    except TimeoutError:
        return True
    return False


async def _answer(send: Send, reply: Reply, retry_after: int | None = None) -> None:
    headers = [(b"content-length", b"%d" % len(reply.body))]
    if reply.body:
        headers.append(_JSON)
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_after))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
