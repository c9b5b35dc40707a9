"""Cells that need a second look: set aside by hand, or with a write that went unanswered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.app.endings import by_group
from planner.errors import PlannerError, WrongUsage
from planner.model import Cell, Presence
from planner.ports import Watched, Wave
from planner.reads import by_node
from planner.results import Aside
from planner.scope import EVERYTHING
from planner.transaction import Abandoned, RunInterrupted, observe

if TYPE_CHECKING:
    from collections.abc import Collection

    from planner.model import Desired, Policy
    from planner.ports import Clock, Lease, Record, Store
    from planner.scope import Scope
    from planner.transaction import World


def to_watch(store: Store, cluster: str, policy: Policy, clock: Clock) -> tuple[Watched, ...]:
    """The watch list as a plan has to heed it: what is younger than `Policy.watch`, and what was set aside.

    A cell that was set aside should be as it was before its transaction.
    """
    asides = (
        Watched(each.cell.group, each.url, each.transaction, each.before, each.since, aside=True)
        for each in set_aside(store, cluster)
    )
    return (*still_watched(store, cluster, policy.watch, clock), *asides)


def still_watched(store: Store, cluster: str, watch: float, clock: Clock) -> tuple[Watched, ...]:
    """What has been on the watch list for less than `watch` seconds."""
    oldest = clock.wall(watch)
    return tuple(each for each in store.watched(cluster) if each.since >= oldest)


def set_aside(store: Store, cluster: str) -> tuple[Aside, ...]:
    """The cells that were set aside and not verified since, and how each of them should be."""
    records: dict[int, Record | None] = {}
    found = []
    for number, cell in store.set_aside(cluster):
        if number not in records:
            records[number] = store.record(cluster, number)
        record = records[number]
        if record is None:
            continue
        urls = {node.name: node.url for node in record.intent.nodes}
        before = next(step.before for step in record.intent.steps if step.cell == cell)
        found.append(Aside(number, cell, urls[cell.node], before, record.finished))
    return tuple(found)


def give_up(
    cells: Collection[Cell], cluster: str, store: Store, lease: Lease, desired: Desired | None
) -> tuple[Aside, ...]:
    """Stop naming cells that were set aside and cannot be verified any more; their transactions tell of it.

    Args:
        cells: under the names that their nodes had.
        cluster: the cluster's name.
        store: where they are listed.
        lease: the lock, held.
        desired: the file; None where the user has named the cluster instead, and knows better.

    Raises:
        WrongUsage: a cell is not set aside, or an apply from this file will verify it.
    """
    asides = set_aside(store, cluster)
    strangers = [cell for cell in cells if cell not in {each.cell for each in asides}]
    if strangers:
        raise WrongUsage(
            f"Nothing to forget: {', '.join(map(str, strangers))}",
            why=f"no such cell of cluster {cluster!r} is set aside",
            next="see which are: planner status",
        )
    chosen = tuple(each for each in asides if each.cell in cells)
    here = {node.url for node in desired.nodes} if desired else set()
    reachable = [each for each in chosen if each.url in here]
    if desired and reachable:
        raise WrongUsage(
            f"Not forgotten: {', '.join(str(each.cell) for each in reachable)}",
            where=desired.origin,
            why="the file still has the node, so that the next `planner apply` can verify the cell",
            next=f"run it; or, if you know better: planner recover --cluster {cluster} --forget …",
        )
    for number in dict.fromkeys(each.transaction for each in chosen):
        of_this = [each.cell for each in chosen if each.transaction == number]
        lease.commit(number, Wave((), note=f"recover: given up for good: {by_group(of_this)}"))
    lease.clear_set_aside([(each.cell.group, each.url) for each in chosen])
    return chosen


def tidy(
    desired: Desired,
    store: Store,
    lease: Lease,
    policy: Policy,
    world: World,
    scope: Scope = EVERYTHING,
) -> None:
    """After an apply: forget what was watched long enough, and what was set aside and is verified now.

    The apply is done and durable: whatever goes wrong here is left to the next run. What it wrote, adopted
    or forgot is set aside no longer since its closing.

    Args:
        desired: the file.
        store: where the lists are.
        lease: the lock, held.
        policy: patience.
        world: the ports.
        scope: of the plan; what is out of it stays set aside, unread.
    """
    try:
        lease.unwatch(world.clock.wall(policy.watch))
        lease.clear_set_aside(_verified(desired, store, policy, world, scope))
    except (PlannerError, RunInterrupted, Abandoned):
        return


def _verified(
    desired: Desired, store: Store, policy: Policy, world: World, scope: Scope
) -> set[tuple[str, str]]:
    """Cells set aside, as (group, URL), that read now as declared or pruned, or as they were.

    One that cannot be read, or whose node is not in the file, is not verified.
    """
    urls = {node.name: node.url for node in desired.nodes}
    names = {node.url: node.name for node in desired.nodes if scope.includes_node(node.name)}
    asides = [
        each
        for each in to_watch(store, desired.cluster, policy, world.clock)
        if each.aside and each.url in names and scope.includes_group(each.group)
    ]
    if not asides:
        return set()
    managed = store.knowledge(desired.cluster).managed
    wanted: dict[Cell, Presence] = {}
    for each in asides:
        pruned = desired.prune and (each.group, each.url) not in managed
        wanted[Cell(each.group, names[each.url])] = Presence.ABSENT if pruned else each.outcome
    for group in desired.groups:
        for node in group.nodes:
            if Cell(group.id, node) in wanted:
                wanted[Cell(group.id, node)] = group.state
    # 'Absent' closes the cell here, so it is confirmed, whatever is wanted: a single 404 can lie.
    cells = by_node((cell, Presence.PRESENT) for cell in wanted)
    seen = observe(cells, desired.nodes, policy, world)
    verified = (cell for cell, wish in wanted.items() if seen.presences.get(cell) is wish)
    return {(cell.group, urls[cell.node]) for cell in verified}
