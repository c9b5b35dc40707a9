"""How the outcome of a transaction becomes a result, or an error with its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner import hints
from planner.counts import Ending, StepCounts
from planner.errors import Incomplete, Interrupted, PlannerError, Reversed
from planner.model import StepState, TransactionState
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.model import Cell, Step
    from planner.transaction import Outcome, StepRun

SHOWN = 20
"""Cells that an error names one by one; the rest is counted, and `planner recover --dry-run` names it."""


def failure_of(outcome: Outcome) -> PlannerError:
    """The error that tells of a transaction that was not applied."""
    where = f" at {outcome.failed_step}" if outcome.failed_step else ""
    begin = "Apply interrupted" if outcome.interrupted else f"Apply failed{where}: {outcome.why}"
    begin = begin.rstrip(".")
    details = [f"{each.step.cell}: not ours, left as it is" for each in outcome.in_state(StepState.NOT_OURS)]
    if outcome.state is TransactionState.REVERSED and outcome.durable:
        if outcome.interrupted and not outcome.touched:
            return Interrupted(f"{begin} before anything was changed", ending=ending_of(outcome))
        return Reversed(
            f"{begin}. Reversed: every node is as it was",
            next=f"see what each step met: planner show {outcome.number}",
            details=details[:SHOWN],
            ending=ending_of(outcome),
        )
    if outcome.in_state(StepState.UNDO_FAILED):
        return incomplete(begin, outcome)
    return _store_not_told(begin, outcome)


def incomplete(begin: str, outcome: Outcome, unchanged: str = "") -> Incomplete:
    """The error that names every cell that a reverse could not bring back.

    Args:
        begin: what was tried, in words.
        outcome: what it came to.
        unchanged: the file whose `api` was used, and is the one that had failed before.
    """
    failed = outcome.in_state(StepState.UNDO_FAILED)
    details = [f"{each.step.cell} should be {each.step.before}: {each.note}" for each in failed]
    cells = "1 cell needs" if len(failed) == 1 else f"{len(failed)} cells need"
    notes = [each.note for each in failed]
    refused = all(hints.API in note for note in notes)
    because = "the undo was turned down" if refused else "they could not be brought back in time"
    aside = _set_aside(outcome)
    but = f", but for what is set aside: {'; '.join(aside)}" if aside else ""
    told = "" if outcome.durable else "; the store could not be told"
    return Incomplete(
        f"{begin}. The reverse is incomplete: {cells} `planner recover`",
        where=", ".join(dict.fromkeys(each.step.cell.node for each in failed)),
        why=f"{because}; everything else is as it was{but}{told}",
        next=how_to_recover(
            notes,
            when_they_answer(failed[0].step),
            unchanged,
        ),
        details=_shown(details),
        ending=ending_of(outcome),
    )


def _store_not_told(begin: str, outcome: Outcome) -> Incomplete:
    """The error of a reverse that came to its end on the nodes, and not in the store."""
    aside = _set_aside(outcome)
    every = "Every node is as it was, but for what is set aside" if aside else "Every node is as it was"
    return Incomplete(
        f"{begin}. {every}, but the store could not be told",
        why=f"transaction {outcome.number} is still open in the store",
        next="when the store can be written again, run `planner recover`"
        + (", and set these aside again" if aside else ""),
        details=aside,
        ending=ending_of(outcome),
    )


def ending_of(outcome: Outcome) -> Ending:
    """What a transaction came to, in numbers."""
    counts = StepCounts.of((each.state, each.sent) for each in outcome.steps)
    return Ending(outcome.number, counts, outcome.failed_step.number if outcome.failed_step else None)


def _set_aside(outcome: Outcome) -> list[str]:
    return in_doubt([each.step for each in outcome.in_state(StepState.SET_ASIDE)])


def when_they_answer(failed: Step) -> str:
    """What to do next about nodes that stayed away."""
    return (
        "run `planner recover` when these nodes answer again; where one stays away, set its cells aside: "
        f"planner recover --skip {failed.cell.node}"
    )


def how_to_recover(notes: Iterable[str], otherwise: str, unchanged: str = "") -> str:
    """What to do next about undos that failed with these notes.

    To correct the `cluster.api` that a hint names is not enough: recover speaks as the journal says. Where
    the file was asked already, and says the same, it is named as `unchanged`.
    """
    if not any(hints.API in note for note in notes):
        return otherwise
    if unchanged:
        return (
            f"the `api` in {unchanged} is still the one that the transaction used: change what the "
            "lines above name, then run `planner recover --api-from-file` again"
        )
    return f"correct `{hints.API}` in the file, then run `planner recover --api-from-file`"


def left_open(number: int, runs: Sequence[StepRun], steps: Sequence[Step], *, why: str) -> Incomplete:
    """The error of a run that stopped in the middle, with its journal ready for `recover`.

    Args:
        number: of the transaction.
        runs: what this run knows of every step, for the counts.
        steps: those that a recovery will find open.
        why: it stopped.
    """
    cells = count(len(steps), "cell")
    return Incomplete(
        f"Stopped in the middle of transaction {number}: {cells} may be changed",
        why=why,
        next="run `planner recover`: it brings every node back to what it was",
        details=in_doubt(steps),
        ending=Ending(number, StepCounts.of((run.state, run.sent) for run in runs)),
    )


def by_group(cells: Iterable[Cell]) -> str:
    """``a on node01, node02; b on node01``, and how many more there are."""
    nodes: dict[str, list[str]] = {}
    for cell in cells:
        nodes.setdefault(cell.group, []).append(cell.node)
    groups = [f"{group} on {', '.join(names)}" for group, names in nodes.items()]
    more = [f"and {count(len(groups) - SHOWN, 'more group')}"] if len(groups) > SHOWN else []
    return "; ".join([*groups[:SHOWN], *more])


def in_doubt(steps: Sequence[Step]) -> list[str]:
    """One line for each cell that may not be as it was."""
    return _shown([f"{step.cell} should be {step.before}" for step in steps])


def _shown(lines: list[str]) -> list[str]:
    if len(lines) <= SHOWN:
        return lines
    return [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more: planner recover --dry-run"]
