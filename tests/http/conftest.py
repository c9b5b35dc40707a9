"""A client with short time-outs and no environment, and what it tells."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from planner.access import NO_TLS, Credential, Tls
from planner.clock import SystemClock
from planner.model import Dialect, Node
from planner.nodes.client import HttpNodes
from planner.ports import Nodes
from planner.verdict import Answer, Call, Method, Try, TryEnd
from tests.http.server import PATIENCE, Action, ScriptedServer

STATUSES = (429, 500, 502, 503, 504)


class Permit:
    """A permit that a test can withdraw."""

    def __init__(self) -> None:
        self.granted = True
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.granted

    def withdraw(self) -> None:
        self.granted = False


@dataclass
class Run:
    """A client of one server, and everything that it told."""

    nodes: HttpNodes
    server: ScriptedServer
    permit: Permit
    clock: SystemClock
    dialect: Dialect
    pauses: list[float] = field(default_factory=list)
    between: list[Callable[[], object]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def on_retry(self, _call: Call, _try: Try, pause: float) -> None:
        self.pauses.append(pause)
        for act in self.between:
            act()

    def submit(self, method: Method, group: str = "foo", tries: int = 3, node: str = "node01") -> Call:
        call = Call(next(self.numbers), method, group, node, tries)
        self.nodes.submit(call)
        return call

    def wait(self) -> Answer:
        answer = self.nodes.wait(self.clock.now() + PATIENCE)
        assert answer is not None, "no answer"
        return answer

    def call(self, method: Method, group: str = "foo", tries: int = 3, node: str = "node01") -> Answer:
        call = self.submit(method, group, tries, node)
        answer = self.wait()
        assert answer.call == call
        return answer

    def read(self, group: str = "foo", tries: int = 3) -> Answer:
        return self.call(Method.READ, group, tries)

    def list(self, tries: int = 3) -> Answer:
        return self.call(Method.LIST, "", tries)

    def create(self, group: str = "foo", tries: int = 3) -> Answer:
        return self.call(Method.CREATE, group, tries)

    def delete(self, group: str = "foo", tries: int = 3) -> Answer:
        return self.call(Method.DELETE, group, tries)


def ends(answer: Answer) -> list[int | TryEnd]:
    """A ledger in short: statuses, and ends without one."""
    return [t.status if t.end is TryEnd.ANSWERED else t.end for t in answer.tries]


Start = Callable[..., Run]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers; they end with the test."""
    servers: list[ScriptedServer] = []

    def start(*script: Action, listen: bool = True, tls: ssl.SSLContext | None = None) -> ScriptedServer:
        servers.append(ScriptedServer(*script, listen=listen, tls=tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def start(serve: Callable[..., ScriptedServer]) -> Iterator[Start]:
    """Start a server with a script, and a client for it."""
    clients: list[HttpNodes] = []

    def begin(
        *script: Action,
        dialect: Dialect | None = None,
        credential: Credential | None = None,
        tls: Tls = NO_TLS,
        prefix: str = "",
        url: str = "",
        listen: bool = True,
        serving: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> Run:
        server = serve(*script, listen=listen, tls=serving)
        dialect = dialect or Dialect()
        permit, clock = Permit(), SystemClock()
        holder: list[Run] = []

        def tell(call: Call, failed: Try, pause: float) -> None:
            holder[0].on_retry(call, failed, pause)

        options: dict[str, Any] = {
            "connect_timeout": 2.0,
            "read_timeout": PATIENCE,
            "retry_statuses": STATUSES,
            "backoff": 0.001,
            "backoff_max": 0.01,
            "parallelism": 4,
            "clock": clock,
            "permit": permit,
            "on_retry": tell,
        }
        node = Node("node01", url or server.url + prefix, dialect=dialect, credential=credential, tls=tls)
        nodes = HttpNodes([node], **options | settings)
        port: Nodes = nodes  # checked by mypy
        assert port is nodes
        clients.append(nodes)
        holder.append(Run(nodes, server, permit, clock, dialect))
        return holder[0]

    yield begin
    for client in clients:
        client.close()
