"""Laws 8 and 9: a stale plan is refused, and guards fail closed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from planner import codec, diff, reads
from planner.app import applying, planning
from planner.errors import FileInvalid, NodesUnreadable, PlannerError, Refused, Reversed, StalePlan
from planner.grid import Presences
from planner.model import Dialect, Limits, Node, Plan, Presence
from planner.transaction import Observation
from planner.transaction.cells import Cells
from planner.verdict import Method
from tests.builders import ABSENT, NAMES, NODES, READ, RICH, UNLIMITED, Bench, desired, group, refused
from tests.laws.book import law, nothing, replaced, when, wrapped
from tests.simulation import mutations

POST, DEL = Method.CREATE, Method.DELETE
LISTING = tuple(replace(node, dialect=Dialect(list_path="/v1/group/")) for node in NODES)

# 8. A stale plan is refused.


def stale(bench: Bench, plan: Plan) -> PlannerError:
    """Refused as stale: no write, no transaction."""
    return refused(bench, StalePlan, lambda: bench.apply(plan), 6)


@law("8.1", replaced(applying, "_check_seen", nothing))
def a_cell_that_moved_since_the_plan_refuses_it() -> None:
    for id, name, there in (("a", "node02", True), ("a", "node01", False), ("old", "node03", False)):
        bench = Bench("a", group("old", state=ABSENT), holds={"a": ["node01"], "old": ["node03"]})
        plan = bench.plan()
        held = bench.world.nodes[name]
        (held.add if there else held.discard)(id)
        assert f"{id} on {name}: was " in stale(bench, plan).details[0]


@law("8.1", replaced(applying, "_check_seen", nothing))
def what_a_list_has_shown_is_read_before_the_first_write() -> None:
    """A list that is older than the cluster hides that a cell is gone; it causes no write of its group."""
    bench = Bench(holds={"a": NAMES[1:]}).manage("a")
    bench.file = desired("a", nodes=LISTING)
    plan = bench.plan()
    assert bench.requests("a", "node02") == []
    assert [str(step) for step in plan.steps] == ["step 1 (create a on node01)"]
    bench.world.nodes["node02"].discard("a")
    assert stale(bench, plan).details == ("a on node02: was present, is absent",)


class _Anything(str):
    """Equal to every digest."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


@law("8.2", replaced(codec, "_digest", lambda body: _Anything()))
def a_plan_file_that_was_altered_is_refused() -> None:
    bench = Bench("a", "b")
    text = codec.dump_plan(bench.plan())
    for altered in (text.replace('"group": "b"', '"group": "c"'), text.replace('"serial": 0', '"serial": 1')):
        assert altered != text
        with pytest.raises(StalePlan):
            codec.load_plan(altered)


@law(
    "8.2",
    replaced(codec, "unusable", lambda origin, why: LookupError(why)),
    replaced(codec, "_check", nothing),
)
def a_plan_file_that_was_cut_off_or_lacks_evidence_is_refused() -> None:
    bench = Bench("a", holds={"a": ["node01"]})
    plan = bench.plan()
    without_evidence = codec.dump_plan(replace(plan, bystanders=()))
    for text in (codec.dump_plan(plan)[:-20], "", without_evidence):
        try:
            codec.load_plan(text)
        except StalePlan:
            continue
        except LookupError as error:
            raise AssertionError from error
        raise AssertionError("it was loaded")


@law(
    "8.3",
    replaced(applying, "_check_belongs", nothing),
    replaced(applying, "_check_serial", nothing),
)
def a_plan_of_another_store_or_serial_or_set_of_nodes_is_refused() -> None:
    elsewhere = (*NODES[:2], Node("node03", "http://elsewhere"))
    for more in ({"store": "another"}, {"serial": 7}):
        bench = Bench("a")
        stale(bench, replace(bench.plan(), **more))
    bench = Bench("a")
    plan = bench.plan()
    bench.file = replace(bench.file, nodes=elsewhere)
    stale(bench, plan)


def _of_any_cluster(apply: Any) -> Any:
    def renamed(plan: Plan, desired: Any, *more: Any, **also: Any) -> Any:
        return apply(replace(plan, cluster=desired.cluster), desired, *more, **also)

    return renamed


@law(
    "8.3",
    replaced(applying, "check_identity", nothing),
    wrapped(planning, "check_identity", lambda old: nothing),
)
def a_cluster_name_that_belongs_to_other_nodes_is_refused() -> None:
    """Two environments with one name must never prune each other, whether they plan or apply."""
    bench = Bench("a")
    plan = bench.plan()
    others = tuple(Node(node.name, f"http://other-{node.name}") for node in NODES)
    bench.file = desired("a", nodes=others)
    refused(bench, StalePlan, bench.plan, 6)
    error = stale(bench, replace(plan, nodes=others))
    assert "None of the nodes belongs to the cluster" in error.what


