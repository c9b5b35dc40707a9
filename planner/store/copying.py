"""A copy of a whole store in another place: a backup, or a move.

::

    lock every cluster of the source           no run in between
    one snapshot of it  ->  one transaction in the target, which is empty
    read the target back: counts and digests of every table are equal
    the locks are proved once more
    (a move) the source's mark is written, and not yet committed; the target has one too
    COMMIT in the target                       from here on the copy is there; nobody can use it yet
    (a move) COMMIT in the source              from here on the source refuses
    (a move) the target's mark is taken away   from here on it is the store

A death before the target's commit leaves the target empty and the source as it was. One before the source's
commit leaves a target that refuses: the same command empties it, and begins again. One after it leaves two
stores that refuse: the same command compares, and releases the target. So what a move
has copied can be used beside the old store at no time; a backup that was there already, and is equal, can.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text

from planner.errors import LockLost, StoreFailed, WrongUsage
from planner.model import UNFINISHED
from planner.results import Copied
from planner.store import contents, retiring, schema
from planner.store.database import close_quietly
from planner.store.faults import explaining, not_writable
from planner.store.opening import is_sqlite, parse, take_gate
from planner.store.retiring import Moved
from planner.store.sqlite import make_wal, open_sqlite, path_of
from planner.store.sqlstore import owner
from planner.store.tables import VERSION, meta, metadata, transaction, version, version_metadata
from planner.store.tables import cluster as clusters
from planner.store.waiting import Time
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from planner.ports import Lease
    from planner.results import CopiedTable
    from planner.store.database import Database
    from planner.store.sqlstore import SqlStore

COMMAND = "store copy"
"""What others are told that holds the locks."""
CANNOT = "The store cannot be copied."

# Which database the tables are in: the same three on two servers is a coincidence of microseconds.
_PLACE = text(
    "SELECT pg_postmaster_start_time(), CAST(to_regclass('planner_meta') AS oid),"
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True, slots=True)
class Watcher:
    """Told how a copy goes on; whatever it raises ends the copy, and nothing was done.

    Attributes:
        phase: what begins (``copy``, ``compare``), and how many rows it has.
        rows: so many more are done.
    """

    phase: Callable[[str, int], None] = lambda _name, _rows: None
    rows: Callable[[int], None] = lambda _rows: None


NOBODY = Watcher()


def copy_store(
    source: SqlStore, to: str, *, move: bool = False, timeout: float = 0.0, watcher: Watcher = NOBODY
) -> Copied:
    """Copy everything that the source holds, its id included, to an empty place.

    Args:
        source: an open store.
        to: URL of the place.
        move: whether the source is marked as moved, and refuses from then on.
        timeout: seconds to wait for each cluster's lock.
        watcher: told how it goes on.

    Raises:
        Locked: a run holds one of the locks.
        StoreFailed: the target is not empty or cannot be written, the source cannot be locked or was moved.
        WrongUsage: the target's URL makes no sense, or is the source.
    """
    if source.database.only_read:
        raise not_writable(source.name, source.database.only_read)
    parse(to, "--to")
    mark = source.moved()
    if move and mark is not None and not mark.source:
        with _place(to, source.database) as (target, connection):
            if (done := _Copying(source, target, connection, {}, watcher).released(mark)) is not None:
                return done
    source.check_here()
    with ExitStack() as locks:
        leases = _lock_all(source, timeout, locks)
        with _place(to, source.database) as (target, connection):
            return _Copying(source, target, connection, leases, watcher).carry_out(move=move)


@contextmanager
def _place(url: str, source: Database) -> Iterator[tuple[Database, Connection]]:
    """The target, while nobody else makes tables in it.

    Raises:
        WrongUsage: it is the source.
    """
    parsed = parse(url, "--to")
    with ExitStack() as stack:
        if is_sqlite(parsed):
            path_of(parsed, "--to")
            database, locking = open_sqlite(parsed, create=True)
            stack.callback(database.close)
            if database.only_read:
                raise not_writable(database.name, database.only_read)
            _check_other(source, database)
            stack.callback(take_gate(database, locking, Time()).release)
        else:
            from planner.store.postgres import open_postgres

            database = open_postgres(parsed)
            stack.callback(database.close)
            _check_other(source, database)
        connection = database.own(CANNOT)
        stack.callback(close_quietly, connection)
        if is_sqlite(parsed):
            with explaining(CANNOT, database.name):
                schema.stored_version(connection, database.name)  # another program's file is left as it is
                make_wal(connection)
        yield database, connection


def _check_other(source: Database, target: Database) -> None:
    """Make sure that the target is not the source.

    Raises:
        WrongUsage: it is.
    """
    kind = source.engine.dialect.name
    if kind != target.engine.dialect.name:
        return
    if kind == "sqlite":
        one, other = (Path(database.name.removeprefix("sqlite:///")) for database in (source, target))
        same = one.samefile(other)
    else:
        places = []
        for database in (source, target):
            with database.reading() as connection:
                places.append(tuple(connection.execute(_PLACE).one()))
        same = places[0] == places[1]
    if same:
        raise WrongUsage(
            "The store cannot be copied to itself",
            where=f"--to {target.name}",
            next="name another place with --to",
        )


def _lock_all(source: SqlStore, timeout: float, stack: ExitStack) -> dict[str, Lease]:
    """Take the lock of every cluster, those that come meanwhile too; always in one order.

    Raises:
        Locked: a run holds one of them.
    """
    held: dict[str, Lease] = {}
    while new := [name for name in source.clusters() if name not in held]:
        for name in new:
            held[name] = stack.enter_context(source.lock(name, COMMAND, timeout))
    return held


@dataclass(frozen=True, slots=True)
class _Copying:
    """One copy, under the locks of every cluster of the source."""

    source: SqlStore
    target: Database
    connection: Connection
    leases: dict[str, Lease]
    watcher: Watcher

    def carry_out(self, *, move: bool) -> Copied:
        """Copy, compare, and commit; see the module."""
        is_there = False
        try:
            with ExitStack() as last:
                with self.target.writing(self.connection):
                    if self.connection.dialect.name == "postgresql":
                        from planner.store.postgres import keep_others_out

                        keep_others_out(self.connection)
                    result = self._filled(move=move)
                    self._prove()
                    if move:
                        mark = last.enter_context(self._retiring())
                        if not result.already:  # one that is equal may have been here, and in use, for long
                            retiring.mark_new(self.connection, mark.of_the_new(self.source.name))
                is_there = True
            if move:
                with self.target.writing(self.connection):
                    retiring.mark_new(self.connection, None)
        except StoreFailed as error:
            if not is_there:
                raise
            raise StoreFailed(
                "The copy is complete, and the move has not ended.",
                where=self.source.name,
                why=error.why or error.what,
                next="run the same command again: it ends it",
            ) from error
        return result

    def released(self, mark: Moved) -> Copied | None:
        """End a move that died when its source was marked: compare, and release the target.

        Returns None where the target does not belong to that move.
        """
        with self.target.writing(self.connection):
            if schema.stored_version(self.connection, self.target.name) != VERSION:
                return None
            if retiring.mark_of(self.connection) != mark.of_the_new(self.source.name):
                return None
            with self.source.database.reading() as snapshot:
                tables = self._compared(snapshot, "another state of it")
                result = self._result(snapshot, tables, moved=True, already=True)
            retiring.mark_new(self.connection, None)
        return result

    def _filled(self, *, move: bool) -> Copied:
        """What the target holds at the end, equal to one snapshot of the source."""
        held = self._held()
        if held and not move:
            raise self._not_empty(held)
        with self.source.database.reading() as snapshot:
            retiring.check_known(snapshot, self.leases, self.source.name)
            tables = self._compared(snapshot, held) if held else self._copied(snapshot)
            return self._result(snapshot, tables, moved=move, already=bool(held))

    def _result(
        self, snapshot: Connection, tables: tuple[CopiedTable, ...], *, moved: bool, already: bool
    ) -> Copied:
        open_ = (
            select(transaction.c.cluster, transaction.c.number)
            .where(transaction.c.state.in_([str(state) for state in UNFINISHED]))
            .order_by(transaction.c.number)
        )
        return Copied(
            store=snapshot.execute(select(meta.c.id)).scalar_one(),
            source=self.source.name,
            target=self.target.name,
            moved=moved,
            already=already,
            clusters=tuple(snapshot.execute(select(clusters.c.name).order_by(clusters.c.name)).scalars()),
            transactions=next(table.rows for table in tables if table.name == transaction.name),
            unfinished=tuple((row[0], row[1]) for row in snapshot.execute(open_)),
            tables=tables,
        )

    def _held(self) -> str:
        """What is in the target, in words. Tables without rows are taken away, and are nothing.

        So is what a move from here has left that died before this store was marked: nobody could use it.

        Raises:
            StoreFailed: the database belongs to something else, or to a newer planner.
        """
        if schema.stored_version(self.connection, self.target.name) is None:
            return ""
        there = set(inspect(self.connection).get_table_names())
        kept = [table for table in metadata.sorted_tables if table.name in there]
        rows = {
            table.name: self.connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in kept
        }
        if any(rows.values()) and not self._was_left_here():
            ids = self.connection.execute(select(meta.c.id)).scalars().all()
            return (
                f"the store {', '.join(ids)}, with {count(rows[clusters.name], 'cluster')}"
                f" and {count(rows[transaction.name], 'transaction')}"
            )
        metadata.drop_all(self.connection)
        version_metadata.drop_all(self.connection)
        return ""

    def _was_left_here(self) -> bool:
        if schema.stored_version(self.connection, self.target.name) != VERSION:
            return False
        mark = retiring.mark_of(self.connection)
        return mark is not None and mark.source == self.source.name

    def _copied(self, snapshot: Connection) -> tuple[CopiedTable, ...]:
        """Make the tables, copy every row, and read them back."""
        metadata.create_all(self.connection)
        version_metadata.create_all(self.connection)
        self.connection.execute(version.insert().values(version_num=VERSION))
        total = contents.rows_of(snapshot)
        self.watcher.phase("copy", total)
        found = []
        for table in contents.TABLES:
            digest = contents.Digest(table)
            for rows in contents.batches(snapshot, table):
                contents.write(self.connection, table, rows)
                digest.add(rows)
                self.watcher.rows(len(rows))
            found.append(digest.result)
        number = contents.last_number(snapshot)
        contents.go_on_after(self.connection, number)
        self.watcher.phase("compare", total)
        back = contents.summary(self.connection, self.watcher.rows)
        differ = [one.name for one, other in zip(found, back, strict=True) if one != other]
        if contents.last_number(self.connection) != number:
            differ.append("the number of the last transaction")
        if differ:
            raise StoreFailed(
                CANNOT,
                where=self.target.name,
                why=f"what was read back differs: {', '.join(differ)}",
                next="nothing was kept; check the target's database, and run the command again",
            )
        return back

    def _compared(self, snapshot: Connection, held: str) -> tuple[CopiedTable, ...]:
        """The target as an earlier command filled it, if it is still equal to the source.

        Raises:
            StoreFailed: it is not.
        """
        stored = schema.stored_version(self.connection, self.target.name)
        if stored != VERSION:
            raise self._not_empty(held)
        self.watcher.phase("compare", 2 * contents.rows_of(snapshot))
        sides = [
            (contents.summary(side, self.watcher.rows, volatile=False), contents.last_number(side))
            for side in (snapshot, self.connection)
        ]
        if sides[0] != sides[1]:
            raise self._not_empty(held)
        return sides[0][0]

    def _not_empty(self, held: str) -> StoreFailed:
        with self.source.database.reading() as connection:
            ours = connection.execute(select(meta.c.id)).scalars().first()
        theirs = self.connection.execute(select(meta.c.id)).scalars().first()
        why, cure = (
            f"it holds {held}",
            "name an empty database, or a file that is not there yet, with --to; nothing was written",
        )
        if ours == theirs:
            why += ": another state of this very store, such as a backup, or what a move left that died"
            cure = (
                "one of the two only may ever be used. If no run uses the target, delete it and run the "
                "command again; if one does, that one is the store now, this one a backup; nothing written"
            )
        return StoreFailed("The target of the copy is not empty.", where=self.target.name, why=why, next=cure)

    def _prove(self) -> None:
        """Make sure that every lock was held until now: no run came in between."""
        for lease in self.leases.values():
            try:
                lease.prove()
            except LockLost as lost:
                raise StoreFailed(
                    CANNOT,
                    where=self.source.name,
                    why=f"{lost.what} {lost.why}",
                    next="nothing was kept; run the command again",
                ) from lost

    @contextmanager
    def _retiring(self) -> Iterator[Moved]:
        """The source's mark, committed when the context ends."""
        database = self.source.database
        connection = database.own(CANNOT)
        try:
            with database.writing(connection):
                mark = Moved(self.target.name, self.source.now(), owner())
                epochs = {name: lease.epoch for name, lease in self.leases.items()}
                retiring.retire(connection, epochs, mark, database.name)
                yield mark
        finally:
            close_quietly(connection)
