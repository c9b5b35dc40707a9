"""The undo of an applied transaction: what is reversed, what is left, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from planner import codec
from planner.app import make_undo
from planner.errors import NodesUnreadable, PlannerError, Refused, StalePlan
from planner.model import (
    Action,
    Cell,
    Desired,
    Dialect,
    Limits,
    Managed,
    Node,
    Plan,
    Policy,
    Seen,
    StepState,
    TransactionState,
)
from planner.ports import CellMark, Intent, Knowledge, Record
from planner.undo import build, cells_to_read, past_of
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    CLUSTER,
    CREATE,
    DELETE,
    NAMES,
    NODES,
    PRESENT,
    Bench,
    desired,
    group,
    knowledge,
    managed,
    refused,
    seen,
    steps,
    url,
)

A_AND_OLD = ((CREATE, "a", "node01"), (CREATE, "b", "node02"), (DELETE, "old", "node01"))


def transaction(*changes: tuple[Action, str, str], **states: StepState) -> Record:
    """An applied transaction of (action, group, node); `states` name the groups that ended otherwise."""
    done = steps(*changes)
    marks = tuple(CellMark(step.number, states.get(step.cell.group, StepState.DONE)) for step in done)
    return Record(7, CLUSTER, TransactionState.APPLIED, Intent("apply", NODES, done, Policy()), marks)


def adopting(*cells: Cell) -> Record:
    """An applied transaction that adopted these cells, and did nothing else."""
    evidence = (Seen(Cell(id, name), PRESENT) for id in {cell.group for cell in cells} for name in NAMES)
    plan = Plan(CLUSTER, "store", 0, NODES, adopts=cells, bystanders=tuple(evidence))
    record = transaction()
    return replace(record, intent=replace(record.intent, plan=codec.dump_plan(plan)))


def remembered(record: Record) -> Knowledge:
    """What the store knows after it, when nothing came since."""
    urls = {node.name: node.url for node in record.intent.nodes}
    created = [step.cell for step in record.intent.steps if step.action is CREATE]
    return knowledge({(c.group, urls[c.node]): Managed(c.group, urls[c.node]) for c in created})


def undone(
    record: Record,
    holds: Mapping[str, tuple[str, ...]],
    *absent: str,
    file: Desired | None = None,
    known: Knowledge | None = None,
    **more: Any,
) -> Plan:
    """The undo of a record, where these nodes hold these groups now."""
    file = file or desired()
    known = known or remembered(record)
    return build(past_of(record, file, known), file, known, seen(holds, *absent), **more)


# What is reversed.


def test_the_reverse_runs_backwards_and_creates_first() -> None:
    plan = undone(transaction(*A_AND_OLD), {"a": ("node01",), "b": ("node02",)}, "old")
    assert [str(step) for step in plan.steps] == [
        "step 1 (create old on node01)",
        "step 2 (delete b on node02)",
        "step 3 (delete a on node01)",
    ]
    assert {step.reason for step in plan.steps} == {"undo of TX 7"}


def test_the_plan_is_a_whole_plan_with_its_evidence() -> None:
    known = knowledge(managed("a", "b"), serial=9)
    plan = undone(transaction(*A_AND_OLD), {"a": ("node01",), "b": ("node02",)}, "old", known=known)
    assert codec.load_plan(codec.dump_plan(plan)) == plan
    assert (plan.cluster, plan.store, plan.serial, plan.nodes) == (CLUSTER, "store", 9, NODES)
    assert plan.base == 2
    assert len(plan.bystanders) == 3 * 3 - 3


def test_every_cell_of_every_group_is_read_with_what_was_left_there() -> None:
    file = desired()
    record = transaction(*A_AND_OLD)
    cells = dict(cells_to_read(past_of(record, file, remembered(record)), file))
    assert len(cells) == 9
    assert cells[Cell("a", "node01")] is PRESENT
    assert cells[Cell("old", "node01")] is ABSENT
    assert cells[Cell("a", "node02")] is None


def test_a_cell_that_has_moved_since_is_left_out_and_named() -> None:
    plan = undone(transaction(*A_AND_OLD), {"b": ("node02",), "old": ("node01",)}, "a")
    assert [str(step) for step in plan.steps] == ["step 1 (delete b on node02)"]
    assert "moved since TX 7, and left as they are: a on node01; old on node01" in plan.warnings


def test_what_was_not_ours_is_left_and_named() -> None:
    plan = undone(transaction(*A_AND_OLD, a=StepState.NOT_OURS), {"b": ("node02",)}, "old")
    assert {step.cell.group for step in plan.steps} == {"b", "old"}
    assert "not ours in TX 7, and left as they are: a on node01" in plan.warnings


def test_what_was_created_and_is_somebody_elses_by_now_is_left_and_named() -> None:
    """A later transaction deleted ours: what is there now was never planner's, or was adopted."""
    bench = Bench("a")
    bench.apply()
    bench.file = desired()
    bench.apply()
    for name in NAMES:
        bench.world.nodes[name].add("a")
    for _ in ("managed by nobody", "adopted"):
        plan = undo(bench)
        assert plan.steps == ()
        assert plan.warnings == (
            "not managed as created by now, and left as they are: a on node01, node02, node03",
        )
        bench.file = desired("a")
        bench.apply()


