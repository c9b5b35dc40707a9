"""What an error of a database or a file means to the user: what, where, why, and what to do next."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from planner.errors import LockLost, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

# The beginning of SQLite's result names (https://www.sqlite.org/rescode.html), the longest first.
SQLITE = (
    ("SQLITE_FULL", "the disk is full", "free some space and run the command again"),
    ("SQLITE_READONLY", "it can only be read", "make the file and its directory writable for this user"),
    ("SQLITE_CORRUPT", "the file is damaged", "keep a copy of it, and restore the store from a backup"),
    ("SQLITE_NOTADB", "the file is no SQLite database", "check --store: the path names something else"),
    ("SQLITE_BUSY", "another process keeps it busy", "run the command again"),
    ("SQLITE_CANTOPEN", "the file cannot be opened", "check the path and its permissions"),
    ("SQLITE_IOERR", "the disk fails", "check the disk, its free space, quotas and file size limits"),
)

# The beginning of PostgreSQL's SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
POSTGRES = (
    ("53100", "the server's disk is full", "free some space on the server and run the command again"),
    ("53300", "the server has no connection left", "raise max_connections, or run the command again later"),
    ("25006", "the server can only be read", "connect to the primary, not to a standby"),
    ("28", "the server refuses these credentials", "check user and password in --store"),
    ("3D000", "there is no such database", "create it, or check the name in --store"),
    ("42501", "the user lacks a privilege", "grant the user CREATE on the schema, and the tables"),
    ("55P03", "another session keeps a row locked", "run the command again"),
    ("57", "the server is shutting down or ended the session", "run the command again when it is back"),
)
UNREACHABLE = ("08", "the server cannot be reached", "check host, port and network")
UNKNOWN = ("", "the database reports an error", "`planner status` tells what the store holds")


SECRET_OPTIONS = frozenset({"password", "sslpassword"})
"""Options of a URL that libpq takes a password from, too."""


def masked(url: URL) -> str:
    """The URL without its password, wherever that stands."""
    hidden = {name: "***" for name in url.query if name in SECRET_OPTIONS}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def missing(where: str) -> StoreFailed:
    """The error of a store that does not exist, and must not be made."""
    return StoreFailed(
        "The store does not exist.",
        where=where,
        why="nothing was applied with it yet, or --store names another place",
        next="check --store; the first `planner plan` or `planner apply` makes it",
    )


READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN")
"""What SQLite says of a file in WAL mode that it may read, and whose side files it cannot make."""


def only_to_be_read(error: StoreFailed) -> bool:
    """Whether a SQLite file may be readable all the same, from a copy."""
    origin = getattr(error.__cause__, "orig", None)
    return (getattr(origin, "sqlite_errorname", None) or "").startswith(READ_ONLY)


BY_URL = "--store says ?mode=ro"
"""Why a store is not written that could be."""


def not_writable(where: str, why: str) -> StoreFailed:
    """The error of a store that can be looked at, and not be written."""
    cure = "leave it out" if why == BY_URL else "make the file and its directory writable for this user"
    return StoreFailed(
        "The store cannot be written.",
        where=where,
        why=f"it can only be read: {why}",
        next=f"{cure}; `planner status`, `history`, `show` and `plan` work with the store as it is",
    )


def explained(error: Exception, what: str, where: str, secret: str | None = None) -> StoreFailed:
    """Say what a database error means.

    Args:
        error: of SQLAlchemy, of the driver, or of the operating system.
        what: one sentence, what failed.
        where: the store, without secrets.
        secret: a password that must not be repeated, whatever the driver says.
    """
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    _, why, cure = _known(origin)
    lines = str(origin).strip().splitlines()
    said = lines[0] if lines else type(origin).__name__
    if secret:
        said = said.replace(secret, "***")
    return StoreFailed(what, where=where, why=f"{why}: {said}", next=cure)


def _known(origin: BaseException) -> tuple[str, str, str]:
    """The row of the tables above that fits."""
    if isinstance(origin, OSError):
        return ("", "the operating system reports", "check the path, its permissions and the free space")
    name = getattr(origin, "sqlite_errorname", None)
    if name is not None or type(origin).__module__ == "sqlite3":
        return next((row for row in SQLITE if (name or "").startswith(row[0])), UNKNOWN)
    state = getattr(origin, "sqlstate", None)
    if state:
        return next((row for row in (*POSTGRES, UNREACHABLE) if state.startswith(row[0])), UNKNOWN)
    if type(origin).__name__ in ("OperationalError", "ConnectionTimeout"):
        return UNREACHABLE
    return UNKNOWN


@contextmanager
def explaining(what: str, where: str, secret: str | None = None) -> Iterator[None]:
    """Turn every error of a database or of the operating system into `StoreFailed`."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise explained(error, what, where, secret) from error


def damaged(where: str, why: str) -> StoreFailed:
    """The error of a store that holds what planner never writes."""
    return StoreFailed(
        "The store is damaged.",
        where=where,
        why=why,
        next="keep a copy of it, and restore the store from a backup",
    )


@contextmanager
def understanding(where: str) -> Iterator[None]:
    """Turn what code says of a value that no planner has written into `StoreFailed`.

    Only around what reads rows: a database holds what somebody has put there, of any type at any place.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise damaged(where, f"it holds what planner never writes: {said}") from error


def lost(cluster: str, why: str) -> LockLost:
    """The error of a lock that is not provably held."""
    return LockLost(
        f"The lock of cluster {cluster!r} is lost.",
        why=why,
        next="`planner status` tells what is unfinished; `planner recover` goes on from there",
    )
