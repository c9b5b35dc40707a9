"""A plan of n groups on n nodes, from a thousand to a million cells: time, memory, and how they grow.

Single runs: what is asked is the exponent, over orders of magnitude. The series take turns at each size. A
store that knows every cell is made by `clients.seed`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients.planner import NO_CHANGES, Planner
from benchmarks.cluster import Cluster

if TYPE_CHECKING:
    from benchmarks.bench import Bench

SIDES = (32, 100, 316, 1000)
"""n of each size."""
SERIES = {
    "reads": "one read per cell",
    "lists": "one list per node",
    "adopts": "one read per cell, and a change of each",
}
"""In the first two the store knows every cell and nothing is to be done; in the third it is empty, so that
every cell is to be adopted."""
UP_TO = {"reads": 316, "lists": 1000, "adopts": 100}
"""The largest n of each: beyond it, a series that reads would take longer than all the rest."""


def measure(bench: Bench) -> dict[str, Any]:
    """Every size once; the scale counts for the cells, so that n shrinks with its root."""
    rows: list[dict[str, Any]] = []
    for wanted in SIDES:
        side = max(2, round(wanted * bench.scale**0.5))
        with Cluster(side, side) as cluster:
            for series, words in SERIES.items():
                if wanted > UP_TO[series]:
                    continue
                with bench.folder() as folder:
                    planner = Planner(folder, cluster.urls, side, lists=series == "lists")
                    if series != "adopts":
                        planner.seed()
                    expect = f"{side:,} to adopt" if series == "adopts" else NO_CHANGES
                    contender = Contender(
                        words,
                        side * side,
                        partial(planner.plan, expect=expect),
                        more={"series": series, "side": side},
                    )
                    rows += bench.compare(f"growth, {side} groups on {side} nodes", [contender], 1)
    return {"rows": rows}
