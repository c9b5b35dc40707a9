"""A lock on a file that the operating system takes back when its owner dies, however it dies.

`flock` belongs to the open file: two attempts of one process exclude each other too. It would live on in
a forked child, so a child closes the file at once (`forking`).

The file itself is never deleted: whoever holds the lock of a deleted file holds nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING

from planner.errors import StoreFailed
from planner.store import forking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None  # type: ignore[assignment]

SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No link is followed, and a pipe is opened without waiting for its other end."""

PROBED = 1000
"""How often an attempt that met nothing but probes is made again."""
PROBE = 0.001
"""Seconds between these. A probe lasts some microseconds, unless its process has to wait in the middle."""


class FileLock:
    """An exclusive lock on `path`.

    Args:
        path: the lock file; made when it is missing.
        mode: of a new file.
        pause: sleeps for some seconds.
    """

    def __init__(self, path: Path, mode: int = 0o600, pause: Callable[[float], None] = time.sleep) -> None:
        self._path = path
        self._mode = mode
        self._pause = pause
        self._fd = -1

    def attempt(self) -> bool:
        """Try to take the lock, without waiting.

        Attempts meet probes (`is_held`), which share the lock for an instant. An attempt that fails asks
        whether the lock can be *shared*: if so nobody holds it, and the attempt is made again.

        Raises:
            OSError: the file cannot be made or locked.
        """
        _require_flock()
        for _ in range(PROBED):
            with forking.gate:
                self._fd = self._opened()
                forking.register(self)
            try:
                exclusive = _flock(self._fd, fcntl.LOCK_EX)
                if exclusive and self.is_intact():  # not deleted between the opening and the locking
                    self.say("")
                    return True
                if not exclusive and not _flock(self._fd, fcntl.LOCK_SH):
                    self.release()
                    return False
            except BaseException:
                self.release()
                raise
            self.release()
            self._pause(PROBE)
        return False

    def _opened(self) -> int:
        """Open the file; it is as readable as the database, whatever the umask."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | SAFELY, self._mode)
        try:
            status = _checked(fd, self._path)
        except BaseException:
            os.close(fd)
            raise
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != self._mode:
            os.fchmod(fd, self._mode)
        return fd

    def is_intact(self) -> bool:
        """Whether the lock is held, and the path still names the locked file."""
        if self._fd < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.lstat())
        except OSError:
            return False

    def say(self, words: str) -> None:
        """Write a few words for `is_held` into the file. They decide nothing, so a full disk is no matter."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, words.encode(), 0)

    def forget(self) -> None:
        """In a forked child: close the file. The lock stays with the parent, which has it open too."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def release(self) -> None:
        """Give the lock back. The file stays."""
        forking.unregister(self)
        self.forget()


def is_held(path: Path) -> str | None:
    """Return what the lock's owner said, or None when nobody holds the lock now.

    Raises:
        OSError: that cannot be found out.
    """
    _require_flock()
    try:
        fd = os.open(path, os.O_RDONLY | SAFELY)
    except FileNotFoundError:
        return None
    try:
        _checked(fd, path)
        return None if _flock(fd, fcntl.LOCK_SH) else os.pread(fd, 64, 0).decode("ascii", "replace")
    finally:
        os.close(fd)


def _checked(fd: int, path: Path) -> os.stat_result:
    """The status of an open lock file. It is written to: it must not be what somebody else's name led to.

    Raises:
        StoreFailed: it is no regular file, or has a second name.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise StoreFailed(
            "The lock cannot be used.",
            where=str(path),
            why="it is no regular file, or has a second name (a hard link)",
            next="find out who made it, and take it away while nothing runs",
        )
    return status


def _flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_flock() -> None:
    if fcntl is None:
        raise StoreFailed(
            "This platform has no lock for a SQLite store.",
            why="the operating system has no flock()",
            next="use --store postgresql+psycopg://… here",
        )
