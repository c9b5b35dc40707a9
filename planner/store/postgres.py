"""PostgreSQL, for a store that several machines share: how it is reached, and its lock.

The lock is a session-level advisory lock on a connection of its own. When the process or its machine dies,
the server ends the session (TCP keepalives), and the lock with it. A pooler in transaction mode would give
each transaction another session, and so no lock at all: it shows itself by the backend's pid, and is refused.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from planner.errors import StoreFailed
from planner.ports import Holder
from planner.store import forking
from planner.store.database import WRITE_WAIT, Database, close_quietly
from planner.store.faults import explaining, lost, masked
from planner.store.tables import cluster as clusters

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.engine.interfaces import DBAPIConnection

OPTIONS: dict[str, str | int | None] = {
    "application_name": "planner",
    "prepare_threshold": None,  # prepared statements do not survive a pooler, which reads may use
    # https://www.postgresql.org/docs/current/libpq-connect.html: a silent peer is noticed within 5 s
    "connect_timeout": 10,  # seconds
    "keepalives": 1,
    "keepalives_idle": 2,  # seconds
    "keepalives_interval": 1,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,  # milliseconds that sent data may stay unacknowledged
}
"""Of every connection, unless the URL says otherwise."""
STRONG_COMMITS = frozenset({"on", "remote_apply"})
"""Values of `synchronous_commit` with which a commit that was acknowledged survives a crash of the server."""
IDLE_SESSION_TIMEOUT_SINCE = 140000
"""`server_version_num` of the first server that may end a session for being idle."""

STARTING = Holder("a run that is just starting", "", "")

# An advisory lock of one 64-bit key: its halves are classid and objid, and objsubid is 1.
# https://www.postgresql.org/docs/current/view-pg-locks.html
LOCKS = """
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = CAST(:high AS oid) AND objid = CAST(:low AS oid)
"""
HOLDING = text(LOCKS)
PROOF = text(
    " ".join(
        (
            *("SELECT pg_backend_pid() AS pid, EXISTS (", LOCKS, "AND pid = pg_backend_pid()) AS held,"),
            "(SELECT epoch FROM planner_cluster WHERE name = :cluster) AS epoch",
        )
    )
)
BACKEND = text("SELECT pg_backend_pid()")


def open_postgres(url: URL) -> Database:
    """Describe the database; nothing is connected yet.

    Raises:
        StoreFailed: the driver is not installed.
    """
    url = url.set(drivername="postgresql+psycopg")
    options = {name: value for name, value in OPTIONS.items() if name not in url.query}
    try:
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_pre_ping=True,
            connect_args=options,
        )
    except ImportError as error:
        raise StoreFailed(
            "The store cannot be opened.",
            where=masked(url),
            why=f"the driver for PostgreSQL is not installed: {error}",
            next="pip install 'planner[postgresql]'",
        ) from error
    event.listen(engine, "connect", _prepare)
    return Database(
        engine,
        masked(url),
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        str(url.password or ""),
    )


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    """Set what our commits rely on, whatever the server's, the database's or the user's defaults are."""
    cursor = connection.cursor()
    try:
        cursor.execute("SHOW synchronous_commit")
        row = cursor.fetchone()
        if row is None or row[0] not in STRONG_COMMITS:
            cursor.execute("SET synchronous_commit = 'on'")
        cursor.execute(f"SET lock_timeout = '{int(WRITE_WAIT)}s'")
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute("SHOW server_version_num")
        row = cursor.fetchone()
        if row is not None and int(row[0]) >= IDLE_SESSION_TIMEOUT_SINCE:
            cursor.execute("SET idle_session_timeout = 0")  # a run may wait long between two commits
    finally:
        cursor.close()


