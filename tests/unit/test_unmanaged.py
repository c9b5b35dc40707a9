"""What nodes list and nobody declared: found, shown, and pruned where the file asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import pytest

from planner.app import make_plan, make_undo
from planner.codec import dump_plan, load_plan
from planner.errors import FileInvalid, Incomplete, Interrupted, NodesUnreadable, Refused, Reversed, StalePlan
from planner.model import Cell, Dialect, Group, Limits, Node
from planner.scope import Scope
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    NAMES,
    NODES,
    READ,
    RICH,
    STRANGE,
    UNLIMITED,
    Bench,
    desired,
    group,
    managed,
    refused,
)
from tests.laws.book import when

LIST, DEL = Method.LIST, Method.DELETE
LISTING = tuple(replace(node, dialect=Dialect(list_path="/v1/group/")) for node in NODES)


def bench_of(
    *groups: Group | str,
    prune: bool = False,
    nodes: tuple[Node, ...] = LISTING,
    holds: Mapping[str, Iterable[str]] | None = None,
    **held: Iterable[str],
) -> Bench:
    """A bench whose nodes list, with a file that may prune; `holds` and `held` are who holds which group."""
    bench = Bench(holds={**(holds or {}), **held})
    bench.file = desired(*groups, nodes=nodes, prune=prune)
    return bench


def shown(bench: Bench) -> list[str]:
    return [str(cell) for cell in bench.plan().unmanaged]


# Listing.


def test_what_nobody_declared_and_nobody_manages_is_unmanaged() -> None:
    bench = bench_of(
        "a", group("zone", "node01"), a=NAMES, zone=["node01", "node03"], old=["node02"], mine=NAMES
    )
    bench.manage("mine")
    plan = bench.plan()
    assert [str(cell) for cell in plan.unmanaged] == ["old on node02", "zone on node03"]
    assert {step.cell.group for step in plan.steps} == {"mine"}
    assert bench.requests("old", "node02") == []  # found, and not read
    assert len(bench.asked(LIST, "", "node01")) == 1


def test_unmanaged_groups_are_no_change_and_not_in_the_plan_file() -> None:
    quiet, busy = bench_of("a", a=NAMES).manage("a"), bench_of("a", a=NAMES, old=NAMES).manage("a")
    plan = busy.plan()
    assert len(plan.unmanaged) == 3
    assert not plan.has_changes
    assert plan.is_empty
    assert dump_plan(plan) == dump_plan(quiet.plan())
    assert load_plan(dump_plan(plan)) == plan


def test_where_no_node_can_list_nothing_is_asked_and_nothing_is_said() -> None:
    bench = bench_of(group("a", "node01"), nodes=NODES, a=NAMES, old=NAMES)
    assert shown(bench) == []
    assert bench.asked(LIST, "", "node01") == []


def test_only_the_nodes_that_can_list_tell_what_is_unmanaged() -> None:
    bench = bench_of(group("a", "node01"), nodes=(LISTING[0], *NODES[1:]), a=NAMES, old=NAMES)
    assert shown(bench) == ["old on node01"]


def test_a_read_counts_more_than_a_list() -> None:
    """A list that leaves a group out is not believed about a cell: it is read."""
    bench = bench_of("a", group("b", "node01"), b=NAMES)
    bench.on(LIST, "", "node02", when(partial(bench.world.nodes["node02"].discard, "b")))
    bench.on(READ, "b", "node02", when(partial(bench.world.nodes["node02"].add, "b")))
    plan = bench.plan()
    assert [str(cell) for cell in plan.unmanaged] == ["b on node02", "b on node03"]
    assert bench.requests("b", "node03") == []  # the list has shown it, and nothing comes of it
    assert {str(step) for step in plan.steps} >= {"step 1 (create a on node01)"}


@pytest.mark.parametrize("fault", ["error_before", "hang_before", 403, 404, 302, STRANGE])
def test_a_list_that_cannot_be_had_is_an_error_of_its_node(fault: str | int) -> None:
    bench = bench_of("a", a=NAMES)
    bench.always(LIST, "", "node02", fault)
    bench.always(READ, "a", "node03", "error_before")
    error = refused(bench, NodesUnreadable, bench.plan, 1)
    assert error.where == "node02, node03"
    assert "node02 (http://node02): the list of its groups: " in error.details[0]
    assert bench.requests("a", "node02") == []
    assert (" set cluster.api.list" in error.details[0]) is (fault == 404)


def test_a_list_is_tried_again_and_can_be_interrupted() -> None:
    bench = bench_of("a", a=NAMES, old=["node01"])
    bench.on(LIST, "", "node01", "error_before", "hang_after", "reset_before")
    assert shown(bench) == ["old on node01"]
    bench.on(LIST, "", "node01", when(bench.interrupt))
    with pytest.raises(Interrupted, match="listing"):
        bench.plan()


# Pruning.


def test_prune_deletes_what_nobody_declared_and_comes_back_to_no_changes() -> None:
    bench = bench_of(
        "a",
        group("zone", "node01"),
        prune=True,
        a=NAMES,
        zone=["node01", "node03"],
        old2=NAMES,
        old1=["node02"],
    )
    plan = bench.plan()
    assert [str(step) for step in plan.steps] == [
        "step 1 (delete zone on node03)",
        "step 2 (delete old1 on node02)",
        "step 3 (delete old2 on node03)",
        "step 4 (delete old2 on node02)",
        "step 5 (delete old2 on node01)",
    ]
    assert {step.reason for step in plan.steps} == {"unmanaged, prune: true"}
    assert plan.unmanaged == ()
    assert {str(seen.cell) for seen in plan.bystanders if seen.cell.group == "old1"} == {
        "old1 on node01",
        "old1 on node03",
    }
    bench.apply(load_plan(dump_plan(plan)))
    assert bench.world.snapshot() == {"node01": {"a", "zone"}, "node02": {"a"}, "node03": {"a"}}
    assert bench.plan().is_empty


def test_the_before_image_of_a_pruned_cell_is_read_and_not_listed() -> None:
    """One listed cell is gone by the time it is read; a lying 'not found' about another is asked again."""
    bench = bench_of(prune=True, old=NAMES)
    bench.on(READ, "old", "node02", when(partial(bench.world.nodes["node02"].discard, "old")))
    bench.on(READ, "old", "node03", "false_404")
    assert [step.cell.node for step in bench.plan().steps] == ["node03", "node01"]
    bench.always(READ, "old", "node01", "error_before")
    refused(bench, NodesUnreadable, bench.plan, 1)


def test_prune_needs_the_list_of_every_node() -> None:
    bench = bench_of("a", prune=True, nodes=(LISTING[0], *NODES[1:]), old=["node01"])
    error = refused(bench, FileInvalid, bench.plan, 1)
    assert error.why == "there is no `api.list` for node02, node03"
    bench = bench_of("a", prune=True, a=NAMES, old=NAMES)
    bench.always(LIST, "", "node02", 500)
    refused(bench, NodesUnreadable, bench.plan, 1)


def test_prune_stands_under_the_limits_and_counts_what_it_deletes() -> None:
    bench = bench_of("a", "b", prune=True, a=NAMES, b=NAMES, x=NAMES, y=["node01"])
    for limits, guards in ((Limits(1, None), ["max_deletes"]), (Limits(None, 49), ["max_delete_percent"])):
        bench.file = replace(bench.file, limits=limits)
        plan = bench.plan()
        assert (plan.base, [refusal.guard for refusal in plan.refusals]) == (4, guards)
        refused(bench, Refused, partial(bench.apply, plan), 7)
    bench.file = replace(bench.file, limits=Limits(2, 50))
    assert bench.plan().refusals == ()


def test_a_stray_cell_of_a_protected_group_is_not_pruned() -> None:
    bench = bench_of(group("a", "node01", protect=True), prune=True, a=NAMES)
    assert [refusal.guard for refusal in bench.plan().refusals] == ["protect"]


def test_a_record_that_shows_more_is_not_pruned_without_a_word() -> None:
    bench = bench_of(prune=True, old=NAMES)
    bench.always(READ, "old", "node02", RICH)
    assert [refusal.guard for refusal in bench.plan().refusals] == ["lossy"]


def test_an_adopted_group_that_is_no_longer_declared_is_managed_and_stays() -> None:
    bench = bench_of(prune=True, old=NAMES).manage("old", adopted=True)
    plan = bench.plan()
    assert (len(plan.kept), plan.steps, plan.unmanaged) == (3, (), ())


def test_a_prune_that_moved_is_stale_and_one_that_fails_is_reversed() -> None:
    bench = bench_of(prune=True, old=["node01", "node03"])
    plan = bench.plan()
    bench.world.nodes["node02"].add("old")
    refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    bench.always(DEL, "old", "node01", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.holders("old") == set(NAMES)


def test_a_reversed_prune_is_pruned_whole_by_the_next_apply() -> None:
    """Its cells are on the watch list by then."""
    bench = bench_of(prune=True, old=NAMES)
    bench.on(DEL, "old", "node03", "hang_after")
    bench.always(DEL, "old", "node01", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert [each.group for each in bench.store.watched("test")] == ["old"]
    bench.heal()
    assert {step.cell.node for step in bench.plan().steps} == set(NAMES)
    bench.apply()
    assert bench.holders("old") == set()
    assert bench.plan().is_empty


def test_a_watched_group_that_is_gone_is_not_brought_back_to_be_pruned() -> None:
    for prune, steps in ((False, ["step 1 (create old on node03)"]), (True, [])):
        bench = bench_of(group("old", state=ABSENT), old=["node03"])
        bench.on(DEL, "old", "node03", "hang_before")
        bench.always(DEL, "old", "node03", 403)
        with pytest.raises(Reversed):
            bench.apply()
        bench.heal()
        bench.world.nodes["node03"].discard("old")  # the late effect of the delete
        bench.file = desired(nodes=LISTING, prune=prune)
        assert [str(step) for step in bench.plan().steps] == steps


def test_a_pruned_cell_that_was_set_aside_is_verified_when_it_is_gone() -> None:
    bench = bench_of(prune=True, old=["node01"])
    bench.on(DEL, "old", "node01", "hang_before")
    bench.always(DEL, "old", "node01", when(partial(bench.kill, "node01"), "hang_after"))
    with pytest.raises(Incomplete):
        bench.apply()
    bench.recover(skip=["node01"])
    assert [str(cell) for _, cell in bench.store.set_aside("test")] == ["old on node01"]
    bench.world.dead.clear()
    bench.heal()
    bench.world.nodes["node01"].discard("old")
    bench.file = replace(bench.file, groups=(group("a"),))
    bench.apply()
    assert bench.store.set_aside("test") == ()


def test_what_an_undo_brings_back_is_not_deleted_again() -> None:
    """It was nobody's before, and is not ours to delete now, with and without `prune: true`."""
    bench = bench_of("a", prune=True, old=["node01"])
    bench.apply()
    plan = make_undo(1, bench.file, bench.store, bench.policy, bench.ports)
    assert [str(step) for step in plan.steps if step.reason == "undo of pruning in TX 1"] == [
        "step 1 (create old on node01)"
    ]
    assert not any("does not declare" in warning for warning in plan.warnings)
    bench.apply(plan)
    for prune in (False, True):
        bench.file = replace(bench.file, prune=prune)
        again = bench.plan()
        assert (again.kept, [s for s in again.steps if s.cell.group == "old"]) == (
            (Cell("old", "node01"),),
            [],
        )
    bench.apply(make_undo(2, bench.file, bench.store, bench.policy, bench.ports))
    assert bench.holders("old") == set()


