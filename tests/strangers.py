"""Names that another user has made. Only root can make those; elsewhere such tests are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

STRANGER = 4242
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")


def sticky(folder: Path) -> Path:
    """A folder such as /tmp."""
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def strangers(path: Path) -> Path:
    """Give a name to another user; a link itself, not what it leads to."""
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    return path
