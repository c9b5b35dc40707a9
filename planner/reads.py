"""Which cells a plan reads by themselves, and which the nodes' lists show well enough. Pure.

A list is evidence of presence, and of nothing else: a cell that its node does not list is not absent, but
read. And it is evidence only where nothing comes of it, so that no write, and nothing that the store is told,
rests on a list. Of the cells that their nodes list, and that are not watched:

========  =======  =====================================================================
the file  managed  the cell is
========  =======  =====================================================================
present   yes      taken from the list: it is as it should be
silent    no       taken from the list: it is left alone; read, where the file prunes
present   no       read: it would be adopted
absent    any      read: it would be deleted
silent    yes      read: it would be deleted, or is kept only since it was adopted
========  =======  =====================================================================

So a list that is stale, or that lies, can hide for a while that a cell is gone, and no more. Before a plan is
applied every cell of the groups that it touches is read by itself, whatever the plan had seen it by
(transaction law 8); a list that goes on lying about one of them refuses the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from planner.diff import known_groups
from planner.grid import Presences
from planner.model import Cell, Presence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from planner.diff import Lists
    from planner.model import Desired
    from planner.ports import Knowledge

Wanted: TypeAlias = tuple[Cell, Presence | None]
"""A cell to read, and what is expected of it: a 'not found' that surprises is asked twice. None: nothing."""


class ToRead(Protocol):
    """What is to be read on one node, in order. It may be made while it is read."""

    def __len__(self) -> int:
        """How many cells those are."""

    def __iter__(self) -> Iterator[Wanted]:
        """Each with what is expected of it."""


def by_node(cells: Iterable[Wanted]) -> dict[str, list[Wanted]]:
    """Cells in the order of each node."""
    nodes: dict[str, list[Wanted]] = {}
    for wanted in cells:
        nodes.setdefault(wanted[0].node, []).append(wanted)
    return nodes


_LISTED, _READ, _CONFIRM = range(3)
"""What is done about a cell: nothing, a read, a read that is expected to find it."""
_EXPECTED = {_READ: None, _CONFIRM: Presence.PRESENT}


@dataclass(frozen=True, slots=True)
class Reads:
    """What a plan is made from.

    Attributes:
        groups: everything that is declared, managed, watched or to be pruned, in this order.
        listed: the cells that are taken from lists, all of them present.
        nodes: what is read, by the name of its node; none where there is nothing.
    """

    groups: tuple[str, ...]
    listed: Presences
    nodes: Mapping[str, ToRead]
    _rows: Mapping[str, bytearray] = field(default_factory=dict)

    def of(self, groups: Collection[str]) -> int:
        """How many cells of some groups are read."""
        return sum(len(row) - row.count(_LISTED) for group, row in self._rows.items() if group in groups)


@dataclass(frozen=True, slots=True)
class _Column:
    """The reads of one node. See `ToRead`."""

    node: str
    position: int
    size: int
    rows: Mapping[str, bytearray]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Wanted]:
        for group, row in self.rows.items():
            todo = row[self.position]
            if todo:
                yield Cell(group, self.node), _EXPECTED[todo]


def reads_of(desired: Desired, knowledge: Knowledge, lists: Lists) -> Reads:
    """Decide of every cell of every group that is declared, managed, watched or to be pruned.

    A cell that is managed, or listed, is expected to be present.

    Args:
        desired: the file, of what is in scope.
        knowledge: what the store knows, of what is in scope.
        lists: what the nodes list.
    """
    declared = {group.id: group for group in desired.groups}
    watched = {(each.group, each.url) for each in knowledge.watched}
    names = tuple(node.name for node in desired.nodes)
    listed = Presences(names)
    rows: dict[str, bytearray] = {}
    sizes = [0] * len(names)
    for name in (*known_groups(desired, knowledge), *lists.read):
        group = declared.get(name)
        wished, state = (frozenset(group.nodes), group.state) if group else (frozenset[str](), None)
        holders, managed = frozenset(lists.holders.get(name, ())), knowledge.managed.urls(name)
        row = rows[name] = bytearray(len(names))
        for position, node in enumerate(desired.nodes):
            known, shown = node.url in managed, node.name in holders
            wish = state if node.name in wished else None
            if (
                shown
                and _is_settled(wish, managed=known, prune=desired.prune)
                and (name, node.url) not in watched
            ):
                listed.see(Cell(name, node.name), Presence.PRESENT)
            else:
                row[position] = _CONFIRM if known or shown else _READ
                sizes[position] += 1
    columns = zip(names, range(len(names)), sizes, strict=True)
    nodes = {name: _Column(name, position, size, rows) for name, position, size in columns if size}
    return Reads(tuple(rows), listed, nodes, rows)


def _is_settled(wish: Presence | None, *, managed: bool, prune: bool) -> bool:
    """Whether nothing comes of a cell that is there: the first two lines of the table."""
    return wish is Presence.PRESENT if managed else wish is None and not prune
