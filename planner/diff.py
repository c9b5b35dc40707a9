"""What differs between the file, the store's memory and the nodes. Pure.

==========  =========  ========  ==================================================
the file    the node   managed   change
==========  =========  ========  ==================================================
present     absent     any       create (``drift`` where it was managed)
present     present    no        adopt: managed from now on, no request
absent      present    any       delete (``state: absent``)
silent      present    created   delete (``no longer declared``)
silent      present    adopted   kept, unless deleting adopted groups is allowed
not wanted  absent     yes       forget: no request
==========  =========  ========  ==================================================

A cell that is neither declared nor managed is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from planner.model import Action, Cell, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.model import Desired, Group, Node
    from planner.ports import Knowledge


class Change(NamedTuple):
    """One cell to write, and why."""

    action: Action
    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences. Creates are in file order, deletes in reverse order of declaration."""

    creates: tuple[Change, ...] = ()
    deletes: tuple[Change, ...] = ()
    adopts: tuple[Cell, ...] = ()
    forgets: tuple[Cell, ...] = ()
    kept: tuple[Cell, ...] = ()

    def groups(self) -> frozenset[str]:
        """Every group that is touched, with or without a request."""
        return frozenset(
            cell.group
            for cells in ([c.cell for c in (*self.creates, *self.deletes)], self.adopts, self.forgets)
            for cell in cells
        )


def undeclared(desired: Desired, knowledge: Knowledge) -> tuple[str, ...]:
    """Groups that are managed on a node of the file, and that the file does not name; oldest first."""
    declared = {group.id for group in desired.groups}
    urls = {node.url for node in desired.nodes}
    order: dict[str, int] = {}
    for (group, url), managed in knowledge.managed.items():
        if group not in declared and url in urls:
            order[group] = min(managed.order, order.get(group, managed.order))
    return tuple(sorted(order, key=lambda group: (order[group], group)))


def cells_to_read(desired: Desired, knowledge: Knowledge) -> Iterator[tuple[Cell, Presence | None]]:
    """Every cell of every group declared or managed, with what the store remembers of it.

    A managed cell is expected to be present, so that a lying 'not found' is asked twice.
    """
    groups = [group.id for group in desired.groups]
    groups += undeclared(desired, knowledge)
    for group in groups:
        for node in desired.nodes:
            remembered = (group, node.url) in knowledge.managed
            yield Cell(group, node.name), Presence.PRESENT if remembered else None


def diff(
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    *,
    allow_delete_adopted: bool = False,
) -> Changes:
    """Compare. `presences` holds every cell of `cells_to_read`; a missing one is a bug (KeyError)."""
    creates: list[Change] = []
    deletes: list[Change] = []
    adopts: list[Cell] = []
    forgets: list[Cell] = []
    kept: list[Cell] = []
    wishes: list[tuple[str, Group | None]] = [(group, None) for group in undeclared(desired, knowledge)]
    wishes += [(group.id, group) for group in desired.groups]
    for name, group in wishes:
        chosen = frozenset(group.nodes) if group else frozenset()
        for node in desired.nodes:
            cell = Cell(name, node.name)
            managed = knowledge.managed.get((name, node.url))
            wish = group.state if group and node.name in chosen else None
            present = presences[cell] is Presence.PRESENT
            if wish is Presence.PRESENT:
                if not present:
                    creates.append(Change(Action.CREATE, cell, "drift" if managed else "declared"))
                elif managed is None:
                    adopts.append(cell)
            elif present:
                if wish is Presence.ABSENT:
                    deletes.append(Change(Action.DELETE, cell, "state: absent"))
                elif managed and (allow_delete_adopted or not managed.adopted):
                    deletes.append(Change(Action.DELETE, cell, "no longer declared"))
                elif managed:
                    kept.append(cell)
            elif managed:
                forgets.append(cell)
    return Changes(tuple(creates), tuple(reversed(deletes)), tuple(adopts), tuple(forgets), tuple(kept))


def wiped_nodes(
    desired: Desired, knowledge: Knowledge, presences: Mapping[Cell, Presence]
) -> tuple[Node, ...]:
    """Nodes on which every managed cell reads absent: a new machine, or a wrong route."""
    wiped = []
    for node in desired.nodes:
        seen = [
            presences[Cell(group, node.name)]
            for group, url in knowledge.managed
            if url == node.url and Cell(group, node.name) in presences
        ]
        if seen and all(presence is Presence.ABSENT for presence in seen):
            wiped.append(node)
    return tuple(wiped)
