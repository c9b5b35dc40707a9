"""One night of `planner reconcile`: again and again, like a CronJob's, while everything goes wrong.

From one seed: somebody else's changes (also between a read of ours and our write), named faults, nodes that
go and come back, newer files and broken ones, SIGKILL at the n-th request or at some time, SIGTERM with a
grace period, now and then a second run at the same time, or a `planner recover` by hand. All faults are
within the assumptions of docs/guarantees.md.
"""

from __future__ import annotations

import os
import random
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from planner.model import Cell
from planner.simulator import SimulatedCluster
from planner.simulator.faults import FAULTS, Strike
from planner.simulator.node import Call, Node
from tests.cli.conftest import Ended, Shop
from tests.cli.forks import Fork, Forks
from tests.cli.oracle import Oracle, Ran, Wish
from tests.cli.witness import Witness

POOL = tuple(f"g{number:02}" for number in range(8))
FOREIGN = ("foreign-1", "foreign-2")
"""No file ever names them."""

SETTINGS = {
    "PLANNER_CONNECT_TIMEOUT": "2s",
    "PLANNER_READ_TIMEOUT": "250ms",
    "PLANNER_SETTLE": "800ms",
    "PLANNER_BACKOFF": "10ms",
    "PLANNER_BACKOFF_MAX": "50ms",
    "PLANNER_RETRIES": "2",
    "PLANNER_REVERSE_TIMEOUT": "1200ms",
}

EVERYWHERE = (
    "error-before=0.1,error-after=0.1",
    "POST:error-after=0.3@503,DELETE:error-after=0.3,GET:error-before=0.1@502",
    "rate-limit=0.15@0,unavailable=0.1",
    "reset=0.15",
    "GET:hang-before=0.04,POST:hang-after=0.1,DELETE:hang-after=0.1,POST:hang-before=0.05",
    "POST:late=0.25@0.3,DELETE:late=0.25@0.3",
    "POST:late-error=0.25@0.3,DELETE:late-error=0.25@0.3",
)
ON_ONE = (
    "{node}:refuse=1",
    "{node}:error-before=0.7",
    "{node}:POST:error-before=1",
    "{node}:DELETE:error-before=1",
    "{node}:POST:hang-after=0.7,{node}:DELETE:hang-after=0.7",
    "{node}:POST:late=0.7@0.3,{node}:DELETE:late-error=0.7@0.3",
    "{node}:POST:error-before=1,POST:late-error=0.5@0.3,DELETE:late-error=0.3@0.3",
    "{node}:DELETE:late=1@0.3,POST:late-error=0.5@0.3",
    "{node}:slow=0.5@0.1,reset=0.05",
)
LATE = 0.3
"""Seconds after which the effect of an unanswered request comes; well within what settles."""
BROKEN = ("", "{}", "version: 1\n", "version: 1\ncluster: {name: test}\ngroups: [", "\0")
"""What a file is for a moment, when it is deployed by somebody careless: nothing may come of it."""
LAST_RUNS = 100
"""When nothing fails any more, so many runs are enough by far."""


class Due(NamedTuple):
    """Something that is to happen so many seconds after the start of a run."""

    after: float
    do: Callable[[], None]


class Running:
    """A run that has been started. It is not reaped before `end`, so that its descriptor means it alone."""

    def __init__(self, fork: Fork, command: str = "reconcile") -> None:
        self.command = command
        self._fork = fork
        self.descriptor = os.pidfd_open(fork.pid)
        self.signals: set[int] = set()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens to a run that has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)
            self.signals.add(number)

    def end(self) -> Ended:
        """How it ended, which it has."""
        os.close(self.descriptor)
        return self._fork.end()


