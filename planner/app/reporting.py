"""What the store knows of a cluster. Takes no lock and asks no node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model import TransactionState
from planner.results import Status

if TYPE_CHECKING:
    from planner.ports import Store

HISTORY = 200
"""How far back the last applied transaction is looked for."""


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
