"""What the store knows of a cluster. Takes no lock and asks no node."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.app.asides import set_aside, still_watched
from planner.app.endings import how_to_recover, when_they_answer
from planner.errors import PlannerError
from planner.model import Cell, StepState, TransactionState
from planner.results import Status
from planner.transaction import open_steps, states_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from planner.model import Desired, Node, Policy
    from planner.ports import Clock, Record, Store
    from planner.results import Aside

HISTORY = 200
"""How far back the last applied transaction is looked for."""

HINTED = 5
"""Transactions that an unknown number is answered with."""


def status(
    store: Store,
    cluster: str,
    policy: Policy,
    clock: Clock,
    nodes: Iterable[Node] = (),
    *,
    history: int = HISTORY,
) -> Status:
    """Say who holds the lock, what is unfinished, set aside or watched, and what was done last.

    Args:
        store: where that is.
        cluster: the cluster's name.
        policy: tells how long a cell is watched.
        clock: what is watched long enough is left out.
        nodes: of the file, where that is known.
        history: how many transactions are looked at for the last ones; 0 where those are not asked for.
    """
    holder = store.holder(cluster)  # before the knowledge: a run that ends between the two is seen as ended
    knowledge = store.knowledge(cluster)
    unfinished = None if knowledge.unfinished is None else store.record(cluster, knowledge.unfinished)
    past = store.history(cluster, history) if history else ()
    asides = set_aside(store, cluster)
    declared = {node.url: node.name for node in nodes}
    known = {url: name for name, url in knowledge.nodes}
    known |= {node.url: node.name for node in (unfinished.intent.nodes if unfinished else ())} | declared
    named_above = {(each.cell.group, each.url) for each in asides} | _open_keys(unfinished)
    found = Status(
        cluster=cluster,
        store=knowledge.store,
        managed=len(knowledge.managed),
        holder=holder,
        unfinished=unfinished,
        running=holder is not None and unfinished is not None,
        set_aside=asides,
        watched=tuple(
            each
            for each in still_watched(store, cluster, policy.watch, clock)
            if (each.group, each.url) not in named_above
        ),
        watch=policy.watch,
        names=known,
        elsewhere=tuple(
            each for each in store.unfinished_besides(cluster) if not each.urls.isdisjoint(known)
        ),
        last=past[0] if past else None,
        last_applied=next((r for r in past if r.state is TransactionState.APPLIED), None),
    )
    return replace(found, next=_next(found, declared.keys()))


def _open_keys(record: Record | None) -> set[tuple[str, str]]:
    """The open cells of an unfinished transaction, as (group, canonical URL)."""
    if record is None:
        return set()
    urls = {node.name: node.url for node in record.intent.nodes}
    return {(step.cell.group, urls[step.cell.node]) for step in open_steps(states_of(record))}


def _next(status: Status, declared: Collection[str]) -> str:
    """What the user should do now; `declared` has the URLs of the file's nodes, where that is known."""
    if status.running:
        return ""
    if status.unfinished is not None:
        failed = [step for step, state in states_of(status.unfinished) if state is StepState.UNDO_FAILED]
        notes = [mark.note for mark in status.unfinished.marks if mark.state is StepState.UNDO_FAILED]
        fresh = "run `planner recover`: it brings every node back to what it was"
        return how_to_recover(notes, when_they_answer(failed[0]) if failed else fresh)
    if status.elsewhere:
        return f"run `planner recover --cluster {status.elsewhere[0].cluster}`"
    if status.set_aside:
        return _about_asides(status.set_aside, declared)
    return ""


def _about_asides(asides: Sequence[Aside], declared: Collection[str]) -> str:
    """What becomes of what is set aside: it is not given up while the file has its node."""
    left = [each for each in asides if declared and each.url not in declared]
    cell = (left or asides)[0].cell
    give_up = f"planner recover --forget {shlex.quote(f'{cell.node}/{cell.group}')}"
    if left:
        return f"{cell.node} left the file: if it is gone for good, {give_up}; else put it back, and apply"
    return (
        "`planner apply` verifies what is set aside when its node answers; one that is gone for good, "
        f"take out of the file, then: {give_up}"
    )


def in_doubt_of(record: Record, desired: Desired) -> dict[Cell, str]:
    """The open cells of an unfinished transaction under the names of the file, and why they are in doubt."""
    names = {node.url: node.name for node in desired.nodes}
    urls = {node.name: node.url for node in record.intent.nodes}
    cells = (step.cell for step in open_steps(states_of(record)))
    return {
        Cell(cell.group, names[urls[cell.node]]): f"in the middle of TX {record.number}"
        for cell in cells
        if urls[cell.node] in names
    }


def find_transaction(store: Store, cluster: str, number: int) -> Record:
    """One transaction of a cluster, with its marks.

    Raises:
        PlannerError: there is none of that number; the last ones are named.
    """
    record = store.record(cluster, number)
    if record is not None:
        return record
    owner = owner_of(store, number, besides=cluster)
    last = [f"{each.number} ({each.intent.command}, {each.state})" for each in store.history(cluster, HINTED)]
    raise PlannerError(
        f"Cluster {cluster!r} has no transaction {number}",
        why=f"that number belongs to cluster {owner!r}" if owner else "",
        next=f"the last ones are {', '.join(last)}; see planner history"
        if last
        else "nothing was applied yet",
    )


def owner_of(store: Store, number: int, *, besides: str) -> str | None:
    """The other cluster that a transaction belongs to, if there is one."""
    others = (name for name in store.clusters() if name != besides)
    return next((name for name in others if store.record(name, number) is not None), None)
