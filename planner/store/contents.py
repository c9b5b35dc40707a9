"""All that a store holds, table by table: read in batches, counted, and written as it is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal, select, text, tuple_

from planner.results import CopiedTable
from planner.store.tables import cluster, meta, metadata, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Column, Connection, Table

TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)
"""Every table of ours, each behind those that it refers to."""
BATCH = 5000
"""Rows that are in memory at once."""
BATCHES = {transaction.name: 1}
"""Of tables whose rows are big: a transaction holds its whole plan."""
VOLATILE = {
    cluster.name: frozenset(column.name for column in cluster.columns) - {"name", "serial"},
    meta.name: frozenset({"moved_to", "moved_at", "moved_by"}),
}
"""Columns that every grant of a lock changes, or a move."""

_SEQUENCE = "pg_get_serial_sequence(:table, 'number')"


def rows_of(connection: Connection) -> int:
    """How many rows all tables have."""
    counts = (select(func.count()).select_from(table) for table in TABLES)
    return sum(int(connection.execute(count).scalar_one()) for count in counts)


def batches(connection: Connection, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows of a table, in the order of its primary key. The connection shows one snapshot."""
    keys = tuple(table.primary_key.columns)
    places = [table.columns.keys().index(key.name) for key in keys]
    size = BATCHES.get(table.name, BATCH)
    query = select(table).order_by(*keys).limit(size)
    rows = connection.execute(query).all()
    while rows:
        yield rows
        if len(rows) < size:
            return
        last = [literal(rows[-1][place], key.type) for place, key in zip(places, keys, strict=True)]
        rows = connection.execute(query.where(tuple_(*keys) > tuple_(*last))).all()


def write(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows as they are, by the driver alone: SQLAlchemy's own way takes four times as long."""
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(column.name for column in table.columns)
    marks = ", ".join([mark] * len(table.columns))
    words = ("INSERT INTO", table.name, f"({names})", "VALUES", f"({marks})")  # all of them our own
    connection.exec_driver_sql(" ".join(words), [tuple(row) for row in rows])


class Digest:
    """Count and digest of rows, in whatever order they come: each database sorts text its own way."""

    def __init__(self, table: Table, without: frozenset[str] = frozenset()) -> None:
        """`without`: columns that do not count."""
        self._table = table
        self._places = [n for n, column in enumerate(table.columns) if column.name not in without]
        self._rows = 0
        self._sum = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count rows in."""
        for row in rows:
            line = json.dumps([row[place] for place in self._places], separators=(",", ":"))
            self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")
        self._rows += len(rows)

    @property
    def result(self) -> CopiedTable:
        """What was counted so far."""
        return CopiedTable(self._table.name, self._rows, f"{self._sum % 2**256:064x}")


def summary(
    connection: Connection, read: Callable[[int], None], *, volatile: bool = True
) -> tuple[CopiedTable, ...]:
    """Count and digest of every table.

    Args:
        connection: shows one snapshot.
        read: told of the rows of each batch.
        volatile: whether the columns count that a grant of a lock, or a move, changes.
    """
    found = []
    for table in TABLES:
        digest = Digest(table, frozenset() if volatile else VOLATILE.get(table.name, frozenset()))
        for rows in batches(connection, table):
            digest.add(rows)
            read(len(rows))
        found.append(digest.result)
    return tuple(found)


# The numbers of transactions.


def last_number(connection: Connection) -> int:
    """The highest number that a transaction was ever given, also one that was rolled back; 0 for none."""
    column: Column[Any] = transaction.c.number
    highest = connection.execute(select(func.max(column))).scalar() or 0
    if connection.dialect.name == "postgresql":
        asked = text(f"SELECT pg_sequence_last_value(CAST({_SEQUENCE} AS regclass))")
        given = connection.execute(asked, {"table": transaction.name}).scalar()
    else:
        asked = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        given = connection.execute(asked, {"table": transaction.name}).scalar()
    return max(int(highest), int(given or 0))


def go_on_after(connection: Connection, number: int) -> None:
    """Let the next transaction have a number behind this one: rows that bring theirs need not move it."""
    if not number:
        return
    if connection.dialect.name == "postgresql":
        asked = text(f"SELECT setval({_SEQUENCE}, :number)")
        connection.execute(asked, {"table": transaction.name, "number": number})
        return
    values = {"table": transaction.name, "number": number}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"), values)