@dataclass(slots=True)
class Night:
    """A cluster, two machines that share a store and a file, and the dice.

    Attributes:
        pause: of `--backoff-after-failure`.
    """

    cluster: SimulatedCluster
    forks: Forks
    witness: Witness
    here: Shop
    there: Shop
    file: Path
    dice: random.Random
    pause: str
    oracle: Oracle
    version: int = 0

    def live(self, seconds: float = 0, runs: int = 0) -> None:
        """So many runs, and until so many seconds are over; then a calm end."""
        until = monotonic() + seconds
        self.new_file()
        while runs > 0 or monotonic() < until:
            runs -= 1
            self._run_in_trouble()
        self._end_well()

    # The file.

    def new_file(self, *, last: bool = False) -> None:
        """Replace the file by a newer one, in one instant.

        The last one asks for nothing that may be refused.
        """
        self.version += 1
        items, wish = self._wishes(last=last)
        strict = not last and self.dice.random() < 0.1
        limits = "{max_deletes: 1}" if strict else "{max_deletes: 100, max_delete_percent: 100}"
        text = f"# {self.version}\nversion: 1\ncluster: {{name: test}}\n"
        text += f"limits: {limits}\ngroups: [{', '.join(items)}]\n"
        self._put(text)
        self.oracle.wishes.append(wish)
        self.witness.tell(f"-- file {self.version}, limits {limits}: {', '.join(items)}")

    def _put(self, text: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.file)

    def _wishes(self, *, last: bool) -> tuple[list[str], Wish]:
        """What a file asks for, as it is written and as it is meant."""
        items: list[str] = []
        wish: Wish = {}
        for group in self.dice.sample(POOL, len(POOL)):
            (kind,) = self.dice.choices(("all", "some", "absent", "silent"), (10, 3, 2, 0 if last else 2))
            if kind == "silent":
                continue
            nodes = self.cluster.names
            more = ["state: absent"] if kind == "absent" else []
            if kind == "some":
                nodes = tuple(sorted(self.dice.sample(nodes, self.dice.randint(1, 2))))
                more = [f"nodes: [{', '.join(nodes)}]"]
            elif kind == "all" and not last and self.dice.random() < 0.03:
                more = ["protect: true"]
            items.append(f"{{{', '.join([f'id: {group}', *more])}}}")
            wish |= {Cell(group, node): kind != "absent" for node in nodes}
        return items, wish

    # Trouble.

    def _run_in_trouble(self) -> None:
        dice = self.dice
        if dice.random() < 0.15:
            self.new_file()
        self.cluster.set_faults(self._some_faults())
        for _ in range(dice.choice((0, 1, 2, 3))):
            self._drift_of()()
        flags = ["--mode", "report"] if dice.random() < 0.03 else []
        flags += ["--apply-changes"] if dice.random() < 0.95 else []
        flags += ["--grace", "300ms"] if dice.random() < 0.5 else []
        flags += ["--parallelism", "1"] if dice.random() < 0.3 else []
        flags += ["--retries", "0"] if dice.random() < 0.3 else []
        span = dice.choice((0.1, 0.4, 1.0, 2.5))
        agenda = [Due(dice.uniform(0, span), self._drift_of()) for _ in range(dice.choice((0, 0, 1, 2)))]
        if dice.random() < 0.1:
            agenda.append(Due(dice.uniform(0, span), partial(self.cluster.set_faults, self._some_faults())))
        text, broken = self.file.read_text(encoding="utf-8"), dice.random() < 0.05
        if broken:
            self._put(dice.choice(BROKEN))
        elif dice.random() < 0.05:
            agenda.append(Due(dice.uniform(0, span), self.new_file))
        if dice.random() < 0.12:
            node, down = dice.choice(self.cluster.names), dice.uniform(0, span)
            agenda += [
                Due(down, lambda: self.cluster.kill(node)),
                Due(down + dice.uniform(0, 0.5), lambda: self.cluster.revive(node)),
            ]
        self.oracle.begins(broken=broken)
        self._run(flags, agenda, span, f"faults {self.cluster.faults()}")
        if broken:
            self._put(text)

    def _some_faults(self) -> str:
        """Often none."""
        if self.dice.random() < 0.4:
            return ""
        chosen = self.dice.choice(EVERYWHERE + ON_ONE)
        return chosen.format(node=self.dice.choice(self.cluster.names))

    def _drift_of(self) -> Callable[[], None]:
        """Somebody adds a record of a cell, or takes it away."""
        group, node = self.dice.choice(POOL + FOREIGN), self.dice.choice(self.cluster.names)

        def drift() -> None:
            there = group in self.cluster.groups()[node]
            self.cluster.change_groups(node, **{"remove" if there else "add": [group]})

        return drift

    def _run(self, flags: Sequence[str], agenda: list[Due], span: float, about: str) -> None:
        """Start a run, let come what is due, and judge what is left when all is over."""
        dice, runs = self.dice, list[Running]()
        self._arm(runs)
        deaths = dice.choices(
            (
                (),
                (signal.SIGKILL,),
                (signal.SIGTERM,),
                (signal.SIGTERM, signal.SIGKILL),
                (signal.SIGTERM,) * 2,
            ),
            (70, 15, 8, 4, 3),
        )[0]
        agenda += [Due(dice.uniform(0, span), partial(_signal_first, runs, number)) for number in deaths]
        if dice.random() < 0.12:
            agenda.append(Due(dice.uniform(0, span), lambda: runs.append(self._start(self.there, ()))))
            if dice.random() < 0.4:
                agenda.append(Due(span, lambda: runs[-1].signal(signal.SIGKILL)))
        runs.append(self._start(self.here, flags))
        again = dice.choice(("", "", "reconcile", "recover"))
        _carry_out(sorted(agenda, key=lambda due: due.after), runs)
        self.witness.disarm()
        if again and signal.SIGKILL in runs[0].signals:  # what the dead one sent may still be on its way
            by_hand = again == "recover" and not self.oracle.broken  # it needs no file
            runs.append(self._start(self.here, (), "recover" if by_hand else "reconcile"))
            _carry_out([], runs[-1:])
        ran = [Ran(run.end(), frozenset(run.signals), run.command) for run in runs]
        self.witness.tell(
            f"-- {about}; {list(flags)}: {[(e.command, e.ended.code, set(e.signals)) for e in ran]}"
        )
        for node in self.cluster.names:
            self.cluster.revive(node)
        self.oracle.judge(ran)

    def _arm(self, runs: list[Running]) -> None:
        """At the n-th write or read: a death, or somebody else's change of just that cell."""
        dice = self.dice

        def kill(_node: Node, _call: Call) -> Strike | None:
            if runs:
                runs[-1].signal(signal.SIGKILL)
            return None

        def kill_early(node: Node, call: Call) -> Strike | None:
            """The request takes effect when its sender is dead, and the next run perhaps at work."""
            kill(node, call)
            return Strike(1, FAULTS["late"], LATE)

        def meddle(node: Node, call: Call) -> Strike | None:
            if call.group is not None:
                there = call.group in node.groups()
                node.change(**{"remove" if there else "add": [call.group]})
            return None

        for write, reach, shares in ((True, 12, (55, 12, 18, 15)), (False, 60, (70, 15, 0, 15))):
            (trigger,) = dice.choices((None, kill, kill_early, meddle), shares)
            number = dice.randint(1, reach)
            if trigger is not None:
                self.witness.at(number, trigger, write=write)

    def _start(self, shop: Shop, flags: Sequence[str], command: str = "reconcile") -> Running:
        if command == "reconcile":
            flags = [*(flags or ["--apply-changes"]), "--backoff-after-failure", self.pause]
        return Running(self.forks.start(shop, command, *flags), command)

    # The end.

    def _end_well(self) -> None:
        """No trouble any more: the loop ends with the cluster equal to the file, and stays there."""
        self.cluster.set_faults("")
        self.new_file(last=True)
        codes: list[int] = []
        while codes[-2:] != [0, 0]:
            assert len(codes) < LAST_RUNS, f"it does not end: {codes}"
            self.oracle.begins()
            ended = self.forks.run(self.here, "reconcile", "--apply-changes")
            ran = [Ran(ended, frozenset(), "reconcile")]
            self.oracle.judge(ran)
            codes.append(ran[0].ended.code)
        self.oracle.see_the_end()


def _signal_first(runs: Sequence[Running], number: int) -> None:
    runs[0].signal(number)


def _carry_out(agenda: list[Due], runs: list[Running]) -> None:
    """Do what is due while a run is alive; what is left then is left undone."""
    began = monotonic()
    while alive := _alive(runs, 0):
        if not agenda:
            _alive(alive[:1], None)
        elif (wait := began + agenda[0].after - monotonic()) > 0:
            _alive(alive[:1], wait)
        else:
            agenda.pop(0).do()


def _alive(runs: Sequence[Running], seconds: float | None) -> list[Running]:
    """Wait until one of them has ended, or so many seconds are over; return those that have not."""
    poll = select.poll()
    for run in runs:
        poll.register(run.descriptor, select.POLLIN)
    ended = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
    return [run for run in runs if run.descriptor not in ended]
