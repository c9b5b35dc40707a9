"""The legal moves, as the specification draws them, and the small types."""

from __future__ import annotations

from itertools import product

import pytest

from planner.model import (
    UNFINISHED,
    Action,
    Cell,
    IllegalMove,
    Limits,
    Plan,
    Policy,
    Presence,
    Step,
    StepState,
    TransactionState,
    check_step_move,
    check_transaction_move,
)
from tests.builders import NODES

STEP_TABLE = """
pending -> started not-ours
started -> done unknown not-applied not-ours undoing
unknown -> done not-applied undoing
done -> unknown undoing
not-applied -> not-ours
undoing -> undone undo-failed
undo-failed -> undoing set-aside
"""
TRANSACTION_TABLE = """
open -> applied reversing reverse-incomplete
reversing -> reversed reverse-incomplete
reverse-incomplete -> reversing closed-with-exceptions
"""


def pairs(table: str) -> set[tuple[str, str]]:
    rows = (line.split(" -> ") for line in table.strip().splitlines())
    return {(old, new) for old, targets in rows for new in targets.split()}


@pytest.mark.parametrize(("old", "new"), list(product(StepState, StepState)))
def test_a_step_moves_as_the_table_says(old: StepState, new: StepState) -> None:
    if (old.value, new.value) in pairs(STEP_TABLE):
        check_step_move(old, new)
    else:
        with pytest.raises(IllegalMove, match=f"from {old} to {new}"):
            check_step_move(old, new)


@pytest.mark.parametrize(("old", "new"), list(product(TransactionState, TransactionState)))
def test_a_transaction_moves_as_the_table_says(old: TransactionState, new: TransactionState) -> None:
    if (old.value, new.value) in pairs(TRANSACTION_TABLE):
        check_transaction_move(old, new)
    else:
        with pytest.raises(IllegalMove, match=f"from {old} to {new}"):
            check_transaction_move(old, new)


def test_every_state_can_be_reached_and_the_finished_ones_are_final() -> None:
    steps = pairs(STEP_TABLE)
    assert {new for _, new in steps} | {"pending"} == {state.value for state in StepState}
    ends = {state.value for state in TransactionState} - {old for old, _ in pairs(TRANSACTION_TABLE)}
    assert ends == {state.value for state in TransactionState if state not in UNFINISHED}


def test_a_step_knows_its_before_image_and_its_name() -> None:
    create, delete = (Step(n, a, Cell("foo.bar", "node03")) for n, a in enumerate(Action, 2))
    assert (create.before, create.after) == (Presence.ABSENT, Presence.PRESENT)
    assert (delete.before, delete.after) == (Presence.PRESENT, Presence.ABSENT)
    assert str(create) == "step 2 (create foo.bar on node03)"
    assert Presence.ABSENT.other is Presence.PRESENT


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Limits(5, 50, None), Limits(3, 80, None), Limits(3, 50, None)),
        (Limits(None, None, 4), Limits(0, 0, None), Limits(0, 0, 4)),
        (Limits(None, None, None), Limits(None, None, None), Limits(None, None, None)),
    ],
)
def test_the_stricter_limits_honour_both(one: Limits, other: Limits, both: Limits) -> None:
    assert one.stricter(other) == other.stricter(one) == both


def test_a_plan_of_adoptions_only_has_changes_and_one_of_forgotten_cells_only_is_not_empty() -> None:
    empty = Plan("c", "s", 1, NODES)
    adopting = Plan("c", "s", 1, NODES, adopts=(Cell("a", "node01"),))
    forgetting = Plan("c", "s", 1, NODES, forgets=(Cell("a", "node01"),))
    assert (empty.has_changes, empty.is_empty) == (False, True)
    assert (adopting.has_changes, adopting.is_empty) == (True, False)
    assert (forgetting.has_changes, forgetting.is_empty) == (False, False)
    assert empty.node("node02") is NODES[1]


def test_pauses_double_up_to_the_maximum() -> None:
    policy = Policy(backoff=0.2, backoff_max=10.0)
    assert [policy.pause(n) for n in (1, 2, 3, 6, 7, 10_000)] == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]
