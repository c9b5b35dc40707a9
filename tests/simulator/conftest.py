from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.simulator import SimulatedCluster
from tests.simulator.wire import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    """Three nodes on free ports, without faults; every one holds ``old``."""
    with SimulatedCluster(nodes=3, groups=["old"], seed=7) as running:
        yield running


@pytest.fixture
def client(cluster: SimulatedCluster) -> Client:
    """A client of node01."""
    return Client(cluster)
