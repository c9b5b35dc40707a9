"""What a dead or failed run left, as steps to undo: the journal in, runs out. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.model import Policy, StepState
from planner.transaction.run import StepRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model import Step
    from planner.ports import CellMark, Record

FINISHED = frozenset(
    {StepState.PENDING, StepState.NOT_APPLIED, StepState.NOT_OURS, StepState.UNDONE, StepState.SET_ASIDE}
)
"""Nothing of ours is on the cells of such steps, or can still come. All others are in doubt, `done` included:
when the store could not be written, the dead run may have begun to undo them without a mark."""


def resume(record: Record, policy: Policy, now: float) -> list[StepRun]:
    """The runs of an unfinished transaction, as the journal knows them.

    Stored times mean nothing here: every cell in doubt is suspect from `now`, the moment at which the lock
    was granted, for one whole settle time.

    Args:
        record: the transaction with its marks.
        policy: of this run; see `patience`.
        now: monotonic seconds.
    """
    dialects = {node.name: node.dialect for node in record.intent.nodes}
    marks = {mark.number: mark for mark in record.marks}
    runs = []
    for step in record.intent.steps:
        run = StepRun(step, dialects[step.cell.node], policy.tries)
        mark = marks.get(step.number)
        if mark is not None:
            _restore(run, mark, now)
        runs.append(run)
    return runs


def patience(record: Record, policy: Policy) -> Policy:
    """This run's policy, settling at least as long as the dead run would have.

    Where it had workers, they may have begun a try after its death, and that try settles from then on.
    """
    dead = record.intent.policy
    return replace(policy, settle=max(policy.settle, dead.settle) + dead.linger)


def open_steps(states: Iterable[tuple[Step, StepState]]) -> tuple[Step, ...]:
    """The steps that may still have to be undone."""
    return tuple(step for step, state in states if state not in FINISHED)


def states_of(record: Record) -> Iterator[tuple[Step, StepState]]:
    """Every step with its state, as the journal knows them."""
    states = {mark.number: mark.state for mark in record.marks}
    for step in record.intent.steps:
        yield step, states.get(step.number, StepState.PENDING)


def _restore(run: StepRun, mark: CellMark, now: float) -> None:
    run.state = mark.state
    # For the counts alone. What no node took (refused connections) was begun all the same: its note tells.
    run.sent = mark.tried or bool(mark.note)
    run.unanswered = mark.unanswered
    run.note = mark.note
    if mark.state not in FINISHED:
        # A mark is made before its request: 'not tried' in the journal does not mean that nothing was sent.
        # Whatever was in flight when the run died was answered to nobody, so the cell is watched.
        run.unanswered = True
        run.sent = run.tried = True
        run.ours = True
        run.suspect_since = now
