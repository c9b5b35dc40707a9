"""A small HTTP client for the tests: one request, one connection, nothing tried again."""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.simulator import SimulatedCluster

PATIENCE = 20.0  # seconds until a test gives up: reached only when it fails


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(url: str, method: str = "GET", body: object = None) -> Answer:
    """Send one request; a body that is neither bytes nor None is sent as JSON."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body if isinstance(body, bytes | None) else json.dumps(body))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the node API of one node as the contract says."""

    cluster: SimulatedCluster
    node: str = "node01"

    @property
    def base(self) -> str:
        return self.cluster.urls[self.node]

    def create(self, group: str) -> int:
        return send(f"{self.base}/v1/group/", "POST", {"groupId": group}).status

    def delete(self, group: str) -> int:
        return send(f"{self.base}/v1/group/", "DELETE", {"groupId": group}).status

    def get(self, group: str) -> Answer:
        return send(f"{self.base}/v1/group/{quote(group, safe='')}/")

    def control(self, path: str, method: str = "GET", body: object = None) -> Answer:
        root = f"http://{urlsplit(self.base).netloc}"
        return send(f"{root}/_simulator/{path}", method, body)


class OpenRequest:
    """A request that was sent, and whose answer nobody has read."""

    def __init__(self, client: Client, method: str, group: str) -> None:
        parts = urlsplit(client.base)
        self._cluster = client.cluster
        self.socket = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE)
        body = json.dumps({"groupId": group}).encode() if method != "GET" else b""
        path = "/v1/group/" if method != "GET" else f"/v1/group/{quote(group, safe='')}/"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        self.socket.close()

    def receive(self) -> bytes:
        """Read what comes first: the head of an answer, b'' for an orderly end; raises for a reset."""
        return self.socket.recv(65536)

    def status(self) -> int:
        return int(self.receive().split()[1])

    @property
    def answered(self) -> bool:
        """Whether anything came, after the cluster's loop had its turn."""
        self._cluster.states()
        return bool(select.select([self.socket], [], [], 0)[0])


def eventually(reached: Callable[[], bool]) -> None:
    """Ask again and again (each question waits for the cluster's own loop), until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, "it never came to this"
