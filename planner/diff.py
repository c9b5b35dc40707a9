"""What differs between the file, the store's memory and the nodes. Pure.

==========  =========  ========  ==================================================
the file    the node   managed   change
==========  =========  ========  ==================================================
present     absent     any       create (``drift`` where it was managed)
present     present    no        adopt: managed from now on, no request
absent      present    any       delete (``state: absent``)
silent      present    created   delete (``no longer declared``)
silent      present    adopted   kept, unless deleting adopted groups is allowed
silent      present    no        unmanaged; with ``prune: true`` delete
not wanted  absent     yes       forget: no request
==========  =========  ========  ==================================================

What another cluster's name manages on the same node, in the same store, is never pruned.
Without ``prune: true`` a cell that is neither declared nor managed is never touched, but for one on the watch
list that is not as its transaction left it: it goes back to that outcome, as a ``late effect of TX n``
(transaction law 10).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from planner.model import Action, Cell, Presence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from planner.model import Desired, Group, Managed, Node
    from planner.ports import Knowledge, Watched
    from planner.scope import Scope


DRIFT = "drift"
LATE_EFFECT = "late effect of"
SET_ASIDE = "set aside in"
WAS_ADOPTED = "was adopted"
"""Ends the reason of a step on a cell that was adopted: what undoes it must not make it created."""
UNDO = "undo of"
PRUNED = "unmanaged, prune: true"
UNPRUNED = "undo of pruning in"


class Change(NamedTuple):
    """One cell to write, and why."""

    action: Action
    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True)
class Lists:
    """What nodes list. It finds groups that nobody knows of; that one is absent it never shows.

    Attributes:
        nodes: the names of those that were asked and answered.
        holders: who lists it, by the id of each group.
        read: those of the `strangers` whose cells were read, since they are to be deleted.
    """

    nodes: frozenset[str] = frozenset()
    holders: Mapping[str, Collection[str]] = field(default_factory=dict)
    read: tuple[str, ...] = ()


NO_LISTS = Lists()


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences. Creates are in file order, deletes in reverse order of declaration.

    Of the `unmanaged` cells these are the ones that were read.
    """

    creates: tuple[Change, ...] = ()
    deletes: tuple[Change, ...] = ()
    adopts: tuple[Cell, ...] = ()
    forgets: tuple[Cell, ...] = ()
    kept: tuple[Cell, ...] = ()
    unmanaged: tuple[Cell, ...] = ()

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
    for group in knowledge.managed.groups:
        if group not in declared:
            orders = [each.order for each in knowledge.managed.of(group) if each.url in urls]
            if orders:
                order[group] = min(orders)
    return tuple(sorted(order, key=lambda group: (order[group], group)))


def watched_only(desired: Desired, knowledge: Knowledge) -> tuple[str, ...]:
    """Groups that are on the watch list of a node of the file, and neither declared nor managed."""
    if not knowledge.watched:
        return ()
    known = {group.id for group in desired.groups} | set(undeclared(desired, knowledge))
    urls = {node.url for node in desired.nodes}
    watched = (each.group for each in knowledge.watched if each.url in urls)
    return tuple(sorted({group for group in watched if group not in known}))


def known_groups(desired: Desired, knowledge: Knowledge) -> tuple[str, ...]:
    """Every group declared, managed or watched."""
    declared = (group.id for group in desired.groups)
    return (*declared, *undeclared(desired, knowledge), *watched_only(desired, knowledge))


def part_of(desired: Desired, knowledge: Knowledge, scope: Scope) -> tuple[Desired, Knowledge]:
    """The file and the memory as if there were nothing but the nodes and groups in scope.

    What is left out is neither read nor judged: it is not 'no longer declared', and no node of it has left.
    """
    if scope.is_all:
        return desired, knowledge
    nodes = tuple(node for node in desired.nodes if scope.includes_node(node.name))
    names = frozenset(node.name for node in nodes)
    chosen = frozenset(filter(scope.includes_group, known_groups(desired, knowledge)))
    groups = tuple(
        replace(group, nodes=tuple(name for name in group.nodes if name in names))
        for group in desired.groups
        if group.id in chosen
    )
    managed = knowledge.managed.only(chosen)
    watched = tuple(each for each in knowledge.watched if each.group in chosen)
    part = replace(desired, nodes=nodes, groups=groups)
    return part, replace(knowledge, managed=managed, watched=watched)


