"""SIGKILL at every write request, over real sockets, and `recover` afterwards."""

from __future__ import annotations

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

WRITES = 9  # two groups created and one deleted, on three nodes each


@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_killed_at_any_write_recover_brings_every_node_back(
    shop: Shop, cluster: SimulatedCluster, number: int, effect: str
) -> None:
    """`effect` says whether the write on the wire takes effect at once, or after its sender is dead."""
    before = cluster.groups()
    shop.file("a", "b", "{id: old, state: absent}")
    cluster.hold(number, effect)
    process = shop.start("apply", "--yes")
    with process:
        assert cluster.wait_held(60), "the write never came"
        process.kill()
    cluster.release()
    assert process.returncode == -9

    assert shop.run("status", "--check").code == 4
    assert shop.run("apply", "--yes").code == 4
    ended = shop.run("recover")
    assert ended.code == 0, ended.err
    assert "every node is as it was" in ended.out
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0

    seen = len(cluster.requests().writes)
    again = shop.run("recover")
    assert again.code == 0
    assert "Nothing to recover" in again.out + again.err
    assert len(cluster.requests().writes) == seen
    assert cluster.groups() == before
