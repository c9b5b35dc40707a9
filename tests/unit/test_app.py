"""Planning and applying: what comes of it, and what is refused before the first write."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from planner.access import Credential, Scheme, Tls
from planner.codec import dump_plan, load_plan
from planner.errors import (
    Interrupted,
    NodesUnreadable,
    Refused,
    Reversed,
    StalePlan,
)
from planner.model import Cell, Dialect, Limits, Node, TransactionState
from planner.ports import Intent
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    CLUSTER,
    NAMES,
    NODES,
    READ,
    RICH,
    STRANGE,
    UNLIMITED,
    Bench,
    desired,
    group,
    refused,
    url,
)

POST, DEL = Method.CREATE, Method.DELETE


# Planning.


def test_a_plan_is_made_without_a_lock_and_without_a_write() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": ["node02"]})
    with bench.store.lock(CLUSTER, "apply", 0):
        plan = bench.plan()
    assert [str(step) for step in plan.steps] == [
        "step 1 (create a on node01)",
        "step 2 (create a on node02)",
        "step 3 (create a on node03)",
        "step 4 (delete old on node02)",
    ]
    assert bench.writes == []


@pytest.mark.parametrize("fault", ["error_before", "hang_before", "reset_before", 403, 302, STRANGE])
def test_a_node_that_cannot_be_read_is_never_taken_as_empty(fault: str | int) -> None:
    bench = Bench("a")
    bench.always(READ, "a", "node02", fault)
    error = refused(bench, NodesUnreadable, bench.plan, 1)
    assert error.where == "node02"
    assert error.details[0].startswith("node02 (http://node02): a on node02: ")


def test_every_node_that_cannot_be_read_is_named() -> None:
    bench = Bench("a")
    bench.kill("node01", "node03")
    error = refused(bench, NodesUnreadable, bench.plan, 1)
    assert error.what == "2 of 3 nodes cannot be read"
    assert [line.split()[0] for line in error.details] == ["node01", "node03"]


def test_what_could_not_be_read_is_told_as_it_happens() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.always(READ, "a", "node02", 500)
    refused(bench, NodesUnreadable, bench.plan, 1)
    told = {(e.node, e.group): e.text for e in bench.world.events if e.kind == "progress"}
    assert told["node01", "a"] == ""
    assert told["node02", "a"].startswith("500")
    assert told["node02", "b"] == "not read: its node cannot be read"


def test_a_managed_cell_is_not_taken_as_gone_by_one_lying_404() -> None:
    bench = Bench("a", holds={"a": NAMES}).manage("a")
    for name in NAMES:
        bench.on(READ, "a", name, "false_404")
    assert bench.plan().is_empty


def test_an_interrupted_plan_says_that_nothing_was_changed() -> None:
    bench = Bench("a")
    bench.on(READ, "a", "node01", bench.interrupt)
    refused(bench, Interrupted, bench.plan, 130)


def test_a_cluster_name_whose_nodes_are_all_others_is_refused() -> None:
    """Two environments must never prune each other."""
    bench = Bench("a").manage("a")
    bench.file = desired("a", nodes=(Node("node01", "http://staging"),))
    error = refused(bench, StalePlan, bench.plan, 6)
    assert "http://node01" in error.why
    bench.file = desired("a", nodes=(Node("new", "http://new"), NODES[2]))
    bench.world.nodes["new"] = set()
    assert [step.cell.node for step in bench.plan().steps] == ["new", "node03"]


def test_a_cluster_that_is_pinned_to_another_store_is_refused() -> None:
    bench = Bench("a")
    bench.file = desired("a", store="the other one")
    error = refused(bench, StalePlan, bench.plan, 6)
    assert "the other one" in error.why
    bench.file = desired("a", store=bench.store.id)
    assert bench.plan().has_changes


# Applying.


def test_apply_makes_every_node_as_planned_and_remembers_what_is_managed() -> None:
    bench = Bench("a", "b", group("old", state=ABSENT), holds={"b": NAMES, "old": NAMES, "gone": NAMES})
    bench.manage("gone", "vanished")
    applied = bench.apply()
    assert applied.number == 1
    assert (applied.not_ours, applied.already) == ((), None)
    assert {id: bench.holders(id) for id in ("a", "b", "old", "gone")} == {
        "a": set(NAMES),
        "b": set(NAMES),
        "old": set(),
        "gone": set(),
    }
    known = bench.store.knowledge(CLUSTER)
    assert {key: cell.adopted for key, cell in known.managed.items()} == {
        (id, url(name)): id == "b" for id in "ab" for name in NAMES
    }
    assert (known.serial, known.unfinished) == (1, None)
    assert bench.state() is TransactionState.APPLIED
    assert bench.plan().is_empty


def test_what_somebody_else_created_first_is_adopted_and_reported() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(POST, "a", "node02", lambda: bench.world.nodes["node02"].add("a"))
    assert bench.apply(plan).not_ours == (Cell("a", "node02"),)
    managed = bench.store.knowledge(CLUSTER).managed
    assert {name: managed["a", url(name)].adopted for name in NAMES} == {
        "node01": False,
        "node02": True,
        "node03": False,
    }


def test_a_plan_without_changes_begins_no_transaction() -> None:
    bench = Bench("a", holds={"a": NAMES}).manage("a")
    applied = bench.apply()
    assert applied.number is None
    assert bench.store.history(CLUSTER) == ()
    assert bench.world.submitted == []


@pytest.mark.parametrize("kind", ["adopt", "forget"])
def test_what_needs_no_request_is_committed_with_an_apply(kind: str) -> None:
    bench = Bench("a", holds={"a": NAMES}) if kind == "adopt" else Bench().manage("a")
    assert bench.apply().number == 1
    assert bench.writes == []
    assert set(bench.store.knowledge(CLUSTER).managed) == (
        {("a", url(n)) for n in NAMES} if kind == "adopt" else set()
    )


def test_an_adoption_is_dropped_by_a_reverse() -> None:
    bench = Bench("a", "b", holds={"b": NAMES})
    bench.always(POST, "a", "node03", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.store.knowledge(CLUSTER).managed == {}
    assert bench.holders("b") == set(NAMES)


def test_a_node_that_left_the_file_is_forgotten_and_not_asked() -> None:
    bench = Bench("a", holds={"a": NAMES, "b": NAMES}).manage("a", "b")
    bench.file = desired("a", "c", nodes=NODES[:2])
    bench.apply()
    assert bench.holders("b") == {"node03"}
    assert {call.node for _, call in bench.world.submitted} == {"node01", "node02"}
    known = bench.store.knowledge(CLUSTER)
    assert [name for name, _ in known.nodes] == ["node01", "node02"]
    assert {key[1] for key in known.managed} == {url("node01"), url("node02")}


def test_a_canary_goes_first() -> None:
    bench = Bench("a", parallelism=1)
    bench.apply(canary=["node03"])
    assert bench.writes == [f"create a on {name}" for name in ("node03", "node01", "node02")]


# A stale plan.


@pytest.mark.parametrize(
    ("id", "name", "there"),
    [
        ("a", "node01", True),  # a cell to create
        ("old", "node02", False),  # a cell to delete
        ("half", "node01", False),  # the untouched cell of a touched group
        ("half", "node02", True),
    ],
)
def test_a_cluster_that_has_moved_since_the_plan_sends_no_write(id: str, name: str, there: bool) -> None:
    bench = Bench("a", group("old", state=ABSENT), "half", holds={"old": NAMES, "half": ["node01"]})
    plan = bench.plan()
    (bench.world.nodes[name].add if there else bench.world.nodes[name].discard)(id)
    error = refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    was, now = ("absent", "present") if there else ("present", "absent")
    assert error.details == (f"{id} on {name}: was {was}, is {now}",)
    assert "planner plan" in error.next


def test_what_the_plan_does_not_touch_may_move() -> None:
    bench = Bench("a", "same", holds={"same": NAMES}).manage("same")
    plan = bench.plan()
    bench.world.nodes["node01"].discard("same")
    bench.apply(plan)
    assert bench.holders("a") == set(NAMES)


def test_a_plan_that_was_made_before_another_apply_is_stale() -> None:
    bench = Bench("a")
    old = bench.plan()
    bench.file = desired("b")
    bench.apply()
    bench.file = desired("a")
    error = refused(bench, StalePlan, lambda: bench.apply(old), 6)
    assert "serial 0, now 1" in error.why


def test_a_plan_that_cannot_be_checked_is_refused() -> None:
    bench = Bench("a", holds={"a": ["node01"]})
    plan = bench.plan()
    bench.kill("node01")  # the plan writes nothing there
    assert refused(bench, NodesUnreadable, lambda: bench.apply(plan), 1).where == "node01"


def test_a_plan_survives_its_file() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.apply(load_plan(dump_plan(bench.plan())))
    assert (bench.holders("a"), bench.holders("old")) == (set(NAMES), set())


def test_the_groups_may_have_moved_on_since_the_plan_decides() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.file = desired("b")
    bench.apply(plan)
    assert (bench.holders("a"), bench.holders("b")) == (set(NAMES), set())


def test_a_plan_that_was_applied_and_still_holds_is_done() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    plan = bench.plan()
    bench.apply(plan)
    again = bench.apply(plan)
    assert (again.already, again.number) == (1, None)
    assert bench.writes == []
    bench.file = desired("a", "b")
    bench.apply()  # something else in between changes nothing about it
    assert bench.apply(plan).already == 1


@pytest.mark.parametrize("id", ["a", "old"])
def test_a_plan_that_was_applied_and_does_not_hold_any_more_is_stale(id: str) -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    plan = bench.plan()
    bench.apply(plan)
    bench.world.nodes["node02"] ^= {id}
    error = refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    assert "applied by TX 1" in error.why
    assert error.details[0].startswith(f"{id} on node02: was left ")
    assert f"{id} on node02" not in error.why, "said once"


def test_a_plan_that_was_reversed_may_be_applied_again() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(POST, "a", "node02", 403)
    with pytest.raises(Reversed):
        bench.apply(plan)
    assert bench.apply(plan).number == 2


# A plan of somebody else.


def test_a_plan_of_another_cluster_is_refused_whatever_is_known_of_that_one() -> None:
    bench = Bench("a")
    plan = replace(bench.plan(), cluster="other")
    assert "'other'" in refused(bench, StalePlan, lambda: bench.apply(plan), 6).why
    bench.store.memory("other").nodes = (("x", "http://x"),)
    assert "'other'" in refused(bench, StalePlan, lambda: bench.apply(plan), 6).why
    with bench.store.lock("other", "apply", 0) as lease:
        lease.begin(Intent("apply", NODES, (), bench.policy))
    assert "'other'" in refused(bench, StalePlan, lambda: bench.apply(plan), 6).why


def test_a_plan_of_another_store_is_refused() -> None:
    bench = Bench("a")
    plan = replace(bench.plan(), store="another")
    assert "another" in refused(bench, StalePlan, lambda: bench.apply(plan), 6).why


@pytest.mark.parametrize(
    ("nodes", "named"),
    [
        (NODES[:2], "node03"),
        ((*NODES, Node("node04", "http://node04")), "node04"),
        ((replace(NODES[0], url="http://moved"), *NODES[1:]), "node01"),
        ((replace(NODES[0], dialect=Dialect(confirm_absent=1)), *NODES[1:]), "node01"),
        ((replace(NODES[0], credential=Credential(Scheme.BEARER, "env:TOKEN")), *NODES[1:]), "node01"),
        ((replace(NODES[0], tls=Tls(verify=False)), *NODES[1:]), "node01"),
        ((replace(NODES[0], name="renamed"), *NODES[1:]), "node01, renamed"),
    ],
)
def test_a_plan_for_other_nodes_is_refused(nodes: tuple[Node, ...], named: str) -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.file = desired("a", nodes=nodes)
    assert refused(bench, StalePlan, lambda: bench.apply(plan), 6).why.endswith(f": {named}")


def test_labels_and_the_order_of_nodes_do_not_matter() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.file = desired("a", nodes=tuple(replace(node, labels=(("zone", "b"),)) for node in reversed(NODES)))
    assert bench.apply(plan).number == 1


# Guards.


def test_a_refused_plan_is_not_applied() -> None:
    bench = Bench(group("a", state=ABSENT), group("b", state=ABSENT), holds={"a": NAMES, "b": NAMES})
    bench.file = replace(bench.file, limits=Limits(1, None))
    plan = bench.plan()
    error = refused(bench, Refused, lambda: bench.apply(plan), 7)
    assert error.where == "max_deletes"
    assert "--allow-deletes 2" in error.next
    bench.file = replace(bench.file, limits=UNLIMITED)
    refused(bench, Refused, lambda: bench.apply(plan), 7)
    assert bench.apply(bench.plan(deletes=2)).number == 1


def test_protection_that_was_added_later_refuses() -> None:
    bench = Bench(group("a", state=ABSENT), holds={"a": NAMES})
    plan = bench.plan()
    bench.file = desired(group("a", protect=True))
    error = refused(bench, Refused, lambda: bench.apply(plan), 7)
    assert error.where == "protect"
    assert bench.world.submitted == []  # it does not even read


def test_limits_that_became_stricter_refuse() -> None:
    bench = Bench(group("a", state=ABSENT), group("b", state=ABSENT), holds={"a": NAMES, "b": NAMES})
    plan = bench.plan()
    bench.file = desired(limits=Limits(1, None))
    assert refused(bench, Refused, lambda: bench.apply(plan), 7).where == "max_deletes"


def test_a_rich_record_refuses_the_plan_and_the_apply_until_it_is_allowed() -> None:
    bench = Bench(group("a", state=ABSENT), holds={"a": NAMES})
    poor = bench.plan()
    bench.always(READ, "a", "node02", RICH)
    rich = bench.plan()
    assert [refusal.guard for refusal in rich.refusals] == ["lossy"]
    for plan in (poor, rich):
        error = refused(bench, Refused, partial(bench.apply, plan), 7)
        assert "a on node02" in error.why
    bench.apply(bench.plan(lossy_delete=True))
    assert bench.holders("a") == set()