@law("8.4", mutations.unreadable_is_absent)
def a_cell_that_cannot_be_checked_stops_the_apply_before_the_first_write() -> None:
    bench = Bench("a", "b")
    plan = bench.plan()
    bench.always(READ, "b", "node03", "error_before")
    refused(bench, NodesUnreadable, lambda: bench.apply(plan), 1)


def _unchecked(self: Cells, run: Any, stage: Any, index: int) -> Any:
    self._journal.start(run, stage, index)
    yield from self._write_until_met(run)


@law("8.5", replaced(Cells, "carry_out", _unchecked))
def a_delete_is_checked_just_before_it_is_sent() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES})
    bench.apply()
    for name in NAMES:
        sent = bench.times(DEL, "old", name)[0]
        assert len([at for at in bench.asked(READ, "old", name) if at < sent]) == 2


@law("8.5", replaced(Cells, "carry_out", _unchecked))
def a_create_is_checked_again_when_its_check_is_old() -> None:
    """The first create takes 40 seconds; meanwhile somebody has created the second one."""
    bench = Bench("a", "b", parallelism=1)
    plan = bench.plan()

    def slow() -> str:
        bench.world.nodes["node01"].add("b")
        return "hang_after"

    bench.on(POST, "a", "node01", slow)
    for name in NAMES[1:]:
        bench.on(POST, "a", name, "hang_after")
    applied = bench.apply(plan)
    assert [str(cell) for cell in applied.not_ours] == ["b on node01"]
    assert "create b on node01" not in bench.writes


@law("8.6", replaced(applying, "_confirm_applied", lambda *_: pytest.fail("not confirmed")))
def a_plan_that_was_applied_and_still_holds_is_done() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.apply(plan)
    again = bench.apply(plan)
    assert (again.already, again.number) == (1, None)
    assert bench.writes == []
    bench.world.nodes["node02"].discard("a")
    stale(bench, plan)


# 9. Guards fail closed.


@law("9.1", replaced(applying, "_refuse_if_guarded", nothing))
def a_limit_refuses_the_whole_plan() -> None:
    gone = [group(id, state=ABSENT) for id in "xyz"]
    held = dict.fromkeys("xyz", NAMES)
    for limits in (Limits(2, None), Limits(None, 50), Limits(None, None, 0)):
        bench = Bench("a", *gone, holds=held)
        bench.file = replace(bench.file, limits=limits)
        plan = bench.plan()
        refused(bench, Refused, partial(bench.apply, plan), 7)


@law("9.1", replaced(applying, "_refuse_if_guarded", nothing))
def limits_and_protection_of_today_count_for_a_plan_of_yesterday() -> None:
    gone = [group(id, state=ABSENT) for id in "xy"]
    today = (
        desired(*gone, limits=Limits(1, None)),
        desired(group("x", state=ABSENT, protect=True), gone[1], limits=UNLIMITED),
    )
    for file in today:
        bench = Bench(*gone, holds=dict.fromkeys("xy", NAMES))
        plan = bench.plan()
        assert plan.refusals == ()
        bench.file = file
        refused(bench, Refused, partial(bench.apply, plan), 7)


def _forgetful(build: Any) -> Any:
    return lambda desired, known, *rest, **more: build(
        desired, replace(known, protected=frozenset()), *rest, **more
    )


def _unrecorded(closing: Any) -> Any:
    return lambda *args: replace(closing(*args), protected=())


@law("9.2", wrapped(planning, "build", _forgetful), wrapped(applying, "_closing", _unrecorded))
def protection_outlives_the_entry() -> None:
    bench = Bench(group("x", protect=True), "y")
    bench.apply()
    bench.file = desired("y")
    plan = bench.plan()
    assert [(refusal.guard, refusal.groups) for refusal in plan.refusals] == [("protect", ("x",))]
    refused(bench, Refused, lambda: bench.apply(plan), 7)
    bench.file = desired("y", group("x", state=ABSENT))
    bench.apply()
    assert bench.holders("x") == set()


@law("9.2", replaced(applying, "_refuse_if_guarded", nothing))
def a_plan_that_does_not_know_of_protection_is_refused_at_the_apply() -> None:
    bench = Bench(group("x", protect=True), "y")
    bench.apply()
    bench.file = desired("y")
    refused(bench, Refused, partial(bench.apply, replace(bench.plan(), refusals=())), 7)


