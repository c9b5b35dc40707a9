"""Files that a run writes for the user: whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.disk import FOR_OTHERS, OWNER_ONLY, stranger_on, unfit, write_whole
from planner.errors import PlannerError
from planner.inputs import MIB, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_PLAN = 512 * MIB
"""Bytes of a plan file: some four million steps. It is read whole before its signature is known."""


def write_private(path: Path, pieces: Iterable[str]) -> None:
    """Write a file atomically, readable by its owner only.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    _write(path, pieces, OWNER_ONLY)


def write_public(path: Path, pieces: Iterable[str]) -> None:
    """Write a file atomically, readable by others, or by whom an older file of this user was readable.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    _write(path, pieces, FOR_OTHERS, keep=True)


def check_place(paths: Iterable[Path]) -> None:
    """Fail now where it is certain that a file cannot be written later, when every node was read.

    Raises:
        PlannerError: the folder is missing, not writable or a stranger's, or the name is that of something
            else than a file.
    """
    for path in paths:
        if (why := unfit(path)) is not None:
            raise _unwritable(path, why)
        if not path.parent.is_dir():
            raise _unwritable(path, f"there is no folder {path.parent}")
        if why := stranger_on(path.parent):
            raise _unwritable(path, why)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise _unwritable(path, f"the folder {path.parent} is not writable")


def _write(path: Path, pieces: Iterable[str], mode: int, *, keep: bool = False) -> None:
    try:
        write_whole(path, pieces, mode, keep=keep)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, why: str) -> PlannerError:
    return PlannerError(f"{path} cannot be written", why=why, next="choose another place")


def read_plan(path: Path) -> bytes:
    """Read a plan file.

    Raises:
        PlannerError: it cannot be read, or is larger than `MAX_PLAN`.
    """
    try:
        return read_file(path, MAX_PLAN)
    except OSError as error:
        raise PlannerError(
            f"The plan file {path} cannot be read",
            why=error.strerror or str(error),
            next="make one: planner plan --out plan.json",
        ) from error
