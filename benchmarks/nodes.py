"""Nodes that answer as fast as Python can: what is measured is the client, not the server.

Run as a program, it prints its nodes' URLs as one JSON line and serves until its standard input is closed::

    python -m benchmarks.nodes --nodes 3 --groups 1000 --latency 0

Every node has an address of its own in 127.0.0.0/8, so that a client keeps one connection pool per node, as
it would in a cluster. The contract is that of docs/file.md, and nothing fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import sys
from urllib.parse import unquote

REASONS = {200: b"OK", 201: b"Created", 400: b"Bad Request", 404: b"Not Found", 405: b"Method Not Allowed"}
PATH = "/v1/group/"


def group_name(number: int) -> str:
    """The id of the n-th group of a benchmark."""
    return f"group-{number:06}"


def address(number: int) -> str:
    """The address of the n-th node."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Node(asyncio.Protocol):
    """One connection to one node: requests in, answers out, in order."""

    def __init__(self, groups: set[str], latency: float) -> None:
        self._groups = groups
        self._latency = latency
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # A stream can write, and says so by its class or by having the method.
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # nosec B101
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            answer = self._answer(method.decode(), target.decode(), body)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, method: str, target: str, body: bytes) -> bytes:
        rest = target.partition("?")[0][len(PATH) :].strip("/")
        if method == "GET" and rest:
            group = unquote(rest)
            return _response(200, {"groupId": group}) if group in self._groups else _response(404, {})
        if method == "GET":
            return _response(200, sorted(self._groups))
        group = json.loads(body)["groupId"]
        if method == "POST":
            status = 400 if group in self._groups else 201
            self._groups.add(group)
            return _response(status, {"groupId": group})
        if method == "DELETE":
            status = 200 if group in self._groups else 404
            self._groups.discard(group)
            return _response(status, {})
        return _response(405, {})


def _response(status: int, value: object) -> bytes:
    content = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} ".encode() + REASONS[status]
    return b"%b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        head,
        len(content),
        content,
    )


async def serve(nodes: int, groups: int, latency: float) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    names = [group_name(number) for number in range(groups)]
    for number in range(nodes):
        held = set(names)
        await loop.create_server(lambda held=held: Node(held, latency), address(number), port, backlog=1024)  # type: ignore[misc]
    print(json.dumps([f"http://{address(number)}:{port}" for number in range(nodes)]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--groups", type=int, default=0, help="that every node holds at first")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds before every answer")
    wanted = parser.parse_args()
    import uvloop

    uvloop.run(serve(wanted.nodes, wanted.groups, wanted.latency / 1000))


if __name__ == "__main__":
    main()
