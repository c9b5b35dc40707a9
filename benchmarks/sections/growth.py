"""A plan of n groups on n nodes, from a thousand to a million cells: time, memory, and how they grow.

The store knows every cell (see `clients.seed`), and nothing is to be done. Single runs: what is asked is the
exponent, over three orders of magnitude. The two series take turns at each size.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients.planner import Planner
from benchmarks.cluster import Cluster

if TYPE_CHECKING:
    from benchmarks.bench import Bench

SIDES = (32, 100, 316, 1000)
"""n of each size."""
READ_UP_TO = 316
"""Beyond this n, to read every record would take longer than all the rest."""
SERIES = {
    "reads": "one read per cell",
    "lists": "one list per node",
    "adopts": "one list per node, store empty",
}


def measure(bench: Bench) -> dict[str, Any]:
    """Every size once; the scale counts for the cells, so that n shrinks with its root."""
    rows: list[dict[str, Any]] = []
    for wanted in SIDES:
        side = max(2, round(wanted * bench.scale**0.5))
        with Cluster(side, side) as cluster:
            for series, words in SERIES.items():
                if series == "reads" and wanted > READ_UP_TO:
                    continue
                with bench.folder() as folder:
                    planner = Planner(folder, cluster.urls, side, lists=series != "reads")
                    if series != "adopts":
                        planner.seed()
                    expect = f"{side:,} to adopt" if series == "adopts" else "No changes."
                    contender = Contender(
                        words,
                        side * side,
                        partial(planner.plan, expect=expect),
                        more={"series": series, "side": side},
                    )
                    rows += bench.compare(f"growth, {side} groups on {side} nodes", [contender], 1)
    return {"rows": rows}
