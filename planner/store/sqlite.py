"""SQLite: where its file may be, how it is opened, and its lock.

WAL with `synchronous=FULL`: a commit is on the disk when it returns, and readers never wait for a writer.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.pool import QueuePool

from planner.disk import sync_folder
from planner.errors import StoreFailed, WrongUsage
from planner.ports import Holder
from planner.store.database import WRITE_WAIT, Database, close_quietly
from planner.store.faults import BY_URL, explaining, lost, missing
from planner.store.filelock import FileLock, is_held
from planner.store.mounts import network_type
from planner.store.owners import check_owners, tightened
from planner.store.rows import sound
from planner.store.snapshot import Copy
from planner.store.tables import cluster as clusters

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
MODES = frozenset({"ro", "rw", "rwc"})
JOURNAL_LIMIT = 64 * 1024 * 1024
"""Bytes to which the write-ahead log is cut back after a big plan."""

STARTING = Holder("a run that is just starting", "", "")


def path_of(url: URL, option: str = "--store") -> Path:
    """The database's real path: two paths to one file share one lock.

    Raises:
        WrongUsage: the URL names no file, or has options that are not known.
    """
    name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:"):
        raise WrongUsage(
            "A SQLite store needs a plain path.",
            where=f"{option} {url}",
            why="a store must outlive the run: it cannot be in memory, and `file:` URIs are not used",
            next="write sqlite:///relative/path.db or sqlite:////absolute/path.db",
        )
    if set(url.query) - {"mode"} or url.query.get("mode", "rw") not in MODES:
        raise WrongUsage(
            "The store's URL has an option that is not known.",
            where=f"{option} {url}",
            next="only ?mode=ro (read only) and ?mode=rw are known",
        )
    return Path(os.path.realpath(_given(url)))


def _given(url: URL) -> Path:
    """The path as it was given, with its links."""
    return Path(url.database or "").expanduser()


def open_sqlite(url: URL, *, create: bool, why_copied: str = "") -> tuple[Database, FileLocking]:
    """Open the file, and make it when it is missing; or a copy of it, where it must not be written.

    Args:
        url: of the file.
        create: whether it may be made.
        why_copied: why a copy has to do; empty where that is still to be seen.

    Raises:
        WrongUsage: the URL makes no sense.
        StoreFailed: the file cannot be used, or must not be made.
    """
    path = path_of(url)
    read_only = url.query.get("mode") == "ro"
    where = f"sqlite:///{path}"
    with explaining("The store cannot be opened.", where):
        _check_place(path, where)
        check_owners(_given(url), path, where)
        if not path.exists():
            if read_only or not create:
                raise missing(where)
            _make(path)
        _check_file(path, where)
        remarks = () if read_only else tightened(path)
        mode = stat.S_IMODE(path.stat().st_mode) & 0o666
        why_copied = why_copied or _why_only_read(path, read_only=read_only)
        copy = Copy(path, where) if why_copied else None
    database = Database(
        _engine(copy.path if copy else path),
        where,
        "BEGIN IMMEDIATE",
        "BEGIN",
        only_read=why_copied,
        discard=copy.remove if copy else None,
        remarks=() if why_copied else remarks,
    )
    return database, FileLocking(database, path, mode, copy.path if copy else None)


def _why_only_read(path: Path, *, read_only: bool) -> str:
    if read_only:
        return BY_URL
    return "" if os.access(path, os.W_OK) else "the file is not writable for this user"


def _check_place(path: Path, where: str) -> None:
    """Refuse a network file system: neither SQLite's locks nor ours hold there."""
    kind = network_type(path)
    if kind:
        raise StoreFailed(
            "A SQLite store must not be on a network file system.",
            where=where,
            why=f"{path.parent} is on {kind}: its locks cannot be trusted, and two runs could write at once",
            next="use a local disk, or --store postgresql+psycopg://… to share a store",
        )


def _check_file(path: Path, where: str) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if path.is_dir() else "no regular file"
        raise StoreFailed(
            "The store cannot be opened.",
            where=where,
            why=f"the path is {what}",
            next="name a file with --store, such as sqlite:///planner.db",
        )
    if status.st_nlink > 1:
        raise StoreFailed(
            "The store cannot be opened.",
            where=where,
            why="the file has a second name (a hard link): runs by either name would not exclude each other",
            next="remove the other name, or copy the file",
        )


