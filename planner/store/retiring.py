"""A store that was moved to another place: a mark that every later grant of a lock meets.

Two stores with one id that are both written are two memories of one cluster, and each would prune and reverse
what the other did. So a move leaves a mark behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, text

from planner.errors import StoreFailed
from planner.store.rows import sound
from planner.store.tables import cluster as clusters
from planner.store.tables import meta

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection


FILLED_FROM = "from "
"""Begins the mark of the new store until the old one is marked: neither is used in between."""


class Moved(NamedTuple):
    """Where a store was moved to, without a password; when (wall time), and by whom."""

    target: str
    at: str
    who: str

    @property
    def source(self) -> str:
        """Where the store is being moved from, by a move that has not ended; empty where it has."""
        return self.target.removeprefix(FILLED_FROM) if self.target.startswith(FILLED_FROM) else ""

    def of_the_new(self, source: str) -> Moved:
        """The mark of the new store, until this one is committed."""
        return self._replace(target=f"{FILLED_FROM}{source}")

    def __str__(self) -> str:
        return (
            f"this store is filled by a move from {self.source} that has not ended"
            if self.source
            else f"this store was moved to {self.target}, and is history only"
        )


def mark_of(connection: Connection) -> Moved | None:
    """The mark of a move, if there is one."""
    found = select(meta.c.moved_to, meta.c.moved_at, meta.c.moved_by).where(meta.c.moved_to.is_not(None))
    row = connection.execute(found).first()
    return sound(Moved(*row), Moved) if row is not None else None


def check_here(connection: Connection, where: str) -> None:
    """Make sure that the store was not moved away.

    Raises:
        StoreFailed: it was.
    """
    mark = mark_of(connection)
    if mark is not None and mark.source:
        raise StoreFailed(
            f"This store is filled by a move from {mark.source} that has not ended.",
            where=where,
            why=f"{mark.who} began it at {mark.at}; until it has ended neither store may be used",
            next="run the same `planner store copy --move` again: it ends it",
        )
    if mark is not None:
        raise StoreFailed(
            f"This store was moved to {mark.target}.",
            where=where,
            why=f"{mark.who} moved it at {mark.at}; two stores in use would contradict each other",
            next="set PLANNER_STORE (or --store) to the new one; "
            "`planner status`, `history` and `show` still read this one",
        )


def retire(connection: Connection, epochs: Mapping[str, int], mark: Moved, where: str) -> None:
    """Inside a transaction that writes: mark the store as moved.

    A grant writes its cluster's row first, and then asks for the mark. Here it is the other way round, and
    rows cannot be written meanwhile (SQLite: one writer; PostgreSQL: the table's lock). So either the grant
    is seen here, or the mark there.

    Args:
        connection: that writes.
        epochs: of the grants under which the store was copied, by cluster.
        mark: to be set.
        where: the store, in words.

    Raises:
        StoreFailed: a cluster came that is not among those, a lock was granted to somebody else meanwhile, or
            the store was moved already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {clusters.name} IN SHARE ROW EXCLUSIVE MODE"))
    check_here(connection, where)
    check_known(connection, epochs, where)
    granted = connection.execute(select(clusters.c.name, clusters.c.epoch))
    lost = sorted(name for name, epoch in granted if epochs[name] != epoch)
    if lost:
        raise StoreFailed(
            "The store cannot be copied.",
            where=f"{where}, cluster {lost[0]!r}",
            why="its lock was lost, and another run was granted it",
            next="wait until that run has ended, and run the command again",
        )
    connection.execute(meta.update().values(moved_to=mark.target, moved_at=mark.at, moved_by=mark.who))


def mark_new(connection: Connection, mark: Moved | None) -> None:
    """Mark the new store as one that nobody may use yet, or release it."""
    to, at, who = mark if mark is not None else (None, None, None)
    connection.execute(meta.update().values(moved_to=to, moved_at=at, moved_by=who))


def check_known(connection: Connection, known: Collection[str], where: str) -> None:
    """Make sure that there is no cluster but those that are locked.

    Raises:
        StoreFailed: another one came.
    """
    new = set(connection.execute(select(clusters.c.name)).scalars()) - set(known)
    if new:
        raise StoreFailed(
            "The store cannot be copied.",
            where=f"{where}, cluster {min(new)!r}",
            why="a run began with a cluster that the store did not know before",
            next="wait until that run has ended, and run the command again",
        )
