"""Which cells are read by themselves: one row of the table after the other, then what surrounds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.diff import NO_LISTS, Lists
from planner.events import Event
from planner.grid import ManagedCells, Presences
from planner.model import Cell, Dialect, Managed, Presence
from planner.ports import Knowledge, Watched
from planner.reads import Reads, by_node, reads_of
from planner.views.tally import Tally
from tests.builders import ABSENT, NAMES, NODES, PRESENT, Bench, desired, group, knowledge, managed, url

ONE = (NODES[0],)
ON_ONE = Cell("a", "node01")
LISTING = tuple(replace(node, dialect=Dialect(list_path="/v1/group/")) for node in NODES)


def reads_of_one(
    wish: Presence | None, remembered: str, *, listed: bool = True, prune: bool = False, watched: bool = False
) -> Reads:
    """The reads of a cluster of one node, which is asked for one group by its list."""
    groups = [] if wish is None else [group("a", "node01", state=wish)]
    if wish is None:
        groups = [group("a", "elsewhere")]
    cells = {} if remembered == "no" else managed("a", names=["node01"], adopted=remembered == "adopted")
    late = (Watched("a", url("node01"), 7, PRESENT, ""),) if watched else ()
    holders = {"a": ["node01"]} if listed else {}
    return reads_of(
        desired(*groups, nodes=ONE, prune=prune),
        knowledge(cells, watched=late),
        Lists(frozenset({"node01"}), holders),
    )


def told(reads: Reads) -> dict[Cell, Presence | None]:
    """Every cell that is read, with what is expected of it."""
    return {cell: expected for todo in reads.nodes.values() for cell, expected in todo}


@pytest.mark.parametrize(
    ("wish", "remembered", "taken"),
    [
        (PRESENT, "created", True),
        (PRESENT, "adopted", True),
        (PRESENT, "no", False),
        (ABSENT, "created", False),
        (ABSENT, "adopted", False),
        (ABSENT, "no", False),
        (None, "created", False),
        (None, "adopted", False),
        (None, "no", True),
    ],
)
def test_every_row_of_the_table(wish: Presence | None, remembered: str, taken: bool) -> None:
    reads = reads_of_one(wish, remembered)
    assert reads.listed == ({ON_ONE: PRESENT} if taken else {})
    assert told(reads) == ({} if taken else {ON_ONE: PRESENT})
    assert list(reads.nodes) == ([] if taken else ["node01"])


@pytest.mark.parametrize(
    ("wish", "remembered", "more"),
    [
        (PRESENT, "created", {"watched": True}),
        (None, "no", {"watched": True}),
        (None, "no", {"prune": True}),
    ],
)
def test_what_may_come_to_something_is_read(
    wish: Presence | None, remembered: str, more: dict[str, bool]
) -> None:
    reads = reads_of_one(wish, remembered, **more)
    assert len(reads.listed) == 0
    assert told(reads) == {ON_ONE: PRESENT}


@pytest.mark.parametrize(("remembered", "expected"), [("created", PRESENT), ("no", None)])
def test_what_is_not_listed_is_read_and_never_absent(remembered: str, expected: Presence | None) -> None:
    reads = reads_of_one(PRESENT, remembered, listed=False)
    assert len(reads.listed) == 0
    assert told(reads) == {ON_ONE: expected}


def test_without_lists_every_cell_of_every_group_is_read_and_a_managed_one_is_expected() -> None:
    file = desired(group("a", "node01"))
    reads = reads_of(file, knowledge(managed("a", "gone", names=["node02"])), NO_LISTS)
    assert told(reads) == {
        Cell(id, name): PRESENT if name == "node02" else None for id in ("a", "gone") for name in NAMES
    }
    assert reads.groups == ("a", "gone")
    assert {name: len(todo) for name, todo in reads.nodes.items()} == dict.fromkeys(NAMES, 2)
    assert (reads.of(["gone"]), reads.of(["a", "unknown"])) == (3, 3)


def test_what_nobody_declared_and_nobody_manages_is_not_read() -> None:
    lists = Lists(frozenset(NAMES), {"a": NAMES, "foreign": NAMES})
    reads = reads_of(desired("a"), knowledge(managed("a")), lists)
    assert (reads.groups, len(reads.listed), told(reads)) == (("a",), 3, {})


def test_the_cells_of_each_node_keep_their_order() -> None:
    wanted = [(Cell(id, name), None) for id in ("b", "a") for name in NAMES[:2]]
    assert by_node(wanted) == {
        "node01": [(Cell("b", "node01"), None), (Cell("a", "node01"), None)],
        "node02": [(Cell("b", "node02"), None), (Cell("a", "node02"), None)],
    }


# The use case.


def test_a_plan_of_an_unchanged_cluster_is_one_list_of_each_node() -> None:
    bench = Bench(holds=dict.fromkeys("abc", NAMES)).manage(*"abc")
    bench.file = desired(*"abc", nodes=LISTING)
    assert not bench.plan().has_changes
    assert sorted(call.method for _, call in bench.world.submitted) == ["list"] * 3
    (phase,) = (event for event in bench.world.events if event.text == "read")
    assert (phase.total, phase.data) == (0, {"listed": 9})


def test_a_cell_that_a_list_leaves_out_is_read_and_confirmed_and_repaired() -> None:
    bench = Bench(holds={"a": NAMES, "b": NAMES[1:]}).manage("a", "b")
    bench.file = desired("a", "b", nodes=LISTING)
    plan = bench.plan()
    assert [(str(step), step.reason) for step in plan.steps] == [("step 1 (create b on node01)", "drift")]
    assert {seen.presence for seen in plan.bystanders} == {PRESENT}
    assert bench.requests("b", "node01") == ["read", "read"]
    assert bench.requests("b", "node02") == []
    bench.apply(plan)
    assert bench.holders("b") == set(NAMES)


def test_the_progress_says_how_much_the_lists_have_spared() -> None:
    tally = Tally()
    tally.take(Event("phase", "read", total=12, data={"listed": 2988}))
    assert tally.size == "12 cells (2,988 listed)"
    tally.take(Event("phase", "read", total=12, data={"listed": 2988, "watched": 2}))
    assert tally.size == "12 cells (2 watched; 2,988 listed)"


# The rows of small numbers behind it.


def test_presences_are_a_mapping_of_what_was_seen() -> None:
    cells = {Cell("b", "node02"): PRESENT, Cell("a", "node01"): ABSENT, Cell("b", "node01"): ABSENT}
    found = Presences(NAMES, cells)
    assert found == cells
    assert len(found) == 3
    assert found.get(Cell("a", "node02")) is None
    with pytest.raises(KeyError, match="node02"):
        found[Cell("a", "node02")]
    found.see(Cell("a", "node01"), PRESENT)
    assert found[Cell("a", "node01")] is PRESENT
    assert list(found) == [Cell("b", "node01"), Cell("b", "node02"), Cell("a", "node01")]


def test_managed_cells_are_a_mapping_that_keeps_everything() -> None:
    cells = [
        Managed("b", "u2", True, 0),
        Managed("a", "u1", False, 9_000_000_000),
        Managed("a", "u3", True, 2),
        Managed("b", "u1", False, 7),
    ]
    found = ManagedCells.collect(cells)
    assert found == {(cell.group, cell.url): cell for cell in cells}
    assert (len(found), list(found.groups), list(found.of("a"))) == (4, ["b", "a"], [cells[1], cells[2]])
    assert found.urls("b") == {"u1", "u2"}
    assert not found.urls("c")
    assert (list(found.on("u1")), list(found.on("u3")), list(found.on("u4"))) == (["b", "a"], ["a"], [])
    assert [key in found for key in (("b", "u2"), ("b", "u3"), ("c", "u1"), ("b", "u4"))] == [True] + [
        False
    ] * 3
    assert found.only({"a", "c"}) == {("a", "u1"): cells[1], ("a", "u3"): cells[2]}
    assert found.get(("b", "u3")) is None
    assert Knowledge("store").managed == {}
