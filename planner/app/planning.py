"""Make a plan: what the file asks for, what the store remembers, what every node holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import hints
from planner.app.asides import to_watch
from planner.app.endings import how_to_recover, in_doubt
from planner.diff import cells_to_read
from planner.errors import FileInvalid, Incomplete, Interrupted, NodesUnreadable, StalePlan
from planner.model import StepState
from planner.plan import build
from planner.transaction import Abandoned, RunInterrupted, observe, open_steps, states_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from planner.model import Cell, Desired, Node, Plan, Policy, Presence
    from planner.ports import Knowledge, Store, Unfinished
    from planner.transaction import Observation, World


@dataclass(frozen=True, slots=True)
class Allowances:
    """What the user allows knowingly, for one plan; recorded in it."""

    deletes: int | None = None
    delete_adopted: bool = False
    lossy_delete: bool = False


NOTHING_ALLOWED = Allowances()


def make_plan(
    desired: Desired, store: Store, policy: Policy, world: World, allowances: Allowances = NOTHING_ALLOWED
) -> Plan:
    """Read every node and say what differs. Takes no lock and changes nothing.

    Raises:
        NodesUnreadable: at least one node could not be read; it is never taken as empty.
        StalePlan: the cluster's name or store belongs to other nodes.
        Interrupted: before everything was read.
    """
    knowledge = store.knowledge(desired.cluster)
    check_identity(desired, knowledge)
    check_supported(desired)
    watched = to_watch(store, desired.cluster, policy, world.clock)
    knowledge = replace(knowledge, watched=watched) if watched else knowledge
    seen = read(cells_to_read(desired, knowledge), desired.nodes, policy, world)
    return build(
        desired,
        knowledge,
        seen.presences,
        lossy=seen.lossy,
        allow_delete_adopted=allowances.delete_adopted,
        allow_lossy=allowances.lossy_delete,
        allow_deletes=allowances.deletes,
        created=world.clock.wall(),
    )


def check_supported(desired: Desired) -> None:
    """Refuse what the file may ask for, and this version cannot do: silence would be worse.

    Raises:
        FileInvalid: names it.
    """
    missing = ["`prune: true`"] if desired.prune else []
    missing += [f"`credential` (of {node.name})" for node in desired.nodes if node.credential]
    if missing:
        raise FileInvalid(
            f"This version does not support {', '.join(missing)} yet",
            where=desired.origin,
            next="remove it; single groups are deleted with `state: absent`",
        )


def check_identity(desired: Desired, knowledge: Knowledge) -> None:
    """Refuse a store or a cluster name that belongs to somebody else's nodes.

    Raises:
        StalePlan: two environments would prune each other.
    """
    if desired.store and desired.store != knowledge.store:
        raise StalePlan(
            f"Cluster {desired.cluster!r} is pinned to another store",
            where=f"{desired.origin}: cluster.store",
            why=f"it names store {desired.store}, and this run uses {knowledge.store}",
            next="pass the right --store, or change the pin if the store was replaced",
        )
    known = {url for _, url in knowledge.nodes}
    if known and known.isdisjoint(node.url for node in desired.nodes):
        raise StalePlan(
            f"None of the nodes belongs to the cluster that the store knows as {desired.cluster!r}",
            where=desired.origin,
            why="the store knows " + ", ".join(sorted(known)),
            next="give this environment a cluster name or a store of its own: "
            "two must never prune each other",
        )


def check_finished(store: Store, cluster: str, knowledge: Knowledge | None = None) -> None:
    """Refuse while an unfinished transaction is in the store.

    Args:
        store: where it would be.
        cluster: the cluster's name.
        knowledge: what the store knows of the cluster, if it was just read.

    Raises:
        Incomplete: there is one.
    """
    unfinished = (knowledge or store.knowledge(cluster)).unfinished
    if unfinished is not None:
        record = store.record(cluster, unfinished)
        steps = open_steps(states_of(record)) if record else ()
        notes = [mark.note for mark in record.marks if mark.state is StepState.UNDO_FAILED] if record else []
        raise Incomplete(
            f"Transaction {unfinished} of cluster {cluster!r} is unfinished",
            why="a run died, or could not reverse everything; nodes may differ from each other",
            next=how_to_recover(notes, "run `planner recover` first"),
            details=in_doubt(steps),
        )


def unfinished_elsewhere(store: Store, cluster: str, urls: Collection[str]) -> Unfinished | None:
    """An unfinished transaction of another cluster's name on one of these nodes: most likely its old name."""
    found = store.unfinished_besides(cluster)
    return next((each for each in found if not each.urls.isdisjoint(urls)), None)


def check_elsewhere(store: Store, desired: Desired) -> None:
    """Refuse while another cluster's name has an unfinished transaction on nodes of the file.

    Raises:
        Incomplete: there is one; a later apply would change cells that its recovery brings back.
    """
    other = unfinished_elsewhere(store, desired.cluster, {node.url for node in desired.nodes})
    if other is None:
        return
    holder = store.holder(other.cluster)
    shared = [node.name for node in desired.nodes if node.url in other.urls]
    raise Incomplete(
        f"Transaction {other.number} of cluster {other.cluster!r} is unfinished, on nodes of this file",
        where=", ".join(shared),
        why=f"{desired.origin} calls the cluster {desired.cluster!r}; what was begun under another "
        "name may have left these nodes different from each other",
        next=f"wait until {holder.who} has ended"
        if holder
        else f"run `planner recover --cluster {other.cluster}` first",
    )


def read(
    cells: Iterable[tuple[Cell, Presence | None]], nodes: tuple[Node, ...], policy: Policy, world: World
) -> Observation:
    """Read cells, all or nothing.

    Raises:
        NodesUnreadable: names every node that could not be read.
        Interrupted: the run was stopped; nothing was changed.
    """
    try:
        seen = observe(cells, nodes, policy, world)
    except (RunInterrupted, Abandoned) as stop:
        raise Interrupted("Interrupted while reading; nothing was changed") from stop
    if seen.unreadable:
        cure = "check that they are up, and that the file has their right URLs"
        if all(hints.API in why for why in seen.unreadable.values()):
            cure = f"correct `{hints.API}` in the file, or `api` of these nodes alone"
        urls = {node.name: node.url for node in nodes}
        raise NodesUnreadable(
            f"{len(seen.unreadable)} of {len(nodes)} nodes cannot be read",
            where=", ".join(sorted(seen.unreadable)),
            why="a node that cannot be read is never taken as empty; nothing was changed",
            next=f"{cure}; then plan again",
            details=[f"{name} ({urls[name]}): {why}" for name, why in sorted(seen.unreadable.items())],
        )
    return seen