def lock_key(*words: str) -> int:
    """The key of an advisory lock, a signed 64-bit number."""
    digest = hashlib.sha256("\x1f".join(("planner", *words)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def halves(key: int) -> dict[str, int]:
    """The key as `pg_locks` shows it: two unsigned 32-bit numbers."""
    return {"high": (key >> 32) & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}


def keep_others_out(connection: Connection) -> None:
    """Inside a transaction that makes or migrates the tables: wait until no other one does."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("schema")})


def _socket(connection: Connection) -> int:
    """The descriptor of the connection's socket."""
    driver: Any = connection.connection.dbapi_connection
    return int(driver.fileno())


class SessionLocking:
    """Advisory locks of one store.

    Args:
        database: the server's.
        store: the store's id: two stores in one database have different locks.
    """

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store

    def contend(self, cluster: str) -> SessionHold:
        """Begin to try for a cluster's lock."""
        return SessionHold(self._database, lock_key(self._store, cluster), cluster)

    def holder(self, cluster: str) -> Holder | None:
        """Who holds it now: the lock tells whether anybody does, the row tells who was granted it last."""
        key = lock_key(self._store, cluster)
        with self._database.reading() as connection:
            pid = connection.execute(HOLDING, halves(key)).scalar()
            row = connection.execute(
                select(
                    clusters.c.holder,
                    clusters.c.holder_command,
                    clusters.c.holder_since,
                    clusters.c.holder_session,
                ).where(clusters.c.name == cluster)
            ).one_or_none()
        if pid is None:
            return None
        if row is None or row.holder_session != pid:
            return STARTING
        return Holder(row.holder, row.holder_command, row.holder_since)


class SessionHold:
    """One attempt at a cluster's lock; then the lock. See `planner.store.database.Hold`.

    Everything goes through one connection, which is never reopened: when it is gone, so is the lock.
    """

    def __init__(self, database: Database, key: int, cluster: str) -> None:
        self._database = database
        self._key = key
        self._cluster = cluster
        self._using = threading.RLock()  # a proof from another thread waits for a commit
        self._connection: Connection | None = None
        self._pid = 0
        self._socket = -1

    @property
    def connection(self) -> Connection:
        """The session that holds the lock.

        Raises:
            LockLost: it is gone.
        """
        if self._connection is None:
            raise lost(self._cluster, "it was given back")
        if self.broken:
            raise lost(self._cluster, "the connection that held it is gone")
        return self._connection

    @property
    def using(self) -> threading.RLock:
        """Held while the connection is used."""
        return self._using

    @property
    def session(self) -> int:
        """The backend's pid."""
        return self._pid

    @property
    def broken(self) -> bool:
        """Whether the session is known to be gone, or is not the one of the grant any more."""
        connection = self._connection
        return connection is None or connection.closed or connection.invalidated

    def attempt(self) -> bool:
        """Ask for the lock, on a session that is made at the first attempt."""
        what = "The lock cannot be taken."
        with explaining(what, self._database.name, self._database.secret):
            if self._connection is None:
                with forking.gate:
                    self._connection = self._database.own(what)
                    self._socket = _socket(self._connection)
                    forking.register(self)
                self._pid = self._pinned(self._connection)
            asked = text("SELECT pg_try_advisory_lock(:key), pg_backend_pid()")
            granted, pid = self.connection.execute(asked, {"key": self._key}).one()
            if pid != self._pid:
                raise self._pooled()
            return bool(granted)

    def granted(self, epoch: int) -> None:
        """Nothing: the row names the session."""

    def fence(self) -> int | None:
        """The epoch, with the row locked until the transaction ends; the session is the one of the grant."""
        connection = self.connection
        self._check_session(connection)
        return connection.execute(
            select(clusters.c.epoch).where(clusters.c.name == self._cluster).with_for_update()
        ).scalar()

    def prove(self) -> int | None:
        """The epoch, if the session is the one of the grant and the server shows it as the lock's holder."""
        with self._using:
            return self._check_session(self.connection)

    def forget(self) -> None:
        """In a forked child: put nothing in the socket's place. Closing it would end the session."""
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(nothing, self._socket, inheritable=False)
        os.close(nothing)

    def release(self) -> None:
        """Give the lock back, and end the session.

        The server would take it back by itself, but some moments later: the next run would find it held.
        """
        with self._using:
            forking.unregister(self)
            connection, self._connection = self._connection, None
        if connection is None:
            return
        if not (connection.closed or connection.invalidated):
            with suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        close_quietly(connection)

    def _check_session(self, connection: Connection) -> int | None:
        row = connection.execute(PROOF, {"cluster": self._cluster, **halves(self._key)}).one()
        if row.pid != self._pid:
            raise lost(self._cluster, "the connection was given another session")
        if not row.held:
            raise lost(self._cluster, "the server does not show it as held by this session")
        epoch: int | None = row.epoch
        return epoch

    def _pinned(self, connection: Connection) -> int:
        """The backend's pid, if the connection keeps its session when others want it.

        A second connection begins a transaction: a pooler gives it a session that is idle, which is the
        one that the first connection had, and the first one is given another.
        """
        pid = connection.execute(BACKEND).scalar_one()
        rival = self._database.own("The lock cannot be taken.")
        try:
            rival.exec_driver_sql("BEGIN")
            taken = rival.execute(BACKEND).scalar_one()
            again = [connection.execute(BACKEND).scalar_one() for _ in range(3)]
            rival.exec_driver_sql("ROLLBACK")
        finally:
            close_quietly(rival)
        if taken == pid or set(again) != {pid}:
            raise self._pooled()
        return int(pid)

    def _pooled(self) -> StoreFailed:
        return StoreFailed(
            "The lock cannot be taken.",
            where=self._database.name,
            why="the connection changes its session: there is a pooler in transaction mode in between",
            next="connect to PostgreSQL directly, or to a pool in session mode",
        )
