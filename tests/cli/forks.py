"""The real command in a process of its own that was forked instead of started.

To start Python and to import the command takes half a second, and a test of many deaths would do little else.
A process that has imported everything (`tests.cli.zygote`) forks one for each command: it has its own memory,
sockets, connections and locks, and SIGKILL ends it like any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from planner.simulator import Held, SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.machines import LONG

ROOT = Path(__file__).parents[2]


class Fork:
    """A command that runs, or has ended."""

    def __init__(self, forks: Forks, pid: int, folder: Path) -> None:
        self._forks = forks
        self._folder = folder
        self._code: int | None = None
        self.pid = pid

    def kill(self) -> None:
        """SIGKILL."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Ended:
        """Wait until it has ended. No other command can be started meanwhile."""
        if self._code is None:
            self._code = self._forks.ask({"wait": self.pid})
        return Ended(self._code, *(_said(self._folder / name) for name in ("out", "err")))


def _said(path: Path) -> str:
    """What a command has written; nothing where it was killed before it could."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


class Forks:
    """Starts commands, one after the other."""

    def __init__(self, zygote: subprocess.Popen[str]) -> None:
        self._zygote = zygote
        self._asking = threading.Lock()

    def ask(self, order: dict[str, object]) -> int:
        """Give one order, and wait for its answer."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        with self._asking:
            self._zygote.stdin.write(json.dumps(order) + "\n")
            self._zygote.stdin.flush()
            return int(self._zygote.stdout.readline())

    def start(self, shop: Shop, *arguments: str, at: int = 0, size: int = 0) -> Fork:
        """Start a command and do not wait for it; `tests.cli.zygote` tells what `at` and `size` are."""
        for name in ("out", "err"):
            (shop.folder / name).unlink(missing_ok=True)
        order = {
            "arguments": arguments,
            "folder": str(shop.folder),
            "environment": shop.environment,
            "out": str(shop.folder / "out"),
            "err": str(shop.folder / "err"),
            "at": at,
            "size": size,
        }
        return Fork(self, self.ask(order), shop.folder)

    def run(self, shop: Shop, *arguments: str, at: int = 0, size: int = 0) -> Ended:
        """Run a command to its end."""
        return self.start(shop, *arguments, at=at, size=size).end()


@contextmanager
def forking() -> Iterator[Forks]:
    """A process that forks; it ends with this block, or with this process."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.zygote"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as zygote:
        try:
            yield Forks(zygote)
        finally:
            zygote.kill()  # a command that failed its test may still run, and be waited for


def kill_held(cluster: SimulatedCluster, process: Fork) -> Held | None:
    """Kill a command while the armed request is in flight, which is released when the command is dead.

    Returns:
        The request; None when the command ended without it.
    """

    def release_at_its_end() -> None:
        process.end()
        cluster.release()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(release_at_its_end)
        try:
            held = cluster.wait_held(LONG)
        except BaseException:
            process.kill()
            raise
        if held:
            process.kill()
        ended.result()
    return held[0] if held else None
