"""Answers that must be complete in time, however slowly they drip, and that end where they say they do.

A socket's time-out is about one `recv`: a node that sends a byte every few seconds holds a worker for hours,
in the header, in a chunk's size, or in the body that urllib3 drains between two tries (`drain_conn` reads on
for as long as something comes). Here one deadline is for the whole header, and one for the whole body.

What a socket's time-out is not about at all: a node that sends fast and for ever. A header has a limit in
bytes, with all interim answers before it; a body that nobody needs is read a little way only. What comes
behind the end of an answer was not asked for, and its connection is not used again: it would be taken for
the answer to the next request.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HeaderParsingError, HTTPError
from urllib3.util.response import assert_header_parsing

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse


INFORMATIONAL = range(100, 200)

DRAIN_TIME = 1.0
"""Seconds for a body that is read only so that its connection can be used again."""

DRAINED = 64 * 1024
"""Bytes of it, likewise."""

LARGEST_HEADER = 256 * 1024
"""Bytes up to the end of the final header."""


class BadHeader(HTTPException):
    """A header that cannot be used; its text says why. Whatever follows it may be anything."""


class DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline, which can be set anew.

    Attributes:
        ended: whether the other side sends nothing more.
        left: bytes that may be read of a header; None behind it.
    """

    def __init__(self, sock: socket.socket, seconds: float | None) -> None:
        super().__init__()
        self.ended = False
        self.left: int | None = LARGEST_HEADER
        self._sock = sock
        self._over = False
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
            BadHeader: more was read of a header than one may have.
        """
        if self._over:
            return None
        if self._limited:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        if self.left is not None:
            self.left -= count or 0
            if self.left < 0:
                raise BadHeader(f"the answer's header is larger than {LARGEST_HEADER // 1024} KiB")
        return count

    def finish(self) -> None:
        """Read nothing more: the answer is over."""
        self._over = True

    def cut(self) -> None:
        """Let nobody use the connection again."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

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
        self._buffer = io.BufferedReader(self._reader)
        super().__init__(_File(self._buffer), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the header of the final answer; the body has a deadline of its own.

        `http.client` skips 100 only: a 103 would be taken for the answer, and the answer that follows it for
        that of the next request on the connection (RFC 9110, 15.2: any number of 1xx may come first).

        Raises:
            IncompleteRead: the header broke off; `http.client` would take what came for the whole of it.
            BadHeader: it is too large, or has a line that is none. `http.client` would drop all lines behind
                that one, and with them where the body ends.
        """
        super().begin()
        while self.status in INFORMATIONAL and not self._reader.ended:
            self.headers = self.msg = None  # type: ignore[assignment]  # as before the first header
            super().begin()
        if self._reader.ended:
            raise IncompleteRead(b"")
        try:
            assert_header_parsing(self.msg)
        except HeaderParsingError as error:
            raise BadHeader("the answer's header has a line that is none") from error
        self._reader.allow(self._seconds)
        self._reader.left = None

    def _close_conn(self) -> None:
        """The answer was read, or given up. What is left in the buffer came behind its end, or unasked."""
        self._reader.finish()
        with suppress(ValueError, OSError):  # closed already
            if self._buffer.peek():
                self._reader.cut()
        super()._close_conn()  # type: ignore[misc]

    def hurry(self) -> None:
        """Nobody needs what is left: allow it a moment only."""
        if self._seconds is None or self._seconds > DRAIN_TIME:
            self._reader.allow(DRAIN_TIME)


def drain(response: BaseHTTPResponse) -> None:
    """Read a little that nobody needs: a connection can only be used again when its answer was read.

    Where there is more than that, or it takes longer than a moment, the connection is closed.
    """
    original = getattr(response, "_original_response", None)
    if isinstance(original, DeadlineResponse):
        original.hurry()
    with suppress(HTTPError, OSError):
        response.read(DRAINED, decode_content=False)
    response.close()  # of a connection that is back in its pool nothing is closed
