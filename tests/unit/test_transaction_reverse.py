"""The engine going backward: failures, patience, the lock, a broken store, and what a dead run left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.errors import Incomplete, Reversed
from planner.events import Event
from planner.model import Cell, Policy, StepState, TransactionState
from planner.ports import CellMark, Intent, Record
from planner.transaction import open_steps, patience, resume, runs_of
from planner.transaction.recovery import states_of
from planner.transaction.run import Journal
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    CLUSTER,
    CREATE,
    LIE,
    NAMES,
    NODES,
    READ,
    Bench,
    group,
    steps,
)

POST, DEL = Method.CREATE, Method.DELETE
SETTLE = Policy().settle
LATENCY = 0.05
"""Longer than any request of the simulated world that is not held up."""


def reversed_by(bench: Bench, **how: list[str]) -> Reversed:
    with pytest.raises(Reversed) as caught:
        bench.apply(**how)  # type: ignore[arg-type]
    return caught.value


def incomplete(bench: Bench) -> Incomplete:
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    return caught.value


# Law 4: one failure reverses all.


def test_a_reverse_goes_backward_through_the_steps() -> None:
    bench = Bench("a", "b", "c", parallelism=1)
    bench.on(POST, "c", "node01", 403)
    reversed_by(bench)
    assert bench.as_before
    assert bench.writes[7:] == [f"delete {id} on {name}" for id in "ba" for name in reversed(NAMES)]


def test_a_reverse_begins_with_the_last_delete_and_puts_it_back() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1)

    def fail() -> int:
        bench.forget_requests()
        return 403

    bench.on(DEL, "old", "node01", fail)  # the last step
    reversed_by(bench)
    assert bench.as_before
    looked_at = dict.fromkeys((call.group, call.node) for _, call in bench.world.submitted)
    assert list(looked_at) == [
        ("old", "node02"),
        ("old", "node03"),
        ("a", "node03"),
        ("a", "node02"),
        ("a", "node01"),
        ("old", "node01"),  # turned down: looked at, and left
    ]


def test_after_a_failure_no_new_step_starts() -> None:
    bench = Bench("a", "b", "c", parallelism=1)
    bench.on(POST, "a", "node03", 403)
    error = reversed_by(bench)
    assert "step 3 (create a on node03): 403" in error.what
    assert bench.writes[:3] == ["create a on node01", "create a on node02", "create a on node03"]
    assert not [write for write in bench.writes if "create b" in write or "create c" in write]
    assert bench.state() is TransactionState.REVERSED


def test_what_was_never_sent_is_not_undone() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node01", 403)
    reversed_by(bench)
    assert bench.writes == ["create a on node01"]
    assert set(bench.marks().values()) == {StepState.NOT_APPLIED}


def test_a_write_that_timed_out_is_undone_although_it_was_not_there_at_first() -> None:
    """The POST is unanswered, not to be seen, and takes effect 15 s later: the reverse waits for it."""
    bench = Bench("a", tries=1)
    plan = bench.plan()

    def late() -> str:
        bench.world.at(bench.world.time + 10 + 15, lambda: bench.world.nodes["node01"].add("a"))
        return "hang_before"

    bench.on(POST, "a", "node01", late)
    with pytest.raises(Reversed):
        bench.apply(plan)
    assert bench.as_before
    assert bench.writes.count("delete a on node01") == 1


def test_a_suspect_undo_is_read_again_exactly_one_settle_time_later() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", "hang_after")
    reversed_by(bench)
    ended = bench.times(DEL, "a", "node01")[0] + 10.0
    late = [at for at in bench.asked(READ, "a", "node01") if at > ended + 1.0]
    assert late[0] == pytest.approx(ended + SETTLE)
    assert len(late) == 2  # absence is confirmed


def test_a_group_that_somebody_else_created_first_is_not_ours() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(POST, "a", "node02", lambda: bench.world.nodes["node02"].add("a"))
    applied = bench.apply(plan)
    assert applied.not_ours == (Cell("a", "node02"),)
    assert bench.marks()["a on node02"] is StepState.NOT_OURS


@pytest.mark.parametrize("parallelism", [1, 16])
def test_what_is_not_ours_is_never_undone(parallelism: int) -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=parallelism)
    plan = bench.plan()
    bench.on(POST, "a", "node01", lambda: bench.world.nodes["node01"].add("a"))
    bench.on(DEL, "old", "node03", lambda: bench.world.nodes["node03"].discard("old"))
    bench.on(DEL, "old", "node01", "hang_before", 403)  # the last step
    with pytest.raises(Reversed) as caught:
        bench.apply(plan)
    assert bench.holders("a") == {"node01"}
    assert bench.holders("old") == {"node01", "node02"}
    assert set(caught.value.details) == {
        "a on node01: not ours, left as it is",
        "old on node03: not ours, left as it is",
    }


@pytest.mark.parametrize("happening", ["an interrupt", "a failure elsewhere"])
def test_what_turned_us_down_is_not_ours_although_it_was_not_read_back_any_more(happening: str) -> None:
    """The 400 came, and before its read-back the run was stopped: what is there is somebody else's."""
    bench = Bench("a", "b")
    plan = bench.plan()
    if happening == "a failure elsewhere":
        bench.on(POST, "b", "node01", 403)

    def meddle() -> None:
        bench.world.nodes["node01"].add("a")
        if happening == "an interrupt":
            bench.interrupt()
        else:  # the other step's answer comes just before ours
            bench.world.time += 1.0

    bench.on(POST, "a", "node01", meddle)
    with pytest.raises(Reversed):
        bench.apply(plan)
    assert bench.holders("a") == {"node01"}
    assert "delete a on node01" not in bench.writes