def strangers(desired: Desired, knowledge: Knowledge, lists: Lists) -> tuple[str, ...]:
    """Groups that some node lists, and that are neither declared, managed nor watched; sorted."""
    known = set(known_groups(desired, knowledge))
    return tuple(sorted(lists.holders.keys() - known))


def diff(
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    *,
    allow_delete_adopted: bool = False,
    further: Iterable[str] = (),
) -> Changes:
    """Compare. `presences` holds every cell of every group in question; a missing one is a bug (KeyError)."""
    draft = _Draft([], [], [], [], [], [])
    late = {(each.group, each.url): each for each in knowledge.watched}
    # Deletes come in the reverse of this order: what nobody declared last, and by name.
    names = (
        *sorted(further, reverse=True),
        *watched_only(desired, knowledge),
        *undeclared(desired, knowledge),
    )
    wishes: list[tuple[str, Group | None]] = [(group, None) for group in names]
    wishes += [(group.id, group) for group in desired.groups]
    for name, group in wishes:
        chosen = frozenset(group.nodes) if group else frozenset()
        known = knowledge.managed.urls(name)
        for node in desired.nodes:
            cell, key = Cell(name, node.name), (name, node.url)
            wish = group.state if group and node.name in chosen else None
            seen, moved = presences[cell], None
            if node.url not in known:
                managed = None
            elif wish is seen is Presence.PRESENT and key not in late:
                continue  # as it should be, like most of a million cells
            else:
                managed = knowledge.managed[key]
            prune = desired.prune and key not in knowledge.others
            if key in late:
                moved = _late(cell, late[key], wish, seen, managed, prune=prune)
            if moved is not None:
                (draft.creates if moved.action is Action.CREATE else draft.deletes).append(moved)
            else:
                _judge(
                    draft,
                    cell,
                    wish,
                    seen,
                    managed,
                    delete_adopted=allow_delete_adopted,
                    prune=prune,
                )
    return Changes(
        tuple(draft.creates),
        tuple(reversed(draft.deletes)),
        tuple(draft.adopts),
        tuple(draft.forgets),
        tuple(draft.kept),
        tuple(draft.unmanaged),
    )


class _Draft(NamedTuple):
    """The fields of `Changes`, while they are filled."""

    creates: list[Change]
    deletes: list[Change]
    adopts: list[Cell]
    forgets: list[Cell]
    kept: list[Cell]
    unmanaged: list[Cell]


def _judge(
    draft: _Draft,
    cell: Cell,
    wish: Presence | None,
    seen: Presence,
    managed: Managed | None,
    *,
    delete_adopted: bool,
    prune: bool,
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
        elif prune:
            draft.deletes.append(Change(Action.DELETE, cell, PRUNED))
        else:
            draft.unmanaged.append(cell)
    elif managed:
        draft.forgets.append(cell)


def _of(reason: str, managed: Managed | None) -> str:
    return f"{reason}, {WAS_ADOPTED}" if managed is not None and managed.adopted else reason


def _late(
    cell: Cell,
    watched: Watched,
    wish: Presence | None,
    seen: Presence,
    managed: Managed | None,
    *,
    prune: bool,
) -> Change | None:
    """A cell that moved after its transaction had left it: back to that outcome, or to what is declared.

    None where it has not moved, is as declared, or is managed and undeclared: the table says what to do then.
    """
    goal = wish or (Presence.ABSENT if prune else watched.outcome)
    if watched.outcome is seen or goal is seen or (managed and wish is None):
        return None
    action = Action.CREATE if goal is Presence.PRESENT else Action.DELETE
    why = SET_ASIDE if watched.aside else LATE_EFFECT
    return Change(action, cell, f"{why} TX {watched.transaction}")


def wiped_nodes(
    desired: Desired, knowledge: Knowledge, presences: Mapping[Cell, Presence]
) -> tuple[Node, ...]:
    """Nodes on which every managed cell reads absent: a new machine, or a wrong route."""
    return tuple(node for node in desired.nodes if _is_wiped(node, knowledge, presences))


def _is_wiped(node: Node, knowledge: Knowledge, presences: Mapping[Cell, Presence]) -> bool:
    cells = (Cell(group, node.name) for group in knowledge.managed.on(node.url))
    seen = False
    for presence in filter(None, map(presences.get, cells)):
        seen = True
        if presence is Presence.PRESENT:
            return False
    return seen
