"""SIGKILL at every write request, over real sockets, and `recover` afterwards."""

from __future__ import annotations

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.forks import Forks, kill_held

WRITES = 9  # two groups created and one deleted, on three nodes each


@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_killed_at_any_write_recover_brings_every_node_back(
    shop: Shop, forks: Forks, cluster: SimulatedCluster, number: int, effect: str
) -> None:
    """`effect` says whether the write on the wire takes effect at once, or after its sender is dead."""
    before = cluster.groups()
    shop.file("a", "b", "{id: old, state: absent}")
    cluster.hold(number, effect)
    process = forks.start(shop, "apply", "--yes")
    assert kill_held(cluster, process), "the write never came"
    assert process.end().code == -9

    assert forks.run(shop, "status", "--check").code == 4
    assert forks.run(shop, "apply", "--yes").code == 4
    ended = forks.run(shop, "recover")
    assert ended.code == 0, ended.err
    assert "every node is as it was" in ended.out
    assert cluster.groups() == before
    assert forks.run(shop, "status", "--check").code == 0

    seen = len(cluster.requests().writes)
    again = forks.run(shop, "recover")
    assert again.code == 0
    assert "Nothing to recover" in again.out + again.err
    assert len(cluster.requests().writes) == seen
    assert cluster.groups() == before
