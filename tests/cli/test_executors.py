"""Who carries requests out: processes of this machine, and a real Dask cluster of two workers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.nodes.processes import usable_processes
from planner.ports import PROOF_LIFE
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.dask_cluster import DaskCluster, children, dask_cluster
from tests.cli.foreign import Deviation, ForeignNode
from tests.cli.machines import FILE, PATIENT, held_write, running, wait_until

TOKEN = "planted-of-the-workers"
EXECUTORS = pytest.mark.parametrize("executor", ["processes", "dask"])


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2, NODE_TOKEN=TOKEN) as cluster:
        yield cluster


@pytest.fixture
def spread(shop: Shop, request: pytest.FixtureRequest, executor: str) -> Shop:
    """A shop whose requests are sent by workers."""
    shop.settings["PLANNER_EXECUTOR"] = executor
    if executor == "dask":
        shop.settings["PLANNER_SCHEDULER"] = request.getfixturevalue("dask").address
    shop.file(*FILE)
    return shop


def as_planned(cluster: SimulatedCluster) -> bool:
    return all(set(groups) == {"kept", "a", "b"} for groups in cluster.groups().values())


def as_before(cluster: SimulatedCluster) -> bool:
    return all(set(groups) == {"kept", "old"} for groups in cluster.groups().values())


@EXECUTORS
def test_a_plan_and_its_apply(spread: Shop, cluster: SimulatedCluster) -> None:
    assert spread.run("plan", "--detailed-exitcode").code == 2
    ended = spread.run("apply", "--yes")
    assert ended.code == 0, ended.err
    assert as_planned(cluster)
    assert spread.run("plan", "--detailed-exitcode").code == 0


@EXECUTORS
def test_unreliable_nodes(spread: Shop, cluster: SimulatedCluster) -> None:
    cluster.set_faults("error-before=0.1,error-after=0.1,reset=0.1")
    ended = spread.run("apply", "--yes", "--retries", "9")
    assert ended.code == 0, ended.err
    assert as_planned(cluster)


@EXECUTORS
def test_a_failure_is_reversed(spread: Shop, cluster: SimulatedCluster) -> None:
    cluster.set_faults("node03:POST:error-before=1@507")
    assert spread.run("apply", "--yes").code == 3
    assert as_before(cluster)


@EXECUTORS
def test_every_worker_is_killed_in_the_middle(
    spread: Shop, cluster: SimulatedCluster, request: pytest.FixtureRequest, executor: str
) -> None:
    """What they wrote is unknown, and read back; others go on."""
    cluster.hold(3, "after")
    with running(spread, "apply", "--yes", *_patient()) as process:
        held_write(cluster)
        if executor == "dask":
            workers: DaskCluster = request.getfixturevalue("dask")
            workers.kill_workers()
            cluster.release()
            workers.add_workers(2)
        else:
            for pid in children(process.pid):
                os.kill(pid, signal.SIGKILL)
            cluster.release()
        ended = spread.end(process)
    assert ended.code == 0, ended.err
    assert as_planned(cluster)


@EXECUTORS
def test_the_coordinator_is_killed_in_the_middle(
    spread: Shop, cluster: SimulatedCluster, executor: str
) -> None:
    """Its workers stop by themselves, and a recovery waits for that besides the settle time."""
    cluster.hold(3, "before")
    with running(spread, "apply", "--yes", *_patient()) as process:
        held_write(cluster)
        workers = children(process.pid)
        assert len(workers) == (0 if executor == "dask" else usable_processes())
        process.kill()
    for pid in workers:
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]
    cluster.release()
    recovered = spread.run("recover", PLANNER_SETTLE="600ms")
    assert recovered.code == 0, recovered.err
    assert f"each is read again after {PROOF_LIFE + 0.6:g} s" in recovered.err
    assert as_before(cluster)


@pytest.mark.parametrize(("executor", "sees"), [("dask", True), ("processes", False), ("threads", False)])
def test_secrets_are_found_where_the_request_is_made(
    tmp_path: Path, request: pytest.FixtureRequest, executor: str, sees: bool
) -> None:
    """Workers elsewhere have an environment of their own; those of this machine have ours."""
    guarded = Deviation(header=("Authorization", f"Bearer {TOKEN}"), unheard=401)
    with ForeignNode(guarded, ["kept"]) as node:
        shop = Shop(tmp_path, {}, {"NODE_TOKEN": "of-the-coordinator", "PLANNER_EXECUTOR": executor})
        if executor == "dask":
            shop.settings["PLANNER_SCHEDULER"] = request.getfixturevalue("dask").address
        cluster = {"name": "c", "credential": "env:NODE_TOKEN", "nodes": [{"name": "n", "url": node.url}]}
        file = {"version": 1, "cluster": cluster, "groups": ["kept", "a"]}
        (tmp_path / "groups.yaml").write_text(json.dumps(file), encoding="utf-8")
        ended = shop.run("apply", "--yes")
        assert ended.code == (0 if sees else 1), ended.err
        assert node.groups == ({"kept", "a"} if sees else {"kept"})
        assert TOKEN not in ended.err + ended.out
        assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def _patient() -> list[str]:
    return ["--read-timeout", PATIENT["PLANNER_READ_TIMEOUT"], "--settle", PATIENT["PLANNER_SETTLE"]]


def test_a_scheduler_that_is_not_there(shop: Shop) -> None:
    shop.file("a")
    ended = shop.run(
        "plan", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", "--connect-timeout", "50ms"
    )
    assert ended.code == 1
    assert "The Dask scheduler cannot be reached" in ended.err
    assert "tcp://127.0.0.1:1" in ended.err


def test_dask_without_a_scheduler(shop: Shop) -> None:
    shop.file("a")
    ended = shop.run("plan", "--executor", "dask")
    assert ended.code == 64
    assert "--executor (flag): needs the address of a Dask scheduler" in ended.err


def test_dask_that_is_not_installed(shop: Shop) -> None:
    shop.file("a")
    (shop.folder / "distributed.py").write_text("raise ImportError('No module named distributed')")
    ended = shop.run(
        "plan", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", PYTHONPATH=str(shop.folder)
    )
    assert ended.code == 1
    assert "pip install 'planner[dask]'" in ended.err