def test_what_a_transaction_brought_back_is_its_own_although_it_is_adopted() -> None:
    bench = Bench("a", holds={"a": NAMES}).manage("a", adopted=True)
    bench.world.nodes["node02"].discard("a")
    bench.apply()
    assert [str(step.cell) for step in undo(bench).steps] == ["a on node02"]


def test_a_group_of_uncertain_origin_is_not_deleted() -> None:
    """The node answers 500 to what exists: the group may be somebody else's, and was adopted."""
    bench = Bench(tries=1)
    bench.file = desired("a", nodes=tuple(replace(node, dialect=Dialect(exists=(500,))) for node in NODES))

    def created_by_another() -> int:
        bench.world.nodes["node01"].add("a")
        return 500

    bench.on(Method.CREATE, "a", "node01", created_by_another)
    bench.apply()
    assert "a on node01" not in [str(step.cell) for step in undo(bench).steps]


def test_nothing_left_to_undo_is_an_empty_plan() -> None:
    plan = undone(transaction(*A_AND_OLD), {"old": ("node01",)}, "a", "b")
    assert plan.is_empty
    assert plan.bystanders == ()


# Adoptions.


def test_an_adoption_is_forgotten_without_a_request() -> None:
    known = knowledge(managed("a", names=["node01"], adopted=True))
    plan = undone(adopting(Cell("a", "node01")), {"a": NAMES}, known=known)
    assert plan.steps == ()
    assert plan.forgets == (Cell("a", "node01"),)
    assert codec.load_plan(codec.dump_plan(plan)) == plan


def test_an_adopted_cell_that_is_managed_otherwise_by_now_stays_managed() -> None:
    record = adopting(Cell("a", "node01"), Cell("b", "node01"))
    known = knowledge(managed("a", names=["node01"], adopted=False))
    assert past_of(record, desired(), known).adopted == ()


def test_an_adopted_cell_that_is_gone_is_left_to_the_next_plan_and_named() -> None:
    known = knowledge(managed("a", names=["node01"], adopted=True))
    plan = undone(adopting(Cell("a", "node01")), {}, "a", known=known)
    assert plan.is_empty
    assert plan.warnings == ("moved since TX 7, and left as they are: a on node01",)


def test_a_kept_plan_that_was_damaged_is_refused() -> None:
    record = adopting(Cell("a", "node01"))
    broken = replace(record, intent=replace(record.intent, plan=record.intent.plan[:-9]))
    with pytest.raises(StalePlan) as caught:
        past_of(broken, desired(), knowledge())
    assert caught.value.where == "the plan of TX 7 in the store"


# Nodes.


