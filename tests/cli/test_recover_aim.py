"""`planner recover` that is aimed at the wrong store, cluster or node does not call it recovered."""

from __future__ import annotations

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop


@pytest.fixture
def left(shop: Shop, cluster: SimulatedCluster) -> Shop:
    """A folder whose last apply could not bring `a` back on node01."""
    shop.file("a")
    cluster.set_faults("node02:POST:error-before=1,node01:DELETE:error-before=1")
    assert shop.run("apply", "--yes", "--reverse-timeout", "1s").code == 4
    cluster.set_faults("")
    return shop


def test_a_store_that_is_not_there_is_not_made(left: Shop) -> None:
    other = left.folder / "other.db"
    for more in ((), ("--dry-run",)):
        ended = left.run("recover", "--store", f"sqlite:///{other}", *more)
        assert ended.code == 1
        assert "does not exist" in ended.err
        assert not other.exists()


def test_a_cluster_that_has_another_name_in_the_file_by_now(left: Shop) -> None:
    left.file("a", name="renamed")
    for more in ((), ("--dry-run",)):
        ended = left.run("recover", *more)
        assert "planner recover --cluster test" in ended.out + ended.err
    assert left.run("recover", "--cluster", "test").code == 0


def test_two_nodes_at_one_url(left: Shop, cluster: SimulatedCluster) -> None:
    ended = left.run("recover", "--node-url", f"node01={cluster.urls['node02']}")
    assert ended.code == 64
    assert "at one URL" in ended.err
    assert left.run("recover").code == 0
    assert "a" not in cluster.groups()["node01"]
