"""A plan: its order, its evidence, its guards and its warnings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.guards import Protection, guards, guards_now
from planner.model import Action, Cell, Limits, Node, Plan, Refusal, Seen
from planner.plan import build
from planner.ports import Knowledge
from tests.builders import (
    ABSENT,
    CREATE,
    DELETE,
    NAMES,
    NODES,
    PRESENT,
    UNLIMITED,
    desired,
    group,
    knowledge,
    managed,
    seen,
    steps,
    url,
)


def deleting(count: int, limits: Limits, base: int) -> list[str]:
    """The guards that stand against deleting so many of so many groups."""
    found = guards(steps(*((DELETE, f"g{n}", "node01") for n in range(count))), base, limits)
    return [refusal.guard for refusal in found]


# Order and evidence.


def test_steps_are_creates_in_file_order_then_deletes_in_reverse_and_numbered_from_1() -> None:
    file = desired("b", group("x", state=ABSENT), "a", group("y", state=ABSENT), nodes=NODES[:2])
    plan = build(file, knowledge(), seen({"x": NAMES, "y": NAMES}, "a", "b"))
    assert [str(step) for step in plan.steps] == [
        "step 1 (create b on node01)",
        "step 2 (create b on node02)",
        "step 3 (create a on node01)",
        "step 4 (create a on node02)",
        "step 5 (delete y on node02)",
        "step 6 (delete y on node01)",
        "step 7 (delete x on node02)",
        "step 8 (delete x on node01)",
    ]


def test_bystanders_are_every_other_cell_of_every_touched_group_as_seen() -> None:
    file = desired("repair", "adopt", group("narrow", "node03"), "same")
    remembered = knowledge({**managed("repair", "same"), **managed("forget")})
    plan = build(
        file,
        remembered,
        seen({"repair": ["node01"], "adopt": NAMES, "narrow": ["node01"], "same": NAMES}, "forget"),
    )
    assert set(plan.bystanders) == {
        Seen(Cell("repair", "node01"), PRESENT),
        *(Seen(Cell("adopt", name), PRESENT) for name in NAMES),
        *(Seen(Cell("forget", name), ABSENT) for name in NAMES),
        Seen(Cell("narrow", "node01"), PRESENT),
        Seen(Cell("narrow", "node02"), ABSENT),
    }
    assert len(plan.bystanders) == len(set(plan.bystanders))


def test_a_plan_names_where_it_comes_from() -> None:
    plan = build(
        desired("a", digest="d1"),
        Knowledge("store-7", 41),
        seen({}, "a"),
        allow_deletes=5,
        allow_delete_adopted=True,
        allow_lossy=True,
    )
    assert (plan.store, plan.serial, plan.source) == ("store-7", 41, "d1")
    assert plan.allowances == ("deletes=5", "delete-adopted", "lossy-delete")
    assert plan.nodes == NODES


def test_the_base_of_the_share_is_the_groups_declared_or_managed() -> None:
    remembered = knowledge(managed("b", "gone"))
    assert build(desired("a", "b"), remembered, seen({}, "a", "b", "gone")).base == 3


# Limits.


@pytest.mark.parametrize(
    ("count", "limit", "refused"),
    [(2, 2, False), (3, 2, True), (1, 0, True), (0, 0, False), (500, None, False)],
)
def test_max_deletes(count: int, limit: int | None, refused: bool) -> None:
    assert deleting(count, Limits(limit, None), 1000) == (["max_deletes"] if refused else [])


@pytest.mark.parametrize(
    ("count", "base", "percent", "refused"),
    [
        (3, 10, 30, False),  # exactly the limit
        (4, 10, 30, True),
        (30, 100, 30, False),
        (31, 100, 30, True),
        # Small clusters: one delete is always within the percentage, two need not be.
        (1, 1, 30, False),
        (1, 2, 0, False),
        (2, 2, 30, True),
        (2, 3, 66, True),
        (2, 3, 67, False),
        (2, 2, 100, False),
        (2, 2, None, False),
    ],
)
def test_max_delete_percent(count: int, base: int, percent: int | None, refused: bool) -> None:
    assert deleting(count, Limits(None, percent), base) == (["max_delete_percent"] if refused else [])


def test_a_delete_counts_once_per_group_that_loses_any_cell() -> None:
    nine = steps(*((DELETE, id, name) for id in "abc" for name in NAMES))
    assert guards(nine, 100, Limits(3, None)) == ()
    (refusal,) = guards(nine, 100, Limits(2, None))
    assert refusal.groups == ("a", "b", "c")
    assert refusal.why == "3 of 100 groups (3 %) would be deleted; max_deletes is 2"
    assert "--allow-deletes 3" in refusal.cure


def test_the_percentage_shows_its_ratio_and_its_cure() -> None:
    (refusal,) = guards(steps((DELETE, "a", "node01"), (DELETE, "b", "node01")), 3, Limits(20, 30))
    assert refusal.why == "2 of 3 groups (67 %) would be deleted; max_delete_percent is 30"
    assert "--allow-deletes 2" in refusal.cure


@pytest.mark.parametrize(("limit", "refused"), [(1, True), (2, False), (None, False), (0, True)])
def test_max_creates_counts_groups(limit: int | None, refused: bool) -> None:
    creates = steps(*((CREATE, id, name) for id in "ab" for name in NAMES))
    found = guards(creates, 2, Limits(0, 0, limit))
    assert [refusal.guard for refusal in found] == (["max_creates"] if refused else [])


def test_every_guard_that_stands_against_a_plan_is_named() -> None:
    both = steps((CREATE, "new", "node01"), (DELETE, "a", "node01"), (DELETE, "b", "node01"))
    found = guards(both, 2, Limits(1, 10, 0), Protection(frozenset({"b", "new"})), [Cell("a", "node01")])
    assert [r.guard for r in found] == [
        "max_deletes",
        "max_delete_percent",
        "max_creates",
        "protect",
        "lossy",
    ]


def test_allowing_deletes_raises_the_number_sets_the_percentage_aside_and_is_recorded() -> None:
    file = desired(*(group(id, state=ABSENT) for id in "abc"), limits=Limits(1, 10, None))
    presences = seen(dict.fromkeys("abc", NAMES))
    guarded = {
        n: [r.guard for r in build(file, knowledge(), presences, allow_deletes=n).refusals] for n in (2, 3)
    }
    assert guarded == {2: ["max_deletes"], 3: []}
    assert len(build(file, knowledge(), presences).refusals) == 2


# Protection and loss.


def test_a_protected_group_may_be_created_and_may_not_be_deleted_not_even_from_one_node() -> None:
    whole = build(desired(group("a", protect=True)), knowledge(), seen({}, "a"))
    assert whole.refusals == ()
    narrowed = build(desired(group("a", "node01", protect=True)), knowledge(managed("a")), seen({"a": NAMES}))
    assert [(r.guard, r.groups) for r in narrowed.refusals] == [("protect", ("a",))]
    gone = build(desired(group("a", state=ABSENT, protect=True)), knowledge(), seen({"a": NAMES}))
    assert [r.guard for r in gone.refusals] == ["protect"]


def test_a_record_that_shows_more_than_the_id_may_only_be_deleted_knowingly() -> None:
    file = desired(group("a", state=ABSENT), "b")
    presences, rich = seen({"a": NAMES, "b": NAMES}), {Cell("a", "node02"), Cell("b", "node02")}
    (refusal,) = build(file, knowledge(), presences, lossy=rich).refusals
    assert (refusal.guard, refusal.groups) == ("lossy", ("a",))
    assert "a on node02" in refusal.why
    allowed = build(file, knowledge(), presences, lossy=rich, allow_lossy=True)
    assert (allowed.refusals, allowed.allowances) == ((), ("lossy-delete",))


# A plan file against the file as it is now.


def plan_to_delete(*ids: str, limits: Limits = UNLIMITED, **allowed: int) -> Plan:
    file = desired(*(group(id, state=ABSENT) for id in ids), *(f"kept{n}" for n in range(7)), limits=limits)
    presences = seen({**dict.fromkeys(ids, NAMES), **{f"kept{n}": NAMES for n in range(7)}})
    return build(file, knowledge(), presences, **allowed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("planned", "now", "refused"),
    [
        (Limits(3, None), Limits(2, None), ["max_deletes"]),
        (Limits(2, None), Limits(3, None), ["max_deletes"]),
        (Limits(3, None), Limits(3, None), []),
        (Limits(None, 30), Limits(None, 29), ["max_delete_percent"]),
        (Limits(None, 29), Limits(None, 30), ["max_delete_percent"]),
        (Limits(None, None), Limits(3, 30), []),
    ],
)
def test_the_stricter_of_plan_and_file_counts(planned: Limits, now: Limits, refused: list[str]) -> None:
    plan = replace(plan_to_delete("a", "b", "c", limits=planned), refusals=())
    assert [r.guard for r in guards_now(plan, desired("a", limits=now), knowledge())] == refused


def test_limits_that_the_plan_raised_knowingly_stay_raised_for_deletes_only() -> None:
    plan = plan_to_delete("a", "b", limits=Limits(1, 1), allow_deletes=2)
    assert guards_now(plan, desired(limits=Limits(1, 1)), knowledge()) == ()
    creating = build(desired("a", "b"), knowledge(), seen({}, "a", "b"), allow_deletes=2)
    assert [r.guard for r in guards_now(creating, desired(limits=Limits(None, None, 1)), knowledge())] == [
        "max_creates"
    ]


def test_protection_that_was_added_after_the_plan_counts() -> None:
    plan = plan_to_delete("a")
    assert guards_now(plan, desired("a"), knowledge()) == ()
    (refusal,) = guards_now(plan, desired(group("a", protect=True)), knowledge())
    assert (refusal.guard, refusal.groups) == ("protect", ("a",))


def test_a_refused_plan_stays_refused_even_when_the_file_has_become_generous() -> None:
    plan = plan_to_delete("a", "b", limits=Limits(1, None))
    assert [r.guard for r in guards_now(plan, desired(limits=UNLIMITED), knowledge())] == ["max_deletes"]
    foreign = replace(plan_to_delete("a"), refusals=(Refusal("of tomorrow", "why", "cure"),))
    assert [r.guard for r in guards_now(foreign, desired(), knowledge())] == ["of tomorrow"]


def test_a_record_that_has_become_rich_since_the_plan_refuses_it() -> None:
    plan = plan_to_delete("a")
    assert [r.guard for r in guards_now(plan, desired(), knowledge(), {Cell("a", "node01")})] == ["lossy"]
    allowed = replace(plan, allowances=("lossy-delete",))
    assert guards_now(allowed, desired(), knowledge(), {Cell("a", "node01")}) == ()


# Warnings.


def test_nothing_to_warn_of() -> None:
    assert build(desired("a"), knowledge(managed("a")), seen({"a": NAMES})).warnings == ()


def test_a_wiped_node_is_named() -> None:
    plan = build(desired("a"), knowledge(managed("a")), seen({"a": NAMES[:2]}))
    (warning,) = plan.warnings
    assert "node03" in warning
    assert "reads absent" in warning
    assert [step.action for step in plan.steps] == [Action.CREATE]


def test_an_empty_store_before_a_cluster_that_is_not_empty_says_what_it_cannot_know() -> None:
    empty = Knowledge("store")
    (warning,) = build(desired("a"), empty, seen({"a": NAMES})).warnings
    assert "cannot be known" in warning
    assert build(desired("a"), empty, seen({}, "a")).warnings == ()


def test_a_rename_is_shown_and_is_no_new_node() -> None:
    nodes = (Node("first", url("node01")), *NODES[1:])
    presences = {Cell("a", node.name): PRESENT for node in nodes}
    plan = build(desired("a", nodes=nodes), knowledge(managed("a")), presences)
    (warning,) = plan.warnings
    assert "node01" in warning
    assert "first" in warning
    assert plan.is_empty


def test_a_node_that_left_is_shown_and_not_written_to() -> None:
    plan = build(desired("a", nodes=NODES[:2]), knowledge(managed("a", "gone")), seen({"a": NAMES}, "gone"))
    (warning,) = plan.warnings
    assert "node03" in warning
    assert "left" in warning
    assert all(cell.node != "node03" for cell in (*plan.forgets, *(s.cell for s in plan.steps)))


def test_adopted_groups_that_stay_are_counted() -> None:
    plan = build(desired(), knowledge(managed("a", "b", adopted=True)), seen({"a": NAMES, "b": NAMES}))
    (warning,) = plan.warnings
    assert warning.startswith("2 adopted groups")
    assert "--allow-delete-adopted" in warning
    assert plan.is_empty
