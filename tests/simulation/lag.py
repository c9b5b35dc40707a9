"""Lists that are older than the cluster: what a node held some seconds ago."""

from __future__ import annotations

from collections.abc import Iterable

from planner.model import Cell


class Lag:
    """Every change of a cell, so that lists can tell of the time before it."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: the age of every list."""
        self._seconds = seconds
        self._changes: list[tuple[float, str, str, bool]] = []

    def changed(self, when: float, cell: Cell | tuple[str, str], *, there: bool) -> None:
        """Take note of how a cell was until now."""
        group, node = cell
        self._changes.append((when, group, node, there))

    def listed(self, node: str, groups: Iterable[str], now: float) -> set[str]:
        """What a node lists now, given what it holds."""
        found = set(groups)
        for when, group, name, there in reversed(self._changes):
            if when <= now - self._seconds:
                break
            if name == node:
                (found.add if there else found.discard)(group)
        return found
