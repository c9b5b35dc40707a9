"""A million cells in little memory: how they were seen, and which are managed. Pure.

Both are mappings like any other. Behind them is one row of small numbers per group, with one column per node:
neither a cell nor a key is an object until somebody asks for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from planner.model import Cell, Managed, Presence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Self


_SEEN = {1: Presence.ABSENT, 2: Presence.PRESENT}
_CODES = {presence: code for code, presence in _SEEN.items()}
"""A byte of `Presences`; zero is a cell that was not read."""


class Presences(Mapping[Cell, Presence]):
    """How cells were seen; one that was not read is not in it. One byte per cell."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, nodes: Iterable[str], seen: Mapping[Cell, Presence] | None = None) -> None:
        """`nodes`: the names of every node that a cell may be on."""
        self._columns = {name: column for column, name in enumerate(dict.fromkeys(nodes))}
        self._rows: dict[str, bytearray] = {}
        for cell, presence in (seen or {}).items():
            self.see(cell, presence)

    def see(self, cell: Cell, presence: Presence) -> None:
        """Take note of a cell; what was known of it before is overwritten."""
        group, node = cell
        row = self._rows.get(group)
        if row is None:
            row = self._rows[group] = bytearray(len(self._columns))
        row[self._columns[node]] = _CODES[presence]

    def __getitem__(self, cell: Cell) -> Presence:
        group, node = cell
        try:
            return _SEEN[self._rows[group][self._columns[node]]]
        except KeyError:
            raise KeyError(cell) from None

    def __iter__(self) -> Iterator[Cell]:
        for group, row in self._rows.items():
            for node, code in zip(self._columns, row, strict=True):
                if code:
                    yield Cell(group, node)

    def __len__(self) -> int:
        return sum(len(row) - row.count(0) for row in self._rows.values())


_NONE: Mapping[str, Any] = MappingProxyType({})


class ManagedCells(Mapping[tuple[str, str], Managed]):
    """The managed cells of a cluster, by (group, canonical URL). Eight bytes per cell; it never changes.

    A number of a row is 0 for a cell that is not managed; else one more than its order, doubled, and one more
    again where it was adopted. A row ends with the last managed cell of its group.
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: Mapping[str, int] = _NONE, rows: Mapping[str, array[int]] = _NONE) -> None:
        """Columns by URL, and rows by group; see `collect`."""
        self._columns, self._rows = columns, rows

    @classmethod
    def collect(cls, cells: Iterable[tuple[str, str, bool, int]]) -> Self:
        """Those that are given once each, as group, canonical URL, whether adopted, and order.

        Raises:
            ValueError, TypeError, OverflowError: an order is no number from 0: it might read as none.
        """
        columns: dict[str, int] = {}
        rows: dict[str, array[int]] = {}
        for group, url, adopted, order in cells:
            if order < 0:
                raise ValueError(f"the order {order!r} of a managed cell is negative")
            row = rows.get(group)
            if row is None:
                row = rows[group] = array("q")
            column = columns.setdefault(url, len(columns))
            row.extend(repeat(0, column + 1 - len(row)))
            row[column] = 2 * (order + 1) + bool(adopted)
        return cls(columns, rows)

    def only(self, groups: Collection[str]) -> Self:
        """Those of some groups."""
        rows = {group: row for group, row in self._rows.items() if group in groups}
        return type(self)(self._columns, rows)

    @property
    def groups(self) -> Collection[str]:
        """The groups that have a managed cell."""
        return self._rows.keys()

    @property
    def by_url(self) -> Collection[str]:
        """The canonical URLs of nodes that a group is managed on."""
        return self._columns.keys()

    def of(self, group: str) -> Iterator[Managed]:
        """The managed cells of one group."""
        for url, value in zip(self._columns, self._rows.get(group, ()), strict=False):
            if value:
                yield _managed(group, url, value)

    def urls(self, group: str) -> frozenset[str]:
        """The nodes that one group is managed on."""
        row = self._rows.get(group, ())
        return frozenset([url for url, value in zip(self._columns, row, strict=False) if value])

    def on(self, url: str) -> Iterator[str]:
        """The groups that are managed on one node."""
        column = self._columns.get(url)
        if column is not None:
            for group, row in self._rows.items():
                if column < len(row) and row[column]:
                    yield group

    def __getitem__(self, key: tuple[str, str]) -> Managed:
        value = self._value(key)
        if not value:
            raise KeyError(key)
        return _managed(*key, value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and bool(self._value(key))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for group in self._rows:
            for managed in self.of(group):
                yield group, managed.url

    def __len__(self) -> int:
        return sum(len(row) - row.count(0) for row in self._rows.values())

    def _value(self, key: tuple[str, str]) -> int:
        group, url = key
        row, column = self._rows.get(group), self._columns.get(url)
        return row[column] if row is not None and column is not None and column < len(row) else 0


def _managed(group: str, url: str, value: int) -> Managed:
    return Managed(group, url, bool(value & 1), (value >> 1) - 1)
