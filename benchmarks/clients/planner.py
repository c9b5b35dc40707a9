"""planner itself, as somebody has it who just installed it: a home, a groups.yaml, and a store in SQLite."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cluster import ROOT
from benchmarks.measure import Run, run
from benchmarks.nodes import PATH, group_name

PROGRAM = Path(sys.executable).with_name("planner")
NO_CHANGES = "No changes."


def environment(folder: Path) -> dict[str, str]:
    """That of a new user, in whose home nothing is set; planner is the one of this repository."""
    kept = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return kept | {
        "PATH": path,
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": str(ROOT),
    }


class Planner:
    """planner over some nodes and the first `groups` groups on each."""

    def __init__(self, folder: Path, urls: Sequence[str], groups: int, *, lists: bool = False) -> None:
        """`lists`: whether the file says that the nodes can list."""
        self.folder = folder
        self.groups = groups
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["version: 1", "cluster:", "  name: bench", "  nodes:"]
        lines += [f'    - {{name: node{number:04}, url: "{url}"}}' for number, url in enumerate(urls)]
        if lists:
            lines.append(f"  api: {{list: {{path: {PATH}}}}}")
        lines += ["groups:", *(f"  - {group_name(number)}" for number in range(groups))]
        (folder / "groups.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def plan(self, *flags: str, expect: str = NO_CHANGES, sampled: bool = True) -> Run:
        """`planner plan`."""
        return self._run([PROGRAM, "plan", *flags], expect, sampled=sampled)

    def apply(self, *flags: str, expect: str | None = None) -> Run:
        """`planner apply --yes`, of every group of the file unless something else is expected."""
        return self._run([PROGRAM, "apply", "--yes", *flags], self._created if expect is None else expect)

    def launched(self, journal: str) -> tuple[Run, str]:
        """`apply --yes` by launch.py, with the journal or without it, and what that says of it."""
        words: list[str | Path] = [
            sys.executable,
            "-m",
            "benchmarks.clients.launch",
            journal,
            "apply",
            "--yes",
        ]
        return run(words, folder=self.folder, environment=environment(self.folder), expect=self._created)

    def seed(self) -> None:
        """Make a store that knows every cell of the file, as after an apply."""
        words: list[str | Path] = [sys.executable, "-m", "benchmarks.clients.seed", "groups.yaml"]
        run(words, folder=self.folder, environment=environment(self.folder), expect="cells known")

    @property
    def _created(self) -> str:
        return f"Apply complete: {self.groups:,} group{'' if self.groups == 1 else 's'} created"

    def _run(self, words: list[str | Path], expect: str, *, sampled: bool = True) -> Run:
        found, _ = run(
            words, folder=self.folder, environment=environment(self.folder), expect=expect, sampled=sampled
        )
        return found
