"""What a cluster holds, to write a file from: no store, no lock, and nothing but reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner import hints
from planner.app.planning import read, take_lists, unreadable
from planner.desired import id_problem
from planner.errors import WrongUsage
from planner.model import Cell, Presence
from planner.reads import by_node
from planner.results import Imported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Desired, Policy
    from planner.transaction import World


def holdings(desired: Desired, named: Sequence[str], policy: Policy, world: World) -> Imported:
    """Say which groups exist, and on which nodes.

    Args:
        desired: the nodes, and how they are spoken to.
        named: the groups to look for; every group that is listed where none is named.
        policy: patience.
        world: the ports.

    Raises:
        WrongUsage: a node cannot list, and no group is named.
        NodesUnreadable: at least one node could not be read or listed; it is never taken as empty.
        Interrupted: before everything was read.
    """
    nodes = desired.nodes
    if named:
        cells = ((Cell(group, node.name), Presence.PRESENT) for group in named for node in nodes)
        seen = read(by_node(cells), nodes, policy, world, then="try again")
        held: dict[str, list[str]] = {}
        for cell, presence in seen.presences.items():
            if presence is Presence.PRESENT:
                held.setdefault(cell.group, []).append(cell.node)
    else:
        _check_lists(desired)
        inventory = take_lists(nodes, policy, world)
        if inventory.unreadable:
            raise unreadable(inventory.unreadable, nodes, then="try again")
        held = inventory.holders
    order = {node.name: position for position, node in enumerate(nodes)}
    found = sorted(held)
    return Imported(
        desired.cluster,
        nodes,
        groups=tuple(
            (group, tuple(sorted(held[group], key=order.__getitem__)))
            for group in found
            if not id_problem(group)
        ),
        absent=tuple(sorted(set(named).difference(found))),
        unnamed=tuple(group for group in found if id_problem(group)),
    )


def _check_lists(desired: Desired) -> None:
    silent = [node.name for node in desired.nodes if node.dialect.list_path is None]
    if silent:
        raise WrongUsage(
            "It cannot be told which groups there are",
            where=desired.origin,
            why=f"nothing says how to list the groups of {', '.join(silent)}",
            next=f"where the API can list, set `{hints.API}.list`, or pass --list-path; "
            "where it cannot, name the groups: planner import GROUP...",
        )
