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

A cell that is neither declared nor managed is never touched, but for one on the watch list that is not as
its transaction left it: it goes back to that outcome, as a ``late effect of TX n`` (transaction law 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from planner.model import Action, Cell, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.model import Desired, Group, Managed, Node
    from planner.ports import Knowledge, Watched


DRIFT = "drift"
LATE_EFFECT = "late effect of"
SET_ASIDE = "set aside in"
WAS_ADOPTED = "was adopted"
"""Ends the reason of a step on a cell that was adopted: what undoes it must not make it created."""


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


def watched_only(desired: Desired, knowledge: Knowledge) -> tuple[str, ...]:
    """Groups that are on the watch list of a node of the file, and neither declared nor managed."""
    if not knowledge.watched:
        return ()
    known = {group.id for group in desired.groups} | set(undeclared(desired, knowledge))
    urls = {node.url for node in desired.nodes}
    watched = (each.group for each in knowledge.watched if each.url in urls)
    return tuple(sorted({group for group in watched if group not in known}))


def cells_to_read(desired: Desired, knowledge: Knowledge) -> Iterator[tuple[Cell, Presence | None]]:
    """Every cell of every group declared, managed or watched, with what the store remembers of it.

    A managed cell is expected to be present, so that a lying 'not found' is asked twice.
    """
    groups = [group.id for group in desired.groups]
    groups += undeclared(desired, knowledge)
    groups += watched_only(desired, knowledge)
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
    draft = _Draft([], [], [], [], [])
    late = {(each.group, each.url): each for each in knowledge.watched}
    names = (*watched_only(desired, knowledge), *undeclared(desired, knowledge))
    wishes: list[tuple[str, Group | None]] = [(group, None) for group in names]
    wishes += [(group.id, group) for group in desired.groups]
    for name, group in wishes:
        chosen = frozenset(group.nodes) if group else frozenset()
        for node in desired.nodes:
            cell, key = Cell(name, node.name), (name, node.url)
            wish = group.state if group and node.name in chosen else None
            managed = knowledge.managed.get(key)
            moved = _late(cell, late[key], wish, presences[cell], managed) if key in late else None
            if moved is not None:
                (draft.creates if moved.action is Action.CREATE else draft.deletes).append(moved)
            else:
                _judge(draft, cell, wish, presences[cell], managed, delete_adopted=allow_delete_adopted)
    return Changes(
        tuple(draft.creates),
        tuple(reversed(draft.deletes)),
        tuple(draft.adopts),
        tuple(draft.forgets),
        tuple(draft.kept),
    )


class _Draft(NamedTuple):
    """The fields of `Changes`, while they are filled."""

    creates: list[Change]
    deletes: list[Change]
    adopts: list[Cell]
    forgets: list[Cell]
    kept: list[Cell]


def _judge(
    draft: _Draft,
    cell: Cell,
    wish: Presence | None,
    seen: Presence,
    managed: Managed | None,
    *,
    delete_adopted: bool,
) -> None:
    """The table above, for one cell. `wish` is None where the file is silent."""
    present = seen is Presence.PRESENT
    if wish is Presence.PRESENT:
        if not present:
            draft.creates.append(Change(Action.CREATE, cell, DRIFT if managed else "declared"))
        elif managed is None:
            draft.adopts.append(cell)
    elif present:
        if wish is Presence.ABSENT:
            draft.deletes.append(Change(Action.DELETE, cell, _of("state: absent", managed)))
        elif managed and (delete_adopted or not managed.adopted):
            draft.deletes.append(Change(Action.DELETE, cell, _of("no longer declared", managed)))
        elif managed:
            draft.kept.append(cell)
    elif managed:
        draft.forgets.append(cell)


def _of(reason: str, managed: Managed | None) -> str:
    return f"{reason}, {WAS_ADOPTED}" if managed is not None and managed.adopted else reason


def _late(
    cell: Cell, watched: Watched, wish: Presence | None, seen: Presence, managed: Managed | None
) -> Change | None:
    """A cell that moved after its transaction had left it: back to that outcome, or to what is declared.

    None where it has not moved, is as declared, or is managed and undeclared: the table says what to do then.
    """
    goal = wish or watched.outcome
    if watched.outcome is seen or goal is seen or (managed and wish is None):
        return None
    action = Action.CREATE if goal is Presence.PRESENT else Action.DELETE
    why = SET_ASIDE if watched.aside else LATE_EFFECT
    return Change(action, cell, f"{why} TX {watched.transaction}")


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
