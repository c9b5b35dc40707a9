"""The store: what outlives a run. The port `planner.ports.Store` over SQLite and PostgreSQL.

::

    opening.py    from a URL to an open store;  schema.py, migrations/: its schema, made or brought to ours
    sqlstore.py   the port, over either database;  lease.py: the right to write, fenced by the epoch
    reading.py    rows -> the types of the ports;  writing.py: what one durable commit writes
    tables.py     the tables;  rows.py: the values in them
    database.py   a database, and its transactions;  faults.py: its errors in a user's words
    sqlite.py     SQLite: its file and its lock;  snapshot.py: a copy of one that can only be read
    postgres.py   PostgreSQL: how it is reached, and its lock
    filelock.py   a lock that dies with its owner;  forking.py: a child lets go of it;  waiting.py: for one
    owners.py     whose a file of SQLite is;  mounts.py: whether a path lies on a network file system
    copying.py    a copy of a whole store elsewhere;  contents.py: all that it holds, in batches
    retiring.py   the mark of a store that was moved
    glance.py     the newest transactions, for completion

`open_store` is the public entry, and `copying.copy_store` that of a whole store. Importing this package is
cheap: SQLAlchemy is imported when a store is opened, alembic only when an older store has to be migrated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.store.sqlstore import SqlStore

__all__ = ["open_store"]


def open_store(url: str, *, create: bool = True) -> SqlStore:
    """Open the store at `url`, and make or migrate it where that is needed.

    Args:
        url: ``sqlite:///path`` (``?mode=ro`` to read only) or ``postgresql+psycopg://user:password@host/name``.
        create: whether a store that does not exist yet is made, with its directories (0700) and its
            files (0600). Without it a missing store is a `StoreFailed`, and nothing is written.

    Returns:
        The store; it is a context manager, or is closed by `close()`. It may be used from several threads.

    Raises:
        WrongUsage: the URL makes no sense.
        StoreFailed: the store cannot be opened, is damaged, was made by a newer planner, is missing
            (without `create`), or lies on a network file system (SQLite).
        Locked: the store has to be migrated while another run holds one of its locks.
    """
    from planner.store.opening import open_at

    return open_at(url, create=create)
