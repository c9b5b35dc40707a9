"""Files that a run writes for the user: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from planner.errors import PlannerError


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, with mode 0600.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    _write(path, text, 0o600)


def write_shared(path: Path, text: str) -> None:
    """Write a file atomically, readable by whom the umask lets; an older file of that name keeps its mode.

    Raises:
        PlannerError: it cannot be written; an older file of that name is untouched.
    """
    umask = os.umask(0)
    os.umask(umask)
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mode = 0o666 & ~umask
    _write(path, text, mode)


def _write(path: Path, text: str, mode: int) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PlannerError(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            next="choose another place",
        ) from error


def read_plan(path: Path) -> bytes:
    """Read a plan file.

    Raises:
        PlannerError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlannerError(
            f"The plan file {path} cannot be read",
            why=error.strerror or str(error),
            next="make one: planner plan --out plan.json",
        ) from error
