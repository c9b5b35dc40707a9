"""Reach every node: no store, no lock, and nothing but reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.app.planning import unreadable
from planner.errors import Interrupted
from planner.model import Presence
from planner.results import Probed
from planner.transaction import Abandoned, RunInterrupted, probe

if TYPE_CHECKING:
    from planner.errors import NodesUnreadable
    from planner.model import Desired, Node, Policy
    from planner.transaction import World

NOBODYS = "planner-probe"
"""A group to ask for where the file declares none; whether it exists does not matter."""


def probe_nodes(desired: Desired, tries: int, policy: Policy, world: World) -> Probed:
    """Ask every node of the file `tries` times, without hiding a failure behind a retry.

    Raises:
        FileInvalid: the file asks for what cannot be done.
        Interrupted: before every node was asked.
    """
    groups = {node.name: _group_for(node, desired) for node in desired.nodes}
    try:
        return Probed(desired.cluster, tries, probe(desired.nodes, groups, tries, policy, world))
    except (RunInterrupted, Abandoned) as stop:
        raise Interrupted("Interrupted while asking the nodes; nothing was changed") from stop


def unreached(probed: Probed) -> NodesUnreadable | None:
    """The error for nodes that did not answer once; None where all did."""
    why = {each.node.name: each.failures[-1] for each in probed.nodes if not each.answered}
    if not why:
        return None
    return unreadable(why, tuple(each.node for each in probed.nodes), then="try again: planner nodes")


def _group_for(node: Node, desired: Desired) -> str:
    """A group that the node should hold, or any one: 'found' and 'not found' are both an answer."""
    here = (g.id for g in desired.groups if node.name in g.nodes and g.state is Presence.PRESENT)
    return next(here, desired.groups[0].id if desired.groups else NOBODYS)
