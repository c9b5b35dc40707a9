"""200 groups on 3 nodes under faults over real sockets: afterwards no group differs between the nodes."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop

CREATED = tuple(f"new-{number}" for number in range(100))
DELETED = tuple(f"gone-{number}" for number in range(100))
FILE = (*CREATED, *(f"{{id: {group}, state: absent}}" for group in DELETED))
LIMITS = "limits: {max_deletes: 200, max_delete_percent: 100}\n"

Groups = dict[str, tuple[str, ...]]


class Mix(NamedTuple):
    """Faults, and the seed of their luck."""

    faults: str
    seed: int


ON_POST = "POST:error-after=0.1,POST:hang-after=0.05"
ON_ALL = "error-before=0.05,error-after=0.1,hang-after=0.05"
LATE = "POST:late=0.05@0.2,DELETE:late=0.05@0.2"  # it settles after 0.6 s
LATE_ANSWERED = "POST:late-error=0.05@0.4,DELETE:late-error=0.05@0.4"
RESETS = "reset=0.05,POST:unavailable=0.05,GET:hang-before=0.02"

MIXES = [
    pytest.param(Mix(ON_POST, 1), id="POST"),
    pytest.param(Mix(ON_ALL, 2), id="all methods"),
    pytest.param(Mix(LATE, 3), id="late"),
    *(pytest.param(Mix(ON_POST, seed), id=f"POST {seed}", marks=pytest.mark.slow) for seed in range(10, 13)),
    *(pytest.param(Mix(ON_ALL, seed), id=f"all {seed}", marks=pytest.mark.slow) for seed in range(20, 24)),
    *(pytest.param(Mix(LATE, seed), id=f"late {seed}", marks=pytest.mark.slow) for seed in range(30, 34)),
    *(
        pytest.param(Mix(f"{LATE_ANSWERED},{RESETS}", seed), id=f"resets {seed}", marks=pytest.mark.slow)
        for seed in range(40, 43)
    ),
]


def wanted(cluster: SimulatedCluster) -> Groups:
    """Every node as the file says."""
    return dict.fromkeys(cluster.names, tuple(sorted(CREATED)))


def finish(shop: Shop, cluster: SimulatedCluster, ended: Ended, before: Groups) -> None:
    """See that the run, and `recover` where it is asked for, did all or nothing."""
    assert ended.code in {0, 1, 3, 4}, ended.err  # 1: unreadable five times in a row, and nothing was sent
    if ended.code == 4:
        recovered = shop.run("recover")
        assert recovered.code == 0, recovered.err
    cluster.wait_settled(60)
    assert cluster.groups() == (wanted(cluster) if ended.code == 0 else before), ended.err
    assert len(set(cluster.groups().values())) == 1
    assert shop.run("status", "--check").code == 0


@pytest.mark.parametrize("mix", MIXES)
def test_under_faults_all_or_nothing(shop: Shop, mix: Mix) -> None:
    with SimulatedCluster(3, seed=mix.seed, groups=DELETED, faults=mix.faults) as cluster:
        shop.nodes = cluster.urls
        before = cluster.groups()
        shop.file(*FILE, more=LIMITS)
        ended = shop.run("apply", "--yes")
        struck = {row.fault for row in cluster.requests().counts} - {None}
        assert struck, "no fault struck: the test shows nothing"
        finish(shop, cluster, ended, before)


@pytest.mark.parametrize(
    "number", [150, pytest.param(450, marks=pytest.mark.slow)], ids=["creates", "deletes"]
)
def test_a_node_that_dies_half_way_is_brought_back_by_recover(shop: Shop, number: int) -> None:
    with SimulatedCluster(3, seed=4, groups=DELETED) as cluster:
        shop.nodes = cluster.urls
        shop.settings |= {"PLANNER_REVERSE_TIMEOUT": "100ms", "PLANNER_RETRIES": "1"}
        before = cluster.groups()
        shop.file(*FILE, more=LIMITS)
        kill_at(cluster, number, process := shop.start("apply", "--yes"))
        ended = shop.end(process)
        assert ended.code == 4, ended.err
        assert "node03" in ended.err
        assert "planner recover" in ended.err

        still_down = shop.run("recover")
        assert still_down.code == 4, still_down.err
        assert cluster.groups() != before

        cluster.revive("node03")
        finish(shop, cluster, ended, before)


def test_a_node_that_dies_half_way_and_comes_back_is_reversed(shop: Shop) -> None:
    with SimulatedCluster(3, seed=5, groups=DELETED) as cluster:
        shop.nodes = cluster.urls
        before = cluster.groups()
        shop.file(*FILE, more=LIMITS)
        kill_at(cluster, 150, process := shop.start("apply", "--yes"))
        assert process.stderr is not None
        assert any(line.startswith("Reversing") for line in process.stderr)  # reads on until it begins
        cluster.revive("node03")
        ended = shop.end(process)
        assert ended.code == 3, ended.err
        finish(shop, cluster, ended, before)


def kill_at(cluster: SimulatedCluster, number: int, process: subprocess.Popen[str]) -> None:
    """Let node03 die while the write of this number is in flight. The process has just been started."""
    cluster.hold(number, "before")
    assert cluster.wait_held(60), "the write never came"
    assert process.poll() is None
    cluster.kill("node03")
    cluster.release()
