"""Other processes that use a store. A test and its children wait for each other's lines, never for time."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
START = """
import sys
from planner.errors import *
from planner.model import *
from planner.ports import *
from planner.store import open_store
from tests.store.bench import intent, mark

url = sys.argv[1]


def say(*words):
    print(*words, flush=True)


def hear():
    return sys.stdin.readline().strip()


"""


class Child:
    """A process that runs some lines of Python; `url`, `say` and `hear` are there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def say(self, words: str = "") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def end(self) -> str:
        """Wait until it has ended, and return what is left of its output."""
        out, _ = self._process.communicate()
        return out.strip()


@contextmanager
def child(url: str, code: str) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", START + textwrap.dedent(code), url],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()


HOLD = """
with open_store(url) as store, store.lock("c", "apply", 0) as lease:
    say("held", lease.epoch)
    hear()
"""
