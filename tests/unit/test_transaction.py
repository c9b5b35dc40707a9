"""The engine going forward, law by law, over the simulated cluster in virtual time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from planner.errors import Incomplete, Interrupted, Reversed, StoreFailed
from planner.model import Cell, Policy, Presence, StepState
from planner.reads import by_node
from planner.transaction import observe, runs_of
from planner.transaction.machine import WAVES_PER_FLIGHT, stages_of
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    CLUSTER,
    CREATE,
    DELETE,
    LIE,
    NAMES,
    NODES,
    PRESENT,
    READ,
    RICH,
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


# Law 1: intent first.


def test_marks_are_written_in_waves_before_the_requests() -> None:
    bench = Bench(*(group(f"g{n}", "node01") for n in range(10)), parallelism=1)
    found: list[int] = []
    for n in range(10):
        bench.on(POST, f"g{n}", "node01", lambda: found.append(started(bench)))
    bench.apply()
    assert WAVES_PER_FLIGHT == 8
    assert found == [8] * 8 + [10] * 2


def started(bench: Bench) -> int:
    """How many marks are durably beyond 'pending'."""
    return sum(state is not StepState.PENDING for state in bench.marks().values())


def test_every_write_finds_its_mark_in_the_store_also_backward() -> None:
    bench = Bench("a", "b", group("old", state=ABSENT), holds={"old": NAMES})
    ready = {StepState.STARTED, StepState.UNKNOWN, StepState.DONE, StepState.UNDOING}

    def marked(name: str, id: str) -> str:
        assert bench.marks()[f"{id} on {name}"] in ready
        return ""

    for id in ("a", "b", "old"):
        for name in NAMES:
            for method in (POST, DEL):
                bench.always(method, id, name, partial(marked, name, id))
    bench.on(DEL, "old", "node01", 403)
    reversed_by(bench)
    assert bench.as_before
    assert "delete a on node01" in bench.writes


def test_a_store_that_cannot_hold_the_intent_lets_nothing_be_sent() -> None:
    for moment in ("before begin", "before commit"):
        bench = Bench("a")
        bench.break_store(moment)
        with pytest.raises((StoreFailed, Incomplete)):
            bench.apply()
        assert bench.writes == []


# Law 2: order.


def test_steps_start_in_order_and_go_out_to_many_nodes_at_once() -> None:
    bench = Bench("a", "b", parallelism=4)
    bench.apply()
    posts = [(call.group, call.node) for _, call in bench.world.submitted if call.method is POST]
    assert posts == [(id, name) for id in "ab" for name in NAMES]
    assert bench.world.most_flying == 4


@pytest.mark.parametrize("parallelism", [1, 16])
def test_no_delete_is_sent_before_every_create_was_read_back(parallelism: int) -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=parallelism)
    bench.apply()
    first_delete = min(t for name in NAMES for t in bench.times(DEL, "old", name))
    for name in NAMES:
        (posted,) = bench.times(POST, "a", name)
        assert any(posted < read < first_delete for read in bench.times(READ, "a", name))


def test_no_delete_is_sent_before_a_suspect_create_has_settled() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.on(POST, "a", "node02", "error_before")
    bench.apply()
    suspect_since = bench.times(POST, "a", "node02")[0]
    assert min(t for name in NAMES for t in bench.times(DEL, "old", name)) > suspect_since + SETTLE


def test_stages_are_creates_then_deletes_canaries_first_and_whole() -> None:
    runs = runs_of(
        steps((CREATE, "a", "n1"), (CREATE, "a", "n2"), (DELETE, "b", "n1"), (DELETE, "b", "n2")),
        [replace(NODES[0], name="n1"), replace(NODES[1], name="n2")],
        Policy(),
    )
    names = {
        tuple(sorted(canary)): [[run.step.number for run in stage] for stage in stages_of(runs, canary)]
        for canary in (frozenset[str](), frozenset({"n2"}), frozenset({"n1", "n2"}), frozenset({"other"}))
    }
    assert names == {
        (): [[1, 2], [3, 4]],
        ("n2",): [[2], [4], [1], [3]],
        ("n1", "n2"): [[1, 2], [3, 4]],
        ("other",): [[1, 2], [3, 4]],
    }
    assert stages_of([]) == []


def test_a_canary_is_seen_and_settled_before_the_others_are_touched() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.on(POST, "a", "node02", "error_before")
    bench.apply(canary=["node02"])
    assert bench.writes[:3] == ["create a on node02", "create a on node02", "delete old on node02"]
    others = min(bench.times(POST, "a", "node01") + bench.times(POST, "a", "node03"))
    assert others > bench.times(POST, "a", "node02")[0] + SETTLE
    assert others > bench.times(DEL, "old", "node02")[0]


def test_a_canary_that_fails_spares_the_others() -> None:
    bench = Bench("a")
    bench.on(POST, "a", "node02", 403)
    error = reversed_by(bench, canary=["node02"])
    assert "step 2 (create a on node02)" in error.what
    assert bench.writes == ["create a on node02"]


# Law 3: unknown is a state.


@pytest.mark.parametrize("settle", [20.0, 7.5])
@pytest.mark.parametrize("fault", ["error_after", "hang_after"])
def test_a_suspect_cell_is_read_again_exactly_one_settle_time_later(settle: float, fault: str) -> None:
    bench = Bench(group("a", "node01"), settle=settle)
    bench.on(POST, "a", "node01", fault)
    bench.apply()
    arrived = bench.times(POST, "a", "node01")[0]
    ended = arrived + (10.0 if fault == "hang_after" else 0.0)
    late = [at for at in bench.asked(READ, "a", "node01") if at > ended + LATENCY + 0.5]
    assert late == [pytest.approx(ended + settle)]


def test_what_is_not_suspect_waits_for_nothing() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    before = bench.world.time
    bench.apply()
    assert bench.world.time - before < 1.0


@pytest.mark.parametrize("fault", ["hang_after", "reset_after"])
def test_an_unanswered_write_that_took_effect_is_not_sent_again(fault: str) -> None:
    bench = Bench(group("a", "node01"))
    bench.on(POST, "a", "node01", fault)
    bench.apply()
    assert bench.writes == ["create a on node01"]


def test_an_unanswered_write_without_effect_is_read_back_and_sent_again() -> None:
    bench = Bench(group("a", "node01"))
    bench.on(POST, "a", "node01", "hang_before", "reset_before")
    bench.apply()
    assert bench.writes == ["create a on node01"] * 3
    requests = bench.requests("a", "node01")
    assert requests.index("create") < requests.index("read", requests.index("create"))


@pytest.mark.parametrize("tries", [1, 5])
def test_a_write_is_tried_as_often_as_allowed_and_not_more(tries: int) -> None:
    for fault in ("error_before", "reset_before"):
        bench = Bench(group("a", "node01"), tries=tries)
        bench.always(POST, "a", "node01", fault)
        reversed_by(bench)
        assert bench.writes == ["create a on node01"] * tries


def test_a_late_effect_within_the_settle_time_is_repaired_before_it_is_called_applied() -> None:
    """A DELETE that timed out is repeated; between, somebody has to see that the first one comes late."""
    bench = Bench(group("a", "node01"))
    bench.on(POST, "a", "node01", "error_before")
    bench.world.at(bench.world.time + 8, lambda: bench.world.nodes["node01"].discard("a"))
    bench.apply()
    assert bench.holders("a") == {"node01"}
    assert bench.writes == ["create a on node01"] * 3


@pytest.mark.parametrize("moves", [1, 2, 3, 4])
def test_a_cell_that_moves_is_repaired_three_times_and_then_the_apply_reverses(moves: int) -> None:
    bench = Bench(group("a", "node01"))
    left = [moves]

    def vanish() -> None:
        if "a" in bench.world.nodes["node01"] and left[0]:
            left[0] -= 1
            bench.world.nodes["node01"].discard("a")

    plan = bench.plan()
    bench.always(READ, "a", "node01", vanish)
    if moves <= 3:
        bench.apply(plan)
        assert bench.writes == ["create a on node01"] * (1 + moves)
    else:
        with pytest.raises(Reversed, match="moved 4 times"):
            bench.apply(plan)
        assert bench.writes == ["create a on node01"] * 4


def test_a_cell_that_cannot_be_read_back_reverses_the_apply_and_is_not_written_again() -> None:
    bench = Bench(group("a", "node01"), parallelism=1)
    plan = bench.plan()
    bench.on(READ, "a", "node01", "", *["hang_before"] * 5)
    with pytest.raises(Reversed, match="it cannot be read back: time-out after 5 tries"):
        bench.apply(plan)
    assert bench.writes == ["create a on node01", "delete a on node01"]
    assert bench.as_before


def test_the_engine_pauses_ever_longer_between_its_own_tries() -> None:
    bench = Bench(group("a", "node01"), backoff=1.0, backoff_max=3.0)
    bench.always(POST, "a", "node01", "reset_before")
    reversed_by(bench)
    asked = bench.asked(POST, "a", "node01")
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert len(pauses) == 4
    for pause, least in zip(pauses, (1.0, 2.0, 3.0, 3.0), strict=True):
        assert least <= pause <= least + 1.0 + 3 * LATENCY  # and the two reads, one back-off apart


def test_a_create_that_is_acknowledged_and_never_done_is_found_out() -> None:
    bench = Bench(group("a", "node01"))
    bench.always(POST, "a", "node01", LIE)
    reversed_by(bench)
    assert bench.as_before


def test_every_cell_of_every_touched_group_is_seen_at_the_end_the_untouched_ones_included() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"a": ["node01"], "old": ["node03"]})
    bench.apply()
    last_write = max(t for t, call in bench.world.arrivals if call.method is not READ)
    for id in ("a", "old"):
        for name in NAMES:
            assert max(bench.times(READ, id, name)) > last_write


def test_a_bystander_that_changed_meanwhile_reverses_the_apply() -> None:
    bench = Bench("a", holds={"a": ["node01"]})
    bench.on(POST, "a", "node03", lambda: bench.world.nodes["node01"].discard("a"))
    error = reversed_by(bench)
    assert "a on node01 is absent now" in error.what
    assert bench.holders("a") == set()


def test_a_bystander_that_cannot_be_read_at_the_end_reverses_the_apply() -> None:
    bench = Bench("a", holds={"a": ["node01"]})
    bench.on(POST, "a", "node03", lambda: bench.always(READ, "a", "node01", "hang_before"))
    error = reversed_by(bench)
    assert "a on node01 cannot be read at the end" in error.what
    assert bench.holders("a") == {"node01"}


def test_events_tell_the_life_of_a_cell_in_order() -> None:
    def lived(bench: Bench) -> list[str]:
        return [e.kind for e in bench.world.events if e.step is not None and e.node == "node01"]

    plain = Bench("a", parallelism=1)
    plain.apply()
    assert lived(plain) == ["started", "done", "verified"]
    suspect = Bench("a", parallelism=1)
    suspect.on(POST, "a", "node01", "hang_after")
    suspect.apply()
    assert lived(suspect) == ["started", "unknown", "done", "verified"]
    moved = Bench("a", parallelism=1)
    moved.on(POST, "a", "node01", LIE)
    moved.apply()
    assert lived(moved) == ["started", "done", "unknown", "done", "verified"]
    foreign = Bench("a", parallelism=1)
    plan = foreign.plan()
    foreign.on(POST, "a", "node01", lambda: foreign.world.nodes["node01"].add("a"))
    foreign.apply(plan)
    assert lived(foreign) == ["started", "not-ours", "verified"]
    undone = Bench("a", parallelism=1)
    undone.on(POST, "a", "node02", 403)
    reversed_by(undone)
    assert lived(undone) == ["started", "done", "undone"]
    failed = [e for e in undone.world.events if e.kind == "failed"]
    assert [(e.node, e.text) for e in failed] == [
        ("node02", "403; the node does not accept these credentials")
    ]


def test_phases_say_how_much_there_is_to_do() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.on(POST, "a", "node01", "error_before")
    bench.on(DEL, "old", "node02", "error_before")
    bench.apply()
    phases = [(e.text, e.total) for e in bench.world.events if e.kind == "phase"]
    assert phases == [
        ("read", 6),
        ("create", 3),
        ("read back", 3),
        ("delete", 3),
        ("settle", 1),
        ("verify", 5),
    ]


# A 404 can lie.


def test_one_lying_404_does_not_close_a_delete() -> None:
    """The DELETE was acknowledged and not done, and the next read lies: two 404s in a row are needed."""
    bench = Bench(group("old", state=ABSENT), holds={"old": ["node01"]})
    plan = bench.plan()
    bench.on(DEL, "old", "node01", LIE)
    bench.on(READ, "old", "node01", "", "", "false_404")
    bench.apply(plan)
    assert bench.writes == ["delete old on node01"] * 2
    assert bench.holders("old") == set()


def test_absence_is_confirmed_at_least_one_back_off_later() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": ["node01"]}, backoff=3.0)
    bench.apply()
    reads = [t for t in bench.times(READ, "old", "node01") if t > bench.times(DEL, "old", "node01")[0]]
    assert len(reads) == 2
    assert reads[1] - reads[0] >= 3.0


def test_a_dialect_may_want_more_404s_in_a_row() -> None:
    bench = Bench(group("old", "node01", state=ABSENT), holds={"old": ["node01"]})
    dialect = replace(NODES[0].dialect, confirm_absent=4)
    bench.file = replace(bench.file, nodes=(replace(NODES[0], dialect=dialect), *NODES[1:]))
    bench.apply()
    after = bench.times(DEL, "old", "node01")[0]
    assert len([t for t in bench.times(READ, "old", "node01") if t > after]) == 4


# Laws 8 and 9: just before the write.


def test_a_create_is_checked_again_when_its_check_is_old_and_a_delete_always() -> None:
    """With one request at a time and 10 s for the first create, the check of the last is 30 s old."""
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1, recheck_after=15.0)
    bench.on(POST, "a", "node01", "hang_after")
    bench.on(POST, "a", "node02", "hang_after")
    bench.apply()
    assert bench.requests("a", "node02")[:2] == ["read", "create"]
    assert bench.requests("a", "node03")[:3] == ["read", "read", "create"]
    for name in NAMES:
        assert bench.requests("old", name)[:3] == ["read", "read", "delete"]


def test_what_the_check_before_the_write_finds_done_is_not_ours_and_not_written() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, recheck_after=-1.0)
    plan = bench.plan()
    bench.on(READ, "a", "node02", "", lambda: bench.world.nodes["node02"].add("a"))
    bench.on(READ, "old", "node02", "", lambda: bench.world.nodes["node02"].discard("old"))
    applied = bench.apply(plan)
    assert set(applied.not_ours) == {Cell("a", "node02"), Cell("old", "node02")}
    assert not {"create a on node02", "delete old on node02"} & set(bench.writes)


def test_a_cell_that_cannot_be_read_before_its_delete_reverses_the_apply() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    plan = bench.plan()
    bench.on(READ, "old", "node02", "", *["hang_before"] * 5)
    with pytest.raises(Reversed, match="cannot be read before the write"):
        bench.apply(plan)
    assert bench.as_before


@pytest.mark.parametrize("moment", ["before the delete", "before a repair"])
def test_a_record_that_has_become_rich_is_not_deleted(moment: str) -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": ["node01"]})
    plan = bench.plan()

    def rich() -> str:
        bench.world.nodes["node01"].add("old")
        return RICH

    bench.on(READ, "old", "node01", "", *([] if moment == "before the delete" else [""]), rich)
    with pytest.raises(Reversed, match="more than the id"):
        bench.apply(plan)
    assert bench.writes == ([] if moment == "before the delete" else ["delete old on node01"])
    assert bench.as_before


def test_a_permit_that_is_missing_for_a_moment_fails_nothing() -> None:
    """After a slow commit or a pause the proof of the lock is too old, until the control renews it."""
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1)
    count = [0]

    def permit() -> bool:
        count[0] += 1
        return count[0] % 3 > 0

    bench.world.permit = permit
    bench.apply()
    assert bench.holders("a") == set(NAMES)
    assert bench.holders("old") == set()


# Reading.


def test_a_node_that_cannot_be_read_is_not_read_on_and_the_others_are() -> None:
    bench = Bench(parallelism=1)
    bench.world.dead = {"node02": (0.0, float("inf"))}
    cells: list[tuple[Cell, Presence | None]] = [
        (Cell(f"g{n}", name), None) for n in range(5) for name in NAMES
    ]
    seen = observe(by_node(cells), NODES, bench.policy, bench.ports)
    assert list(seen.unreadable) == ["node02"]
    assert seen.unreadable["node02"] == "g0 on node02: refused after 5 tries"
    assert set(seen.presences) == {cell for cell, _ in cells if cell.node != "node02"}
    assert len([call for _, call in bench.world.submitted if call.node == "node02"]) == 1


@pytest.mark.parametrize(("expected", "reads"), [(PRESENT, 2), (ABSENT, 1), (None, 1)])
def test_an_absence_is_confirmed_where_it_surprises(expected: Presence | None, reads: int) -> None:
    bench = Bench()
    seen = observe(by_node([(Cell("a", "node01"), expected)]), NODES, bench.policy, bench.ports)
    assert seen.presences == {Cell("a", "node01"): ABSENT}
    assert bench.requests("a", "node01") == ["read"] * reads


def test_an_interrupt_before_any_write_is_no_reverse() -> None:
    bench = Bench("a")
    plan = bench.plan()
    bench.on(READ, "a", "node01", bench.interrupt)
    with pytest.raises(Interrupted):
        bench.apply(plan)
    assert bench.writes == []
    assert bench.store.history(CLUSTER) == ()
