"""Answers that must be complete in time, however slowly they drip.

A socket's time-out is about one `recv`: a node that sends a byte every few seconds holds a worker for hours,
in the header, in a chunk's size, or in the body that urllib3 drains between two tries (`drain_conn` reads on
for as long as something comes). Here one deadline is for the whole header, and one for the whole body.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


INFORMATIONAL = range(100, 200)

DRAIN_TIME = 1.0
"""Seconds for a body that is read only so that its connection can be used again."""


class DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline, which can be set anew.

    Attributes:
        ended: whether the other side sends nothing more.
    """

    def __init__(self, sock: socket.socket, seconds: float | None) -> None:
        super().__init__()
        self.ended = False
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the descriptor until it is closed
        self._deadline = 0.0
        self._limited = seconds is not None
        self.allow(seconds)

    def allow(self, seconds: float | None) -> None:
        """Set the deadline `seconds` from now; None is no deadline."""
        self._limited = seconds is not None
        self._deadline = time.monotonic() + (seconds or 0.0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read what is there.

        Raises:
            TimeoutError: the deadline has passed; urllib3 makes it a `ReadTimeoutError`.
        """
        if self._limited:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._raw.close()
        super().close()


class _File:
    """What `http.client.HTTPResponse` asks of a socket: one file."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file


class DeadlineResponse(HTTPResponse):
    """An answer whose header, and then whose body, must be complete within the socket's time-out."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._seconds = sock.gettimeout()  # the phase's time-out: urllib3 sets it just before
        self._reader = DeadlineReader(sock, self._seconds)
        super().__init__(_File(io.BufferedReader(self._reader)), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the header of the final answer; the body has a deadline of its own.

        `http.client` skips 100 only: a 103 would be taken for the answer, and the answer that follows it for
        that of the next request on the connection (RFC 9110, 15.2: any number of 1xx may come first).

        Raises:
            IncompleteRead: the header broke off; `http.client` would take what came for the whole of it.
        """
        super().begin()
        while self.status in INFORMATIONAL and not self._reader.ended:
            self.headers = self.msg = None  # type: ignore[assignment]  # as before the first header
            super().begin()
        if self._reader.ended:
            raise IncompleteRead(b"")
        self._reader.allow(self._seconds)

    def hurry(self) -> None:
        """Nobody needs what is left: allow it a moment only."""
        if self._seconds is None or self._seconds > DRAIN_TIME:
            self._reader.allow(DRAIN_TIME)


def hurry(raw: object) -> None:
    """Let the rest of an answer of urllib3 be drained in a moment, or not at all."""
    original = getattr(raw, "_original_response", None)
    if isinstance(original, DeadlineResponse):
        original.hurry()
