"""What a plan takes in memory for each of its cells. A million of them must fit into 400 MiB."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from planner.codec import digest, plan_text
from planner.diff import Lists
from planner.grid import ManagedCells
from planner.model import Action, Cell, Desired, Group, Node, Plan, Step
from planner.plan import build
from planner.ports import Knowledge
from planner.reads import reads_of

SIDE = 100
NAMES = tuple(f"n{number}" for number in range(SIDE))
NODES = tuple(Node(name, f"http://{name}") for name in NAMES)
GROUPS = tuple(f"g{number}" for number in range(SIDE))
FILE = Desired("c", NODES, tuple(Group(id, NAMES) for id in GROUPS))


@contextmanager
def at_most(size: float) -> Iterator[None]:
    """Bytes that may be in use at once, more than before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        assert tracemalloc.get_traced_memory()[1] - before < size
    finally:
        tracemalloc.stop()


def test_a_cell_that_does_not_change_takes_a_few_bytes() -> None:
    holders = dict.fromkeys(GROUPS, NAMES)
    with at_most(30 * SIDE**2):
        known = ManagedCells.collect((id, node.url, False, 0) for node in NODES for id in GROUPS)
        knowledge = Knowledge("s", managed=known)
        reads = reads_of(FILE, knowledge, Lists(frozenset(NAMES), holders))
        assert not reads.nodes
        assert build(FILE, knowledge, reads.listed).is_empty


def test_a_plan_file_is_never_whole_in_memory() -> None:
    cells = (Cell(id, name) for id in GROUPS for name in NAMES)
    steps = tuple(Step(n, Action.CREATE, cell, "declared") for n, cell in enumerate(cells, 1))
    plan = Plan("c", "s", 0, NODES, steps)
    writings: tuple[Callable[[], object], ...] = (
        lambda: digest(plan),
        lambda: [len(piece) for piece in plan_text(plan)],
    )
    for write in writings:
        with at_most(60 * SIDE**2):  # a line of the file is longer, and the data of it longer still
            write()
