"""Finish what a dead or failed run left: bring every cell back to its before-image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.app.endings import failure_of, incomplete, left_open
from planner.errors import LockLost, WrongUsage
from planner.model import StepState, TransactionState
from planner.results import Recovered
from planner.transaction import Abandoned, Transaction, open_steps, patience, resume, states_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from planner.model import Cell, Policy, Step
    from planner.ports import Lease, Record, Store
    from planner.transaction import StepRun, World


def what_to_recover(store: Store, cluster: str) -> Record | None:
    """The unfinished transaction of a cluster, if there is one. Takes no lock."""
    number = store.knowledge(cluster).unfinished
    return None if number is None else store.record(cluster, number)


def recover(
    record: Record, lease: Lease, policy: Policy, world: World, aside: frozenset[int] = frozenset()
) -> Recovered:
    """Reverse an unfinished transaction, under the cluster's lock. Any number of times, by anyone.

    The journal's nodes are used, never the file's: the file may have changed, or be gone.

    Args:
        record: read after the lock was granted.
        lease: the lock, held.
        policy: patience; settling lasts at least as long as the dead run's.
        world: the ports, over the journal's nodes.
        aside: numbers of steps to set aside, see `steps_to_set_aside`.

    Raises:
        Incomplete: some cells could still not be brought back.
        LockLost: the lock went in the middle.
    """
    policy = patience(record, policy)
    runs = resume(record, policy, world.clock.now())
    transaction = Transaction(
        runs, record.intent.nodes, policy, world, lease, record.number, state=record.state
    )
    try:
        outcome = transaction.resume_reverse(record.message or "its run ended in the middle", aside)
    except Abandoned as stop:
        raise left_open(record.number, _open(runs), why=f"{stop.why}: this run left at once") from stop
    except LockLost as lost:
        raise left_open(record.number, _open(runs), why=lost.why or lost.what) from lost
    if outcome.state is TransactionState.REVERSE_INCOMPLETE:
        raise incomplete(f"Transaction {record.number} is not reversed yet", outcome)
    if not outcome.durable:
        raise failure_of(outcome)
    return Recovered(
        record.number,
        undone=tuple(each.step.cell for each in outcome.in_state(StepState.UNDONE)),
        not_ours=tuple(each.step.cell for each in outcome.in_state(StepState.NOT_OURS)),
        set_aside=tuple(each.step.cell for each in outcome.in_state(StepState.SET_ASIDE)),
    )


def steps_to_set_aside(
    record: Record, nodes: Collection[str] = (), cells: Collection[Cell] = ()
) -> frozenset[int]:
    """The open steps of whole nodes, and of single cells, that the user sets aside.

    Raises:
        WrongUsage: a node or a cell has no step that is open.
    """
    steps = open_steps(states_of(record))
    known = {step.cell.node for step in steps} | {step.cell for step in steps}
    unknown = [str(each) for each in (*nodes, *cells) if each not in known]
    if unknown:
        raise WrongUsage(
            f"Nothing to set aside: {', '.join(unknown)}",
            why=f"transaction {record.number} has no open step there",
            next="see `planner status`",
        )
    return frozenset(s.number for s in steps if s.cell.node in nodes or s.cell in cells)


def _open(runs: list[StepRun]) -> tuple[Step, ...]:
    return open_steps((run.step, run.state) for run in runs)
