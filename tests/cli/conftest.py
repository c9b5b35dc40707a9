"""The real command in a process of its own, against a simulated cluster of real HTTP servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from planner.simulator import SimulatedCluster
from tests.schemas import check_output

if TYPE_CHECKING:
    from tests.cli.forks import Forks

QUICK = {
    "PLANNER_CONNECT_TIMEOUT": "2s",
    "PLANNER_READ_TIMEOUT": "300ms",  # everything settles after 600 ms
    "PLANNER_BACKOFF": "10ms",
    "PLANNER_BACKOFF_MAX": "100ms",
}


@dataclass(slots=True)
class Ended:
    """How a command ended. What it printed as JSON is what the schemas say."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        if self.out.startswith("{") and "$schema" not in self.out:
            check_output(self.out, whole=self.code >= 0)

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def events(self) -> list[Any]:
        """The events on standard output, from the first one on."""
        events = [json.loads(line) for line in self.out.splitlines()]
        assert events[0]["type"] == "version"
        return events


@dataclass(slots=True)
class Shop:
    """A folder with a groups.yaml, a store, and an environment like a new user's."""

    folder: Path
    nodes: Mapping[str, str]
    settings: dict[str, str] = field(default_factory=lambda: dict(QUICK))
    forks: Forks | None = None

    def file(self, *groups: str, name: str = "test", more: str = "") -> None:
        """Write groups.yaml; each group is a YAML item."""
        text = f"version: 1\ncluster: {{name: {name}}}\n{more}groups: [{', '.join(groups)}]\n"
        (self.folder / "groups.yaml").write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """An empty home, and nothing of ours but what the test sets."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PLANNER_NODES": ",".join(f"{name}={url}" for name, url in self.nodes.items()),
            **self.settings,
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "planner.cli", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a command that was started."""
        with process:
            out, err = process.communicate(timeout=100)
        return Ended(process.returncode, out, err)

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Run a command to its end; in a fork, where the test asks for `forked`."""
        if self.forks is not None and not environment:
            return self.forks.run(self, *arguments)
        return self.end(self.start(*arguments, **environment))


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts commands in no time."""
    from tests.cli.forks import forking

    with forking() as forks:
        yield forks


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    """Three nodes that hold `old` and `kept`, and do not fail until a test says so."""
    with SimulatedCluster(3, seed=7, groups=["old", "kept"]) as simulated:
        yield simulated


@pytest.fixture
def shop(tmp_path: Path, cluster: SimulatedCluster) -> Shop:
    """A user's folder, with the nodes in the environment."""
    return Shop(tmp_path, cluster.urls)


@pytest.fixture
def forked(shop: Shop, forks: Forks) -> None:
    """Let the shop run its commands in forks: what a command does is tested, not how it starts."""
    shop.forks = forks


@pytest.fixture
def in_process(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process are in the shop's folder, with its environment and a store."""
    monkeypatch.chdir(shop.folder)
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PLANNER_STORE", f"sqlite:///{shop.folder}/planner.db")
