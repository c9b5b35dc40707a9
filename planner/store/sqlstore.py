"""The port `planner.ports.Store`, over either database."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import select

from planner.errors import Locked
from planner.store import reading, retiring
from planner.store.faults import not_writable
from planner.store.lease import SqlLease
from planner.store.tables import cluster as clusters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from planner.model import Cell, TransactionState
    from planner.ports import Holder, Knowledge, Record, Unfinished, Watched
    from planner.store.database import Database, Hold, Locking
    from planner.store.retiring import Moved
    from planner.store.waiting import Time


class SqlStore:
    """A store in a database. Reading takes no lock, and works while another run writes.

    Every method raises `StoreFailed` when the database cannot be read or written.

    Args:
        identity: the store's id.
        database: with our schema.
        locking: of the database.
        time: how it waits for a lock, and what time it is.
    """

    def __init__(self, identity: str, database: Database, locking: Locking, time: Time) -> None:
        self._identity = identity
        self._database = database
        self._locking = locking
        self._time = time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection that is not in use. A lease closes its own."""
        self._database.close()

    @property
    def name(self) -> str:
        """Where the store is, for people: its URL without the password."""
        return self._database.name

    @property
    def database(self) -> Database:
        """The database, for what is about the store as a whole."""
        return self._database

    def moved(self) -> Moved | None:
        """Where the store was moved to, and must be used from then on; None where it is here."""
        with self._database.reading() as connection:
            return retiring.mark_of(connection)

    def check_here(self) -> None:
        """Make sure that the store was not moved away.

        Raises:
            StoreFailed: it was.
        """
        with self._database.reading() as connection:
            retiring.check_here(connection, self._database.name)

    def now(self) -> str:
        """Wall time, as the store writes it."""
        return self._time.wall()

    def knowledge(self, cluster: str) -> Knowledge:
        """What is known of the cluster; an unknown cluster is empty."""
        with self._database.reading() as connection:
            return reading.knowledge(connection, self._identity, cluster)

    def unfinished(self, cluster: str) -> int | None:
        """The number of the cluster's unfinished transaction, without all the rest of `knowledge`."""
        with self._database.reading() as connection:
            return reading.unfinished(connection, cluster)

    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters that the store knows."""
        with self._database.reading() as connection:
            return reading.clusters_known(connection)

    def record(self, cluster: str, number: int) -> Record | None:
        """One transaction with its marks."""
        with self._database.reading() as connection:
            return reading.record(connection, cluster, number)

    def history(self, cluster: str, limit: int = 50) -> tuple[Record, ...]:
        """The last transactions, newest first, with their steps and without their marks."""
        with self._database.reading() as connection:
            return reading.history(connection, cluster, limit)

    def applied(self, cluster: str, plan_digest: str) -> int | None:
        """The number of the last applied transaction that carried out this plan."""
        with self._database.reading() as connection:
            return reading.applied(connection, cluster, plan_digest)

    def tally(self, cluster: str) -> Mapping[TransactionState, int]:
        """How many transactions there are in each state; none of a state that has none."""
        with self._database.reading() as connection:
            return reading.tally(connection, cluster)

    def superseded(self, cluster: str, source: str) -> bool:
        """Whether this file (SHA-256) was applied, whole or in part, and another one, or an undo, since."""
        with self._database.reading() as connection:
            return reading.superseded(connection, cluster, source)

    def set_aside(self, cluster: str) -> tuple[tuple[int, Cell], ...]:
        """Cells that were set aside by hand and not verified since, with their transactions."""
        with self._database.reading() as connection:
            return reading.set_aside(connection, cluster)

    def managed_besides(self, cluster: str) -> Mapping[tuple[str, str], str]:
        """What is managed under other clusters' names: these, by (group, canonical URL)."""
        with self._database.reading() as connection:
            return reading.managed_besides(connection, cluster)

    def unfinished_besides(self, cluster: str) -> tuple[Unfinished, ...]:
        """The unfinished transactions of all other clusters."""
        with self._database.reading() as connection:
            return reading.unfinished_besides(connection, cluster)

    def watched(self, cluster: str) -> tuple[Watched, ...]:
        """The watch list."""
        with self._database.reading() as connection:
            return reading.watched(connection, cluster)

    def holder(self, cluster: str) -> Holder | None:
        """Who holds the cluster's lock now; None when nobody does. It makes no attempt at the lock fail."""
        return self._locking.holder(cluster)

    @contextmanager
    def lock(self, cluster: str, command: str, timeout: float) -> Iterator[SqlLease]:
        """Take the cluster's lock, waiting at most `timeout` seconds, and give it back at the block's end.

        Each grant raises the cluster's epoch, in one durable commit.

        Raises:
            Locked: another run holds it; `where` names the run.
            StoreFailed: the store cannot be written, or was moved to another place.
        """
        if self._database.only_read:
            raise not_writable(self._database.name, self._database.only_read)
        self.check_here()  # at once, whatever the time-out; what counts is asked with the grant
        hold = self._locking.contend(cluster)
        try:
            if not self._time.until(hold.attempt, timeout):
                raise self._locked(cluster)
            who = owner()
            epoch = self._grant(hold, cluster, who, command)
            hold.granted(epoch)
            yield SqlLease(self._database, hold, cluster, epoch, who, self._time.wall)
        finally:
            hold.release()

    def _grant(self, hold: Hold, cluster: str, who: str, command: str) -> int:
        holder = {
            "holder": who,
            "holder_command": command,
            "holder_since": self._time.wall(),
            "holder_session": hold.session,
        }
        connection = hold.connection
        of_cluster = clusters.c.name == cluster
        with self._database.writing(connection):
            found = connection.execute(select(clusters.c.epoch).where(of_cluster).with_for_update()).scalar()
            epoch = (found or 0) + 1
            if found is None:
                connection.execute(clusters.insert().values(name=cluster, epoch=epoch, serial=0, **holder))
            else:
                connection.execute(clusters.update().where(of_cluster).values(epoch=epoch, **holder))
            retiring.check_here(connection, self._database.name)  # after the row: see `retiring.retire`
        return epoch

    def _locked(self, cluster: str) -> Locked:
        holder = self.holder(cluster)
        where = "it has just ended" if holder is None else holder.who
        if holder is not None and holder.command:
            where += f" ({holder.command}, since {holder.since})"
        return Locked(
            f"Another run holds the lock of cluster {cluster!r}.",
            where=where,
            why="only one run at a time may change a cluster",
            next="wait until it has ended, or wait for it with --lock-timeout 60s",
        )


def owner() -> str:
    """This process, for people: ``user@host pid 12``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"
