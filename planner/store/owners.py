"""Whose a SQLite store is: what a stranger may have made is refused, what is open to everybody is said.

Who can write to a store can have a recovery send what they like. A store's file, its log and its lock are
therefore never what another user has put under their names; and where permissions are wider than planner
makes them:

* Others may **write** to the file: that is taken back, and said. Nobody needs it: who shares a store by its
  group does not do so by the others' bits.
* Others may **read** it: that is said. Some look at a store as another user, so it is not taken back.
* The **group** may: somebody meant that.
* Everybody may make and take away names in its folder: that is said, since it cannot be told from a volume
  of a container that nobody else has.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from planner.disk import stranger_on
from planner.errors import StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

SIDES = ("-wal", "-shm", "-journal")
"""What SQLite has beside a file."""


def check_owners(given: Path, path: Path, where: str) -> None:
    """Refuse a store that another user may have put there.

    Args:
        given: the path as it was given, with its links.
        path: where it leads.
        where: the store, for messages.

    Raises:
        StoreFailed: another user has made a part of the path where everybody can, or what SQLite has beside
            the file is a link or no file.
        OSError: that cannot be found out.
    """
    sides = [path.with_name(path.name + suffix) for suffix in SIDES]
    for each in (given, *sides):
        if why := stranger_on(each):
            raise _refused(where, why, "name a folder of your own with --store")
    for each in sides:
        try:
            found = each.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise _refused(where, f"{each} is a link, or no file", "find out who made it, and take it away")


def _refused(where: str, why: str, next: str) -> StoreFailed:
    return StoreFailed("The store cannot be opened.", where=where, why=why, next=next)


def tightened(path: Path) -> tuple[str, ...]:
    """Take from others the right to write to a store of this user, and say what is open to everybody.

    Returns:
        Sentences for the user.

    Raises:
        OSError: the file cannot be looked at.
    """
    said = []
    found = path.stat()
    if found.st_mode & stat.S_IWOTH:
        said.append(
            f"everybody could write to the store {path}: that was taken back"
            if _taken_back(path)
            else f"everybody can write to the store {path}: its owner must take that back (chmod o-w)"
        )
    if found.st_mode & stat.S_IROTH:
        said.append(f"everybody can read the store {path}: to keep it to yourself, chmod o-r")
    folder = path.parent.stat().st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        said.append(
            f"everybody can replace the store: its folder {path.parent} is writable for all (chmod o-w)"
        )
    return tuple(said)


def _taken_back(path: Path) -> bool:
    """Whether others may write no more; a file of another user, or on a read-only disk, stays as it is."""
    try:
        for each in (path, *(path.with_name(path.name + suffix) for suffix in SIDES)):
            with suppress(FileNotFoundError):
                each.chmod(stat.S_IMODE(each.stat().st_mode) & ~stat.S_IWOTH)
    except OSError:
        return False
    return True