def test_a_record_that_somebody_else_deleted_is_not_put_back_although_it_was_not_read_back_any_more() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES})
    plan = bench.plan()

    def meddle() -> None:
        bench.world.nodes["node01"].discard("old")
        bench.interrupt()

    bench.on(DEL, "old", "node01", meddle)
    with pytest.raises(Reversed):
        bench.apply(plan)
    assert bench.holders("old") == {"node02", "node03"}


def test_a_refusal_after_a_suspect_try_does_not_clear_it() -> None:
    """The first try answered 500 and had taken effect; the second one was forbidden."""
    bench = Bench(group("a", "node01"))
    bench.on(POST, "a", "node01", "error_after", 403)
    reversed_by(bench)
    assert bench.as_before
    assert bench.writes[-1] == "delete a on node01"


@pytest.mark.parametrize(("fault", "unanswered"), [("hang_after", True), ("error_after", False), ("", False)])
def test_a_write_that_went_unanswered_is_remembered_for_the_watch_list(fault: str, unanswered: bool) -> None:
    """Whether going forward or backward, and also when a later try was answered."""
    for method, ends in ((POST, Bench.apply), (DEL, reversed_by)):
        bench = Bench("a", parallelism=1)
        bench.on(method, "a", "node01", fault)
        if method is DEL:
            bench.on(POST, "a", "node02", 403)
        ends(bench)
        record = bench.store.record(CLUSTER, 1)
        assert record is not None
        assert record.marks[0].unanswered is unanswered
        assert not any(mark.unanswered for mark in record.marks[1:])


def test_after_a_try_of_ours_the_before_image_wins() -> None:
    """500 and then 400: who created it cannot be told."""
    bench = Bench("a", "b", parallelism=1)
    bench.on(POST, "a", "node01", "error_after")
    bench.on(POST, "b", "node03", 403)
    reversed_by(bench)
    assert bench.holders("a") == set()
    assert Event("done", "origin uncertain") in [
        e._replace(step=None, node="", group="") for e in bench.world.events
    ]


