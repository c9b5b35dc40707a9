"""Partial plans: what is out of scope is not read, not written, not judged and not forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.app import make_undo
from planner.codec import dump_plan, load_plan
from planner.errors import Incomplete, NodesUnreadable, PlannerError, Refused, StalePlan, WrongUsage
from planner.model import Cell, Limits, Managed, Node, Plan, TransactionState
from planner.ports import Watched
from planner.scope import PlanScope, Scope
from planner.verdict import Method
from tests.builders import ABSENT, CLUSTER, NAMES, NODES, READ, Bench, desired, group, refused, url

WITHOUT_03 = Scope(exclude_nodes=("node03",))
ONLY_A = Scope(groups=("a*",))
TWO = NAMES[:2]


def steps(plan: Plan) -> list[str]:
    return [f"{step.action} {step.cell}" for step in plan.steps]


def known(bench: Bench) -> dict[tuple[str, str], Managed]:
    return dict(bench.store.memory(CLUSTER).managed)


def asked(bench: Bench) -> set[Cell]:
    """The cells that anything was asked of."""
    return {Cell(call.group, call.node) for _, call in bench.world.submitted}


# Planning.


def test_a_node_out_of_scope_is_not_asked_and_may_be_down() -> None:
    bench = Bench("a", "b", holds={"b": ["node03"]})
    bench.kill("node03")
    refused(bench, NodesUnreadable, bench.plan, 1)
    bench.forget_requests()
    plan = bench.plan(WITHOUT_03)
    assert steps(plan) == [f"create {id} on {name}" for id in "ab" for name in TWO]
    assert plan.nodes == NODES[:2]
    assert plan.scope == PlanScope(WITHOUT_03, 0, 2, 1, 3)
    assert {cell.node for cell in asked(bench)} == set(TWO)


def test_what_is_down_can_be_left_out_and_the_error_says_how() -> None:
    bench = Bench("a")
    bench.kill("node03")
    error = refused(bench, NodesUnreadable, bench.plan, 1)
    assert error.next.endswith("then plan again, or plan and apply without them: --exclude-node node03")
    bench.kill(*NAMES)
    assert "--exclude-node" not in refused(bench, NodesUnreadable, bench.plan, 1).next
    bench.world.dead = {}
    plan = bench.plan()
    bench.kill("node03")
    error = refused(bench, NodesUnreadable, lambda: bench.apply(plan), 1)
    assert "--exclude-node" not in error.next, "a plan file has decided"


def test_groups_out_of_scope_are_neither_asked_nor_judged() -> None:
    """Not created, not deleted since nobody declares them, not adopted, not forgotten, not kept."""
    bench = (
        Bench(
            "a1",
            "new",
            "there",
            group("old", state=ABSENT),
            holds=dict.fromkeys(("there", "old", "gone", "kept"), NAMES),
        )
        .manage("gone", "lost")
        .manage("kept", adopted=True)
    )
    plan = bench.plan(ONLY_A)
    assert steps(plan) == [f"create a1 on {name}" for name in NAMES]
    assert (*plan.adopts, *plan.forgets, *plan.kept, *plan.warnings) == ()
    assert plan.scope == PlanScope(ONLY_A, 6, 7, 0, 3)
    assert {cell.group for cell in asked(bench)} == {"a1"}
    whole = bench.plan()
    assert whole.adopts
    assert whole.forgets
    assert whole.kept
    assert whole.scope is None


def test_managed_and_watched_groups_can_be_named_too() -> None:
    bench = Bench("b", holds={"a1": NAMES}).manage("a1")
    bench.store.memory(CLUSTER).watch["a2", url("node02")] = Watched(
        "a2", url("node02"), 1, ABSENT, "2026-01-01T00:00:00Z"
    )
    bench.world.nodes["node02"].add("a2")
    plan = bench.plan(ONLY_A)
    assert steps(plan) == [
        "delete a1 on node03", "delete a1 on node02", "delete a1 on node01", "delete a2 on node02"
    ]  # fmt: skip
    only_a2 = bench.plan(Scope(groups=("a2",)))
    assert steps(only_a2) == ["delete a2 on node02"]
    assert bench.plan(Scope(exclude_groups=("a2",))).scope == PlanScope(
        Scope(exclude_groups=("a2",)), 1, 3, 0, 3
    )


def test_a_group_with_a_selector_is_created_on_its_nodes_in_scope_only() -> None:
    bench = Bench(group("a", "node02", "node03"), group("b", "node03"))
    assert steps(bench.plan(WITHOUT_03)) == ["create a on node02"]


def test_a_cell_that_a_selector_left_is_deleted_where_it_is_in_scope() -> None:
    bench = Bench(group("a", "node03"), holds={"a": NAMES}).manage("a")
    assert steps(bench.plan(WITHOUT_03)) == ["delete a on node02", "delete a on node01"]


@pytest.mark.parametrize(
    "scope", [Scope(groups=("x",)), Scope(exclude_nodes=("node9",)), Scope(exclude_nodes=("*",))]
)
def test_a_scope_that_names_nothing_or_leaves_nothing_is_refused_and_nothing_is_asked(scope: Scope) -> None:
    bench = Bench("a")
    refused(bench, WrongUsage, lambda: bench.plan(scope), 64)
    assert bench.world.submitted == []


def test_the_share_of_deletes_is_one_of_the_whole_cluster() -> None:
    gone = [group(id, state=ABSENT) for id in ("a1", "a2")]
    bench = Bench(*gone, "b1", "b2", holds=dict.fromkeys(("a1", "a2"), NAMES))
    bench.file = replace(bench.file, limits=Limits(None, 60))
    plan = bench.plan(ONLY_A)
    assert plan.base == 4
    assert plan.refusals == ()
    bench.apply(plan)


def test_protection_holds_for_a_part_too() -> None:
    bench = Bench(group("a", state=ABSENT, protect=True), "b", holds={"a": NAMES})
    plan = bench.plan(ONLY_A)
    assert [refusal.guard for refusal in plan.refusals] == ["protect"]
    refused(bench, Refused, lambda: bench.apply(plan), 7)


def test_protection_outlives_a_node_that_left_for_as_long_as_a_part_remembers_it() -> None:
    """A partial plan forgets no node, so what is managed there may be seen, and deleted, again."""
    bench = Bench(group("guarded", "node03", protect=True), "b")
    bench.apply()
    bench.file = desired(group("b", *TWO), nodes=NODES[:2])
    bench.world.nodes["node01"].discard("b")
    plan = bench.plan(Scope(nodes=("node01",)))
    assert (steps(plan), plan.unprotects) == (["create b on node01"], ())
    assert bench.plan().unprotects == ("guarded",), "a whole plan forgets the node, and what is on it"
    bench.apply(plan)
    bench.file = desired("b")
    assert [refusal.guard for refusal in bench.plan().refusals] == ["protect"]


def test_the_identity_of_the_cluster_is_judged_over_the_whole_file() -> None:
    """The only node in scope is new; the others are known."""
    bench = Bench("a")
    memory = bench.store.memory(CLUSTER)
    memory.nodes = memory.nodes[1:]
    only_new = Scope(nodes=("node01",))
    assert steps(bench.plan(only_new)) == ["create a on node01"]
    memory.nodes = (("x", "http://x"),)
    refused(bench, StalePlan, lambda: bench.plan(only_new), 6)


def test_a_node_out_of_scope_did_not_leave_and_one_that_left_is_not_forgotten() -> None:
    bench = Bench("a")
    assert bench.plan(WITHOUT_03).warnings == ()
    bench.file = replace(bench.file, nodes=NODES[:2])
    assert bench.plan(Scope(nodes=("node01",))).warnings == (
        "node node03 left the file: it is not written to, and the next whole plan forgets it",
    )


def test_a_wiped_node_is_warned_of_by_what_was_read() -> None:
    bench = Bench("a1", "b", holds={"a1": TWO, "b": NAMES}).manage("a1", "b")
    assert bench.plan(ONLY_A).warnings == (
        "every managed group of node03 that was looked at reads absent: a new machine, or a wrong route?",
    )
    assert bench.plan().warnings == ()
    assert bench.plan(WITHOUT_03).warnings == ()


# The plan file.


def test_a_partial_plan_is_written_and_read_back() -> None:
    bench = Bench("a1", "b", holds={"b": ["node01"]})
    for scope in (ONLY_A, WITHOUT_03, Scope(("a*",), ("b",), ("node*",), ("node0[12]",))):
        plan = bench.plan(scope)
        assert load_plan(dump_plan(plan)) == plan


# Applying.


def test_the_rest_of_the_cluster_and_what_is_known_of_it_stay_as_they_were() -> None:
    bench = Bench("a1", "new", holds={"gone": NAMES, "b": NAMES}).manage("a1", "gone", "lost")
    bench.kill("node03")
    before = known(bench)
    bench.apply(bench.plan(Scope(("a*", "gone"), (), (), ("node03",))))
    assert {cell.node for cell in asked(bench)} == set(TWO)
    assert bench.holders("a1") == set(TWO)
    assert bench.holders("gone") == {"node03"}
    assert bench.holders("b") == set(NAMES)
    gone = {("gone", url(name)) for name in TWO}
    assert known(bench).keys() == before.keys() - gone, "what was deleted is forgotten, and nothing else"
    assert {each for _, each in bench.store.memory(CLUSTER).nodes} == {url(name) for name in NAMES}


def test_the_next_whole_plan_does_the_rest() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES, "gone": NAMES}).manage("gone")
    bench.kill("node03")
    bench.apply(bench.plan(WITHOUT_03))
    bench.world.dead = {}
    plan = bench.plan()
    assert steps(plan) == ["create a on node03", "delete old on node03", "delete gone on node03"]
    assert plan.warnings == ()
    bench.apply(plan)
    assert bench.plan().is_empty


def test_a_node_that_left_the_file_is_forgotten_by_a_whole_plan_only() -> None:
    bench = Bench("a", holds={"b": NAMES}).manage("b")
    bench.file = replace(bench.file, nodes=NODES[:2], groups=(group("a", *TWO),))
    left = ("b", url("node03"))
    for scope in (Scope(groups=("a",)), Scope(groups=("b",), nodes=("node01",))):
        bench.apply(bench.plan(scope))
        assert left in known(bench)
        assert ("node03", url("node03")) in bench.store.memory(CLUSTER).nodes
    bench.apply()
    assert left not in known(bench)
    assert bench.store.memory(CLUSTER).nodes == tuple((node.name, node.url) for node in NODES[:2])


def test_bystanders_are_those_in_scope() -> None:
    """What somebody does to the group on a node out of scope does not refuse the plan; in scope it does."""
    bench = Bench("a", holds={"a": ["node02"]}).manage("a", names=["node02"])
    plan = bench.plan(WITHOUT_03)
    assert [seen.cell for seen in plan.bystanders] == [Cell("a", "node02")]
    bench.world.nodes["node02"].discard("a")
    refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    bench.world.nodes["node02"].add("a")
    bench.world.nodes["node03"].add("a")
    bench.apply(plan)
    assert bench.holders("a") == set(NAMES)


def test_its_nodes_must_be_those_of_the_file_that_are_in_its_scope() -> None:
    bench = Bench("a")
    plan, groups = bench.plan(WITHOUT_03), bench.plan(ONLY_A)
    file = bench.file
    moved = Node("node01", "http://elsewhere")
    more = Node("node04", "http://node04")
    for nodes, stale in (
        ((moved, *NODES[1:]), "node01"),
        (NODES[1:], "node01"),
        ((*NODES, more), "node04"),
    ):
        bench.file = replace(file, nodes=nodes)
        assert (
            f"not those of the file: {stale}" in refused(bench, StalePlan, lambda: bench.apply(plan), 6).why
        )
        refused(bench, StalePlan, lambda: bench.apply(groups), 6)
    bench.file = replace(file, nodes=(*NODES[:2], Node("node03", "http://elsewhere")))
    refused(bench, StalePlan, lambda: bench.apply(groups), 6)
    bench.apply(plan)
    assert bench.holders("a") == set(TWO)
    assert ("node03", url("node03")) in bench.store.memory(CLUSTER).nodes, "of node03 it knew nothing"


def test_a_failure_reverses_the_part_and_leaves_the_rest() -> None:
    bench = Bench("a", holds={"a": ["node03"]})
    bench.on(Method.CREATE, "a", "node02", 403)
    before = known(bench)
    plan = bench.plan(WITHOUT_03)
    with pytest.raises(PlannerError):
        bench.apply(plan)
    assert bench.as_before
    assert known(bench) == before
    assert {cell.node for cell in asked(bench)} == set(TWO)


def test_what_was_set_aside_out_of_scope_stays_so_and_is_not_asked() -> None:
    bench = Bench("a", "b", parallelism=1, reverse_timeout=1.0)

    def die() -> int:
        bench.kill("node01")
        return 403

    bench.on(Method.CREATE, "a", "node03", die)
    with pytest.raises(Incomplete):
        bench.apply()
    bench.recover(skip=["node01"])
    bench.world.dead = {}
    for scope in (Scope(exclude_nodes=("node01",)), Scope(groups=("b",))):
        bench.apply(bench.plan(scope))
        assert Cell("a", "node01") not in asked(bench)
        assert [cell for _, cell in bench.store.set_aside(CLUSTER)] == [Cell("a", "node01")]
        assert bench.apply(bench.plan(scope)).number is None
        assert Cell("a", "node01") not in asked(bench), "nor by an apply that has nothing to do"
    bench.apply()
    assert bench.store.set_aside(CLUSTER) == ()


# Undo.


def undo(bench: Bench, number: int = 1) -> Plan:
    return make_undo(number, bench.file, bench.store, bench.policy, bench.ports)


def test_a_partial_transaction_is_undone_on_its_own_nodes_while_another_is_away() -> None:
    bench = Bench("a", "b", group("old", state=ABSENT), holds={"old": NAMES})
    bench.kill("node03")
    bench.apply(bench.plan(replace(WITHOUT_03, exclude_groups=("b",))))
    plan = undo(bench)
    assert steps(plan) == [
        "create old on node01",
        "create old on node02",
        "delete a on node02",
        "delete a on node01",
    ]
    assert plan.scope == PlanScope(Scope(nodes=TWO), 0, 3, 1, 3)
    assert load_plan(dump_plan(plan)) == plan
    bench.apply(plan)
    assert bench.holders("old") == set(NAMES)
    assert bench.holders("a") == set()
    assert {each for _, each in bench.store.memory(CLUSTER).nodes} == {url(name) for name in NAMES}
    assert bench.state(2) is TransactionState.APPLIED


def test_the_nodes_of_an_undo_are_told_by_url() -> None:
    """The node that was left out has been given the name of one that was not."""
    bench = Bench("a")
    bench.apply(bench.plan(WITHOUT_03))
    swapped = (NODES[0], Node("node03", url("node02")), Node("node02", url("node03")))
    bench.file = replace(bench.file, nodes=swapped)
    world = bench.world.nodes
    world["node02"], world["node03"] = world["node03"], world["node02"]
    plan = undo(bench)
    assert steps(plan) == ["delete a on node03", "delete a on node01"]
    bench.apply(plan)
    assert bench.holders("a") == set()


def test_the_undo_of_a_transaction_over_every_node_is_whole() -> None:
    bench = Bench("a1", "b")
    bench.apply(bench.plan(ONLY_A))
    assert undo(bench).scope is None
    bench = Bench("a")
    bench.apply(bench.plan(WITHOUT_03))
    bench.file = replace(bench.file, nodes=NODES[:2], groups=(group("a", *TWO),))
    assert undo(bench).scope is None, "what it left out has left"


def test_reads_of_a_node_out_of_scope_are_none_although_it_answers() -> None:
    bench = Bench("a", holds={"a": ["node03"]})
    bench.apply(bench.plan(WITHOUT_03))
    assert bench.times(READ, "a", "node03") == []
