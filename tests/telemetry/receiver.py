"""A real HTTP server on loopback that takes what a run tells: a webhook's receiver, or a Pushgateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Keeps every request; answers the first ones with `statuses`, and the others with 200.

    Attributes:
        taken: (method, path, body) of each.
        silent: whether it reads requests and never answers, until it is closed.
        arrived: set when the first request has come.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, str, str]] = []
        self.statuses: list[int] = []
        self.silent = False
        self.arrived = threading.Event()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def notifications(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.taken]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.taken.append((self.command, self.path, body.decode()))
        self.server.arrived.set()
        if self.server.silent:
            self.server.closing.wait()
            return
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status in range(300, 400):
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_GET = _take  # noqa: N815  (the base class calls them so)

    def log_message(self, *_: object) -> None:
        """Say nothing: it would be among the output of the tests."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver at work."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