def test_a_node_is_known_by_its_url_and_its_name_may_have_changed() -> None:
    nodes = (Node("first", url("node01")), *NODES[1:])
    file = desired(nodes=nodes)
    known = knowledge(managed("a"))
    past = past_of(transaction((CREATE, "a", "node01")), file, known)
    assert past.written == ((CREATE, Cell("a", "first")),)
    presences = {Cell("a", node.name): PRESENT for node in nodes}
    plan = build(past, file, known, presences)
    assert [str(step) for step in plan.steps] == ["step 1 (delete a on first)"]
    assert "node node01 is called first now (same URL)" in plan.warnings


def test_the_same_name_with_another_url_is_another_node() -> None:
    nodes = (Node("node01", "http://elsewhere"), *NODES[1:])
    past = past_of(transaction(*A_AND_OLD), desired(nodes=nodes), knowledge(managed("b")))
    assert past.gone == (NODES[0],)
    assert past.written == ((CREATE, Cell("b", "node02")),)


def test_a_node_that_it_did_not_write_to_may_be_gone() -> None:
    record = transaction((CREATE, "b", "node02"), (CREATE, "n", "node01"), n=StepState.NOT_OURS)
    assert past_of(record, desired(nodes=NODES[1:]), knowledge()).gone == ()


# Guards, and what the file asks for.


def test_limits_count_and_are_raised_knowingly() -> None:
    record = transaction((CREATE, "a", "node01"), (CREATE, "b", "node01"))
    holds = {"a": ("node01",), "b": ("node01",)}
    file = desired(limits=Limits(1, None, None))
    assert [refusal.guard for refusal in undone(record, holds, file=file).refusals] == ["max_deletes"]
    allowed = undone(record, holds, file=file, allow_deletes=2)
    assert allowed.refusals == ()
    assert allowed.allowances == ("deletes=2",)


def test_a_protected_group_is_not_deleted() -> None:
    plan = undone(
        transaction((CREATE, "a", "node01")), {"a": ("node01",)}, file=desired(group("a", protect=True))
    )
    assert [refusal.guard for refusal in plan.refusals] == ["protect"]


def test_a_group_whose_entry_left_the_file_is_protected_by_the_memory() -> None:
    bench = Bench(group("a", protect=True))
    bench.apply()
    bench.file = desired("b")
    plan = make_undo(1, bench.file, bench.store, bench.policy, bench.ports)
    assert [(r.guard, r.groups) for r in plan.refusals] == [("protect", ("a",))]
    assert (plan.protects, plan.unprotects) == ((), ())
    refused(bench, Refused, lambda: bench.apply(replace(plan, refusals=())), 7)
    bench.file = desired("a")
    bench.apply(make_undo(1, bench.file, bench.store, bench.policy, bench.ports))
    assert bench.holders("a") == set()


def test_a_record_with_more_than_the_id_is_not_lost_unasked() -> None:
    record, cell = transaction((CREATE, "a", "node01")), Cell("a", "node01")
    plan = undone(record, {"a": ("node01",)}, lossy={cell})
    assert [refusal.guard for refusal in plan.refusals] == ["lossy"]
    allowed = undone(record, {"a": ("node01",)}, lossy={cell}, allow_lossy=True)
    assert (allowed.refusals, allowed.allowances) == ((), ("lossy-delete",))


@pytest.mark.parametrize(
    ("file", "warning"),
    [
        (
            desired("a", "b", group("old", state=ABSENT)),
            "groups.yaml still declares b, a: the next plan would bring them back",
        ),
        (desired("a"), "groups.yaml still declares a: the next plan would bring it back"),
        (
            desired(group("old", state=ABSENT)),
            "groups.yaml still has `state: absent` for old: the next plan would delete it again",
        ),
        (desired(), "groups.yaml does not declare old: the next plan would delete it again"),
    ],
)
def test_what_the_file_still_asks_for_is_said(file: Desired, warning: str) -> None:
    plan = undone(transaction(*A_AND_OLD), {"a": ("node01",), "b": ("node02",)}, "old", file=file)
    assert warning in plan.warnings


def test_a_file_that_already_agrees_is_not_warned_of() -> None:
    plan = undone(
        transaction(*A_AND_OLD), {"a": ("node01",), "b": ("node02",)}, "old", file=desired(group("old"))
    )
    assert plan.warnings == ()


