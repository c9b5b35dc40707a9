"""What differs: one row of the table after the other, then the order."""

from __future__ import annotations

import pytest

from planner.diff import Changes, diff, undeclared, wiped_nodes
from planner.model import Cell, Desired, Managed, Node, Presence
from planner.ports import Knowledge
from tests.builders import ABSENT, NAMES, NODES, PRESENT, desired, group, knowledge, managed, seen, url

ONE = (NODES[0],)
ON_ONE = Cell("a", "node01")


def changes_of_one(
    wish: Presence | None, present: bool, remembered: str, *, allow_delete_adopted: bool = False
) -> Changes:
    """The changes for one cell, of a cluster of one node."""
    groups = [] if wish is None else [group("a", "node01", state=wish)]
    cells = {"no": {}, "created": managed("a", names=["node01"])}.get(
        remembered, managed("a", names=["node01"], adopted=True)
    )
    return diff(
        desired(*groups, nodes=ONE),
        knowledge(cells),
        {ON_ONE: PRESENT if present else ABSENT},
        allow_delete_adopted=allow_delete_adopted,
    )


@pytest.mark.parametrize(
    ("wish", "present", "remembered", "what"),
    [
        (PRESENT, False, "no", "create: declared"),
        (PRESENT, False, "created", "create: drift"),
        (PRESENT, False, "adopted", "create: drift"),
        (PRESENT, True, "no", "adopt"),
        (PRESENT, True, "created", ""),
        (PRESENT, True, "adopted", ""),
        (ABSENT, True, "no", "delete: state: absent"),
        (ABSENT, True, "created", "delete: state: absent"),
        (ABSENT, True, "adopted", "delete: state: absent, was adopted"),
        (ABSENT, False, "no", ""),
        (ABSENT, False, "created", "forget"),
        (ABSENT, False, "adopted", "forget"),
        (None, True, "created", "delete: no longer declared"),
        (None, True, "adopted", "keep"),
        (None, False, "created", "forget"),
        (None, False, "adopted", "forget"),
    ],
)
def test_every_row_of_the_table(wish: Presence | None, present: bool, remembered: str, what: str) -> None:
    found = changes_of_one(wish, present, remembered)
    said = [f"{c.action}: {c.reason}" for c in (*found.creates, *found.deletes)]
    said += ["adopt"] * len(found.adopts) + ["forget"] * len(found.forgets) + ["keep"] * len(found.kept)
    assert said == ([what] if what else [])


def test_adopted_groups_are_deleted_when_that_is_allowed() -> None:
    found = changes_of_one(None, True, "adopted", allow_delete_adopted=True)
    assert [c.reason for c in found.deletes] == ["no longer declared, was adopted"]
    assert found.kept == ()


def test_what_nobody_declared_and_nobody_manages_is_not_touched() -> None:
    file = desired("a")
    found = diff(file, knowledge(), seen({"a": NAMES, "foreign": NAMES}))
    assert found == Changes(adopts=tuple(Cell("a", name) for name in NAMES))


def test_a_selector_that_changed_deletes_from_the_nodes_it_left() -> None:
    file = desired(group("a", "node01"))
    found = diff(file, knowledge(managed("a")), seen({"a": NAMES}))
    assert [c.cell.node for c in found.deletes] == ["node03", "node02"]
    assert {c.reason for c in found.deletes} == {"no longer declared"}
    assert found.creates == ()


def test_an_unmanaged_group_outside_the_selector_is_left_alone() -> None:
    found = diff(desired(group("a", "node01")), knowledge(), seen({"a": NAMES}))
    assert found == Changes(adopts=(ON_ONE,), unmanaged=(Cell("a", "node02"), Cell("a", "node03")))


def test_creates_are_in_file_order_and_deletes_in_reverse_order_of_declaration() -> None:
    """Undeclared groups count as declared before the file's, in the order in which they were created."""
    file = desired("z", group("old2", state=ABSENT), "b", group("old1", state=ABSENT), nodes=NODES[:2])
    remembered = knowledge(managed("gone1", "gone2", names=NAMES[:2]))
    everywhere = dict.fromkeys(("old1", "old2", "gone1", "gone2"), NAMES[:2])
    found = diff(file, remembered, seen(everywhere, "z", "b"))
    assert [tuple(c.cell) for c in found.creates] == [
        ("z", "node01"),
        ("z", "node02"),
        ("b", "node01"),
        ("b", "node02"),
    ]
    assert [tuple(c.cell) for c in found.deletes] == [
        (id, node) for id in ("old1", "old2", "gone2", "gone1") for node in ("node02", "node01")
    ]


def test_undeclared_groups_are_those_managed_on_a_node_of_the_file() -> None:
    cells = {
        ("new", url("node01")): Managed("new", url("node01"), order=9),
        ("old", url("node02")): Managed("old", url("node02"), order=2),
        ("new", url("node02")): Managed("new", url("node02"), order=1),
        ("elsewhere", "http://left"): Managed("elsewhere", "http://left", order=0),
        ("a", url("node01")): Managed("a", url("node01"), order=3),
    }
    assert undeclared(desired("a"), knowledge(cells)) == ("new", "old")


def test_the_identity_of_a_node_is_its_url() -> None:
    """Another name and the same URL: the same managed cells. The same name and a new URL: none."""
    renamed, moved = Node("renamed", url("node01")), Node("node01", "http://new")
    remembered = knowledge(managed("gone", names=["node01"]))
    by_name = {Cell("gone", "renamed"): PRESENT, Cell("gone", "node01"): PRESENT}
    assert len(diff(desired(nodes=(renamed,)), remembered, by_name).deletes) == 1
    assert diff(desired(nodes=(moved,)), remembered, by_name) == Changes()


def test_a_cell_that_was_not_read_is_never_taken_as_absent() -> None:
    with pytest.raises(KeyError):
        diff(desired("a"), knowledge(), {ON_ONE: ABSENT})


def test_the_touched_groups_are_all_but_the_kept() -> None:
    file = desired("create", "adopt", group("delete", state=ABSENT))
    remembered = knowledge({**managed("forget"), **managed("keep", adopted=True)})
    found = diff(file, remembered, seen({"adopt": NAMES, "delete": NAMES, "keep": NAMES}, "create", "forget"))
    assert found.groups() == {"create", "adopt", "delete", "forget"}


@pytest.mark.parametrize(
    ("holders", "wiped"),
    [
        ({"a": ["node02"], "b": ["node02"]}, ["node01"]),
        ({"a": ["node01"], "b": ["node02"]}, []),
        ({"a": [], "b": []}, ["node01", "node02"]),
    ],
)
def test_a_node_is_wiped_when_every_managed_cell_of_it_reads_absent(
    holders: dict[str, list[str]], wiped: list[str]
) -> None:
    """node03 manages nothing, and so cannot be wiped."""
    remembered = knowledge(managed("a", "b", names=NAMES[:2]))
    found = wiped_nodes(desired("a", "b"), remembered, seen(holders))
    assert [node.name for node in found] == wiped


def test_nothing_is_wiped_in_an_unknown_cluster() -> None:
    file: Desired = desired("a")
    assert wiped_nodes(file, Knowledge("store"), seen({}, "a")) == ()
