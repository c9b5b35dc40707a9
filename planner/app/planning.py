"""Make a plan: what the file asks for, what the store remembers, what every node holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import hints
from planner.app.asides import to_watch
from planner.app.endings import how_to_recover, in_doubt
from planner.app.scoping import measure
from planner.diff import Lists, known_groups, part_of, strangers, watched_only
from planner.errors import FileInvalid, Incomplete, Interrupted, NodesUnreadable, StalePlan
from planner.model import StepState
from planner.plan import build
from planner.reads import reads_of
from planner.results import Planned, Survey
from planner.scope import EVERYTHING
from planner.transaction import (
    Abandoned,
    RunInterrupted,
    observe,
    open_steps,
    states_of,
    take_inventory,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from planner.grid import Presences
    from planner.model import Desired, Node, Plan, Policy
    from planner.ports import Knowledge, Store, Unfinished
    from planner.reads import ToRead
    from planner.scope import Scope
    from planner.transaction import Inventory, Observation, World


@dataclass(frozen=True, slots=True)
class Allowances:
    """What the user allows knowingly, for one plan; recorded in it."""

    deletes: int | None = None
    delete_adopted: bool = False
    lossy_delete: bool = False


NOTHING_ALLOWED = Allowances()


def make_plan(
    desired: Desired,
    store: Store,
    policy: Policy,
    world: World,
    allowances: Allowances = NOTHING_ALLOWED,
    scope: Scope = EVERYTHING,
) -> Plan:
    """The plan alone; see `survey`."""
    return survey(desired, store, policy, world, allowances, scope).plan


def survey(
    desired: Desired,
    store: Store,
    policy: Policy,
    world: World,
    allowances: Allowances = NOTHING_ALLOWED,
    scope: Scope = EVERYTHING,
) -> Planned:
    """Look at every node in scope and say what differs. Takes no lock and changes nothing.

    Raises:
        WrongUsage: the scope names what is not there, or leaves nothing.
        NodesUnreadable: at least one node could not be read; it is never taken as empty.
        StalePlan: the cluster's name or store belongs to other nodes.
        FileInvalid: the file asks for what cannot be done.
        Interrupted: before everything was read.
    """
    knowledge = store.knowledge(desired.cluster)
    check_identity(desired, knowledge)
    check_prune(desired)
    watched = to_watch(store, desired.cluster, policy, world.clock)
    knowledge = replace(knowledge, watched=watched) if watched else knowledge
    if desired.prune:
        knowledge = replace(knowledge, others=store.managed_besides(desired.cluster))
    size = measure(scope, known_groups(desired, knowledge), [node.name for node in desired.nodes])
    part, known = part_of(desired, knowledge, scope)
    inventory = take_lists(part.nodes, policy, world)
    found = Lists(frozenset(inventory.nodes), inventory.holders)
    lists, unnamed = _with_pruned(desired, knowledge, found, scope)
    reads = reads_of(part, known, lists)
    seen = read(
        reads.nodes,
        part.nodes,
        policy,
        world,
        unlisted=inventory.unreadable,
        known=reads.listed,
        watched=reads.of(watched_only(part, known)),
        may_leave_out=True,
    )
    plan = build(
        desired,
        knowledge,
        seen.presences,
        lossy=seen.lossy,
        allow_delete_adopted=allowances.delete_adopted,
        allow_lossy=allowances.lossy_delete,
        allow_deletes=allowances.deletes,
        lists=lists,
        scope=size,
    )
    plan = replace(plan, created=world.clock.wall(), warnings=(*plan.warnings, *unnamed))
    return Planned(plan, Survey(reads.groups, seen.presences))


def _with_pruned(
    desired: Desired, knowledge: Knowledge, lists: Lists, scope: Scope
) -> tuple[Lists, tuple[str, ...]]:
    """Choose the strangers that are to be read, since the file asks for their deletion; and a warning."""
    if not desired.prune:
        return lists, ()
    from planner.desired import id_problem

    unknown = tuple(filter(scope.includes_group, strangers(desired, knowledge, lists)))
    named = tuple(group for group in unknown if not id_problem(group))
    stay = len(unknown) - len(named)
    warning = f"{stay} unmanaged groups stay: their ids can stand in no file and in no request"
    return replace(lists, read=named), ((warning,) if stay else ())


def check_prune(desired: Desired) -> None:
    """Refuse to prune where it cannot be known what there is.

    Raises:
        FileInvalid: names the nodes that cannot list their groups.
    """
    silent = [node.name for node in desired.nodes if node.dialect.list_path is None]
    if desired.prune and silent:
        raise FileInvalid(
            "`prune: true` needs the list of all groups of every node",
            where=desired.origin,
            why=f"there is no `api.list` for {', '.join(silent)}",
            next=f"set `{hints.API}.list`, or `api.list` of these nodes, or take `prune: true` out",
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
    unfinished = store.unfinished(cluster) if knowledge is None else knowledge.unfinished
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


def take_lists(nodes: tuple[Node, ...], policy: Policy, world: World) -> Inventory:
    """List every node that can; those that failed are an error of `read`, with all others.

    Raises:
        Interrupted: the run was stopped; nothing was changed.
    """
    try:
        return take_inventory(nodes, policy, world)
    except (RunInterrupted, Abandoned) as stop:
        raise Interrupted("Interrupted while listing; nothing was changed") from stop


def read(  # noqa: PLR0913  (what is known already, and what is said of what is not)
    cells: Mapping[str, ToRead],
    nodes: tuple[Node, ...],
    policy: Policy,
    world: World,
    *,
    unlisted: Mapping[str, str] | None = None,
    then: str = "plan again",
    known: Presences | None = None,
    watched: int = 0,
    may_leave_out: bool = False,
) -> Observation:
    """Read cells, all or nothing.

    Args:
        cells: by the name of their node, each with what is expected of it.
        nodes: theirs.
        policy: patience.
        world: the ports.
        unlisted: nodes that are known to be unreadable, and why.
        then: what to do when every node can be read again.
        known: cells that are not read, since a list has shown them.
        watched: how many of them are read only since they are on the watch list, for progress.
        may_leave_out: whether the user can go on without a node.

    Raises:
        NodesUnreadable: names every node that could not be read.
        Interrupted: the run was stopped; nothing was changed.
    """
    try:
        seen = observe(cells, nodes, policy, world, unlisted, known=known, watched=watched)
    except (RunInterrupted, Abandoned) as stop:
        raise Interrupted("Interrupted while reading; nothing was changed") from stop
    if seen.unreadable:
        raise unreadable(seen.unreadable, nodes, then, may_leave_out=may_leave_out)
    return seen


def unreadable(
    why: Mapping[str, str], nodes: tuple[Node, ...], then: str, *, may_leave_out: bool = False
) -> NodesUnreadable:
    """The error that names every node that could not be read, and what to do `then`."""
    cure = f"check that they are up, and that the file has their right URLs; then {then}"
    if may_leave_out and len(why) < len(nodes):
        cure += ", or plan and apply without them: " + " ".join(
            f"--exclude-node {name}" for name in sorted(why)
        )
    if all(hints.API in each for each in why.values()):
        cure = f"correct `{hints.API}` in the file, or `api` of these nodes alone; then {then}"
    urls = {node.name: node.url for node in nodes}
    return NodesUnreadable(
        f"{len(why)} of {len(nodes)} {'nodes' if len(nodes) > 1 else 'node'} cannot be read",
        where=", ".join(sorted(why)),
        nodes=sorted(why),
        why="a node that cannot be read is never taken as empty; nothing was changed",
        next=cure,
        details=[f"{name} ({urls[name]}): {each}" for name, each in sorted(why.items())],
    )