def test_a_foreign_group_that_is_taken_back_again_reverses_the_apply() -> None:
    bench = Bench("a")
    plan = bench.plan()

    def meddle() -> None:
        bench.world.nodes["node02"].add("a")
        bench.on(READ, "a", "node02", "", lambda: bench.world.nodes["node02"].discard("a"))

    bench.on(POST, "a", "node02", meddle)
    with pytest.raises(Reversed, match="took it back"):
        bench.apply(plan)
    assert bench.as_before


def test_a_create_that_the_node_refuses_with_400_fails_and_leaves_nothing() -> None:
    bench = Bench("a", "b", parallelism=1)
    bench.always(POST, "b", "node02", 400)
    error = reversed_by(bench)
    assert "step 5 (create b on node02): 400" in error.what
    assert bench.as_before
    assert bench.marks()["b on node02"] is StepState.NOT_APPLIED


def test_a_reverse_is_patient_with_a_node_that_comes_back() -> None:
    bench = Bench("a", reverse_timeout=300.0, parallelism=1)

    def die() -> int:
        bench.world.dead = {"node01": (bench.world.time, bench.world.time + 200)}
        return 403

    bench.on(POST, "a", "node02", die)
    before = bench.world.time
    reversed_by(bench)
    assert bench.as_before
    assert 200 < bench.world.time - before < 300


def test_a_reverse_gives_a_cell_up_after_its_time_names_it_and_goes_on_with_the_others() -> None:
    bench = Bench("a", reverse_timeout=60.0, parallelism=1)

    def die() -> int:
        bench.world.dead = {"node02": (bench.world.time, float("inf"))}
        return 403

    bench.on(POST, "a", "node03", die)
    before = bench.world.time
    error = incomplete(bench)
    assert error.details == ("a on node02 should be absent: refused after 5 tries",)
    assert error.where == "node02"
    assert 60 <= bench.world.time - before < 60 + 30
    assert bench.holders("a") == {"node02"}
    assert bench.marks()["a on node02"] is StepState.UNDO_FAILED
    assert bench.state() is TransactionState.REVERSE_INCOMPLETE


