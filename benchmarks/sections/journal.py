"""What the durable commits cost an apply: `apply --yes` with them, and in a throw-away build without.

Beside the difference of the two, which the machine's other work blurs, stands the time that the calls of the
journal themselves took in the runs with it: they are made by the one thread that decides, which waits.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients.planner import Planner
from benchmarks.cluster import Cluster

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.measure import Run

NODES, CELLS = 3, 3000
LATENCIES = (0, 20)


def measure(bench: Bench) -> dict[str, Any]:
    """Both builds at each latency."""
    return {"cases": [case(bench, latency) for latency in LATENCIES]}


def case(bench: Bench, latency: int) -> dict[str, Any]:
    """On and off, alternating, each on an empty cluster of its own."""
    cells = bench.cells(CELLS if latency == 0 else CELLS // 3, NODES)
    calls: list[dict[str, float]] = []

    def create(journal: str) -> Run:
        with Cluster(NODES, 0, latency) as cluster, bench.folder() as folder:
            took, complained = Planner(folder, cluster.urls, cells // NODES).launched(journal)
            cluster.must_hold(cells)
        if journal == "on":
            calls.append(json.loads(complained.splitlines()[-1]))
        return took

    contenders = [
        Contender(f"journal {journal}", cells, partial(create, journal), more={"journal": journal})
        for journal in ("on", "off")
    ]
    rows = bench.compare(f"journal, {latency} ms", contenders)
    rounded = [{name: round(value, 4) for name, value in one.items()} for one in calls]
    return {"nodes": NODES, "latency": latency, "rows": rows, "calls": rounded}
