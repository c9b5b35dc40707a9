"""The schema in a database: which version it has, how it is made, and how an older one is brought to ours."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import inspect, select

from planner.errors import Locked, StoreFailed
from planner.store.database import close_quietly
from planner.store.faults import damaged, explaining
from planner.store.rows import sound
from planner.store.tables import VERSION, meta, metadata, version, version_metadata
from planner.store.tables import cluster as clusters

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from planner.store.database import Database, Locking

Gate: TypeAlias = "Callable[[Connection], None]"
MIGRATIONS = Path(__file__).parent / "migrations"


def stored_version(connection: Connection, where: str) -> str | None:
    """The version of the schema in the database; None when there is none yet.

    Raises:
        StoreFailed: it is newer than ours, or the database belongs to something else.
    """
    if connection.dialect.name == "sqlite":
        _refuse_programs(connection, where)
    names = set(inspect(connection).get_table_names())
    if version.name not in names:
        others = names if connection.dialect.name == "sqlite" else names & set(metadata.tables)
        if others:
            raise StoreFailed(
                "The store cannot be opened.",
                where=where,
                why=f"the database is not planner's: it holds {', '.join(sorted(others)[:5])}",
                next="name another one with --store",
            )
        return None
    stored: str | None = connection.execute(select(version.c.version_num)).scalar_one_or_none()
    if stored is None or not stored.isdigit() or int(stored) > int(VERSION):
        raise StoreFailed(
            "The store was made by a newer planner.",
            where=where,
            why=f"its schema has version {stored}, and this planner knows versions up to {VERSION}",
            next="use the planner that made it, or a newer one",
        )
    return stored


def _refuse_programs(connection: Connection, where: str) -> None:
    """Triggers and views of a file that came from somewhere: SQL that our own statements would run."""
    programs = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    for kind, name in connection.exec_driver_sql(programs):
        raise StoreFailed(
            "The store cannot be opened.",
            where=where,
            why=f"the database is not as planner made it: it holds the {kind} {name}",
            next="restore the store from a backup, or name another one with --store",
        )


def store_id(database: Database) -> str:
    """The store's id.

    Raises:
        StoreFailed: there is none.
    """
    with database.reading() as connection:
        found: list[str] = [row[0] for row in connection.execute(select(meta.c.id))]
        if len(found) != 1:
            raise damaged(database.name, f"it has {len(found)} ids instead of one")
        return sound(found[0], str)


def make(database: Database, connection: Connection, gate: Gate, wall: str) -> None:
    """Make every table in one transaction, unless another run was faster.

    Args:
        database: without tables.
        connection: to it.
        gate: run first in the transaction; keeps out other runs that would do the same.
        wall: now.
    """
    with database.writing(connection):
        gate(connection)
        if stored_version(connection, database.name) is not None:
            return
        metadata.create_all(connection)
        version_metadata.create_all(connection)
        connection.execute(version.insert().values(version_num=VERSION))
        connection.execute(meta.insert().values(id=str(uuid.uuid4()), created=wall))


def migrate(database: Database, locking: Locking, gate: Gate) -> None:
    """Bring an older schema to ours, in one transaction, while no run holds a lock of this store.

    Raises:
        Locked: a run holds one.
        StoreFailed: it cannot be done; the store is as it was.
    """
    what = "The store cannot be migrated."
    with ExitStack() as stack:
        with database.reading() as connection:
            names = connection.execute(select(clusters.c.name)).scalars().all()
        for name in names:
            hold = locking.contend(name)
            stack.callback(hold.release)
            if not hold.attempt():
                raise Locked(
                    "The store has to be migrated, and another run uses it.",
                    where=f"cluster {name!r}: {locking.holder(name)}",
                    next="wait until it has ended, and run the command again",
                )
        own = database.own(what)
        stack.callback(close_quietly, own)
        with explaining(what, database.name, database.secret), database.writing(own):
            gate(own)
            if stored_version(own, database.name) != VERSION:
                _upgrade(own, MIGRATIONS, what, database.name)


def _upgrade(connection: Connection, scripts: Path, what: str, where: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreFailed(
            what, where=where, why=str(error), next="use the version of planner that made the store"
        ) from error
