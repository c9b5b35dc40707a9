"""What the store knows of a cluster. Takes no lock and asks no node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import PlannerError
from planner.model import TransactionState
from planner.results import Status

if TYPE_CHECKING:
    from planner.ports import Record, Store

HISTORY = 200
"""How far back the last applied transaction is looked for."""

HINTED = 5
"""Transactions that an unknown number is answered with."""


def status(store: Store, cluster: str) -> Status:
    """Say who holds the lock, what is unfinished, set aside or watched, and what was done last."""
    holder = store.holder(cluster)  # before the knowledge: a run that ends between the two is seen as ended
    knowledge = store.knowledge(cluster)
    unfinished = None if knowledge.unfinished is None else store.record(cluster, knowledge.unfinished)
    history = store.history(cluster, HISTORY)
    return Status(
        cluster=cluster,
        store=knowledge.store,
        managed=len(knowledge.managed),
        holder=holder,
        unfinished=unfinished,
        running=holder is not None and unfinished is not None,
        set_aside=store.set_aside(cluster),
        watched=store.watched(cluster),
        last=history[0] if history else None,
        last_applied=next((r for r in history if r.state is TransactionState.APPLIED), None),
    )


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
