"""Creating every cell of an empty cluster: `planner apply --yes` beside clients that only send the requests.

planner plans, checks every cell again, holds each wave durably before it sends it, and reads every cell at
the end. The others send their requests, and a careful one a GET before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients import terraform
from benchmarks.clients.planner import Planner
from benchmarks.cluster import Cluster
from benchmarks.sections.plan import CASES, DEFAULT, MORE, configuration, loop, playbook

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.measure import Run

    Writer = Callable[[Path, Sequence[str], int], Run]

SIZES = {
    # milliseconds: cells of planner, of aiohttp, of either with more in flight, of requests that post alone,
    # of careful ones, of Ansible, of Terraform
    0: (3000, 6000, 0, 1200, 600, 3, 40),
    20: (900, 1800, 3000, 100, 100, 3, 40),
}


def measure(bench: Bench) -> dict[str, Any]:
    """Every case, one after the other."""
    return {"cases": [case(bench, nodes, latency) for nodes, latency in CASES]}


def case(bench: Bench, nodes: int, latency: int) -> dict[str, Any]:
    """One case: an empty cluster for every single run."""
    own, many, more, few, fewer, three, some = SIZES[latency]

    def contender(
        client: str, cells: int, writer: Writer, parallelism: int, *, start: bool = False
    ) -> Contender:
        def create(count: int) -> Run:
            with Cluster(nodes, 0, latency) as cluster, bench.folder() as folder:
                took = writer(folder, cluster.urls, count)
                cluster.must_hold(count)
                return took

        one = partial(create, 1) if start else None
        return Contender(client, cells, partial(create, cells), parallelism, one)

    contenders = []
    for mine, theirs, parallelism in ((own, many, DEFAULT), (more, more, MORE)):
        if mine:
            contenders += [
                contender("planner", bench.cells(mine, nodes), partial(_planner, parallelism), parallelism),
                contender(
                    "aiohttp",
                    bench.cells(theirs, nodes),
                    partial(_loop, "aiohttp_loop", "create", parallelism),
                    parallelism,
                ),
            ]
    contenders += [
        contender("requests", bench.cells(few, nodes), partial(_loop, "requests_loop", "create", 1), 1),
        contender(
            "requests, careful", bench.cells(fewer, nodes), partial(_loop, "requests_loop", "careful", 1), 1
        ),
        contender("Ansible", three, _ansible, 1, start=True),
    ]
    if terraform.PROGRAM:
        contenders.append(contender("Terraform", max(bench.cells(some), three), _terraform, DEFAULT))
    title = f"apply, {nodes} nodes, {latency} ms"
    return {"nodes": nodes, "latency": latency, "rows": bench.compare(title, contenders)}


def _planner(parallelism: int, folder: Path, urls: Sequence[str], count: int) -> Run:
    return Planner(folder, urls, count // len(urls)).apply("--parallelism", str(parallelism))


def _loop(program: str, task: str, parallelism: int, folder: Path, urls: Sequence[str], count: int) -> Run:
    return loop(program, task, folder, urls, count, parallelism)


def _ansible(folder: Path, urls: Sequence[str], count: int) -> Run:
    return playbook(folder, "create", urls, count)


def _terraform(folder: Path, urls: Sequence[str], count: int) -> Run:
    return configuration(folder, "create", urls, count)
