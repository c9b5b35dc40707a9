"""A node of raw sockets that does exactly what its script says, one action per request."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

PATIENCE = 10.0
"""Seconds that a test waits for something that must happen; never waited for in a green run."""


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Peer:
    """The other end of a connection, given to an action."""

    server: ScriptedServer
    sock: socket.socket
    request: Received

    def send(self, data: bytes) -> bool:
        """Send; False when nobody is there any more."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return True


Action: TypeAlias = Callable[[Peer], bool]
"""Answers a request; returns whether the connection stays open."""


def answer(status: int, body: object = b"", *headers: str, length: int | None = None) -> Action:
    """A whole answer. A body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(content) if length is None else length}"]
    data = "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + content

    def act(peer: Peer) -> bool:
        return peer.send(data)

    return act


def group(name: str) -> Action:
    """The answer to a read of a present group."""
    return answer(200, {"groupId": name})


def raw(data: bytes, *, keep: bool = False) -> Action:
    """Bytes as they are; then the connection is closed."""
    return lambda peer: peer.send(data) and keep


def reset(peer: Peer) -> bool:
    """Read the request and reset the connection."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def close(_peer: Peer) -> bool:
    """Read the request and close the connection."""
    return False


def hang(peer: Peer) -> bool:
    """Read the request and say nothing."""
    peer.server.closing.wait()
    return False


def drip(head: bytes, bit: bytes = b" ", pace: float = 0.02) -> Action:
    """Send a beginning, and then a little, again and again, as long as somebody listens."""

    def act(peer: Peer) -> bool:
        alive = peer.send(head)
        while alive and not peer.server.closing.wait(pace):
            alive = peer.send(bit)
        return False

    return act


def after(event: Callable[[], object], then: Action) -> Action:
    """Do something between the request and its answer."""

    def act(peer: Peer) -> bool:
        event()
        return then(peer)

    return act


def last(then: Action) -> Action:
    """Answer, and close the connection without a word about it."""

    def act(peer: Peer) -> bool:
        then(peer)
        return False

    return act


class ScriptedServer:
    """Listens on a loopback port; takes the next action of its script for every request.

    Attributes:
        tls: with which it listens; None for plain text.
        shown: the client's certificate of every connection, as its subject's common names.
    """

    def __init__(self, *script: Action, listen: bool = True, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.shown: list[str] = []
        self.script: deque[Action] = deque(script)
        self.received: list[Received] = []
        self.connections = 0
        self.closing = threading.Event()
        self.greeting = b""
        self.closed_by_client = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._peers: set[socket.socket] = set()
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        self.port: int = self._sock.getsockname()[1]
        if listen:
            self.listen()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Accept connections from now on."""
        self._sock.listen(64)
        self._start(self._accept)

    def deafen(self) -> None:
        """Refuse connections from now on."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def add(self, *actions: Action) -> None:
        self.script.extend(actions)

    def targets(self) -> list[str]:
        return [f"{r.method} {r.target}" for r in self.received]

    def close(self) -> None:
        self.closing.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        with self._lock:
            for peer in self._peers:
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._peers.add(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with ExitStack() as stack:
            stack.enter_context(suppress(OSError))  # a handshake that fails is one
            stack.enter_context(sock)
            if self.tls is not None:
                secured = stack.enter_context(self.tls.wrap_socket(sock, server_side=True))
                with self._lock:
                    self._peers.discard(sock)
                    self._peers.add(secured)
                    self.shown.append(_common_name(secured))
                sock = secured
            file = stack.enter_context(sock.makefile("rb"))
            if self.greeting:  # speaks first, and then no more
                sock.sendall(self.greeting)
                return
            while not self.closing.is_set():
                request = _read(file, number)
                if request is None:
                    break
                with self._lock:
                    self.received.append(request)
                    action = self.script.popleft() if self.script else answer(599)
                if not action(Peer(self, sock, request)):
                    break
        with self._lock:
            self._peers.discard(sock)
        self.closed_by_client.release()


def _common_name(sock: ssl.SSLSocket) -> str:
    certificate: dict[str, Any] = sock.getpeercert() or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return " ".join(map(str, names))


def tunnel(peer: Peer) -> bool:
    """Answer a CONNECT: connect, and pass everything on, both ways."""
    host, _, port = peer.request.target.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as there:
        there.settimeout(None)
        peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=_pass_on, args=(there, peer.sock), daemon=True)
        back.start()
        _pass_on(peer.sock, there)
        back.join(PATIENCE)
    return False


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _read(file: Iterable[bytes], number: int) -> Received | None:
    lines: list[str] = []
    for line in file:
        if line in (b"\r\n", b"\n"):
            break
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    if not lines:
        return None
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body = file.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
    return Received(method, target, headers, body, number)
