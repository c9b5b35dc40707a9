"""The nodes of a measurement, in a process of their own."""

from __future__ import annotations

import json
import subprocess  # starts our own interpreter only  # nosec B404
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.measure import WrongWork
from benchmarks.nodes import PATH

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[1]


class Cluster:
    """Nodes that serve until the block is left."""

    def __init__(self, nodes: int, groups: int = 0, latency: float = 0.0) -> None:
        """`groups` that every node holds at first; `latency` in milliseconds."""
        words = ["--nodes", str(nodes), "--groups", str(groups), "--latency", str(latency)]
        self._process = subprocess.Popen(  # our own interpreter  # nosec B603
            [sys.executable, "-m", "benchmarks.nodes", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # narrows the types: it is a pipe  # nosec B101
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise WrongWork("the nodes did not start")
        self.urls: list[str] = json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the nodes end."""
        assert self._process.stdin is not None  # narrows the types: it is a pipe  # nosec B101
        assert self._process.stdout is not None  # narrows the types: it is a pipe  # nosec B101
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def count(self) -> int:
        """How many cells the nodes hold."""
        total = 0
        for url in self.urls:
            # An http URL of our own nodes.
            with urllib.request.urlopen(url + PATH, timeout=10) as answer:  # nosec B310
                total += len(json.load(answer))
        return total

    def must_hold(self, cells: int) -> None:
        """Check what a writer left.

        Raises:
            WrongWork: not that many cells.
        """
        found = self.count()
        if found != cells:
            raise WrongWork(f"the nodes hold {found} cells, and {cells} were to be created")
