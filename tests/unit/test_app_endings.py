"""How an apply ends when it does not end well, what finishes it, and what the status says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.app import check_finished, make_plan, status, what_to_recover
from planner.app.endings import SHOWN
from planner.errors import (
    Incomplete,
    Interrupted,
    PlannerError,
    Reversed,
    StoreFailed,
)
from planner.model import Cell, Managed, Node, Policy, StepState, TransactionState
from planner.ports import Clock, Store
from planner.verdict import Method
from tests.builders import (
    CLUSTER,
    NAMES,
    READ,
    Bench,
    desired,
    group,
    refused,
    url,
)

POST, DEL = Method.CREATE, Method.DELETE


# Ends that are not good.


def test_a_failed_apply_names_step_group_and_node_and_is_reversed() -> None:
    bench = Bench("foo.bar", parallelism=1)
    bench.always(POST, "foo.bar", "node02", "error_before")
    with pytest.raises(Reversed) as caught:
        bench.apply()
    assert caught.value.exit_code == 3
    assert caught.value.what == (
        "Apply failed at step 2 (create foo.bar on node02): 500 after 5 tries. "
        "Reversed: every node is as it was"
    )
    assert bench.as_before
    assert bench.store.knowledge(CLUSTER).unfinished is None
    assert bench.plan().serial == 0


def test_an_interrupt_before_anything_was_changed() -> None:
    bench = Bench("a", "b")
    plan = bench.plan()
    bench.on(READ, "b", "node01", bench.interrupt)
    error = refused(bench, Interrupted, lambda: bench.apply(plan), 130)
    assert "nothing was changed" in error.what


def test_an_interrupt_after_the_intent_and_before_the_first_write() -> None:
    """The transaction is in the store, and ends there as reversed."""
    bench = Bench("a")
    plan = bench.plan()
    bench.store.on_commit = lambda moment: bench.interrupt() if moment == "after begin" else None
    with pytest.raises(Interrupted) as caught:
        bench.apply(plan)
    assert caught.value.exit_code == 130
    assert bench.writes == []
    assert bench.state() is TransactionState.REVERSED
    assert bench.store.knowledge(CLUSTER).unfinished is None


def test_an_interrupt_after_a_write_is_reversed() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt)
    with pytest.raises(Reversed) as caught:
        bench.apply()
    assert caught.value.what == "Apply interrupted. Reversed: every node is as it was"
    assert bench.as_before
    (told,) = [event.text for event in bench.world.events if event.kind == "note"]
    assert told == (
        "interrupted: what is in flight is awaited, then every change is reversed; "
        "a node that stays away is tried for 300 s; "
        "a second interrupt leaves at once, for `planner recover`"
    )
    assert "create a on node03" not in bench.writes


def test_an_interrupt_with_a_grace_period_says_how_long_it_is() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt)
    with pytest.raises(Reversed):
        bench.apply(ports=replace(bench.ports, grace=25.0))
    (told,) = [event.text for event in bench.world.events if event.kind == "note"]
    assert "; after 25 s (--grace) the rest is left to `planner recover`; " in told


def test_a_second_interrupt_leaves_at_once_and_names_what_may_be_changed() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.exit_code == 4
    assert "second interrupt" in caught.value.why
    assert {"a on node01 should be absent", "a on node02 should be absent"} <= set(caught.value.details)
    assert "create a on node03" not in bench.writes
    assert what_to_recover(bench.store, CLUSTER) is not None


def test_a_second_interrupt_in_the_reverse_does_not_name_what_is_undone_already() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node03", 403)
    bench.on(DEL, "a", "node02", bench.interrupt_twice)
    bench.on(DEL, "a", "node01", "hang_before")
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert "a on node03 should be absent" not in caught.value.details
    assert "a on node01 should be absent" in caught.value.details


def test_the_end_of_the_grace_period_leaves_the_rest_of_the_reverse_to_recover() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node03", bench.interrupt)
    bench.on(DEL, "a", "node02", bench.expire)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert "grace period" in caught.value.why
    assert "a on node01 should be absent" in caught.value.details
    assert "delete a on node01" not in bench.writes
    bench.heal()
    assert bench.recover() is not None
    assert bench.as_before


def test_a_cell_that_was_set_aside_stays_an_exception_in_every_later_recovery() -> None:
    """node01 is set aside while node02 is away: the recovery that reaches node02 does not say 'reversed'."""
    bench = Bench("a", parallelism=1, reverse_timeout=1.0)
    incomplete_on(bench, "node01", "node02")
    with pytest.raises(Incomplete):
        bench.recover(skip=["node01"])
    assert bench.state() is TransactionState.REVERSE_INCOMPLETE
    bench.world.dead = {}
    recovered = bench.recover()
    assert recovered is not None
    assert recovered.set_aside == (Cell("a", "node01"),)
    assert bench.state() is TransactionState.CLOSED_WITH_EXCEPTIONS
    assert bench.store.set_aside(CLUSTER) == ((1, Cell("a", "node01")),)


def incomplete_on(bench: Bench, *names: str) -> Incomplete:
    """Let an apply fail, and its reverse fail on these nodes."""

    def die() -> int:
        bench.kill(*names)
        return 403

    bench.on(POST, "a", "node03", die)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    return caught.value


def test_an_incomplete_reverse_names_exactly_the_cells() -> None:
    bench = Bench("a", parallelism=1)
    error = incomplete_on(bench, "node01")
    assert error.exit_code == 4
    assert error.what == (
        "Apply failed at step 3 (create a on node03): 403; the node does not accept these credentials. "
        "The reverse is incomplete: 1 cell needs `planner recover`"
    )
    assert error.where == "node01"
    assert error.details == ("a on node01 should be absent: refused after 5 tries",)
    assert bench.holders("a") == {"node01"}


def test_many_cells_are_counted_and_not_all_named() -> None:
    bench = Bench(
        *(group(f"g{n:02}", "node01") for n in range(SHOWN + 5)), group("a", "node03"), parallelism=1
    )
    error = incomplete_on(bench, "node01")
    assert "25 cells need" in error.what
    assert len(error.details) == SHOWN + 1
    assert error.details[-1].startswith("… and 5 more: planner ")


def test_a_lock_that_is_lost_before_the_first_write_changes_nothing() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(READ, "a", "node02", bench.steal_lock)
    with pytest.raises(PlannerError):
        bench.apply(plan)
    assert bench.writes == []
    assert bench.store.knowledge(CLUSTER).unfinished is None


def test_a_store_that_cannot_take_the_intent_changes_nothing() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.break_store("before begin")
    refused(bench, StoreFailed, lambda: bench.apply(plan), 1)


# Recovering.


def test_an_unfinished_transaction_blocks_every_apply_and_names_its_cells() -> None:
    bench = Bench("a", parallelism=1)
    plan = bench.plan()
    incomplete_on(bench, "node01")
    bench.kill()
    bench.file = desired("b")
    for run in (lambda: bench.apply(plan), bench.apply, lambda: check_finished(bench.store, CLUSTER)):
        error = refused(bench, Incomplete, run, 4)
        assert error.what == "Transaction 1 of cluster 'test' is unfinished"
        assert error.details == ("a on node01 should be absent",)
    assert bench.recover() is not None
    check_finished(bench.store, CLUSTER)
    assert bench.apply().number == 2


def test_recover_brings_every_cell_back_and_a_second_time_does_nothing() -> None:
    bench = Bench("a", parallelism=1)
    incomplete_on(bench, "node01")
    bench.heal()
    bench.kill()
    recovered = bench.recover()
    assert recovered is not None
    assert recovered.number == 1
    assert Cell("a", "node01") in recovered.undone
    assert bench.as_before
    assert bench.state() is TransactionState.REVERSED
    bench.forget_requests()
    assert bench.recover() is None
    assert bench.world.submitted == []


def test_recover_that_fails_names_the_cells_again_and_can_be_repeated() -> None:
    bench = Bench("a", parallelism=1, reverse_timeout=10.0)
    incomplete_on(bench, "node01", "node02")
    for names in (("node01", "node02"), ("node02",)):
        bench.kill(*names)
        with pytest.raises(Incomplete) as caught:
            bench.recover()
        assert caught.value.exit_code == 4
        assert caught.value.where == ", ".join(names)
        assert "Transaction 1 is not reversed yet" in caught.value.what
        assert bench.state() is TransactionState.REVERSE_INCOMPLETE
    bench.kill()
    assert bench.recover() is not None
    assert bench.as_before


def left_by_a_dead_run(bench: Bench) -> None:
    """Leave an apply at its second write, without a word."""
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    with pytest.raises(Incomplete):
        bench.apply()
    bench.world.die()
    bench.heal()
    bench.forget_requests()


def test_recover_holds_every_marked_cell_as_suspect_for_one_settle_time() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    bench.world.pass_time(3600.0)  # stored times mean nothing
    began = bench.world.time
    bench.recover()
    assert bench.as_before
    for name in NAMES:
        assert max(bench.asked(READ, "a", name)) >= began + bench.policy.settle


def test_an_effect_of_the_dead_run_that_comes_late_is_undone_too() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    bench.world.at(bench.world.time + 15, lambda: bench.world.nodes["node03"].add("a"))
    bench.recover()
    assert bench.as_before


def test_recover_settles_as_long_as_the_dead_run_would_have() -> None:
    bench = Bench("a", parallelism=1, settle=90.0)
    left_by_a_dead_run(bench)
    bench.policy = replace(bench.policy, settle=1.0)
    began = bench.world.time
    bench.recover()
    assert max(bench.asked(READ, "a", "node01")) >= began + 90.0


def test_recover_uses_the_nodes_of_the_journal_not_those_of_the_file() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    bench.file = desired("b", nodes=(Node("elsewhere", "http://elsewhere"),))
    assert bench.recover() is not None
    assert bench.as_before
    assert {call.node for _, call in bench.world.submitted} == set(NAMES)


def test_recover_leaves_what_is_not_ours() -> None:
    bench = Bench("a", parallelism=1)
    plan = bench.plan()
    bench.on(POST, "a", "node01", lambda: bench.world.nodes["node01"].add("a"))

    def die() -> int:
        bench.kill("node02")
        return 403

    bench.on(POST, "a", "node03", die)
    with pytest.raises(Incomplete):
        bench.apply(plan)
    bench.kill()
    recovered = bench.recover()
    assert recovered is not None
    assert recovered.not_ours == (Cell("a", "node01"),)
    assert bench.holders("a") == {"node01"}


def test_recover_that_is_interrupted_once_goes_on_and_twice_leaves() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    bench.on(DEL, "a", "node01", bench.interrupt_twice)
    with pytest.raises(Incomplete) as caught:
        bench.recover()
    assert caught.value.exit_code == 4
    assert "a on node01 should be absent" in caught.value.details
    bench.world.die()
    bench.heal()
    bench.interrupt()
    assert bench.recover() is not None
    assert bench.as_before


def test_recover_that_loses_the_lock_sends_nothing_more() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    sent: list[int] = []

    def lose() -> None:
        bench.steal_lock()
        sent.append(len(bench.world.submitted))

    bench.on(READ, "a", "node02", lose)
    with pytest.raises(Incomplete) as caught:
        bench.recover()
    assert caught.value.exit_code == 4
    assert len(bench.world.submitted) == sent[0]


def test_recover_whose_end_cannot_be_stored_says_so_and_is_repeated() -> None:
    bench = Bench("a", parallelism=1)
    left_by_a_dead_run(bench)
    bench.break_store("before commit")
    with pytest.raises(Incomplete) as caught:
        bench.recover()
    assert "could not be told" in caught.value.what
    assert bench.as_before
    bench.mend_store()
    assert bench.recover() is not None


# Status.


def known(bench: Bench, cluster: str = CLUSTER) -> tuple[Store, str, Policy, Clock]:
    return bench.store, cluster, bench.policy, bench.world


def test_status_of_an_unknown_cluster() -> None:
    found = status(*known(Bench(), "nobody"))
    assert (found.managed, found.unfinished, found.last, found.needs_recover) == (0, None, None, False)


def test_status_after_an_apply_and_after_one_that_was_left_open() -> None:
    bench = Bench("a", parallelism=1)
    bench.apply()
    found = status(*known(bench))
    assert found.managed == 3
    assert found.last is not None
    assert found.last == found.last_applied
    assert not found.needs_recover
    bench.file = desired("a", "b")
    bench.on(POST, "b", "node02", bench.interrupt_twice)
    with pytest.raises(Incomplete):
        bench.apply()
    found = status(*known(bench))
    assert found.unfinished is not None
    assert found.unfinished.number == 2
    assert found.last_applied is not None
    assert found.last_applied.number == 1
    assert found.needs_recover


def test_a_transaction_that_is_being_worked_on_needs_no_recovery() -> None:
    bench = Bench("a", parallelism=1)
    seen: list[bool] = []

    def look() -> None:
        found = status(*known(bench))
        assert found.holder is not None
        seen.extend((found.running, found.needs_recover))

    bench.on(POST, "a", "node02", look)
    bench.apply()
    assert seen == [True, False]


def test_make_plan_does_not_care_about_an_unfinished_transaction() -> None:
    """`plan` warns of it; only what writes is blocked."""
    bench = Bench("a", parallelism=1)
    incomplete_on(bench, "node01")
    bench.kill()
    assert make_plan(bench.file, bench.store, bench.policy, bench.ports).has_changes


def test_managed_cells_of_one_node_may_be_repaired_alone() -> None:
    bench = Bench("a", holds={"a": NAMES[:2]}).manage("a")
    assert bench.apply().number == 1
    assert bench.writes == ["create a on node03"]
    managed = bench.store.knowledge(CLUSTER).managed["a", url("node03")]
    assert isinstance(managed, Managed)
    assert not managed.adopted
    assert bench.marks()["a on node03"] is StepState.DONE
