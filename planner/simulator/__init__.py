"""A simulated cluster: real HTTP servers on loopback that answer the node API, and fail by name and rate.

In a test::

    with SimulatedCluster(nodes=3, groups=["foo.bar"], faults="POST:error-after=0.1", seed=7) as cluster:
        requests.get(f"{cluster.urls['node01']}/v1/group/foo.bar/")

For a command, `serve` runs until a signal comes. `planner.simulator.faults` says how faults are
written, `planner.simulator.control` how the cluster is changed while it runs.
"""

from __future__ import annotations

from planner.simulator.cluster import SimulatedCluster, serve
from planner.simulator.content import load_groups, node_names, parse_groups
from planner.simulator.errors import (
    ContentError,
    FaultSpecError,
    ListenError,
    MissingExtraError,
    NotRunningError,
    SimulatorError,
    UnknownNodeError,
)
from planner.simulator.faults import FAULTS, Fault, FaultPlan, parse_faults
from planner.simulator.hold import Held, HoldError
from planner.simulator.journal import RequestCount, RequestLog, Write

__all__ = [
    "FAULTS",
    "ContentError",
    "Fault",
    "FaultPlan",
    "FaultSpecError",
    "Held",
    "HoldError",
    "ListenError",
    "MissingExtraError",
    "NotRunningError",
    "RequestCount",
    "RequestLog",
    "SimulatedCluster",
    "SimulatorError",
    "UnknownNodeError",
    "Write",
    "load_groups",
    "node_names",
    "parse_faults",
    "parse_groups",
    "serve",
]