# The use case, over a scripted cluster.


def undo(bench: Bench, number: int = 1) -> Plan:
    """The undo of a transaction, from the bench's file as it is now."""
    return make_undo(number, bench.file, bench.store, bench.policy, bench.ports)


def test_applying_the_undo_brings_nodes_and_memory_back() -> None:
    bench = Bench("a", "kept", group("old", state=ABSENT), holds={"kept": NAMES, "old": NAMES})
    before = bench.world.snapshot()
    bench.apply()
    assert set(bench.store.knowledge(CLUSTER).managed) == {
        (id, url(n)) for id in ("a", "kept") for n in NAMES
    }
    bench.apply(undo(bench))
    assert bench.world.snapshot() == before
    memory = bench.store.knowledge(CLUSTER).managed
    assert memory.keys() == {("old", url(name)) for name in NAMES}, "re-created cells are managed"
    assert undo(bench).is_empty, "and nothing of it is left to undo"


def test_an_undo_can_be_undone() -> None:
    bench = Bench("a")
    bench.apply()
    after = bench.world.snapshot()
    bench.apply(undo(bench))
    bench.apply(undo(bench, 2))
    assert bench.world.snapshot() == after
    assert bench.store.knowledge(CLUSTER).managed["a", url("node01")] == Managed("a", url("node01"), order=0)


def test_an_undo_is_stale_when_the_cluster_moves_after_it_was_planned() -> None:
    bench = Bench("a")
    bench.apply()
    plan = undo(bench)
    bench.world.nodes["node02"].discard("a")
    error = refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    assert "a on node02" in error.details[0]


def test_an_undo_asks_nobody_to_write() -> None:
    bench = Bench("a")
    bench.apply()
    bench.forget_requests()
    undo(bench)
    assert bench.writes == []
    assert len(bench.world.arrivals) == len(NAMES)


def test_a_reversed_transaction_is_refused() -> None:
    bench = Bench("a")
    bench.apply()
    record = bench.store.memory(CLUSTER).records[1]
    for state, word in (
        (TransactionState.REVERSED, "planner show 1"),
        (TransactionState.CLOSED_WITH_EXCEPTIONS, "planner show 1"),
        (TransactionState.OPEN, "planner recover"),
        (TransactionState.REVERSE_INCOMPLETE, "planner recover"),
    ):
        bench.store.memory(CLUSTER).records[1] = replace(record, state=state)
        error = refused(bench, PlannerError, lambda: undo(bench), 1)
        assert error.what == f"Transaction 1 cannot be undone: it is {state}"
        assert word in error.next


def test_an_unknown_number_is_answered_with_the_last_ones() -> None:
    bench = Bench("a")
    error = refused(bench, PlannerError, lambda: undo(bench), 1)
    assert error.next == "nothing was applied yet"
    bench.apply()
    error = refused(bench, PlannerError, lambda: undo(bench, 9), 1)
    assert error.next == "the last ones are 1 (apply, applied); see planner history"


def test_another_clusters_transaction_is_refused() -> None:
    bench = Bench("a")
    bench.store.memory("other").records[5] = replace(transaction(*A_AND_OLD), number=5, cluster="other")
    bench.store.memory("other").marks[5] = {}
    error = refused(bench, StalePlan, lambda: undo(bench, 5), 6)
    assert "belongs to cluster 'other'" in error.why


def test_a_node_that_is_gone_from_the_file_is_refused_and_named() -> None:
    bench = Bench("a")
    bench.apply()
    bench.file = desired("a", nodes=NODES[:2])
    error = refused(bench, StalePlan, lambda: undo(bench), 6)
    assert error.where == "node03"
    assert error.details == ("node03 (http://node03)",)


def test_a_node_that_cannot_be_read_is_never_taken_as_empty() -> None:
    bench = Bench("a")
    bench.apply()
    bench.kill("node02")
    refused(bench, NodesUnreadable, lambda: undo(bench), 1)
