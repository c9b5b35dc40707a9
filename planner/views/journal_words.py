"""What the journal says of a step, in words: no flag is shown that has to be looked up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import PlannerError
from planner.model import StepState, TransactionState
from planner.ports import CellMark
from planner.undo import plan_of
from planner.views.summary import WRITES, Kind, rows_of
from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Cell, Step
    from planner.ports import Record

STATES = {
    StepState.PENDING: "not begun",
    StepState.STARTED: "outcome not known",
    StepState.DONE: "done",
    StepState.UNKNOWN: "outcome not known",
    StepState.NOT_APPLIED: "turned down, nothing was changed",
    StepState.NOT_OURS: "not ours, left as it is",
    StepState.UNDOING: "being undone",
    StepState.UNDONE: "undone",
    StepState.UNDO_FAILED: "not undone",
    StepState.SET_ASIDE: "set aside by hand",
}
NEVER_SENT = "never sent"

COUNTED = STATES | {
    StepState.NOT_APPLIED: "turned down",
    StepState.NOT_OURS: "not ours",
    StepState.SET_ASIDE: "set aside",
}
"""The same where they are counted."""

CAME_THROUGH = frozenset({StepState.DONE, StepState.UNDONE})
"""A note of such a step tells of trouble on the way, not of the state that it is in now."""

STYLES = {
    TransactionState.APPLIED: "green",
    TransactionState.REVERSED: "yellow",
    TransactionState.CLOSED_WITH_EXCEPTIONS: "red",
    TransactionState.OPEN: "bold red",
    TransactionState.REVERSING: "bold red",
    TransactionState.REVERSE_INCOMPLETE: "bold red",
}

RESULTS = {
    TransactionState.OPEN: "open",
    TransactionState.APPLIED: "applied",
    TransactionState.REVERSING: "reversing",
    TransactionState.REVERSED: "reversed",
    TransactionState.REVERSE_INCOMPLETE: "incomplete",
    TransactionState.CLOSED_WITH_EXCEPTIONS: "with exceptions",
}


def state_of(mark: CellMark) -> str:
    """Where a step is, in a few words."""
    if mark.state is StepState.NOT_APPLIED and not mark.tried:
        return NEVER_SENT
    return STATES[mark.state]


def told_by(mark: CellMark, doubt: str = "") -> str:
    """Where a step is, and why."""
    text = ", ".join(filter(None, (state_of(mark), doubt)))
    if not mark.note:
        return text
    note = shown(mark.note.strip())
    return f"{text} (on the way: {note})" if mark.state in CAME_THROUGH else f"{text}: {note}"


def all_told_by(mark: CellMark) -> str:
    """Where a step is and why, and what may still come of it."""
    lost = "a request went unanswered" if mark.unanswered else ""
    return told_by(mark, "may still change" if mark.suspect else lost)


def kinds_of(record: Record) -> dict[Cell, Kind]:
    """What each step was by the plan: a create may have been a repair."""
    kinds = {step.cell: Kind(step.action.value) for step in record.intent.steps}
    try:
        plan = plan_of(record)
    except PlannerError:
        return kinds
    if plan is not None:
        cells = {(step.cell.group, step.cell.node): step.cell for step in plan.steps}
        for row in rows_of(plan):
            if row.kind in WRITES:
                kinds.update({cells[row.group, name]: row.kind for name in row.nodes})
    return kinds


def mark_of(step: Step, marks: dict[int, CellMark]) -> CellMark:
    """The journal's word on a step; without one it was not begun."""
    return marks.get(step.number) or CellMark(step.number, StepState.PENDING)


MOST_RANGES = 2


def ranges(numbers: Sequence[int]) -> str:
    """``1-3``, ``1-3,7``, and an ellipsis for more: of numbers in ascending order."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in found]
    return ",".join([*texts[:MOST_RANGES], *(["…"] if len(texts) > MOST_RANGES else [])])


def when(wall: str) -> str:
    """A stored time, for people: ``2026-01-01 00:00:00 UTC``."""
    day, _, hour = wall.removesuffix("Z").partition("T")
    return shown(f"{day} {hour} UTC" if hour else wall)
