"""Cells that need a second look: set aside by hand, or with a write that went unanswered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import PlannerError
from planner.model import Cell, Presence
from planner.ports import Watched
from planner.scope import EVERYTHING
from planner.transaction import Abandoned, RunInterrupted, observe

if TYPE_CHECKING:
    from planner.model import Desired, Policy
    from planner.ports import Clock, Lease, Store
    from planner.scope import Scope
    from planner.transaction import World


def to_watch(store: Store, cluster: str, policy: Policy, clock: Clock) -> tuple[Watched, ...]:
    """The watch list as a plan has to heed it: what is younger than `Policy.watch`, and what was set aside.

    A cell that was set aside should be as it was before its transaction.
    """
    oldest = clock.wall(policy.watch)
    watched = [each for each in store.watched(cluster) if each.since >= oldest]
    for number, cell in store.set_aside(cluster):
        record = store.record(cluster, number)
        if record is None:
            continue
        urls = {node.name: node.url for node in record.intent.nodes}
        before = next(step.before for step in record.intent.steps if step.cell == cell)
        watched.append(Watched(cell.group, urls[cell.node], number, before, record.finished, aside=True))
    return tuple(watched)


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
    managed = store.knowledge(desired.cluster).managed
    wanted: dict[Cell, Presence] = {}
    for watched in to_watch(store, desired.cluster, policy, world.clock):
        if watched.aside and watched.url in names and scope.includes_group(watched.group):
            pruned = desired.prune and (watched.group, watched.url) not in managed
            wish = Presence.ABSENT if pruned else watched.outcome
            wanted[Cell(watched.group, names[watched.url])] = wish
    if not wanted:
        return set()
    for group in desired.groups:
        for node in group.nodes:
            if Cell(group.id, node) in wanted:
                wanted[Cell(group.id, node)] = group.state
    # 'Absent' closes the cell here, so it is confirmed, whatever is wanted: a single 404 can lie.
    seen = observe(((cell, Presence.PRESENT) for cell in wanted), desired.nodes, policy, world)
    verified = (cell for cell, wish in wanted.items() if seen.presences.get(cell) is wish)
    return {(cell.group, urls[cell.node]) for cell in verified}
