"""One run of one process, measured from outside."""

from __future__ import annotations

import os
import subprocess  # starts what is measured  # nosec B404
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = 0.1
"""Seconds between two looks at the memory of a process and its children."""
PAGE = os.sysconf("SC_PAGE_SIZE")
MEBI = 1 << 20


class WrongWork(Exception):
    """A client did not do its work, or not all of it: what it took means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took.

    Attributes:
        wall: seconds from its start to its end.
        cpu: seconds of user and system time, its children's (those it waited for) included.
        rss: the most MiB that it, or any one child that it waited for, ever held (`ru_maxrss`).
        tree: the most MiB that it and all its children were seen to hold together, at least `rss`. Seen every
            0.1 s in ``/proc``; pages that they share count once for each, so it is rather too much.
    """

    wall: float
    cpu: float
    rss: float
    tree: float

    def document(self) -> dict[str, float]:
        """For results.json."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    expect: str,
    sampled: bool = True,
) -> tuple[Run, str]:
    """Run a command to its end; return what it took and what it wrote to standard error.

    Args:
        command: the program and its arguments.
        folder: where it is started.
        environment: all of it.
        expect: what must stand in its standard output.
        sampled: whether its children's memory is looked at; not for a run of milliseconds.

    Raises:
        WrongWork: it failed, or did not say what was expected.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.perf_counter()
        process = subprocess.Popen(  # the clients that are named here  # nosec B603
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        with _watched(process.pid) if sampled else _unwatched() as seen:
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        said, complained = _text(out), _text(err)
    if process.returncode != 0 or expect not in said:
        raise WrongWork(
            f"{' '.join(map(str, command))[:300]}\nended with {process.returncode} and without saying "
            f"{expect!r}:\n{said[-2000:]}\n{complained[-2000:]}"
        )
    rss = used.ru_maxrss * 1024 / MEBI
    return Run(wall, used.ru_utime + used.ru_stime, rss, max([rss, *seen])), complained


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@contextmanager
def _unwatched() -> Iterator[list[float]]:
    yield []


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Collect the MiB of a process and all its children, until the block is left."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            seen.append(tree_bytes(pid) / MEBI)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def tree_bytes(root: int) -> int:
    """The resident bytes of a process and of everything below it, now."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  # ten times a second: without a Path for each
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(entry)], sizes[int(entry)] = int(fields[1]), int(fields[21]) * PAGE
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(sizes.get(pid, 0) for pid in below)
