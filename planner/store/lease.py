"""The right to write to one cluster, fenced by the epoch of its grant."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.errors import LockLost, StoreFailed
from planner.store import writing
from planner.store.faults import lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from planner.ports import Closing, Intent, Wave
    from planner.store.database import Database, Hold


class SqlLease:
    """The port `planner.ports.Lease`. Its methods may be called from several threads.

    Every method that writes is one durable transaction: it is conditional on the epoch, and nothing of it
    is written when it raises. Each of them raises:

    - `LockLost` when the lock is gone or the epoch has moved on;
    - `StoreFailed` when the write is not durable; the lock may still be held.
    """

    def __init__(
        self, database: Database, hold: Hold, cluster: str, epoch: int, who: str, wall: Callable[[], str]
    ) -> None:
        self._database = database
        self._hold = hold
        self._cluster = cluster
        self._epoch = epoch
        self._who = who
        self._wall = wall

    @property
    def epoch(self) -> int:
        """Grows with every grant of this cluster's lock."""
        return self._epoch

    def prove(self) -> None:
        """Prove that the lock is still held. Needs to read only: it works on a full disk.

        Raises:
            LockLost: it is not, or that cannot be told.
        """
        try:
            found = self._hold.prove()
        except LockLost:
            raise
        except Exception as error:  # whatever it is, it is no proof
            raise lost(self._cluster, f"it cannot be proved: {error}") from error
        self._compare(found)

    def begin(self, intent: Intent) -> int:
        """Hold the intent durably, as a new open transaction, and return its number.

        Raises:
            Incomplete: the cluster has an unfinished transaction.
        """
        with self._fenced() as connection:
            return writing.begin(connection, self._cluster, intent, self._epoch, self._who, self._wall())

    def commit(self, transaction: int, wave: Wave) -> None:
        """Hold a wave durably. An empty message keeps the one before, and a note is added to the others.

        A transaction that comes to its end is given its finishing time; its cells with unanswered writes
        come on the watch list.

        Raises:
            IllegalMove: the transaction cannot go to the wave's state.
        """
        with self._fenced() as connection:
            writing.write_wave(connection, self._cluster, transaction, wave, self._wall(), self._who)

    def close(self, transaction: int, wave: Wave, closing: Closing) -> None:
        """Like `commit`, for the wave that ends the transaction as applied; raises the serial.

        A cell that is managed already keeps its `order`; new ones follow in the order of `closing.managed`.
        Managed cells and nodes whose URL is not among `closing.nodes` are forgotten, unless that is empty.
        Of the protected groups only those that the closing names change.

        Raises:
            IllegalMove: the transaction is not open, or the wave's state is neither None nor applied.
        """
        with self._fenced() as connection:
            writing.close(connection, self._cluster, transaction, wave, closing, self._wall())

    def apply_file(self, source: str) -> None:
        """Hold durably that the cluster is equal to this file (SHA-256)."""
        with self._fenced() as connection:
            writing.apply_file(connection, self._cluster, source)

    def clear_set_aside(self, cells: Iterable[tuple[str, str]]) -> None:
        """Take cells, (group, canonical URL), that were verified off the list of those set aside by hand."""
        with self._fenced() as connection:
            writing.clear_set_aside(connection, self._cluster, cells)

    def unwatch(self, before: str) -> None:
        """Take cells off the watch list that are on it since before `before` (as `Watched.since`)."""
        with self._fenced() as connection:
            writing.unwatch(connection, self._cluster, before)

    @contextmanager
    def _fenced(self) -> Iterator[Connection]:
        """One durable transaction that begins with the proof that the epoch is ours."""
        with self._hold.using:
            connection = self._hold.connection
            try:
                with self._database.writing(connection):
                    self._compare(self._hold.fence())
                    yield connection
            except StoreFailed as error:
                if self._hold.broken:
                    raise lost(self._cluster, f"the connection that held it is gone: {error.why}") from error
                raise

    def _compare(self, found: int | None) -> None:
        if found != self._epoch:
            raise lost(self._cluster, f"another run was granted it (epoch {found}, ours is {self._epoch})")