def _make(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its log the same mode."""
    made = [directory for directory in path.parents if not directory.exists()]
    for directory in reversed(made):
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    except FileExistsError:
        return  # another run was faster. To open and close its file would drop SQLite's locks of this process
    for directory in (path.parent, *(directory.parent for directory in made)):
        sync_folder(directory)


def _engine(path: Path) -> Engine:
    uri = f"file:{quote(str(path))}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=WRITE_WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, isolation_level="AUTOCOMMIT", poolclass=QueuePool)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # What the file's own schema may run, and how far a damaged page is believed (sqlite.org/security.html).
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute(f"PRAGMA journal_size_limit={JOURNAL_LIMIT}")
    if sys.platform == "darwin":  # there, fsync does not reach the disk
        connection.execute("PRAGMA fullfsync=ON")


def is_wal(connection: Connection) -> bool:
    """Whether the file has a write-ahead log: it stays so, but a restored copy may lack it."""
    return connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def make_wal(connection: Connection) -> None:
    """Give the file its write-ahead log; nobody else may have it open in another mode."""
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")


class FileLocking:
    """Locks beside the database, one file per cluster.

    Args:
        database: to read who holds a lock.
        path: of the database.
        mode: of the lock files: that of the database.
        copy: of the database, where that is what was opened: it can be migrated, under locks of its own.
    """

    def __init__(
        self, database: Database, path: Path, mode: int = FILE_MODE, copy: Path | None = None
    ) -> None:
        self._database = database
        self._path = path
        self._opened = copy or path
        self._mode = mode

    def file(self, name: str) -> Path:
        """The lock file of a cluster; a hash, since a cluster's name may hold a slash."""
        return _lock_file(self._path, _digest(name))

    def contend(self, cluster: str) -> FileHold:
        """Begin to try for a cluster's lock."""
        lock = FileLock(_lock_file(self._opened, _digest(cluster)), self._mode)
        return FileHold(self._database, self._opened, lock, cluster)

    def schema(self) -> FileLock:
        """The lock for making and migrating the tables."""
        return FileLock(_lock_file(self._opened, "schema"), self._mode)

    def holder(self, cluster: str) -> Holder | None:
        """Who holds it now.

        The row tells who was granted the lock last; the lock, whether anybody has it; its file, whether
        that is the one of the row. A dead run is never shown.
        """
        with explaining("The lock cannot be examined.", self._database.name):
            said = is_held(self.file(cluster))
        if said is None:
            return None
        with self._database.reading() as connection:
            row = connection.execute(
                select(
                    clusters.c.holder, clusters.c.holder_command, clusters.c.holder_since, clusters.c.epoch
                ).where(clusters.c.name == cluster)
            ).one_or_none()
            if row is None or str(row.epoch) != said:
                return STARTING
            return sound(Holder(row.holder, row.holder_command, row.holder_since), Holder)


def _digest(cluster: str) -> str:
    return hashlib.sha256(cluster.encode()).hexdigest()[:16]


def _lock_file(path: Path, of: str) -> Path:
    return path.with_name(f"{path.name}.lock-{of}")


class FileHold:
    """One attempt at a cluster's lock; then the lock. See `planner.store.database.Hold`.

    Two connections: a proof must not wait for a commit that is under way in another thread.
    """

    session = 0
    broken = False

    def __init__(self, database: Database, path: Path, lock: FileLock, cluster: str) -> None:
        self._database = database
        self._path = path
        self._lock = lock
        self._cluster = cluster
        self.using = threading.RLock()  # the connection for commits
        self._proving = threading.Lock()  # the one for proofs
        self._connections: list[Connection] = []  # for commits, for proofs
        self._identity: os.stat_result | None = None

    @property
    def connection(self) -> Connection:
        """The connection for commits."""
        return self._both()[0]

    def attempt(self) -> bool:
        """Take the file lock, and open the connections."""
        what = "The lock cannot be taken."
        with explaining(what, self._database.name):
            if not self._lock.attempt():
                return False
            self._identity = self._path.stat()
            for _ in range(2):
                self._connections.append(self._database.own(what))
            return True

    def granted(self, epoch: int) -> None:
        """Say in the lock file which grant this is."""
        self._lock.say(str(epoch))

    def fence(self) -> int | None:
        """The epoch, under SQLite's write lock; the files are still the ones that were opened."""
        self._check_files()
        return self._epoch(self.connection)

    def prove(self) -> int | None:
        """The epoch, as last committed."""
        self._check_files()
        with self._proving:
            return self._epoch(self._both()[1])

    def release(self) -> None:
        """Close the connections, then give the lock back."""
        connections, self._connections = self._connections, []
        try:
            for connection in connections:
                close_quietly(connection)
        finally:
            self._lock.release()

    def _both(self) -> list[Connection]:
        if not self._connections:
            raise lost(self._cluster, "it was given back")
        return self._connections

    def _check_files(self) -> None:
        if not self._is_same_file():  # asked first: a directory that was moved away takes the lock file along
            raise lost(self._cluster, "the store's file was deleted or replaced")
        if not self._lock.is_intact():
            raise lost(self._cluster, "its lock file was deleted or replaced")

    def _is_same_file(self) -> bool:
        """Whether the path still names the file that was opened.

        Raises:
            OSError: that cannot be found out.
        """
        try:
            return self._identity is not None and os.path.samestat(self._identity, self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _epoch(self, connection: Connection) -> int | None:
        return connection.execute(select(clusters.c.epoch).where(clusters.c.name == self._cluster)).scalar()
