"""How a simulated cluster is made: checked as a whole before anything listens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner.simulator.content import node_names, spread_groups
from planner.simulator.faults import FaultPlan, parse_faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SEED_BITS: Final = 32
_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What a cluster starts with; made by `cluster_config`.

    Attributes:
        names: of the nodes.
        content: the ids that each node holds at the start.
        plan: the faults at the start.
        seed: of all luck.
        port: of the first node, the others follow; 0 for free ones.
        control_port: of the control endpoint's own port; 0 for a free one.
        listing: whether GET of the collection lists the ids.
        prefix: the path in front of ``/v1/``: empty, or with a slash at its start and none at its end.
    """

    names: tuple[str, ...]
    content: Mapping[str, tuple[str, ...]]
    plan: FaultPlan
    seed: int
    port: int
    control_port: int
    listing: bool
    prefix: str


def cluster_config(
    nodes: int,
    *,
    port: int = 0,
    groups: Mapping[str, Iterable[str]] | Iterable[str] = (),
    faults: str = "",
    seed: int | None = None,
    listing: bool = False,
    prefix: str = "",
    control_port: int = 0,
) -> ClusterConfig:
    """Check the arguments of `SimulatedCluster` and `serve`, which describe them.

    Raises:
        ValueError: `nodes` or a port is out of range.
        FaultSpecError: `faults` cannot be read.
        ContentError: `groups` holds an impossible id.
        UnknownNodeError: `groups` names a node that does not exist.
    """
    names = node_names(nodes)
    if not 0 <= port <= _PORT_MAX - nodes or not 0 <= control_port <= _PORT_MAX:
        raise ValueError(f"{nodes} nodes from port {port}, control on {control_port}: no such ports")
    return ClusterConfig(
        names=names,
        content=spread_groups(groups, names),
        plan=parse_faults(faults, names),
        seed=secrets.randbits(_SEED_BITS) if seed is None else seed,
        port=port,
        control_port=control_port,
        listing=listing,
        prefix=f"/{prefix.strip('/')}" if prefix.strip("/") else "",
    )
