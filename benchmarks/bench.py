"""Rounds that alternate between contenders: A B C A B C, so that what the machine does meets all alike."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, WrongWork

ROUNDS = 5
"""What figures that count need."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One client with its work.

    Attributes:
        client: its name, as the page shows it.
        cells: how many it reads or creates.
        measure: does the work once; raises `WrongWork` when it was not done.
        parallelism: requests in flight; 0 where that cannot be said.
        one: the same work on one cell alone, for a client whose start-up would count for too much. Its time
            is then taken off, and its cells are one less.
        more: what else the results say of it.
    """

    client: str
    cells: int
    measure: Callable[[], Run]
    parallelism: int = 0
    one: Callable[[], Run] | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """What a section needs to know.

    Attributes:
        rounds: of each comparison.
        scale: by which the numbers of cells are multiplied; 1 for figures that count.
        where: the directory on whose disk homes and stores are made.
    """

    rounds: int = ROUNDS
    scale: float = 1.0
    where: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    begin: float = field(default_factory=time.monotonic)

    def cells(self, wanted: int, multiple: int = 1) -> int:
        """That many cells at this scale, as a multiple of the number of nodes, and at least one of each."""
        return max(1, round(wanted * self.scale / multiple)) * multiple

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A directory for one contender."""
        made = Path(tempfile.mkdtemp(prefix="planner-bench-", dir=self.where))
        try:
            yield made
        finally:
            shutil.rmtree(made)

    def compare(
        self, title: str, contenders: Sequence[Contender], rounds: int | None = None
    ) -> list[dict[str, Any]]:
        """Measure every contender once in each round; return their rows for results.json.

        Raises:
            WrongWork: one of them did not do its work, or its start-up cannot be told from it.
        """
        runs: list[list[Run]] = [[] for _ in contenders]
        rows = [
            {
                "client": one.client,
                "cells": one.cells,
                "parallelism": one.parallelism,
                "one": self._said(f"{title}: {one.client}, one cell", one.one()).document()
                if one.one
                else None,
                **one.more,
            }
            for one in contenders
        ]
        for number in range(rounds or self.rounds):
            for contender, its in zip(contenders, runs, strict=True):
                its.append(
                    self._said(f"{title}: {contender.client}, round {number + 1}", contender.measure())
                )
        for contender, row, its in zip(contenders, rows, runs, strict=True):
            if row["one"] and min(run.wall for run in its) <= row["one"]["wall"]:
                raise WrongWork(f"{contender.client} took as long for one cell as for {contender.cells}")
        return [
            row | {"rounds": [run.document() for run in its]} for row, its in zip(rows, runs, strict=True)
        ]

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{time.monotonic() - self.begin:7.1f} s  {text}", file=sys.stderr, flush=True)

    def _said(self, what: str, run: Run) -> Run:
        self.say(f"{what}: {run.wall:.3f} s, CPU {run.cpu:.3f} s, {run.tree:.0f} MiB")
        return run
