"""Files and standard input that a user names: never a pipe that hangs, a device, or more than a limit.

Every refusal is an `OSError` whose `strerror` is the reason, as it is for a file that is missing: what reads
a file has one clause for all of them.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
PIECE = MIB


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file, whole.

    Links are followed. A pipe would be waited for, perhaps for ever, and a device has no end.

    Raises:
        OSError: it cannot be opened or read, is something else, or has more than `limit` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file, and a pipe or a device may have no end")
        if status.st_size > limit:
            raise _too_large(limit)
        return _read(file, limit)  # files of /proc have a size of 0, and others may grow


def read_standard_input(limit: int) -> bytes:
    """Read standard input to its end.

    Raises:
        OSError: it is closed, cannot be read, or has more than `limit` bytes.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return _read(sys.stdin.buffer, limit)


def asks_nobody() -> bool:
    """Whether standard input is no terminal, at which somebody could answer."""
    return sys.stdin is None or not sys.stdin.isatty()


def _read(file: IO[bytes], limit: int) -> bytes:
    pieces: list[bytes] = []
    left = limit + 1
    while left and (piece := file.read(min(left, PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise _too_large(limit)
    return b"".join(pieces)


def _size(limit: int) -> str:
    return f"{limit // MIB} MB" if limit >= MIB else f"{limit // 1024} KB"


def _too_large(limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {_size(limit)}")
