"""Files that a run writes for the user: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import PlannerError
from planner.inputs import MIB, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER_ONLY = 0o600
FOR_OTHERS = 0o644
"""Of a report, less what the umask takes: whoever reviews it is somebody else."""
MAX_PLAN = 512 * MIB
"""Bytes of a plan file. A plan of a million steps has some 150 million."""


def write_private(path: Path, pieces: Iterable[str]) -> None:
    """Write a file atomically, readable by its owner only.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    _write(path, pieces, OWNER_ONLY)


def write_public(path: Path, pieces: Iterable[str]) -> None:
    """Write a file atomically, readable by others, or by whom an older file of that name was readable.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    _write(path, pieces, FOR_OTHERS, keep=True)


def check_place(paths: Iterable[Path]) -> None:
    """Fail now where it is certain that a file cannot be written later, when every node was read.

    Raises:
        PlannerError: the folder is missing or not writable, or the name is a folder's.
    """
    for path in paths:
        if path.is_dir():
            raise _unwritable(path, "it is a folder")
        if not path.parent.is_dir():
            raise _unwritable(path, f"there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise _unwritable(path, f"the folder {path.parent} is not writable")


def _write(path: Path, pieces: Iterable[str], mode: int, *, keep: bool = False) -> None:
    import secrets  # and hashlib with it, which no help text needs

    draft = path.with_name(f".planner-{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(pieces)
                file.flush()
                if keep and path.exists():
                    os.fchmod(handle, path.stat().st_mode & 0o777)
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, why: str) -> PlannerError:
    return PlannerError(f"{path} cannot be written", why=why, next="choose another place")


def read_plan(path: Path) -> bytes:
    """Read a plan file.

    Raises:
        PlannerError: it cannot be read.
    """
    try:
        return read_file(path, MAX_PLAN)
    except OSError as error:
        raise PlannerError(
            f"The plan file {path} cannot be read",
            why=error.strerror or str(error),
            next="make one: planner plan --out plan.json",
        ) from error
