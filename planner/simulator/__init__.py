"""A simulated cluster: real HTTP servers on loopback that answer the node API, and fail by name and rate.

In a test::

    with SimulatedCluster(nodes=3, groups=["foo.bar"], faults="POST:error-after=0.1", seed=7) as cluster:
        requests.get(f"{cluster.urls['node01']}/v1/group/foo.bar/")

For a command, `serve` runs until a signal comes.

::

    cluster.py   SimulatedCluster and serve, for callers outside of the event loop;  server.py: its sockets
    config.py    how a cluster is made;  content.py: what the nodes hold at the start
    app.py       a request in, the truth or a fault out;  node.py: one node, and its luck
    faults.py    faults by name and rate, and how they are written
    control.py   the endpoint that changes a cluster while it runs
    hold.py      one request held open;  late.py: effects that come later than their requests
    journal.py   what happened to every request
    errors.py    what can be wrong with what was asked
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