def test_settling_does_not_count_as_patience() -> None:
    """Every undo is suspect and moves again: settling takes a minute, and the patience is five seconds."""
    bench = Bench("a", reverse_timeout=5.0, parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", "error_after", "", "error_after", "", "error_after", "")
    before = bench.world.time
    for seconds in (15, 35):
        bench.world.at(before + seconds, lambda: bench.world.nodes["node01"].add("a"))
    reversed_by(bench)
    assert bench.world.time - before > 3 * 15
    assert bench.as_before


@pytest.mark.parametrize("moves", [3, 4])
def test_a_cell_that_moves_in_the_reverse_is_repaired_three_times_and_then_named(moves: int) -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.always(DEL, "a", "node01", "error_after")
    bench.world.scripts[DEL, Cell("a", "node01")].extend(["error_after", ""] * 20)
    left = [moves]

    def come_back() -> None:
        gone = "a" not in bench.world.nodes["node01"] and bool(bench.times(DEL, "a", "node01"))
        if left[0] and gone and settled(bench):
            left[0] -= 1
            bench.world.nodes["node01"].add("a")

    bench.always(READ, "a", "node01", come_back)
    if moves == 3:
        reversed_by(bench)
        assert bench.as_before
    else:
        error = incomplete(bench)
        assert "a on node01 should be absent: it moved 4 times" in error.details[0]


def settled(bench: Bench) -> bool:
    """Whether a settle time has passed since the last DELETE."""
    return bench.world.time >= bench.times(DEL, "a", "node01")[-1] + SETTLE - 1


def test_an_undo_that_is_acknowledged_and_never_done_ends_and_is_named() -> None:
    """A node that answers 200 to DELETE and keeps the record must not hold the reverse up for ever."""
    bench = Bench("a", parallelism=1, reverse_timeout=60.0)
    bench.on(POST, "a", "node02", 403)
    asked = [0]

    def lie() -> str:
        asked[0] += 1
        assert asked[0] < 100, "the node is asked without end"
        return LIE

    bench.always(DEL, "a", "node01", lie)
    before = bench.world.time
    error = incomplete(bench)
    assert error.details == ("a on node01 should be absent: 200, and it is still present",)
    assert 60 <= bench.world.time - before < 60 + 15


def test_a_reverse_is_called_reversed_only_after_it_was_read_back() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", LIE, LIE)
    reversed_by(bench)
    assert bench.as_before
    assert bench.requests("a", "node01")[-3:] == ["delete", "read", "read"]


# Law 7: the store and the lock.


def test_a_store_that_breaks_in_the_middle_is_a_reverse_that_it_cannot_be_told() -> None:
    bench = Bench(*(group(f"g{n}", "node01") for n in range(20)), parallelism=1)
    bench.on(POST, "g3", "node01", lambda: bench.break_store("before commit", "before close"))
    error = incomplete(bench)
    assert bench.as_before
    assert not any("g8" in write for write in bench.writes)  # the next wave could not be marked
    assert "The disk is full" in error.what
    assert "still open" in error.why
    assert bench.state() is TransactionState.OPEN
    bench.mend_store()
    recovered = bench.recover()
    assert recovered is not None
    assert bench.state() is TransactionState.REVERSED
    assert bench.as_before


def test_a_store_that_comes_back_is_told_everything_and_the_run_ends_as_reversed() -> None:
    bench = Bench("a", parallelism=1)

    def full() -> int:
        bench.break_store("before commit", times=1)
        return 403

    bench.on(POST, "a", "node02", full)
    reversed_by(bench)
    assert bench.state() is TransactionState.REVERSED
    record = bench.store.record(CLUSTER, 1)
    assert record is not None
    assert "step 2 (create a on node02): 403" in record.message
    assert bench.marks()["a on node01"] is StepState.UNDONE


def test_a_store_that_cannot_close_reverses_what_was_applied() -> None:
    bench = Bench("a")
    bench.break_store("before close")
    error = reversed_by(bench)
    assert "the store cannot be written" in error.what
    assert bench.as_before
    assert bench.store.knowledge(CLUSTER).managed == {}


@pytest.mark.parametrize("method", [POST, READ, DEL])
def test_without_the_lock_not_one_more_request_is_sent_the_reverse_included(method: Method) -> None:
    bench = Bench("a", "b", parallelism=1)
    plan = bench.plan()
    if method is DEL:
        bench.on(POST, "b", "node03", 403)
    lost: list[int] = []

    def lose() -> None:
        if method is READ and not bench.writes:
            return  # still before the first write
        bench.steal_lock()
        lost.append(len(bench.world.submitted))

    bench.always(method, "a", "node02", lose)
    with pytest.raises(Incomplete) as caught:
        bench.apply(plan)
    assert len(bench.world.submitted) == lost[0]
    assert bench.store.knowledge(CLUSTER).unfinished == 1
    assert "a on node01 should be absent" in caught.value.details


# Law 6: what a dead run left.


def record_of(
    *states: StepState, state: TransactionState = TransactionState.OPEN, settle: float = 20.0
) -> Record:
    """A journal with one create per state."""
    changes = steps(*((CREATE, f"g{n}", "node01") for n in range(len(states))))
    intent = Intent("apply", NODES, changes, Policy(settle=settle))
    marks = tuple(CellMark(n, each, True, True, True, "noted") for n, each in enumerate(states, 1))
    return Record(1, CLUSTER, state, intent, marks)


FINISHED = {"pending", "not-applied", "not-ours", "undone", "set-aside"}


@pytest.mark.parametrize("state", StepState)
def test_every_cell_that_was_not_finished_is_suspect_from_now_on(state: StepState) -> None:
    (run,) = resume(record_of(state), Policy(), now=77.0)
    assert run.state is state
    assert (run.unanswered, run.note) == (True, "noted")
    in_doubt = state.value not in FINISHED
    assert (run.suspect_since, run.tried, run.ours) == (
        (77.0, True, True) if in_doubt else (None, False, False)
    )
    assert bool(open_steps(states_of(record_of(state)))) is in_doubt


@pytest.mark.parametrize("state", StepState)
def test_what_may_have_been_in_flight_at_its_death_went_unanswered(state: StepState) -> None:
    """Nothing tells what it was waiting for: a repair and a first undo need not have marks of their own."""
    record = record_of(state)
    record = replace(record, marks=tuple(mark._replace(unanswered=False) for mark in record.marks))
    (run,) = resume(record, Policy(), now=77.0)
    assert run.unanswered is (state.value not in FINISHED)


def test_a_step_without_a_mark_was_not_begun() -> None:
    record = replace(record_of(StepState.DONE, StepState.DONE), marks=())
    assert {run.state for run in resume(record, Policy(), 0.0)} == {StepState.PENDING}
    assert open_steps(states_of(record)) == ()


@pytest.mark.parametrize(("own", "journal", "used"), [(20.0, 60.0, 60.0), (60.0, 20.0, 60.0)])
def test_recovery_settles_as_long_as_the_more_patient_run(own: float, journal: float, used: float) -> None:
    policy = Policy(settle=own, tries=3)
    assert patience(record_of(StepState.DONE, settle=journal), policy) == replace(policy, settle=used)


# The journal.


def test_the_journal_writes_a_mark_once_and_nothing_where_there_is_nothing() -> None:
    bench = Bench()
    with bench.store.lock(CLUSTER, "apply", 0) as lease:
        number = lease.begin(Intent("apply", NODES, steps((CREATE, "a", "node01")), Policy()))
        journal = Journal(lease, number, TransactionState.OPEN, wave=8)
        commits: list[str] = []
        bench.store.on_commit = commits.append
        (run,) = runs_of(steps((CREATE, "a", "node01")), NODES, Policy())
        journal.start(run, [run], 0)
        assert commits == ["before commit", "after commit"]
        journal.start(run, [run], 0)
        assert journal.flush()
        assert len(commits) == 2
        journal.move(run, StepState.DONE)
        assert len(commits) == 2  # it waits for the next wave
        assert journal.flush()
        assert len(commits) == 4


def test_results_are_written_when_a_good_deal_is_pending() -> None:
    """So that a crash repeats little."""
    bench = Bench()
    changes = steps(*((CREATE, f"g{n}", "node01") for n in range(10)))
    with bench.store.lock(CLUSTER, "apply", 0) as lease:
        number = lease.begin(Intent("apply", NODES, changes, Policy()))
        journal = Journal(lease, number, TransactionState.OPEN, wave=2)
        runs = runs_of(changes, NODES, Policy())
        for index, run in enumerate(runs):
            journal.start(run, runs, index)
        for run in runs[:7]:
            journal.move(run, StepState.DONE)
        assert StepState.DONE not in bench.marks().values()
        journal.move(runs[7], StepState.DONE)
    assert list(bench.marks().values()).count(StepState.DONE) == 8


def test_the_journal_tells_a_store_that_comes_back_every_move_in_order() -> None:
    bench = Bench()
    with bench.store.lock(CLUSTER, "apply", 0) as lease:
        number = lease.begin(Intent("apply", NODES, steps((CREATE, "a", "node01")), Policy()))
        journal = Journal(lease, number, TransactionState.OPEN, wave=8)
        bench.break_store("before commit")
        journal.enter(TransactionState.REVERSING)
        assert not journal.flush("why")
        journal.enter(TransactionState.REVERSED)
        assert not journal.flush()
        assert journal.broken is not None
        bench.mend_store()
        assert journal.flush()
    assert bench.state() is TransactionState.REVERSED
    record = bench.store.record(CLUSTER, number)
    assert record is not None
    assert record.message == "why"
