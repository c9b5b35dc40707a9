"""Guards: their numbers, their cures, and what is protected."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import codec
from planner.errors import Refused, Reversed, StalePlan
from planner.guards import guards, guards_now, refused
from planner.model import Limits, Plan, Refusal
from planner.plan import build
from planner.ports import Watched
from planner.scope import PlanScope, Scope
from planner.verdict import Method
from planner.words import named
from tests.builders import (
    ABSENT,
    CLUSTER,
    CREATE,
    DELETE,
    NAMES,
    NODES,
    Bench,
    desired,
    group,
    knowledge,
    managed,
    seen,
    steps,
)
from tests.builders import refused as refusing
from tests.unit.test_asides import created_aside

POST = Method.CREATE
LIMIT = st.none() | st.integers(0, 25)


def deleting(count: int, base: int, limits: Limits, *, raised: bool = False) -> tuple[Refusal, ...]:
    """What stands against deleting so many of so many groups."""
    losing = steps(*((DELETE, f"g{n}", "node01") for n in range(count)))
    return guards(losing, base, limits, raised=raised)


# Numbers.


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 24), st.integers(0, 30), LIMIT, st.none() | st.integers(0, 100), st.booleans())
def test_both_limits_are_exact_and_a_refusal_has_its_numbers(
    count: int, base: int, most: int | None, percent: int | None, raised: bool
) -> None:
    found = deleting(count, base, Limits(most, percent), raised=raised)
    of = max(base, count)
    expected = []
    if most is not None and count > most:
        expected.append(("max_deletes", count, of, most))
    if percent is not None and count >= 2 and Fraction(count, of) > Fraction(percent, 100):
        expected.append(("max_delete_percent", count, of, percent))
    assert [(r.guard, r.count, r.of, r.limit) for r in found] == expected
    for refusal in found:
        assert refusal.why.startswith(f"{count} of {of} groups (")
        assert f"--allow-deletes {count}" in refusal.cure
        assert len(refusal.groups) == count
    assert deleting(count, base, Limits(count, None), raised=True) == (), "the cure of the refusal works"


@pytest.mark.parametrize("base", [0, 1, 2, 3])
def test_small_clusters_are_guarded_by_the_percentage(base: int) -> None:
    """Unlike tools whose threshold sets in at ten records. One delete is always within it, two are not."""
    assert [count for count in range(5) if deleting(count, base, Limits(None, 30))] == [2, 3, 4]
    assert [count for count in range(5) if deleting(count, base, Limits(None, 0))] == [2, 3, 4]
    assert not any(deleting(count, base, Limits(None, 100)) for count in range(5))


@pytest.mark.parametrize(
    ("count", "base", "percent", "share"),
    [
        (5, 12, 30, "5 of 12 groups (42 %) would be deleted; max_delete_percent is 30"),
        (304, 1000, 30, "304 of 1,000 groups (over 30 %) would be deleted; max_delete_percent is 30"),
        (3, 999, 0, "3 of 999 groups (over 0 %) would be deleted; max_delete_percent is 0"),
        (2, 0, 30, "2 of 2 groups (100 %) would be deleted; max_delete_percent is 30"),
    ],
)
def test_a_share_is_never_shown_as_the_limit_that_it_exceeds(
    count: int, base: int, percent: int, share: str
) -> None:
    assert [refusal.why for refusal in deleting(count, base, Limits(None, percent))] == [share]


@pytest.mark.parametrize("allowed", [0, 1])
def test_the_limit_that_the_user_set_is_named_as_such(allowed: int) -> None:
    file = desired(*(group(id, state=ABSENT) for id in "ab"), limits=Limits(0, 0, None))
    plan = build(file, knowledge(), seen(dict.fromkeys("ab", NAMES)), allow_deletes=allowed)
    (refusal,) = plan.refusals
    assert refusal.why == f"2 of 2 groups (100 %) would be deleted; --allow-deletes allows {allowed}"
    assert (refusal.guard, refusal.limit) == ("max_deletes", allowed)
    (refusal,) = guards_now(plan, file, knowledge())
    assert refusal.why.endswith(f"--allow-deletes allows {allowed}")


def test_allowing_no_deletes_at_all_allows_everything_else() -> None:
    plan = build(desired("a"), knowledge(), seen({}, "a"), allow_deletes=0)
    assert (plan.refusals, plan.allowances) == ((), ("deletes=0",))


def test_creates_are_counted_without_a_share() -> None:
    (refusal,) = guards(steps((CREATE, "a", "node01"), (CREATE, "b", "node01")), 2, Limits(None, None, 1))
    assert refusal.why == "2 groups would be created; max_creates is 1"
    assert (refusal.count, refusal.of, refusal.limit) == (2, None, 1)


def test_what_does_not_exist_makes_no_room_for_deletes() -> None:
    """Old `state: absent` lines, and groups of a node that left, are no groups that a share could be of."""
    gone = [group(f"gone{n}", state=ABSENT) for n in range(50)]
    left = managed(*(f"left{n}" for n in range(50)), names=["node03"])
    file = desired("a", group("b", state=ABSENT), *gone, nodes=NODES[:2], limits=Limits(None, 30))
    remembered = knowledge(left | managed("c", "d", names=NAMES[:2]))
    absent = [each.id for each in gone]
    plan = build(file, remembered, seen(dict.fromkeys("abcd", NAMES[:2]), *absent))
    assert plan.base == 4
    assert [(r.guard, r.count, r.of) for r in plan.refusals] == [("max_delete_percent", 3, 4)]


def test_what_is_left_of_a_transaction_counts_on_both_sides_of_the_share() -> None:
    bench = created_aside()
    bench.file = desired("b", *(f"more{n}" for n in range(3)), limits=Limits(None, 30))
    plan = bench.plan()
    assert [step.reason for step in plan.steps if step.action is DELETE] == ["set aside in TX 1"]
    assert plan.base == 5
    assert plan.refusals == ()
    bench.file = replace(bench.file, limits=Limits(0, None))
    (refusal,) = bench.plan().refusals
    assert refusal.why == "1 of 5 groups (20 %) would be deleted; max_deletes is 0"


# Names.


def test_ten_are_named() -> None:
    assert named("abcdefghij") == "a, b, c, d, e, f, g, h, i, j"
    assert named([f"g{n}" for n in range(1211)]).endswith("g8, g9 and 1,201 more")


def test_a_refused_run_carries_every_guard() -> None:
    found = deleting(12, 12, Limits(1, 30))
    error = refused(found)
    assert error.refusals == found
    assert error.where == "max_deletes, max_delete_percent"
    assert error.details[0] == "max_deletes: g0, g1, g2, g3, g4, g5, g6, g7, g8, g9 and 2 more"
    assert len(error.details) == 2


# Cures.


@pytest.mark.parametrize(
    ("reason", "allowances", "command"),
    [
        ("state: absent", (), "planner plan"),
        ("no longer declared", ("delete-adopted",), "planner plan --allow-delete-adopted"),
        ("undo of TX 7", ("lossy-delete",), "planner undo 7 --allow-lossy-delete"),
        ("undo of TX seven", ("deletes=1",), "planner plan"),
    ],
)
def test_a_plan_file_is_made_again_and_not_allowed_afterwards(
    reason: str, allowances: tuple[str, ...], command: str
) -> None:
    plan = build(desired(group("a", state=ABSENT)), knowledge(), seen({"a": NAMES}))
    work = tuple(step._replace(reason=reason) for step in plan.steps)
    file = desired(group("a", protect=True), limits=Limits(None, None, 0))
    plan = replace(plan, steps=work, allowances=allowances, limits=Limits(0, None))
    lossy = [step.cell for step in plan.steps]
    cures = {refusal.guard: refusal.cure for refusal in guards_now(plan, file, knowledge(), lossy)}
    assert f"`{command} --allow-deletes 1 --out plan.json`" in cures["max_deletes"]
    assert f"`{command} --out plan.json`" in cures["protect"]
    if "lossy-delete" not in allowances:
        assert f"`{command} --allow-lossy-delete --out plan.json`" in cures["lossy"]
    creating = build(desired("a"), knowledge(), seen({}, "a"))
    (refusal,) = guards_now(creating, file, knowledge())
    assert "`planner plan --out plan.json`" in refusal.cure


def test_a_partial_plan_is_made_again_for_the_same_part() -> None:
    plan = build(desired(group("a", state=ABSENT), limits=Limits(0)), knowledge(), seen({"a": NAMES}))
    part = PlanScope(Scope(("a*", "b c"), ("x",), ("node01",), ("node02",)))
    (refusal,) = guards_now(replace(plan, scope=part), desired(), knowledge())
    assert (
        "`planner plan --group 'a*' --group 'b c' --exclude-group x --node node01 --exclude-node node02 "
        "--allow-deletes 1 --out plan.json`"
    ) in refusal.cure


def test_what_stood_against_a_plan_stands_and_its_cure_is_a_new_plan() -> None:
    plan = build(desired(group("a", "node01", protect=True)), knowledge(managed("a")), seen({"a": NAMES}))
    (refusal,) = guards_now(plan, desired("a"), knowledge())
    assert (refusal.guard, refusal.why) == ("protect", "1 protected group would be deleted")
    assert refusal.groups == ("a",)
    assert "`planner plan --out plan.json`" in refusal.cure


def test_a_cure_can_be_followed() -> None:
    bench = Bench(*(group(id, state=ABSENT) for id in "abc"), holds=dict.fromkeys("abc", NAMES))
    bench.file = replace(bench.file, limits=Limits(2, 30))
    error = refusing(bench, Refused, partial(bench.apply, bench.plan()), 7)
    assert "--allow-deletes 3" in error.next
    plan = bench.plan(deletes=3)
    bench.apply(codec.load_plan(codec.dump_plan(plan)))
    record = bench.store.record(CLUSTER, 1)
    assert record is not None
    assert record.intent.allowances == ("deletes=3",)
    assert codec.load_plan(record.intent.plan).allowances == ("deletes=3",)


# Protection.


def test_where_the_file_declares_a_group_it_decides_and_elsewhere_the_memory() -> None:
    remembered = knowledge(managed("kept", "freed", "gone"), protected=frozenset({"kept", "freed", "gone"}))
    file = desired(group("kept", "node01", protect=True), group("freed", "node01"))
    plan = build(file, remembered, seen(dict.fromkeys(("kept", "freed", "gone"), NAMES)))
    declared, silent = plan.refusals
    assert (declared.guard, declared.groups) == ("protect", ("kept",))
    assert (silent.guard, silent.groups, silent.count) == ("protect", ("gone",), 1)
    assert silent.why == "1 protected group would be deleted, whose entry left the file"
    assert "put the entry back" in silent.cure
    assert (plan.protects, plan.unprotects) == ((), ("freed",))


def test_what_is_protected_may_still_be_created_adopted_or_forgotten() -> None:
    remembered = knowledge(managed("gone"), protected=frozenset({"gone", "new"}))
    plan = build(desired(group("new", protect=True)), remembered, seen({"new": ["node01"]}, "gone"))
    assert plan.refusals == ()
    assert (plan.protects, plan.unprotects) == ((), ("gone",))


@pytest.mark.parametrize(
    ("there", "watched"), [({"a": ["node01"]}, ()), ({"a": ()}, ("a",))], ids=["exists", "watched"]
)
def test_memory_stays_while_something_is_left_to_protect(
    there: dict[str, list[str]], watched: tuple[str, ...]
) -> None:
    late = tuple(Watched(id, "http://node01", 1, ABSENT, "2026") for id in watched)
    cells = managed("a", adopted=True)
    remembered = knowledge(cells, protected=frozenset({"a"}), watched=late)
    assert build(desired(), remembered, seen(there)).unprotects == ()
    nothing = knowledge(cells, protected=frozenset({"a"}))
    assert build(desired(), nothing, seen({}, "a")).unprotects == ("a",)


def protecting() -> Bench:
    """`a` is managed and protected, and an apply has recorded it."""
    bench = Bench(group("a", protect=True), "b", holds={"a": NAMES, "b": NAMES}).manage("a", "b")
    bench.apply()
    return bench


def test_protection_alone_is_a_change_and_sends_nothing() -> None:
    bench = Bench(group("a", protect=True), holds={"a": NAMES}).manage("a")
    plan = bench.plan()
    assert plan.has_changes
    assert not plan.is_empty
    assert (plan.steps, plan.protects) == ((), ("a",))
    assert bench.apply(plan).number == 1
    assert bench.world.submitted == []
    assert bench.store.knowledge(CLUSTER).protected == {"a"}
    assert bench.plan().is_empty
    assert bench.apply(plan).already == 1
    bench.file = desired("a")
    assert bench.plan().unprotects == ("a",)
    bench.apply()
    assert bench.store.knowledge(CLUSTER).protected == frozenset()
    assert refusing(bench, StalePlan, lambda: bench.apply(plan), 6).details == (
        "a: was left protected, is not",
    )


def test_a_reverse_records_no_protection() -> None:
    bench = Bench(group("a", protect=True), "b")
    bench.always(POST, "b", "node03", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.store.knowledge(CLUSTER).protected == frozenset()
    assert bench.plan().protects == ("a",)


def test_an_entry_that_leaves_the_file_takes_no_protection_with_it() -> None:
    bench = protecting()
    bench.file = desired("b")
    plan = bench.plan()
    assert plan.unprotects == ()
    refusing(bench, Refused, partial(bench.apply, plan), 7)
    refusing(bench, Refused, partial(bench.apply, replace(plan, refusals=())), 7)
    refusing(bench, Refused, lambda: bench.apply(bench.plan(deletes=9)), 7)


def test_the_cure_of_putting_the_entry_back() -> None:
    bench = protecting()
    bench.file = desired("a", "b")
    bench.apply()
    assert bench.holders("a") == set(NAMES)
    bench.file = desired("b")
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.plan().is_empty


def test_the_cure_of_state_absent() -> None:
    bench = protecting()
    bench.file = desired(group("a", state=ABSENT), "b")
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.store.knowledge(CLUSTER).protected == frozenset()


def test_the_leftover_of_a_group_that_was_protected_is_not_deleted() -> None:
    bench = created_aside()
    bench.store.memory(CLUSTER).protected = frozenset({"a"})
    bench.file = desired("b")
    plan = bench.plan()
    assert [(r.guard, r.groups) for r in plan.refusals] == [("protect", ("a",))]
    bench.file = desired("b", group("a", state=ABSENT))
    bench.apply()
    assert bench.holders("a") == set()


def test_a_group_that_is_protected_today_stays_so_whatever_an_older_plan_says() -> None:
    bench = protecting()
    bench.file = desired("a", "b", "new")
    plan = bench.plan()
    assert plan.unprotects == ("a",)
    bench.file = desired(group("a", protect=True), "b", "new")
    bench.apply(plan)
    assert bench.store.knowledge(CLUSTER).protected == {"a"}


# Plan files that were made before.


def without(plan: Plan, *keys: str) -> str:
    """A plan file that lacks what an older planner did not write."""
    body = json.loads(codec.dump_plan(plan))["plan"]
    for key in keys:
        del body[key]
    for refusal in body["refusals"]:
        for key in ("count", "of", "limit"):
            del refusal[key]
    head = {"format": codec.FORMAT, "version": codec.VERSION, "digest": codec._digest(body)}
    return json.dumps({**head, "plan": body})


def test_an_older_plan_file_loads_and_is_judged_by_what_is_known_now() -> None:
    bench = protecting()
    bench.file = desired("b", limits=Limits(0, None))
    old = codec.load_plan(without(bench.plan(), "protects", "unprotects"))
    assert (old.protects, old.unprotects) == ((), ())
    assert [(r.guard, r.count, r.of, r.limit) for r in old.refusals] == [
        ("max_deletes", 0, None, None),
        ("protect", 0, None, None),
    ]
    error = refusing(bench, Refused, partial(bench.apply, old), 7)
    assert error.where == "max_deletes, protect"


@pytest.mark.parametrize("wrong", ["a", [1], {"a": 1}, None])
def test_protection_of_the_wrong_type_is_refused(wrong: object) -> None:
    body = json.loads(codec.dump_plan(build(desired("a"), knowledge(), seen({}, "a"))))["plan"]
    for key in ("protects", "unprotects"):
        altered = {**body, key: wrong}
        head = {"format": codec.FORMAT, "version": codec.VERSION, "digest": codec._digest(altered)}
        with pytest.raises(StalePlan):
            codec.load_plan(json.dumps({**head, "plan": altered}))