def _blind(build: Any) -> Any:
    return lambda *args, **more: build(*args, **{**more, "lossy": ()})


@law("9.3", wrapped(planning, "build", _blind))
def a_plan_that_would_lose_more_than_an_id_is_refused() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES})
    bench.always(READ, "old", "node02", RICH)
    assert [refusal.guard for refusal in bench.plan().refusals] == ["lossy"]
    assert bench.plan(lossy_delete=True).refusals == ()


@law("9.3", replaced(applying, "_refuse_if_guarded", nothing))
def a_record_that_became_richer_since_the_plan_refuses_it() -> None:
    """Without this guard the check right before the write would still reverse it; a refusal comes earlier."""
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES})
    plan = bench.plan()
    bench.always(READ, "old", "node02", RICH)
    refused(bench, Refused, lambda: bench.apply(plan), 7)


@law("9.3", replaced(Cells, "_check_loss", nothing))
def a_record_that_becomes_richer_in_the_last_moment_is_not_deleted() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": ["node01"]})
    plan = bench.plan()
    bench.on(READ, "old", "node01", "", RICH)  # as planned in the check, richer right before the write
    with pytest.raises(Reversed, match="more than the id"):
        bench.apply(plan)
    assert bench.writes == []


def _pruning(judge: Any) -> Any:
    return lambda *args, **more: judge(*args, **{**more, "prune": True})


@law("9.4", wrapped(diff, "_judge", _pruning))
def what_nobody_declared_is_shown_and_left_alone() -> None:
    bench = Bench(holds={"a": NAMES, "old": NAMES})
    bench.file = desired(group("a", "node01"), nodes=LISTING)
    plan = bench.plan()
    assert {str(cell) for cell in plan.unmanaged if cell.node == "node02"} == {"a on node02", "old on node02"}
    bench.apply(plan)
    assert bench.writes == []


@law(
    "9.4",
    replaced(planning, "check_prune", nothing),
    wrapped(planning, "take_lists", lambda old: lambda *args: replace(old(*args), unreadable={})),
)
def without_the_list_of_every_node_nothing_is_pruned() -> None:
    bench = Bench(holds={"old": NAMES})
    bench.file = desired(nodes=(LISTING[0], *NODES[1:]), prune=True)
    refused(bench, FileInvalid, bench.plan, 1)
    bench.file = desired(nodes=LISTING, prune=True)
    bench.always(Method.LIST, "", "node03", "error_before")
    refused(bench, NodesUnreadable, bench.plan, 1)


@law("9.4", wrapped(planning, "read", lambda old: _believing))
def what_is_pruned_was_read_on_every_node() -> None:
    """A list may be older than the cluster: the before-image comes from a read."""
    bench = Bench(holds={"old": NAMES})
    bench.file = desired(nodes=LISTING, prune=True)
    bench.on(READ, "old", "node02", when(lambda: bench.world.nodes["node02"].discard("old")))
    plan = bench.plan()
    assert [step.cell.node for step in plan.steps] == ["node03", "node01"]
    bench.apply(plan)
    assert bench.holders("old") == set()


def _believing(cells: Any, *_args: Any, **_more: Any) -> Observation:
    """What a list shows is taken as read."""
    seen = {cell: expected or Presence.ABSENT for todo in cells.values() for cell, expected in todo}
    return Observation(Presences(NAMES, seen))


@law("9.5", replaced(reads, "_is_settled", lambda *_args, **_more: True))
def what_comes_of_a_list_was_read() -> None:
    """The lists show `new`, `old` and `gone` on node02, and are older than the cluster."""
    holds = {"new": NAMES, "old": NAMES, "gone": NAMES, "settled": NAMES}
    bench = Bench(holds=holds).manage("settled", "gone")
    bench.file = desired("settled", "new", group("old", state=ABSENT), nodes=LISTING)
    for id in ("new", "old", "gone"):
        bench.on(READ, id, "node02", when(partial(bench.world.nodes["node02"].discard, id)))
    plan = bench.plan()
    assert [str(step.cell) for step in plan.steps] == [
        "new on node02",
        *("old on node03", "old on node01"),
        *("gone on node03", "gone on node01"),
    ]
    assert [str(cell) for cell in (*plan.adopts, *plan.forgets)] == [
        "new on node01",
        "new on node03",
        "gone on node02",
    ]
    assert not any(bench.requests("settled", name) for name in NAMES)
