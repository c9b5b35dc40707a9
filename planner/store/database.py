"""A database, and how a transaction begins and ends in it.

Connections are in autocommit; the store says BEGIN and COMMIT itself, so that it is plain to see what is
one durable commit, and that SQLite takes its write lock at once (`BEGIN IMMEDIATE`) instead of failing
half way through.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import SQLAlchemyError

from planner.store.faults import explaining, understanding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

    from planner.ports import Holder

WRITE_WAIT = 10.0
"""Seconds that a commit waits for another process's commit."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database.

    Attributes:
        engine: makes connections that are in autocommit.
        name: its URL without the password, for messages.
        secret: the password, which no message may repeat.
        begin_write: begins a transaction that writes.
        begin_read: begins a transaction that reads one snapshot.
        only_read: why nothing may be written; empty where it may.
        discard: called when the store is closed.
        remarks: what the user should know of where it is, in sentences.
    """

    engine: Engine
    name: str
    begin_write: str
    begin_read: str
    secret: str = ""
    only_read: str = ""
    discard: Callable[[], None] | None = None
    remarks: tuple[str, ...] = ()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()
        if self.discard is not None:
            self.discard()

    def own(self, what: str) -> Connection:
        """A connection of its own, for as long as its owner wants: no pool recycles or reopens it.

        Raises:
            StoreFailed: there is none to be had; `what` failed.
        """
        with explaining(what, self.name, self.secret):
            connection = self.engine.connect()
            connection.detach()
            return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot, which no lock and no writer stands against.

        Raises:
            StoreFailed: it cannot be read.
        """
        what = "The store cannot be read."
        with (
            explaining(what, self.name, self.secret),
            understanding(self.name),
            self.engine.connect() as connection,
            _bracket(connection, self.begin_read),
        ):
            yield connection

    @contextmanager
    def writing(self, connection: Connection) -> Iterator[None]:
        """One durable transaction on `connection`: all of it when the block ends, or nothing.

        Raises:
            StoreFailed: it is not durable.
        """
        what = "The store cannot be written."
        with (
            explaining(what, self.name, self.secret),
            understanding(self.name),
            _bracket(connection, self.begin_write),
        ):
            yield


@contextmanager
def _bracket(connection: Connection, begin: str) -> Iterator[None]:
    connection.exec_driver_sql(begin)
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: Connection) -> None:
    """End a transaction that failed; whatever this says, the first error is the one that matters."""
    if connection.invalidated or connection.closed:
        return  # it would open a new session, which holds no lock
    with suppress(SQLAlchemyError):  # SQLite has rolled back by itself, or the session is gone
        connection.exec_driver_sql("ROLLBACK")


def close_quietly(connection: Connection) -> None:
    """Close a connection that `Database.own` gave, even when it is broken."""
    try:
        connection.close()
    except SQLAlchemyError:
        connection.invalidate()


class Hold(Protocol):
    """One attempt at a cluster's lock, and the lock itself from the moment that it is granted."""

    @property
    def connection(self) -> Connection:
        """The connection for commits; only while the lock is held."""

    @property
    def using(self) -> AbstractContextManager[object]:
        """Entered while `connection` is used, by one thread at a time."""

    @property
    def session(self) -> int:
        """The session that holds the lock, as the database numbers it; 0 where the holder is a process."""

    @property
    def broken(self) -> bool:
        """Whether it is known that the lock is gone."""

    def attempt(self) -> bool:
        """Try to take the lock, without waiting, and return whether it is held.

        Raises:
            StoreFailed: that cannot be tried.
        """

    def granted(self, epoch: int) -> None:
        """Told that the grant is durable."""

    def fence(self) -> int | None:
        """Inside a transaction on `connection`: the cluster's epoch, which nobody can raise until it ends.

        Raises:
            LockLost: the lock is not held any more.
        """

    def prove(self) -> int | None:
        """Return the cluster's epoch; does not wait for a commit that is under way where it need not.

        Raises:
            LockLost: the lock is not held any more.
        """

    def release(self) -> None:
        """Give the lock back, and close what belongs to it."""


class Locking(Protocol):
    """The locks of a database, one per cluster. They die with their owner."""

    def contend(self, cluster: str) -> Hold:
        """Begin to try for a cluster's lock."""

    def holder(self, cluster: str) -> Holder | None:
        """Who holds it now."""
