"""Plan the reverse of an earlier transaction; it is reviewed and applied like any plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.app.asides import to_watch
from planner.app.planning import NOTHING_ALLOWED, check_identity, read
from planner.app.reporting import find_transaction, owner_of
from planner.app.scoping import measure
from planner.diff import known_groups
from planner.errors import PlannerError, StalePlan
from planner.model import UNFINISHED, TransactionState
from planner.reads import by_node
from planner.undo import build, cells_to_read, past_of, scope_of

if TYPE_CHECKING:
    from planner.app.planning import Allowances
    from planner.model import Desired, Plan, Policy
    from planner.ports import Record, Store
    from planner.transaction import World
    from planner.undo import Past


def make_undo(
    number: int,
    desired: Desired,
    store: Store,
    policy: Policy,
    world: World,
    allowances: Allowances = NOTHING_ALLOWED,
) -> Plan:
    """Read what an applied transaction changed, and plan its reverse. Takes no lock and changes nothing.

    Args:
        number: of the transaction.
        desired: the file as it is now: its cluster, nodes, limits and protection count.
        store: where the transaction is remembered.
        policy: patience.
        world: the ports, over the file's nodes.
        allowances: `delete_adopted` does not matter, since adopted cells are never deleted here.

    Raises:
        PlannerError: there is no such transaction, or it was not applied.
        StalePlan: it belongs to another cluster, or wrote to a node that the file does not have any more.
        NodesUnreadable: at least one node could not be read.
        Interrupted: before everything was read.
    """
    knowledge = store.knowledge(desired.cluster)
    watched = to_watch(store, desired.cluster, policy, world.clock)
    knowledge = replace(knowledge, watched=watched) if watched else knowledge
    check_identity(desired, knowledge)
    record = _applied(number, desired, store)
    past = past_of(record, desired, knowledge)
    _check_nodes(past, desired)
    scope = scope_of(record, desired)
    part = measure(scope, known_groups(desired, knowledge), [node.name for node in desired.nodes])
    seen = read(by_node(cells_to_read(past, desired, scope)), desired.nodes, policy, world)
    plan = build(
        past,
        desired,
        knowledge,
        seen.presences,
        lossy=seen.lossy,
        allow_lossy=allowances.lossy_delete,
        allow_deletes=allowances.deletes,
        scope=part,
    )
    return replace(plan, created=world.clock.wall())


def _applied(number: int, desired: Desired, store: Store) -> Record:
    owner = owner_of(store, number, besides=desired.cluster)
    if owner is not None:
        raise StalePlan(
            f"Transaction {number} cannot be undone from here",
            where=desired.origin,
            why=f"it belongs to cluster {owner!r}, and the file names {desired.cluster!r}",
            next="name that cluster's file with --file",
        )
    record = find_transaction(store, desired.cluster, number)
    if record.state is TransactionState.APPLIED:
        return record
    unfinished = record.state in UNFINISHED
    raise PlannerError(
        f"Transaction {number} cannot be undone: it is {record.state}",
        why="it is not finished" if unfinished else "only what was applied can be undone, and it was not",
        next="`planner recover` reverses it" if unfinished else f"see what came of it: planner show {number}",
    )


def _check_nodes(past: Past, desired: Desired) -> None:
    if past.gone:
        raise StalePlan(
            f"Transaction {past.number} cannot be undone: it wrote to nodes that are not in the file",
            where=", ".join(node.name for node in past.gone),
            why="a node is known by its URL, and only the nodes of the file are written to",
            next=f"bring them back into {desired.origin}, or undo by hand what `planner show {past.number}` "
            "lists",
            details=[f"{node.name} ({node.url})" for node in past.gone],
        )
