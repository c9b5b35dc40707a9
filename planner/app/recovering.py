"""Finish what a dead or failed run left: bring every cell back to its before-image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.app.endings import by_group, ending_of, failure_of, incomplete, left_open
from planner.errors import LockLost, WrongUsage
from planner.model import StepState, TransactionState
from planner.results import Recovered
from planner.transaction import Abandoned, Transaction, open_steps, patience, resume, states_of
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from planner.model import Cell, Desired, Node, Policy
    from planner.ports import Lease, Record, Store
    from planner.transaction import World


def what_to_recover(store: Store, cluster: str) -> Record | None:
    """The unfinished transaction of a cluster, if there is one. Takes no lock."""
    number = store.unfinished(cluster)
    return None if number is None else store.record(cluster, number)


def recover(
    record: Record,
    lease: Lease,
    policy: Policy,
    world: World,
    aside: frozenset[int] = frozenset(),
    *,
    how: Sequence[str] = (),
    unchanged: str = "",
) -> Recovered:
    """Reverse an unfinished transaction, under the cluster's lock. Any number of times, by anyone.

    The nodes of `record` are used, never the file's: the file may have changed, or be gone.

    Args:
        record: read after the lock was granted; perhaps with nodes that have moved, or with another `api`.
        lease: the lock, held.
        policy: patience; settling lasts at least as long as the dead run's.
        world: the ports, over the journal's nodes.
        aside: numbers of steps to set aside, see `steps_to_set_aside`.
        how: what the user told it besides, for the transaction's history.
        unchanged: the file that it was told to speak by, where that says the same as the journal.

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
        outcome = transaction.resume_reverse(
            record.message or "its run ended in the middle", aside, _note(record, aside, how)
        )
    except Abandoned as stop:
        raise left_open(
            record.number, runs, transaction.open_steps(), why=f"{stop.why}: this run left at once"
        ) from stop
    except LockLost as lost:
        raise left_open(record.number, runs, transaction.open_steps(), why=lost.why or lost.what) from lost
    if outcome.state is TransactionState.REVERSE_INCOMPLETE:
        raise incomplete(f"Transaction {record.number} is not reversed yet", outcome, unchanged)
    if not outcome.durable:
        raise failure_of(outcome)
    return Recovered(
        record.number,
        undone=tuple(each.step.cell for each in outcome.in_state(StepState.UNDONE)),
        not_ours=tuple(each.step.cell for each in outcome.in_state(StepState.NOT_OURS)),
        set_aside=tuple(each.step.cell for each in outcome.in_state(StepState.SET_ASIDE)),
        steps=ending_of(outcome).steps,
    )


def _note(record: Record, aside: frozenset[int], how: Sequence[str]) -> str:
    """What a recovery is about to do, for the transaction's history."""
    steps = open_steps(states_of(record))
    by_hand = [step.cell for step in steps if step.number in aside]
    rest = len(steps) - len(by_hand)
    parts = [f"{count(rest, 'cell')} to bring back"] if rest or not by_hand else []
    parts += [f"set aside by hand: {by_group(by_hand)}"] if by_hand else []
    return "recover: " + "; ".join([*parts, *how])


def speaks_as_before(before: Record, after: Record) -> bool:
    """Whether `with_api_of` changed nothing for the nodes that have a cell to bring back."""
    names = {step.cell.node for step in open_steps(states_of(before))}
    pairs = zip(before.intent.nodes, after.intent.nodes, strict=True)
    return all(old.speech == new.speech for old, new in pairs if old.name in names)


def with_api_of(desired: Desired, record: Record) -> tuple[Record, tuple[str, ...]]:
    """The same transaction, its nodes spoken to as the file says: when a wrong `api` made an undo fail.

    So are credentials and TLS: a token may be found elsewhere by now.

    A node is the same one while its URL is the same. One that the file does not name keeps the `api` of the
    journal. Nothing of this is stored.

    Args:
        desired: the file as it is now.
        record: the unfinished transaction.

    Returns:
        The transaction, and what the user should know of it in sentences.

    Raises:
        WrongUsage: the file is about something else.
    """
    told = {node.url: node for node in desired.nodes}
    names = {step.cell.node for step in open_steps(states_of(record))}
    open_nodes = [node for node in record.intent.nodes if node.name in names]
    strangers = [node for node in open_nodes if node.url not in told]
    why = ""
    if desired.cluster != record.cluster:
        why = f"it is about cluster {desired.cluster!r}, and the transaction about {record.cluster!r}"
    elif strangers and len(strangers) == len(open_nodes):
        why = "it has none of their URLs: " + ", ".join(node.url for node in strangers)
    if why:
        raise WrongUsage(
            f"{desired.origin} does not say how to speak to the nodes of transaction {record.number}",
            why=why,
            next="name the right file with --file; where a node is now, with --node-url",
        )
    remarks = []
    if strangers:
        unnamed = ", ".join(node.name for node in strangers)
        remarks.append(f"not in {desired.origin}, and spoken to as before: {unnamed}")
    if all(told.get(node.url, node).speech == node.speech for node in open_nodes):
        remarks.append(f"the `api` in {desired.origin} is still the one that the transaction used")
    nodes = tuple(_spoken_to_as(told.get(node.url, node), node) for node in record.intent.nodes)
    return replace(record, intent=replace(record.intent, nodes=nodes)), tuple(remarks)


def _spoken_to_as(told: Node, node: Node) -> Node:
    return replace(node, dialect=told.dialect, credential=told.credential, tls=told.tls)


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
            next="see what is open: planner recover --dry-run",
        )
    return frozenset(s.number for s in steps if s.cell.node in nodes or s.cell in cells)
