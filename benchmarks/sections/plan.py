"""Reading: `planner plan` of cells that are as they should be, beside clients that read the same cells."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Contender
from benchmarks.clients import ansible, terraform
from benchmarks.clients.cells import said, words
from benchmarks.clients.planner import Planner, environment
from benchmarks.cluster import Cluster
from benchmarks.measure import Run, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Bench

DEFAULT, MORE = 16, 64
"""planner's own `--parallelism`, and what it takes to keep nodes busy that answer after 20 ms."""
CASES = ((3, 0), (3, 20), (100, 0), (100, 20))
"""Nodes, and milliseconds before every answer."""
SIZES = {
    # milliseconds: cells of planner and aiohttp, of both with more in flight, of requests, Ansible, Terraform
    0: (9000, 0, 1500, 3, 40),
    20: (1800, 4800, 100, 3, 40),
}


def measure(bench: Bench) -> dict[str, Any]:
    """Every case, one after the other."""
    return {"cases": [case(bench, nodes, latency) for nodes, latency in CASES]}


def case(bench: Bench, nodes: int, latency: int) -> dict[str, Any]:
    """One case: the same cluster for all clients, since nobody changes it."""
    many, more, few, fewer, some = SIZES[latency]
    with ExitStack() as stack:
        title = f"plan, {nodes} nodes, {latency} ms"
        contenders = []
        for cells, parallelism in ((many, DEFAULT), (more, MORE)):
            if cells:
                count = bench.cells(cells, nodes)
                groups = count // nodes
                cluster = stack.enter_context(Cluster(nodes, groups, latency))
                planner = Planner(stack.enter_context(bench.folder()), cluster.urls, groups)
                bench.say(f"{title}: planner applies {count} cells, so that its store knows them")
                planner.apply("--parallelism", str(MORE), expect="Apply complete")
                contenders += [
                    Contender(
                        "planner",
                        count,
                        partial(planner.plan, "--parallelism", str(parallelism)),
                        parallelism,
                    ),
                    Contender(
                        "aiohttp",
                        count,
                        partial(
                            loop, "aiohttp_loop", "read", planner.folder, cluster.urls, count, parallelism
                        ),
                        parallelism,
                    ),
                ]
        count = bench.cells(few, nodes)
        cluster = stack.enter_context(Cluster(nodes, max(count // nodes, fewer), latency))
        folder = stack.enter_context(bench.folder())
        contenders.append(
            Contender(
                "requests",
                count,
                partial(loop, "requests_loop", "read", folder, cluster.urls, count),
                1,
            )
        )
        contenders.append(
            Contender(
                "Ansible",
                fewer,
                partial(playbook, folder, "read", cluster.urls, fewer),
                1,
                partial(playbook, folder, "read", cluster.urls, 1),
            )
        )
        if terraform.PROGRAM:
            count = min(max(bench.cells(some), fewer), count)
            contenders.append(
                Contender(
                    "Terraform",
                    count,
                    partial(configuration, folder, "read", cluster.urls, count),
                    DEFAULT,
                )
            )
        return {"nodes": nodes, "latency": latency, "rows": bench.compare(title, contenders)}


def loop(program: str, task: str, folder: Path, urls: Sequence[str], count: int, parallelism: int = 1) -> Run:
    """Run a program of ours."""
    command = [sys.executable, "-m", f"benchmarks.clients.{program}", *words(task, urls, count, parallelism)]
    return run(command, folder=folder, environment=environment(folder), expect=said(count))[0]


def playbook(folder: Path, task: str, urls: Sequence[str], count: int) -> Run:
    """Run Ansible."""
    command, expect = ansible.command(folder, task, urls, count)
    return run(command, folder=folder, environment=environment(folder), expect=expect)[0]


def configuration(folder: Path, task: str, urls: Sequence[str], count: int) -> Run:
    """Run Terraform, in a directory that was initialised before."""
    command, expect = terraform.command(folder, task, urls, count, DEFAULT)
    if not (folder / ".terraform.lock.hcl").exists() and not (folder / ".terraform").exists():
        run([terraform.PROGRAM, "init"], folder=folder, environment=environment(folder), expect="initialized")
    return run(command, folder=folder, environment=environment(folder), expect=expect)[0]
