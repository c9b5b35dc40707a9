"""A private copy of a SQLite file that this user cannot, or must not, write.

SQLite cannot look at a file in WAL mode without its side files: where it can make them it leaves them behind,
as the reader's own and as unwritable as the file is, and the next writer stumbles over them; where it cannot
(a read-only mount), it does not open the file at all. `immutable=1` would do without them, and would read
past the log and past a writer that is at work. So the file and its log are copied, and the copy is looked at.
(https://www.sqlite.org/wal.html#read_only_databases, https://www.sqlite.org/c3ref/open.html)
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 50
PAUSE = 0.02
"""Seconds between two attempts: a writer changes the file itself only now and then, and its log always."""

WAL_HEADER = 32
"""Bytes, with a salt that changes when the log begins anew (https://www.sqlite.org/fileformat2.html#walformat)."""


class Copy:
    """A copy of a database as of one moment, in a directory of its own that goes with it."""

    def __init__(self, source: Path, where: str, pause: Callable[[float], None] = time.sleep) -> None:
        """Copy.

        Args:
            source: the database.
            where: it, for messages.
            pause: sleeps for some seconds.

        Raises:
            StoreFailed: it is being written all the time.
            OSError: it cannot be read, or there is no place for a copy.
        """
        self._directory = tempfile.TemporaryDirectory(prefix="planner-")
        self.path = Path(self._directory.name, "copy.db")
        try:
            for attempt in range(ATTEMPTS):
                if attempt:
                    pause(PAUSE)
                if _copied(source, self.path):
                    return
        except BaseException:
            self.remove()
            raise
        self.remove()
        raise StoreFailed(
            "The store cannot be read.",
            where=where,
            why="it can only be read from a copy, and it is being written all the time",
            next="run the command again",
        )

    def remove(self) -> None:
        """Take the copy away."""
        self._directory.cleanup()


def _copied(source: Path, copy: Path) -> bool:
    """Copy file and log; whether both are of one moment.

    They are while the file has not changed, and the log has not begun anew: a log only grows in between, and
    SQLite itself ignores what is half written at its end.
    """
    log = _beside(source, "-wal")
    shutil.copyfile(source, copy)
    head = _head(log)
    for suffix in ("-wal", "-journal"):
        _beside(copy, suffix).unlink(missing_ok=True)
        try:
            shutil.copyfile(_beside(source, suffix), _beside(copy, suffix))
        except FileNotFoundError:
            continue
    return _head(log) == head and _digest(source) == _digest(copy)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _head(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(WAL_HEADER)
    except FileNotFoundError:
        return b""


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
