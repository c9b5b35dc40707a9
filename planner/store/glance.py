"""A glance at the newest transactions, for completion at a prompt: quick, of SQLite only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

SCHEME = "sqlite:///"
PATIENCE = 0.2
"""Seconds that a busy store is waited for: somebody sits at a prompt."""


class Glance(NamedTuple):
    """One transaction, in few words."""

    number: int
    cluster: str
    command: str
    state: str
    started: str


def glance(url: str, limit: int = 100) -> tuple[Glance, ...]:
    """The newest transactions of every cluster, newest first; nothing where the store is not in SQLite.

    Nothing is made or migrated.

    Raises:
        OSError, sqlite3.Error: the store cannot be read.
    """
    if not url.startswith(SCHEME):
        return ()
    path = Path(unquote(url.removeprefix(SCHEME).partition("?")[0])).expanduser()
    if not path.is_file():
        return ()
    path = path.resolve()
    # Reading a file that nobody has open would make a write-ahead log, and could not take it away again.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    address = f"file:{quote(str(path))}?{how}"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as connection:
        rows = connection.execute(
            "SELECT number, cluster, command, state, started FROM planner_transaction"
            " ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return tuple(Glance(*row) for row in rows)
