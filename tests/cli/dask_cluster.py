"""A real Dask scheduler and real workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from planner.simulator import SimulatedCluster
from tests.cli.machines import wait_until

DASK = [sys.executable, "-m"]


class DaskCluster:
    """One scheduler, and workers that come and go, with variables of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._environment = {"HOME": str(folder), **environment}
        self._file = folder / "scheduler.json"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--no-show")
        wait_until(lambda: self._file.exists() and bool(self._file.read_text()))
        import json

        self.address: str = json.loads(self._file.read_text())["address"]
        self._workers: list[subprocess.Popen[bytes]] = []

    def add_workers(self, number: int) -> None:
        """Start workers, and wait until the scheduler knows them."""
        before = self.count()
        for _ in range(number):
            self._workers.append(
                self._start("distributed.cli.dask_worker", "--no-nanny", "--nthreads", "4", "--no-dashboard")
            )
        wait_until(lambda: self.count() == before + number)

    def kill_workers(self) -> None:
        """SIGKILL to all of them."""
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self._workers.clear()

    def count(self) -> int:
        """Workers that the scheduler knows."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            return len(client.nthreads())

    def close(self) -> None:
        """End everything."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*DASK, module, "--scheduler-file", str(self._file), "--host", "127.0.0.1", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._file.parent,
            env=os.environ | self._environment,
        )
        self._processes.append(process)
        return process


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int, **environment: str) -> Iterator[DaskCluster]:
    """A scheduler with so many workers, which have these variables."""
    cluster = DaskCluster(folder, **environment)
    try:
        cluster.add_workers(workers)
        yield cluster
    finally:
        cluster.close()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def present(cluster: SimulatedCluster, group: str) -> set[str]:
    """The nodes that hold a group."""
    return {node for node, groups in cluster.groups().items() if group in groups}
