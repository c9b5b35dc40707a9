"""Read many cells at once: what a plan is made from, and what its staleness is judged by; and take lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planner.events import Event
from planner.model import Cell, Presence
from planner.transaction.cells import Reader
from planner.transaction.scheduler import Scheduler, per_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.model import Node, Policy
    from planner.transaction.machine import World
    from planner.transaction.scheduler import Task


@dataclass(slots=True)
class Observation:
    """What was seen.

    Attributes:
        presences: of every cell that was read.
        lossy: cells whose record shows more than the id.
        unreadable: per node, the first cell that could not be read, and why. Such a node is not read on.
        began: when the first read was sent (monotonic seconds).
    """

    presences: dict[Cell, Presence] = field(default_factory=dict)
    lossy: set[Cell] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    began: float = 0.0


@dataclass(slots=True)
class Inventory:
    """What nodes list. An id that a node does not list is not seen to be absent there.

    Attributes:
        groups: the ids, per node that was asked and answered.
        unreadable: why the others could not be listed.
    """

    groups: dict[str, frozenset[str]] = field(default_factory=dict)
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
            inventory.groups[name] = frozenset(listing.groups)
        world.reporter.emit(Event("progress", inventory.unreadable.get(name, ""), None, name))

    world.reporter.emit(Event("phase", "list", total=len(able)))
    scheduler_of(world).run(per_node((take, [node.name for node in able], str)))
    return inventory


def observe(
    cells: Iterable[tuple[Cell, Presence | None]],
    nodes: Iterable[Node],
    policy: Policy,
    world: World,
    unreadable: Mapping[str, str] | None = None,
    watched: int = 0,
) -> Observation:
    """Read every cell once; an absence that contradicts what is expected of the cell is confirmed.

    Args:
        cells: each with the presence that is expected of it; None where a single 'not found' will do.
        nodes: of the cluster.
        policy: parallelism and patience.
        world: the ports.
        unreadable: nodes that are known to be so, and why; they are not read.
        watched: how many of the cells are read only since their groups are on the watch list, for progress.

    Raises:
        RunInterrupted, Abandoned, LockLost: the run was stopped.
    """
    todo = list(cells)
    reader = Reader({node.name: node.dialect for node in nodes}, policy, world.clock)
    seen = Observation(unreadable=dict(unreadable or {}), began=world.clock.now())

    def look(cell: Cell, expected: Presence | None) -> Task:
        missed = "not read: its node cannot be read" if cell.node in seen.unreadable else ""
        if not missed:
            reading = yield from reader.read(cell, expected or Presence.ABSENT)
            if reading.presence is None:
                missed = reading.why
                seen.unreadable.setdefault(cell.node, f"{cell}: {reading.why}")
            else:
                seen.presences[cell] = reading.presence
                if reading.extra:
                    seen.lossy.add(cell)
        world.reporter.emit(Event("progress", missed, None, cell.node, cell.group))

    data = {"watched": watched} if watched else {}
    world.reporter.emit(Event("phase", "read", total=len(todo), data=data))
    scheduler_of(world).run(per_node((lambda each: look(*each), todo, lambda each: each[0].node)))
    return seen


def scheduler_of(world: World) -> Scheduler:
    """A scheduler for reads, which says that an interrupt is heeded."""

    def on_interrupt(_stops: bool) -> None:
        world.reporter.emit(Event("note", "interrupted: what is in flight is awaited"))

    return Scheduler(world.nodes, world.clock, world.control, on_interrupt)
