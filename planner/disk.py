"""What is written to a disk: whole or not at all, and not where a stranger has led the path."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER_ONLY = 0o600
FOR_OTHERS = 0o644
"""Of a file that others are meant to read, less what the umask takes."""
MOST_LINKS = 40
"""Symbolic links within one path, as for the kernel (path_resolution(7))."""


def write_whole(path: Path, pieces: Iterable[str], mode: int, *, keep: bool = False) -> None:
    """Put a whole file in the place of an older one; a link is replaced itself, and not what it leads to.

    The draft stands beside it, under a name that nobody can foresee, and no link is followed to it. Whatever
    happens, the name has the old content or the new one; only a run that is killed leaves its draft behind.

    Args:
        path: of the file.
        pieces: its text.
        mode: its permissions, less what the umask takes.
        keep: whether it keeps those of an older file of this user instead.

    Raises:
        OSError: it cannot be written, or is something else than a file; an older file is as it was.
    """
    import secrets  # and hashlib with it, which no help text needs

    if (why := unfit(path)) is not None:
        raise OSError(errno.EINVAL, why)
    draft = path.with_name(f".planner-{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            if keep and (kept := _own_mode(path)) is not None:
                os.fchmod(handle, kept)
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # it is there; some file systems cannot make sure of the name
        sync_folder(path.parent)


def unfit(path: Path) -> str | None:
    """Why a file must not take this name, or None: a device, a pipe or a folder has it, or a link to one."""
    for look in (path.lstat, path.stat):
        try:
            mode = look().st_mode
        except OSError:  # nothing is there, or the link leads nowhere
            return None
        if stat.S_ISDIR(mode):
            return "it is a folder"
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            return "it is no regular file"
    return None


def _own_mode(path: Path) -> int | None:
    """The permissions of a regular file of this user; those of others' files are not of our choosing."""
    try:
        found = path.lstat()
    except OSError:
        return None
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    return found.st_mode & 0o777 if ours else None


def sync_folder(folder: Path) -> None:
    """Make a folder's names survive a power failure.

    Raises:
        OSError: it cannot be opened, or cannot do that.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stranger_on(path: Path) -> str:
    """Say who else may have made what a path leads through; nothing where that is nobody.

    In a folder where everybody can make names and nobody can take those of others away, such as /tmp, a name
    that another user made leads where that user likes: a link, a folder, or the file itself. The kernel can
    refuse some of it (fs.protected_symlinks in proc_sys_fs(5)), where that is switched on.
    """
    trusted = {0, os.geteuid()}
    folder, links = Path("/"), 0
    names = list(reversed((Path.cwd() / path).parts[1:]))
    while names:
        name = names.pop()
        if name == "..":
            folder = folder.parent
            continue
        here = folder / name
        try:
            found, mode = here.lstat(), folder.stat().st_mode
        except OSError:  # it is not there, or not to be seen: whoever opens it is told why
            return ""
        if mode & stat.S_ISVTX and mode & stat.S_IWOTH and found.st_uid not in trusted:
            return f"{here} was made by another user (uid {found.st_uid}), where everybody can make files"
        if not stat.S_ISLNK(found.st_mode):
            folder = here
            continue
        links += 1
        if links > MOST_LINKS:
            return ""
        target = here.readlink()
        names += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        folder = Path("/") if target.is_absolute() else folder
    return ""