def test_ids_that_no_file_can_hold_stay_and_are_told() -> None:
    bench = bench_of(prune=True, holds={"..": ["node01"], "a\nb": ["node02"], "old": ["node03"]})
    plan = bench.plan()
    assert [str(step.cell) for step in plan.steps] == ["old on node03"]
    assert plan.unmanaged == (Cell("..", "node01"), Cell("a\nb", "node02"))
    assert plan.warnings == ("2 unmanaged groups stay: their ids can stand in no file and in no request",)
    assert bench.requests("..", "node01") == []


def test_without_limits_a_hundred_groups_are_found_in_order() -> None:
    names = [f"g{number:03}" for number in range(100)]
    bench = bench_of(holds=dict.fromkeys(names, NAMES))
    bench.file = replace(bench.file, limits=UNLIMITED)
    assert bench.plan().unmanaged == tuple(Cell(name, node) for name in names for node in NAMES)


def test_a_partial_plan_finds_and_prunes_only_what_is_in_scope() -> None:
    for prune in (False, True):
        bench = bench_of("a1", "a2", prune=prune, a1=NAMES, old1=NAMES, old2=NAMES)
        scope = Scope(exclude_groups=("*2",), exclude_nodes=("node03",))
        plan = make_plan(bench.file, bench.store, bench.policy, bench.ports, scope=scope)
        found = plan.unmanaged if not prune else tuple(step.cell for step in reversed(plan.steps))
        assert found == (Cell("old1", "node01"), Cell("old1", "node02"))
        assert bench.asked(LIST, "", "node03") == []


# Two names of a cluster in one store.


def test_what_another_name_manages_on_the_same_nodes_is_not_pruned() -> None:
    bench = bench_of("a", group("half", "node01"), prune=True, a=NAMES, x=NAMES, old=NAMES, half=NAMES)
    theirs = bench.store.memory("theirs").managed
    theirs |= managed("x") | managed("half", names=["node02"])
    plan = bench.plan()
    assert {str(step.cell) for step in plan.steps} == {
        "half on node03", *(f"old on {name}" for name in NAMES)
    }  # fmt: skip
    assert [str(cell) for cell in plan.unmanaged] == ["half on node02", *(f"x on {name}" for name in NAMES)]
    (warning,) = [each for each in plan.warnings if "theirs" in each]
    assert warning == (
        "4 unmanaged cells stay: cluster 'theirs' of this store manages them; "
        "delete them with `state: absent`"
    )
    bench.file = replace(bench.file, prune=False)
    assert not [each for each in bench.plan().warnings if "theirs" in each]
    bench.file = replace(bench.file, groups=(group("x", state=ABSENT),))
    assert {step.cell.group for step in bench.plan().steps} == {"x"}
