"""Threads and worker processes: plan and apply with each `--executor` that this planner has."""

from __future__ import annotations

import re
import subprocess  # asks planner for its help  # nosec B404
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients.planner import PROGRAM, Planner, environment
from benchmarks.cluster import Cluster

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.measure import Run

NODES = 3
CELLS = {("plan", 0): 9000, ("plan", 20): 1800, ("apply", 0): 3000}
"""By the command and the milliseconds before every answer."""
MEASURED = ("auto", "threads", "processes")
"""Local ones; `auto` is what planner does without the flag."""


def offered() -> list[str]:
    """The local executors that `planner plan --help` offers; none in a planner without the flag."""
    words = [str(PROGRAM), "plan", "--help"]
    done = subprocess.run(  # planner, fixed arguments  # nosec B603
        words, env=environment(Path.cwd()), capture_output=True, text=True, timeout=60, check=True
    )
    about = done.stdout.partition("--executor")[2][:400]
    return [name for name in MEASURED if re.search(rf"\b{name}\b", about)]


def measure(bench: Bench) -> dict[str, Any]:
    """Each command at each latency; no case where planner has no such flag."""
    names = offered()
    if not names:
        bench.say("executors: this planner has no --executor")
        return {"cases": []}
    return {"cases": [case(bench, command, latency, names) for command, latency in CELLS]}


def case(bench: Bench, command: str, latency: int, names: list[str]) -> dict[str, Any]:
    """One command with every executor: a plan of cells that are as they should be, or an apply of all."""
    cells = bench.cells(CELLS[command, latency], NODES)
    groups = cells // NODES

    def measured(name: str) -> Run:
        held = groups if command == "plan" else 0
        with Cluster(NODES, held, latency) as cluster, bench.folder() as folder:
            planner = Planner(folder, cluster.urls, groups)
            if command == "apply":
                took = planner.apply("--executor", name)
                cluster.must_hold(cells)
                return took
            planner.seed()
            return planner.plan("--executor", name)

    contenders = [Contender(name, cells, partial(measured, name)) for name in names]
    rows = bench.compare(f"executors, {command}, {latency} ms", contenders)
    return {"command": command, "nodes": NODES, "latency": latency, "rows": rows}
