"""How long a command takes that has next to nothing to do."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients.planner import PROGRAM, Planner, environment
from benchmarks.cluster import Cluster
from benchmarks.measure import Run, run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

NODES, GROUPS = 3, 10
TIMES = 4
"""Rounds of this section for one of the others: its runs are that short, and so vary by more."""
NOTHING, VERSION, SMALL = (
    "python -c pass",
    "planner --version",
    f"planner plan, {NODES} nodes × {GROUPS} groups",
)


def measure(bench: Bench) -> dict[str, Any]:
    """Python that does nothing, the version, and a small plan."""
    with Cluster(NODES, GROUPS) as cluster, bench.folder() as folder:
        planner = Planner(folder, cluster.urls, GROUPS)
        planner.apply(expect="Apply complete")
        contenders = [
            Contender(NOTHING, 0, partial(_short, folder, [sys.executable, "-c", "pass"], "")),
            Contender(VERSION, 0, partial(_short, folder, [PROGRAM, "--version"], "planner ")),
            Contender(SMALL, NODES * GROUPS, partial(planner.plan, sampled=False)),
        ]
        return {"rows": bench.compare("start", contenders, bench.rounds * TIMES)}


def _short(folder: Path, command: list[str | Path], expect: str) -> Run:
    return run(command, folder=folder, environment=environment(folder), expect=expect, sampled=False)[0]
