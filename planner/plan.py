"""Changes as an ordered plan, with the evidence that it rests on and the guards against it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.diff import NO_LISTS, diff, part_of, strangers, wiped_nodes
from planner.grid import Presences
from planner.guards import DELETES, base_of, guards, protection_of
from planner.model import Cell, Limits, Plan, Seen, Step
from planner.scope import patterns_of
from planner.words import agreeing, count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from planner.diff import Changes, Lists
    from planner.model import Desired, Node, Presence
    from planner.ports import Knowledge
    from planner.scope import PlanScope, Scope


def build(  # noqa: PLR0913  (what was read, and one argument per allowance)
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    *,
    lossy: Collection[Cell] = (),
    allow_delete_adopted: bool = False,
    allow_lossy: bool = False,
    allow_deletes: int | None = None,
    lists: Lists = NO_LISTS,
    scope: PlanScope | None = None,
) -> Plan:
    """Make the plan that leads from what was seen to what is desired.

    Args:
        desired: the file.
        knowledge: what the store knows of the cluster.
        presences: every cell of every group declared or managed, as seen; of those in scope.
        lossy: cells whose record shows more than the id.
        allow_delete_adopted: whether adopted groups that are no longer declared are deleted.
        allow_lossy: whether records that show more than the id may be deleted.
        allow_deletes: raises `max_deletes` knowingly, and sets the percentage aside.
        lists: what the nodes in scope list, where they can.
        scope: the part that the plan is about; None for the whole cluster.
    """
    patterns = patterns_of(scope)
    part, known = part_of(desired, knowledge, patterns)
    changes = diff(part, known, presences, allow_delete_adopted=allow_delete_adopted, further=lists.read)
    allowances = ["delete-adopted"] if allow_delete_adopted else []
    allowances += ["lossy-delete"] if allow_lossy else []
    plan = assemble(
        desired,
        knowledge,
        presences,
        changes,
        lossy=lossy,
        allow_deletes=allow_deletes,
        allowances=allowances,
        scope=scope,
    )
    wiped = wiped_nodes(part, known, presences)
    return replace(
        plan,
        protects=_protects(part, knowledge),
        unprotects=_unprotects(desired, knowledge, changes, patterns),
        unmanaged=_unmanaged(desired, knowledge, changes, lists, patterns),
        warnings=_warnings(desired, knowledge, wiped, changes, scope),
    )


def _unmanaged(
    desired: Desired, knowledge: Knowledge, changes: Changes, lists: Lists, scope: Scope
) -> tuple[Cell, ...]:
    """What exists on nodes that can list, and that nobody declared and nobody manages.

    Of groups that were read the reads count, of all others the lists.
    """
    if not lists.nodes:
        return ()
    cells = [cell for cell in changes.unmanaged if cell.node in lists.nodes]
    unknown = filter(scope.includes_group, strangers(desired, knowledge, lists))
    unread = set(unknown).difference(lists.read)
    cells += [Cell(group, name) for group in unread for name in lists.holders[group]]
    order = {node.name: position for position, node in enumerate(desired.nodes)}
    return tuple(sorted(cells, key=lambda cell: (cell.group, order[cell.node])))


def assemble(
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    changes: Changes,
    *,
    lossy: Collection[Cell] = (),
    allow_deletes: int | None = None,
    allowances: Sequence[str] = (),
    scope: PlanScope | None = None,
) -> Plan:
    """Number the changes, add the evidence that they rest on, and judge them; no warnings yet.

    Args:
        desired: the file.
        knowledge: what the store knows of the cluster.
        presences: every cell, as read, of every group that changes.
        changes: what to do.
        lossy: cells whose record shows more than the id.
        allow_deletes: raises `max_deletes` knowingly, and sets the percentage aside.
        allowances: what else was knowingly allowed.
        scope: the part that the changes are about. Limits and protection are those of the whole cluster.
    """
    patterns = patterns_of(scope)
    nodes = tuple(node for node in desired.nodes if patterns.includes_node(node.name))
    steps = tuple(
        Step(number, change.action, change.cell, change.reason)
        for number, change in enumerate((*changes.creates, *changes.deletes), 1)
    )
    base = base_of(desired, knowledge, steps)
    limits = desired.limits
    if allow_deletes is not None:
        limits = Limits(allow_deletes, None, limits.max_creates)
        allowances = (f"{DELETES}{allow_deletes}", *allowances)
    return Plan(
        cluster=desired.cluster,
        store=knowledge.store,
        serial=knowledge.serial,
        nodes=nodes,
        steps=steps,
        adopts=changes.adopts,
        forgets=changes.forgets,
        kept=changes.kept,
        bystanders=_bystanders(nodes, changes, steps, presences),
        base=base,
        limits=limits,
        refusals=guards(
            steps,
            base,
            limits,
            protection_of(desired, knowledge),
            () if "lossy-delete" in allowances else lossy,
            raised=allow_deletes is not None,
        ),
        source=desired.digest,
        allowances=tuple(allowances),
        scope=scope,
    )


def _protects(desired: Desired, knowledge: Knowledge) -> tuple[str, ...]:
    """Groups that the file protects, and that are not remembered as such; in file order."""
    return tuple(g.id for g in desired.groups if g.protect and g.id not in knowledge.protected)


def _unprotects(desired: Desired, knowledge: Knowledge, changes: Changes, scope: Scope) -> tuple[str, ...]:
    """Groups that are remembered as protected, and need not be any more.

    The file declares them without `protect: true`, or it is silent, and nothing is left to protect: no cell
    that stays managed, and none that an earlier transaction may still move. What is managed on a node that
    left the file stays so after a partial plan, which forgets no node.
    """
    declared = {group.id: group.protect for group in desired.groups}
    urls = {node.name: node.url for node in desired.nodes}
    here = frozenset(urls.values())
    forgotten = {(cell.group, urls[cell.node]) for cell in changes.forgets}
    left = {
        group
        for group in knowledge.protected
        for cell in knowledge.managed.of(group)
        if (group, cell.url) not in forgotten and (not scope.is_all or cell.url in here)
    }
    left.update(each.group for each in knowledge.watched)
    free = (group for group in knowledge.protected if not declared.get(group, group in left))
    return tuple(sorted(filter(scope.includes_group, free)))


def _bystanders(
    nodes: Iterable[Node], changes: Changes, steps: Iterable[Step], presences: Mapping[Cell, Presence]
) -> tuple[Seen, ...]:
    """Every other cell of the touched groups, as seen: what must still hold when the plan is applied."""
    names = [node.name for node in nodes]
    written = Presences(names)  # there may be a million of them
    for step in steps:
        written.see(step.cell, step.after)
    cells = (Cell(group, name) for group in sorted(changes.groups()) for name in names)
    return tuple(Seen(cell, presences[cell]) for cell in cells if cell not in written)


def _warnings(
    desired: Desired, knowledge: Knowledge, wiped: Iterable[Node], changes: Changes, scope: PlanScope | None
) -> tuple[str, ...]:
    some = " that was looked at" if scope is not None and scope.groups_left_out else ""
    warnings = [
        f"every managed group of {node.name}{some} reads absent: a new machine, or a wrong route?"
        for node in wiped
    ]
    if not knowledge.managed and changes.adopts:
        exist = (
            f"{count(len(changes.adopts), 'declared cell')} exist{'s' * (len(changes.adopts) == 1)} already"
        )
        warnings.append(
            f"the store knows nothing of cluster {desired.cluster!r} yet, and {exist}; "
            "groups that were declared earlier and are not any more cannot be known"
        )
    warnings += node_warnings(desired, knowledge, scope)
    warnings += _asides_adopted(desired, knowledge, changes)
    warnings += _others(desired, knowledge, changes)
    if changes.kept:
        groups = len({cell.group for cell in changes.kept})
        warnings.append(
            f"{count(groups, 'adopted group')} {agreeing(groups, 'is', 'are')} no longer declared, and left; "
            f"delete {agreeing(groups, 'it', 'them')} with `state: absent` or --allow-delete-adopted"
        )
    return tuple(warnings)


def _asides_adopted(desired: Desired, knowledge: Knowledge, changes: Changes) -> Iterator[str]:
    """Declared cells that a recovery had set aside, and that are as declared: adopted like any other."""
    aside = {(each.group, each.url): each.transaction for each in knowledge.watched if each.aside}
    urls = {node.name: node.url for node in desired.nodes}
    found = [(cell, aside.get((cell.group, urls[cell.node]))) for cell in changes.adopts if aside]
    for number in sorted({number for _, number in found if number is not None}):
        cells = [str(cell) for cell, of in found if of == number]
        yield (
            f"set aside in TX {number}, as declared now, and adopted: {', '.join(cells)}; with the apply "
            f"{agreeing(len(cells), 'it is', 'they are')} set aside no longer"
        )


def _others(desired: Desired, knowledge: Knowledge, changes: Changes) -> Iterator[str]:
    """What would be pruned, if another cluster's name did not manage it."""
    urls = {node.name: node.url for node in desired.nodes}
    owners = [knowledge.others.get((cell.group, urls[cell.node])) for cell in changes.unmanaged]
    for name, cells in sorted(Counter(owner for owner in owners if owner).items()):
        them = agreeing(cells, "it", "them")
        yield (
            f"{count(cells, 'unmanaged cell')} {agreeing(cells, 'stays', 'stay')}: cluster {name!r} of this "
            f"store manages {them}; delete {them} with `state: absent`"
        )


def node_warnings(desired: Desired, knowledge: Knowledge, scope: PlanScope | None = None) -> list[str]:
    """Nodes that were renamed, or left the file, since the last apply. A partial plan forgets none."""
    forgotten = "the next apply of a change forgets it" if scope is None else "the next whole plan forgets it"
    warnings = []
    known = {url: name for name, url in knowledge.nodes}
    here = {node.url: node.name for node in desired.nodes}
    for url, name in here.items():
        if known.get(url, name) != name:
            warnings.append(f"node {known[url]} is called {name} now (same URL)")
    for url, name in known.items():
        if url in here:
            continue
        aside = sum(each.aside and each.url == url for each in knowledge.watched)
        if aside:
            warnings.append(
                f"node {name} left the file: it is not written to, but {count(aside, 'cell')} on it "
                f"{agreeing(aside, 'stays', 'stay')} set aside: see planner status"
            )
        else:
            warnings.append(f"node {name} left the file: it is not written to, and {forgotten}")
    return warnings
