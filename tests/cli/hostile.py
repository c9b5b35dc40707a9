"""Commands over hostile input: they run in this process, and what the nodes see is counted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from planner.cli.main import invoke
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

HEAD = "version: 1\ncluster: {name: test}\n"
GOOD = HEAD + "groups: [a]\n"


@dataclass
class Runner:
    """Runs commands in this process, and counts what the nodes see."""

    shop: Shop
    cluster: SimulatedCluster
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *arguments: str) -> tuple[int, str, str]:
        code, _ = invoke(list(arguments))
        return (code, *self.capfd.readouterr())

    def refused(self, code: int, *arguments: str, words: str = "") -> str:
        """The command ends with this code and one error, and no node was asked."""
        before = self.cluster.requests().total()
        found, out, err = self.run(*arguments)
        requests = self.cluster.requests().total() - before
        assert (found, out, requests) == (code, "", 0), err
        assert "Traceback" not in err
        assert "Error: " in err
        assert len(re.findall(r"^Error: ", err, re.MULTILINE)) == 1, err
        assert words in " ".join(err.split()), err
        assert all(line.isprintable() for line in err.splitlines()), "nothing that a terminal obeys"
        return err

    def standard_input(self, stream: object) -> None:
        self.monkeypatch.setattr("sys.stdin", stream)
