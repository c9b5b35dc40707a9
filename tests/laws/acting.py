"""Laws 2 and 3: order, and unknown states."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from planner import diff
from planner.errors import Incomplete, NodesUnreadable, Reversed
from planner.model import StepState
from planner.transaction import cells, machine
from planner.transaction.cells import Cells
from planner.transaction.scheduler import Scheduler
from planner.verdict import Method
from tests.builders import ABSENT, LIE, NAMES, READ, Bench, group
from tests.laws.book import law, replaced, when, wrapped
from tests.simulation import mutations

POST, DEL = Method.CREATE, Method.DELETE
TIME_OUT = 10.0
"""Seconds until the simulated client gives an answer up."""


def reversed_by(bench: Bench, plan: Any = None) -> Reversed:
    with pytest.raises(Reversed) as caught:
        bench.apply(plan)
    return caught.value


# 2. Order.


def _stages_backward(stages: Any) -> Any:
    return lambda runs, canary=frozenset(): [stage[::-1] for stage in stages(runs, canary)]


@law("2.1", wrapped(machine, "stages_of", _stages_backward), replaced(diff, "reversed", iter))
def steps_start_in_the_order_of_the_plan() -> None:
    gone = (group("x", state=ABSENT), group("y", state=ABSENT))
    bench = Bench("b", "a", *gone, holds={"x": NAMES, "y": NAMES}, parallelism=1)
    bench.apply()
    creates = [f"create {id} on {name}" for id in "ba" for name in NAMES]
    deletes = [f"delete {id} on {name}" for id in "yx" for name in reversed(NAMES)]
    assert bench.writes == creates + deletes


class _Boundless:
    """Nodes that are not asked whether there is room."""

    def __init__(self, nodes: Any) -> None:
        self._nodes = nodes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nodes, name)

    def room(self, _node: str) -> int:
        return 1


def _unasked(init: Any) -> Any:
    return lambda self, nodes, *more: init(self, _Boundless(nodes), *more)


@law("2.2", wrapped(Scheduler, "__init__", _unasked))
def no_more_requests_in_flight_than_allowed() -> None:
    bench = Bench("a", "b", "c", "d", parallelism=3)
    bench.apply()
    assert bench.world.most_flying == 3


def _done_unseen(_self: Cells, _run: Any) -> Generator[Any, Any, None]:
    yield from ()


@law(
    "2.3",
    replaced(machine, "stages_of", lambda runs, canary: [list(runs)]),
    replaced(Cells, "settle", _done_unseen),
    mutations.no_settling,
)
def a_delete_waits_until_every_create_has_settled() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.on(POST, "a", "node02", "hang_after")
    bench.apply()
    given_up = bench.times(POST, "a", "node02")[0] + TIME_OUT
    read_back = [at for at in bench.asked(READ, "a", "node01") if at > bench.times(POST, "a", "node01")[-1]]
    first_delete = min(at for at, call in bench.world.arrivals if call.method is DEL)
    assert first_delete >= given_up + bench.policy.settle
    assert first_delete >= read_back[0]


@law("2.4", wrapped(machine, "stages_of", lambda stages: lambda runs, canary=frozenset(): stages(runs)))
def canaries_go_first_and_whole() -> None:
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES})
    bench.apply(canary=["node02"])
    assert bench.writes[:2] == ["create a on node02", "delete old on node02"]
    assert len(bench.writes) == 6


# 3. Unknown is a state.


@law("3.1", mutations.last_try_only)
def a_try_that_was_read_and_then_refused_on_the_retry_is_undone() -> None:
    """The last of the tries says 'connection refused'; the first one has created the group."""
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", "error_after", *["refused"] * 4)
    bench.on(POST, "a", "node02", 403)
    reversed_by(bench)
    assert bench.as_before


@law("3.1", mutations.no_suspicion, mutations.undo_not_settled)
def a_try_that_got_500_and_takes_effect_after_the_retry_is_undone() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", partial(_late, bench, 500))
    bench.on(POST, "a", "node02", 403)
    reversed_by(bench)
    bench.world.pass_time(100.0)
    assert bench.as_before


def _late(bench: Bench, answer: int | str) -> int | str:
    """The request takes effect 15 seconds later than its answer is known."""
    known = bench.world.time + (0 if isinstance(answer, int) else TIME_OUT)
    bench.world.at(known + 15, lambda: bench.world.nodes["node01"].add("a"))
    return answer


@law("3.1", mutations.unknown_is_applied)
def a_write_without_an_answer_is_not_taken_for_done() -> None:
    bench = Bench("a")
    bench.on(POST, "a", "node01", "hang_before")
    bench.apply()
    assert bench.holders("a") == set(NAMES)
    assert bench.requests("a", "node01")[-1] == "read"
    assert max(bench.asked(READ, "a", "node01")) >= bench.times(POST, "a", "node01")[0] + TIME_OUT + 20.0


@law("3.2", mutations.no_settling, mutations.no_suspicion)
def a_suspect_cell_that_moves_within_its_settle_time_is_repaired() -> None:
    bench = Bench("a")
    bench.on(POST, "a", "node01", "hang_after")
    bench.world.at(bench.world.time + TIME_OUT + 15, lambda: bench.world.nodes["node01"].discard("a"))
    bench.apply()
    bench.world.pass_time(100.0)
    assert bench.holders("a") == set(NAMES)


@law("3.3", mutations.undo_not_settled, mutations.no_suspicion)
def a_late_request_does_not_undo_a_reverse() -> None:
    """Nothing is to be seen of the POST while the reverse reads; it lands 15 seconds later."""
    bench = Bench("a", tries=1)
    bench.on(POST, "a", "node01", partial(_late, bench, "hang_before"))
    reversed_by(bench)
    bench.world.pass_time(100.0)
    assert bench.as_before


@law("3.4", replaced(cells, "MAX_MOVES", 100))
def an_apply_gives_up_on_a_cell_that_moves_a_fourth_time() -> None:
    bench = Bench(group("a", "node01"))
    bench.on(POST, "a", "node01", LIE, LIE, LIE, LIE)
    reversed_by(bench)
    assert bench.writes == ["create a on node01"] * 4
    assert bench.as_before


@law("3.5", replaced(cells, "MAX_MOVES", 100))
def a_reverse_gives_up_on_a_cell_that_moves_a_fourth_time() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", *["error_after", ""] * 10)
    left = [4]

    def come_back() -> None:
        deletes = bench.times(DEL, "a", "node01")
        gone = deletes and "a" not in bench.world.nodes["node01"]
        if left[0] and gone and bench.world.time >= deletes[-1] + bench.policy.settle - 1:
            left[0] -= 1
            bench.world.nodes["node01"].add("a")

    bench.always(READ, "a", "node01", come_back)
    with pytest.raises(Incomplete, match="reverse is incomplete"):
        bench.apply()
    assert bench.marks()["a on node01"] is StepState.UNDO_FAILED


@law("3.6", mutations.no_verification)
def a_cell_that_the_plan_does_not_write_is_seen_at_the_end_too() -> None:
    bench = Bench("a", holds={"a": ["node01"]})
    bench.on(POST, "a", "node03", lambda: bench.world.nodes["node01"].discard("a"))
    assert "a on node01 is absent now" in reversed_by(bench).what


@law("3.6", mutations.no_verification)
def a_create_that_was_acknowledged_and_not_done_is_found_out() -> None:
    bench = Bench("a")
    bench.on(POST, "a", "node02", LIE)
    bench.apply()
    assert bench.holders("a") == set(NAMES)


@law("3.7", mutations.one_404_is_enough)
def one_lying_404_does_not_close_a_delete() -> None:
    """The DELETE was acknowledged and not done, and the read at the end lies."""
    bench = Bench(group("old", state=ABSENT), holds={"old": ["node01"]})
    plan = bench.plan()
    bench.on(DEL, "old", "node01", LIE)
    bench.on(READ, "old", "node01", "", "", "false_404")
    bench.apply(plan)
    assert bench.holders("old") == set()


@law("3.7", mutations.one_404_is_enough)
def one_lying_404_does_not_close_an_undo() -> None:
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node02", 403)
    bench.on(READ, "a", "node01", "", "", "false_404")  # in the plan, in its check, in the reverse
    reversed_by(bench)
    assert bench.as_before


@law("3.8", mutations.unreadable_is_absent)
def a_node_that_cannot_be_read_is_not_empty() -> None:
    bench = Bench("a", holds={"a": NAMES})
    bench.always(READ, "a", "node02", "error_before")
    with pytest.raises(NodesUnreadable):
        bench.plan()


@law("3.8", mutations.unreadable_is_absent)
def an_undo_that_cannot_be_read_back_is_not_done() -> None:
    """The DELETE was acknowledged and not done, and then the node does not answer any read."""
    bench = Bench("a", parallelism=1, reverse_timeout=60.0)
    bench.on(POST, "a", "node02", 403)
    bench.on(DEL, "a", "node01", when(lambda: bench.always(READ, "a", "node01", "error_before"), LIE))
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert "a on node01 should be absent" in caught.value.details[0]
