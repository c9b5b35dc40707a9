"""Read many cells at once: what a plan is made from, and what its staleness is judged by; and take lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING

from planner.events import Event
from planner.grid import Presences
from planner.model import Presence
from planner.transaction.cells import Reader
from planner.transaction.scheduler import Scheduler, per_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.model import Cell, Node, Policy
    from planner.reads import ToRead
    from planner.transaction.machine import World
    from planner.transaction.scheduler import Task


@dataclass(slots=True)
class Observation:
    """What was seen.

    Attributes:
        presences: of every cell that was read; and of those that were known before.
        lossy: cells whose record shows more than the id.
        unreadable: per node, the first cell that could not be read, and why. Such a node is not read on.
        began: when the first read was sent (monotonic seconds).
    """

    presences: Presences
    lossy: set[Cell] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    began: float = 0.0


@dataclass(slots=True)
class Inventory:
    """What nodes list. An id that a node does not list is not seen to be absent there.

    Attributes:
        nodes: those that were asked and answered.
        holders: who lists it, by each group's id; by group, so that a million cells hold each id once.
        unreadable: why the others could not be listed.
    """

    nodes: set[str] = field(default_factory=set)
    holders: dict[str, list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def take_inventory(nodes: Iterable[Node], policy: Policy, world: World) -> Inventory:
    """Ask every node that can list for the ids of its groups. Nothing is sent where none can.

    Raises:
        RunInterrupted, Abandoned, LockLost: the run was stopped.
    """
    able = [node for node in nodes if node.dialect.list_path is not None]
    inventory = Inventory()
    if not able:
        return inventory
    reader = Reader({node.name: node.dialect for node in able}, policy, world.clock)

    def take(name: str) -> Task:
        listing = yield from reader.list(name)
        if listing.groups is None:
            inventory.unreadable[name] = f"the list of its groups: {listing.why}"
        else:
            inventory.nodes.add(name)
            for group in frozenset(listing.groups):
                inventory.holders.setdefault(group, []).append(name)
        world.reporter.emit(Event("progress", inventory.unreadable.get(name, ""), None, name))

    world.reporter.emit(Event("phase", "list", total=len(able)))
    scheduler_of(world).run(per_node((take, [node.name for node in able], str)))
    return inventory


def observe(
    cells: Mapping[str, ToRead],
    nodes: Iterable[Node],
    policy: Policy,
    world: World,
    unreadable: Mapping[str, str] | None = None,
    *,
    known: Presences | None = None,
    watched: int = 0,
) -> Observation:
    """Read every cell once; an absence that contradicts what is expected of the cell is confirmed.

    Args:
        cells: by the name of their node; each with the presence that is expected of it, None where a single
            'not found' will do. They are asked for one after the other, while the nodes are read.
        nodes: of the cluster.
        policy: parallelism and patience.
        world: the ports.
        unreadable: nodes that are known to be so, and why; they are not read.
        known: cells that need not be read; what is seen is added to them.
        watched: how many of the cells are read only since their groups are on the watch list, for progress.

    Raises:
        RunInterrupted, Abandoned, LockLost: the run was stopped.
    """
    dialects = {node.name: node.dialect for node in nodes}
    reader = Reader(dialects, policy, world.clock)
    presences = Presences(dialects) if known is None else known
    listed = len(presences)
    seen = Observation(presences, unreadable=dict(unreadable or {}), began=world.clock.now())

    def look(cell: Cell, expected: Presence | None) -> Task:
        missed = "not read: its node cannot be read" if cell.node in seen.unreadable else ""
        if not missed:
            reading = yield from reader.read(cell, expected or Presence.ABSENT)
            if reading.presence is None:
                missed = reading.why
                seen.unreadable.setdefault(cell.node, f"{cell}: {reading.why}")
            else:
                presences.see(cell, reading.presence)
                if reading.extra:
                    seen.lossy.add(cell)
        world.reporter.emit(Event("progress", missed, None, cell.node, cell.group))

    data = {"watched": watched} if watched else {}
    data |= {"listed": listed} if listed else {}
    world.reporter.emit(Event("phase", "read", total=sum(map(len, cells.values())), data=data))
    scheduler_of(world).run({node: enumerate(starmap(look, todo)) for node, todo in cells.items()})
    return seen


def scheduler_of(world: World) -> Scheduler:
    """A scheduler for reads, which says that an interrupt is heeded."""

    def on_interrupt(_stops: bool) -> None:
        world.reporter.emit(Event("note", "interrupted: what is in flight is awaited"))

    return Scheduler(world.nodes, world.clock, world.control, on_interrupt)
