"""From a URL to an open store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from planner.errors import StoreFailed, WrongUsage
from planner.store import schema
from planner.store.database import close_quietly
from planner.store.faults import explaining, masked, missing, only_to_be_read
from planner.store.sqlite import is_wal, make_wal, open_sqlite
from planner.store.sqlstore import SqlStore
from planner.store.tables import VERSION
from planner.store.waiting import Time

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from planner.store.database import Database
    from planner.store.filelock import FileLock
    from planner.store.sqlite import FileLocking

SCHEMA_WAIT = 30.0
"""Seconds that a run waits for another one that is making or migrating the tables."""
SYSTEM_TIME = Time()


def open_at(url: str, *, create: bool = True, time: Time = SYSTEM_TIME) -> SqlStore:
    """See `planner.store.open_store`; `time` is for tests."""
    parsed = parse(url)
    if is_sqlite(parsed):
        return _open_sqlite(parsed, create=create, time=time)
    return _open_postgres(parsed, create=create, time=time)


def parse(url: str, option: str = "--store") -> URL:
    """The parts of a store's URL, which came from this option; no message repeats its password.

    Raises:
        WrongUsage: it makes no sense, or names a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise WrongUsage(
            "The store's URL makes no sense.",
            where=option,
            next="write sqlite:///path or postgresql+psycopg://user:password@host/name",
        ) from error
    if is_sqlite(parsed) or parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed
    raise WrongUsage(
        "The store's URL names a database that is not supported.",
        where=f"{option} {masked(parsed)}",
        next="write sqlite:///path or postgresql+psycopg://user:password@host/name",
    )


def is_sqlite(url: URL) -> bool:
    """Whether a URL that was parsed names a file."""
    return url.drivername in ("sqlite", "sqlite+pysqlite")


def _open_sqlite(url: URL, *, create: bool, time: Time, why_copied: str = "") -> SqlStore:
    """Open the file; where SQLite can only read it, a copy of it, which no lock is granted for."""
    database, locking = open_sqlite(url, create=create, why_copied=why_copied)
    try:
        with explaining("The store cannot be opened.", database.name):
            if not _is_ready(database, create=create and not database.only_read):
                _prepare_sqlite(database, locking, time)
        return SqlStore(schema.store_id(database), database, locking, time)
    except StoreFailed as error:
        database.close()
        if database.only_read or not only_to_be_read(error):
            raise
        return _open_sqlite(url, create=False, time=time, why_copied=error.why)
    except BaseException:
        database.close()
        raise


def _prepare_sqlite(database: Database, locking: FileLocking, time: Time) -> None:
    """Make or migrate the tables, while other runs of this planner wait."""
    gate = take_gate(database, locking, time)
    try:
        connection = database.own("The store cannot be opened.")
        try:
            found = schema.stored_version(connection, database.name)
            make_wal(connection)
            if found is None:
                schema.make(database, connection, _nobody_else, time.wall())
        finally:
            close_quietly(connection)
        if found not in (None, VERSION):
            schema.migrate(database, locking, _nobody_else)
    finally:
        gate.release()


def take_gate(database: Database, locking: FileLocking, time: Time) -> FileLock:
    """Take the lock for making and migrating the tables of a file; whoever took it releases it.

    Raises:
        StoreFailed: another run keeps it.
    """
    gate = locking.schema()
    if not time.until(gate.attempt, SCHEMA_WAIT):
        raise StoreFailed(
            "The store cannot be opened.",
            where=database.name,
            why="another run is making or migrating its tables",
            next="run the command again",
        )
    return gate


def _nobody_else(_connection: Connection) -> None:
    """SQLite's gate: the file lock has kept everybody out already."""


def _is_ready(database: Database, *, create: bool) -> bool:
    """Whether the tables are there, in our version, in a file that is prepared."""
    with database.reading() as connection:
        found = schema.stored_version(connection, database.name)
        if found is None and not create:
            raise missing(database.name)
        ready = found == VERSION
        return ready and (connection.dialect.name != "sqlite" or is_wal(connection))


def _open_postgres(url: URL, *, create: bool, time: Time) -> SqlStore:
    from planner.store.postgres import SessionLocking, keep_others_out, open_postgres

    database = open_postgres(url)
    try:
        with explaining("The store cannot be opened.", database.name, database.secret):
            if not _is_ready(database, create=create):
                connection = database.own("The store cannot be opened.")
                try:
                    schema.make(database, connection, keep_others_out, time.wall())
                finally:
                    close_quietly(connection)
            identity = schema.store_id(database)
            locking = SessionLocking(database, identity)
            if not _is_ready(database, create=create):
                schema.migrate(database, locking, keep_others_out)
        return SqlStore(identity, database, locking, time)
    except BaseException:
        database.engine.dispose()
        raise
