"""A stream that cannot break a run: a full disk, a closed pipe or a poor encoding never reach the engine."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_TYPED = str.maketrans({"…": "...", "·": "-", "×": "x", "✗": "x"})
"""Our own signs, where the stream's encoding does not have them."""


class Channel:
    """Writes to a stream. The first failure is kept in `failure`; from then on everything is dropped.

    The engine reports progress in the middle of a transaction: an exception from here would end it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure: OSError | ValueError | None = None
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.errors = "backslashreplace"

    def write(self, text: str) -> int:
        """Write what the stream's encoding can hold, and write the rest out."""
        if self.failure is None:
            try:
                self.stream.write(self._encodable(text))
            except (OSError, ValueError) as failure:  # ValueError: the stream is closed
                self._give_up(failure)
        return len(text)

    def flush(self) -> None:
        """Flush, or give the stream up."""
        if self.failure is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as failure:
                self._give_up(failure)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return self.stream.isatty()
        except (OSError, ValueError, AttributeError):
            return False

    def fileno(self) -> int:
        """The stream's file descriptor.

        Raises:
            OSError: it has none.
        """
        return self.stream.fileno()

    def columns(self) -> int | None:
        """The terminal's width; None where that cannot be told."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return os.get_terminal_size(self.stream.fileno()).columns or None
        return None

    @property
    def lost(self) -> str:
        """Why something was lost that somebody still waits for; empty if nothing was."""
        if self.failure is None or getattr(self.failure, "errno", None) == errno.EPIPE:
            return ""
        return getattr(self.failure, "strerror", None) or str(self.failure)

    def _encodable(self, text: str) -> str:
        if text.isascii():
            return text
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_TYPED).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def _give_up(self, failure: OSError | ValueError) -> None:
        """Keep the failure, and let the interpreter flush what is left to nowhere when it exits."""
        self.failure = failure
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
