"""The same small story again and again: two machines that share a store, a death, and its recovery."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from planner.simulator import Held, SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.forks import Forks, kill_held
from tests.cli.machines import machine

FILE = (
    "kept",
    "{id: a, nodes: [node02, node03]}",
    "{id: half, nodes: [node02, node03]}",
    "{id: old, state: absent}",
)
BEFORE = {"node01": ("kept", "old"), "node02": ("kept", "old"), "node03": ("half", "kept", "old")}
PLANNED = {"node01": ("kept",), "node02": ("a", "half", "kept"), "node03": ("a", "half", "kept")}
WRITES = 6
"""Of an apply of FILE; the last one is the delete on node01."""
MANAGED = 7
"""Cells, when FILE is applied."""
FAILS = "node01:DELETE:error-before=1"
"""Everything but the last write of an apply succeeds, and is reversed."""

COMMANDS = {"apply": 0, "reverse": 3, "recover": 0, "recover-again": 0}
"""What dies, and its exit code when it does not: an apply, an apply that fails, the recovery of a dead apply,
and the recovery after a recovery that died half way."""
STORES = ("sqlite", "postgresql")
APPLY = ("apply", "--yes", "--lock-timeout", "60s")
RECOVER = ("recover", "--lock-timeout", "60s")
"""They wait: PostgreSQL notices by itself that a lock's owner is dead, a moment later."""


def parts(count: int, stores: Sequence[str] = STORES) -> list[object]:
    """Each command with each store; its walk is dealt to `count` tests, of which all but one are slow.

    The test of part p is about the numbers p, p + count, p + 2 · count, …
    """
    pairs = [(command, store) for command in COMMANDS for store in stores]
    return [
        pytest.param(
            *pair,
            range(part, 10_000, count),
            id=f"{'-'.join(pair)}-{part}",
            marks=() if part == 1 + place % count else pytest.mark.slow,
        )
        for place, pair in enumerate(pairs)
        for part in range(1, count + 1)
    ]


