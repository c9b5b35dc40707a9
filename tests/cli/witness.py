"""What truly happens on the nodes of a simulated cluster, one moment after the other, and by whom.

A node changes by requests and by the hand of a test, and both change it in the cluster's one event loop: so
all that happens has one order. The witness keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from planner.model import Cell
from planner.simulator.faults import Answer, Strike
from planner.simulator.node import Call, Node, Reply

Trigger = Callable[[Node, Call], Strike | None]
"""Called when a request has arrived, before anything comes of it; it may say which fault strikes it."""

KEPT = 60
"""Moments of one cell that are told when a test fails."""


class Change(NamedTuple):
    """A cell changed: when, to what, and whether by a request of ours."""

    moment: int
    present: bool
    ours: bool


class Witness:
    """Sees every request and every change by hand of the clusters that run while it is `watching`."""

    def __init__(self) -> None:
        self.moment = 0
        self.changes: dict[Cell, Change] = {}  # the last one of each cell
        self.drifts: dict[Cell, int] = {}  # the moment of the last one by hand
        self.reads: dict[Cell, int] = {}  # the moment of the last read that was answered truly
        self._written: list[Cell] = []
        self._told: dict[Cell, list[str]] = defaultdict(list)
        self._strike: Strike | None = None
        self._triggers: dict[bool, tuple[int, Trigger]] = {}

    @contextmanager
    def watching(self) -> Iterator[Witness]:
        """Stand beside every node."""
        meet, perform, change = Node.meet, Node.perform, Node.change
        witness = self

        def met(node: Node, call: Call) -> Strike | None:
            strike = witness._count(node, call)
            drawn = meet(node, call)
            witness._strike = strike or drawn
            return witness._strike

        def performed(node: Node, call: Call) -> Reply:
            reply = perform(node, call)
            witness._performed(node.name, call, reply)
            return reply

        def changed(node: Node, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
            add, remove, there = tuple(add), tuple(remove), set(node.groups())
            change(node, add, remove)
            for group, present in [(each, False) for each in remove] + [(each, True) for each in add]:
                if (group in there) is not present:
                    witness._change(Cell(group, node.name), present=present, ours=False)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Node, "meet", met)
            patch.setattr(Node, "perform", performed)
            patch.setattr(Node, "change", changed)
            yield self

    def written(self) -> list[Cell]:
        """The cells of all writes that came since the last call, whatever became of them."""
        cells, self._written = self._written, []
        return cells

    def at(self, number: int, trigger: Trigger, *, write: bool) -> None:
        """Call `trigger` at the n-th write (or read) from now."""
        self._triggers[write] = (number, trigger)

    def disarm(self) -> None:
        """Forget the triggers."""
        self._triggers.clear()

    def tell(self, what: str) -> None:
        """Let something that concerns every cell stand between its moments."""
        for told in list(self._told.values()):
            told.append(what)

    def story(self, cell: Cell) -> str:
        """What happened to a cell, for the message of a failure."""
        return "\n    ".join([f"{cell}:", *self._told[cell][-KEPT:]])

    def _count(self, node: Node, call: Call) -> Strike | None:
        if call.is_write and call.group is not None:
            cell = Cell(call.group, node.name)
            self._written.append(cell)
            self._told[cell].append(f"{call.method} arrives")
        number, trigger = self._triggers.pop(call.is_write, (0, None))
        if trigger is not None and number > 1:
            self._triggers[call.is_write] = (number - 1, trigger)
        elif trigger is not None:
            return trigger(node, call)
        return None

    def _performed(self, node: str, call: Call, reply: Reply) -> None:
        strike, self._strike = self._strike, None
        if call.group is None:
            return
        cell = Cell(call.group, node)
        if call.is_write:
            self._told[cell].append(
                f"{call.method}: {reply.status}, {strike.fault.name if strike else 'no fault'}"
            )
            if reply.effect in ("created", "deleted"):
                self._change(cell, present=reply.effect == "created", ours=True)
        elif strike is None or strike.fault.answer is Answer.TRUE:
            self.moment += 1
            self.reads[cell] = self.moment
            self._told[cell].append(f"{self.moment}: read, {reply.status}")

    def _change(self, cell: Cell, *, present: bool, ours: bool) -> None:
        self.moment += 1
        self.changes[cell] = Change(self.moment, present, ours)
        if not ours:
            self.drifts[cell] = self.moment
        self._told[cell].append(
            f"{self.moment}: {'present' if present else 'absent'}, by {'us' if ours else 'hand'}"
        )