class Story:
    """One cluster, and two machines with one store; `there` has no file. Each death has a new store.

    Args:
        cluster: three nodes.
        forks: starts the commands.
        folder: of the machines.
        new: makes an empty store, and returns its URL.
        settings: of both machines.
    """

    def __init__(
        self,
        cluster: SimulatedCluster,
        forks: Forks,
        folder: Path,
        new: Callable[[], str],
        settings: Mapping[str, str],
    ) -> None:
        self.cluster = cluster
        self.forks = forks
        self.here = machine(folder / "here", cluster, "", **settings)
        self.here.file(*FILE)
        self.there = machine(folder / "there", cluster, "", **settings)
        self._new = new
        self._command = ""
        self._death = ""

    # The deaths.

    def killed_at_request(self, command: str, number: int, effect: str) -> Held | None:
        """Kill a command while its n-th request is in flight.

        Returns:
            The request; None when the command had no more, and came to its end.
        """
        who, arguments = self._begin(command)
        held, ended = self._kill_held(who, arguments, number, effect, "request")
        self._check_end(ended, -signal.SIGKILL if held else None)
        self._death = f"request {number}: {held}"
        return held

    def killed_at_point(self, command: str, number: int) -> str:
        """Let a command kill itself at the n-th point of its work in the store.

        Returns:
            The point; nothing when there was none, and the command came to its end.
        """
        who, arguments = self._begin(command)
        ended = self.forks.run(who, *arguments, at=number)
        died = ended.code == -signal.SIGKILL
        self._check_end(ended, ended.code if died else None)
        point = ended.err.splitlines()[-1] if died else ""
        self._death = f"point {number}: {point}"
        return point

    def killed_at_byte(self, command: str, number: int) -> bool:
        """Let the kernel kill a command in the middle of its writing to a store in SQLite, at the n-th byte.

        Returns:
            False when it has not written so much, and came to its end.
        """
        who, arguments = self._begin(command)
        if not command.startswith("recover"):
            self._run(self.here, "plan")  # makes the store
        store = Path(who.settings["PLANNER_STORE"].removeprefix("sqlite:///"))
        with closing(sqlite3.connect(store)) as reader:  # the log stays, and its index need not be made anew
            reader.execute("SELECT * FROM planner_cluster").fetchall()
            log = store.with_name(f"{store.name}-wal")
            ended = self.forks.run(who, *arguments, size=log.stat().st_size + number)
        died = ended.code == -signal.SIGXFSZ
        self._check_end(ended, ended.code if died else None)
        self._death = f"byte {number}"
        return died

    def _begin(self, command: str) -> tuple[Shop, Sequence[str]]:
        """Set everything back to its beginning; return who is going to die, and in which command."""
        self._command = command
        store = self._new()
        self.here.settings["PLANNER_STORE"] = self.there.settings["PLANNER_STORE"] = store
        self.cluster.set_groups(BEFORE)
        self.cluster.set_faults(FAILS if command == "reverse" else "")
        if command.startswith("recover"):
            held, _ = self._kill_held(self.here, APPLY, WRITES, "after", "write")
            assert held is not None
            assert (held.method, held.group) == ("DELETE", "old")
        if command == "recover-again":
            held, _ = self._kill_held(self.here, RECOVER, WRITES // 2, "after", "write")
            assert held is not None
        self.cluster.reset_requests()
        return (self.there, RECOVER) if command.startswith("recover") else (self.here, APPLY)

    def _kill_held(
        self, who: Shop, arguments: Sequence[str], number: int, effect: str, kind: str
    ) -> tuple[Held | None, Ended]:
        self.cluster.hold(number, effect, kind)
        process = self.forks.start(who, *arguments)
        return kill_held(self.cluster, process), process.end()

    def _check_end(self, ended: Ended, death: int | None) -> None:
        assert ended.code == (COMMANDS[self._command] if death is None else death), ended.err
        if death is None:
            assert self.cluster.groups() == (PLANNED if self._command == "apply" else BEFORE)

    # What comes after it.

    def see_it_recovered(self) -> None:
        """Recover from the other machine: all or nothing, as the store says; a second recovery does nothing.

        Before the store has heard of the cluster there is nothing to recover.
        """
        try:
            self._see_it_recovered()
        except AssertionError as error:
            error.add_note(f"{self._command} died at {self._death}")
            raise

    def _see_it_recovered(self) -> None:
        status = self.forks.run(self.there, "status", "--format", "json")
        if status.code:
            self._see_it_applied()
            return
        told = status.json
        unfinished, last = told["unfinished"], told["last"]
        applied = last is not None and last["state"] == "applied"
        expected = PLANNED if applied else BEFORE
        assert told["managed"] == (MANAGED if applied else 0)
        named = {(cell["node"], cell["group"]) for cell in unfinished["cells"]} if unfinished else set()
        different = {
            (node, group)
            for node, groups in self.cluster.groups().items()
            for group in set(groups).symmetric_difference(expected[node])
        }
        assert different <= named, f"cells that the journal does not name: {different - named}"

        ended = self._run(self.there, *RECOVER)
        assert ("every node is as it was" in ended.out) is bool(unfinished), ended.out
        assert self.cluster.groups() == expected
        self._run(self.here, "status", "--check")

        seen = self.cluster.requests()
        again = self._run(self.here, *RECOVER)
        assert "Nothing to recover" in again.out + again.err
        assert self.cluster.requests() == seen

    def _see_it_applied(self) -> None:
        """The dead run sent no write; an apply is possible, and comes to its end."""
        assert self.cluster.requests().writes == ()
        self.cluster.set_faults("")
        self._run(self.here, *APPLY)
        assert self.cluster.groups() == PLANNED

    def _run(self, who: Shop, *arguments: str) -> Ended:
        ended = self.forks.run(who, *arguments)
        assert ended.code == 0, f"{arguments}: {ended.code}\n{ended.out}{ended.err}"
        return ended
