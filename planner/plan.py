"""Changes as an ordered plan, and the guards that may stand against it. Pure; guards fail closed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.diff import diff, wiped_nodes
from planner.model import Action, Cell, Limits, Plan, Presence, Refusal, Seen, Step
from planner.words import agreeing, count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from planner.diff import Changes
    from planner.model import Desired, Node
    from planner.ports import Knowledge

PERCENT = 100


def build(
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    *,
    lossy: Collection[Cell] = (),
    allow_delete_adopted: bool = False,
    allow_lossy: bool = False,
    allow_deletes: int | None = None,
    created: str = "",
) -> Plan:
    """Make the plan that leads from what was seen to what is desired.

    Args:
        desired: the file.
        knowledge: what the store knows of the cluster.
        presences: every cell of every group declared or managed, as read.
        lossy: cells whose record shows more than the id.
        allow_delete_adopted: whether adopted groups that are no longer declared are deleted.
        allow_lossy: whether records that show more than the id may be deleted.
        allow_deletes: raises `max_deletes` knowingly, and sets the percentage aside.
        created: wall time, for people.
    """
    changes = diff(desired, knowledge, presences, allow_delete_adopted=allow_delete_adopted)
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
    )
    return replace(plan, warnings=_warnings(desired, knowledge, presences, changes), created=created)


def assemble(
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    changes: Changes,
    *,
    lossy: Collection[Cell] = (),
    allow_deletes: int | None = None,
    allowances: Sequence[str] = (),
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
    """
    steps = tuple(
        Step(number, change.action, change.cell, change.reason)
        for number, change in enumerate((*changes.creates, *changes.deletes), 1)
    )
    base = len({group.id for group in desired.groups} | {group for group, _ in knowledge.managed})
    limits = desired.limits
    if allow_deletes is not None:
        limits = Limits(allow_deletes, None, limits.max_creates)
        allowances = (f"deletes={allow_deletes}", *allowances)
    protected = [group.id for group in desired.groups if group.protect]
    return Plan(
        cluster=desired.cluster,
        store=knowledge.store,
        serial=knowledge.serial,
        nodes=desired.nodes,
        steps=steps,
        adopts=changes.adopts,
        forgets=changes.forgets,
        kept=changes.kept,
        bystanders=_bystanders(desired.nodes, changes, steps, presences),
        base=base,
        limits=limits,
        refusals=guards(steps, base, limits, protected, () if "lossy-delete" in allowances else lossy),
        source=desired.digest,
        allowances=tuple(allowances),
    )


def guards(
    steps: Sequence[Step], base: int, limits: Limits, protected: Iterable[str], lossy: Collection[Cell] = ()
) -> tuple[Refusal, ...]:
    """Every guard that stands against these steps. A delete counts once per group that loses any cell."""
    losing, gaining = _groups(steps, Action.DELETE), _groups(steps, Action.CREATE)
    refusals = []
    if limits.max_deletes is not None and len(losing) > limits.max_deletes:
        why = f"{len(losing)} groups would be deleted, and max_deletes is {limits.max_deletes}"
        refusals.append(Refusal("max_deletes", why, _raise_deletes(len(losing)), losing))
    share = len(losing) * PERCENT / base if base else 0.0
    if limits.max_delete_percent is not None and len(losing) > 1 and share > limits.max_delete_percent:
        why = (
            f"{len(losing)} of {base} groups ({share:.0f} %) would be deleted, "
            f"and max_delete_percent is {limits.max_delete_percent}"
        )
        refusals.append(Refusal("max_delete_percent", why, _raise_deletes(len(losing)), losing))
    if limits.max_creates is not None and len(gaining) > limits.max_creates:
        why = f"{len(gaining)} groups would be created, and max_creates is {limits.max_creates}"
        refusals.append(Refusal("max_creates", why, "raise limits.max_creates in the file", gaining))
    guarded = set(protected)
    shielded = tuple(group for group in losing if group in guarded)
    if shielded:
        why = f"protected groups would be deleted: {', '.join(shielded)}"
        refusals.append(Refusal("protect", why, "remove `protect: true` from the file first", shielded))
    losses = tuple(s.cell for s in steps if s.cell in lossy and s.action is Action.DELETE)
    if losses:
        why = f"records that show more than the id would be lost: {', '.join(map(str, losses))}"
        cure = "allow it with --allow-lossy-delete if the rest of the record does not matter"
        refusals.append(Refusal("lossy", why, cure, tuple(dict.fromkeys(cell.group for cell in losses))))
    return tuple(refusals)


def _groups(steps: Sequence[Step], action: Action) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.cell.group for step in steps if step.action is action))


def guards_now(plan: Plan, desired: Desired, lossy: Collection[Cell] = ()) -> tuple[Refusal, ...]:
    """The guards of a plan file against the file as it is now: the stricter limit, and today's protection.

    Limits that the plan raised knowingly stay raised.
    """
    raised = any(allowance.startswith("deletes=") for allowance in plan.allowances)
    now = Limits(None, None, desired.limits.max_creates) if raised else desired.limits
    protected = [group.id for group in desired.groups if group.protect]
    if "lossy-delete" in plan.allowances:
        lossy = ()
    found = guards(plan.steps, plan.base, plan.limits.stricter(now), protected, lossy)
    known = {refusal.guard for refusal in found}
    return (*found, *(refusal for refusal in plan.refusals if refusal.guard not in known))


def _raise_deletes(count: int) -> str:
    return f"if that is meant, allow it once with --allow-deletes {count}, or raise the limit in the file"


def _bystanders(
    nodes: Iterable[Node], changes: Changes, steps: Iterable[Step], presences: Mapping[Cell, Presence]
) -> tuple[Seen, ...]:
    """Every other cell of the touched groups, as seen: what must still hold when the plan is applied."""
    written = {step.cell for step in steps}
    names = [node.name for node in nodes]
    cells = (Cell(group, name) for group in sorted(changes.groups()) for name in names)
    return tuple(Seen(cell, presences[cell]) for cell in cells if cell not in written)


def _warnings(
    desired: Desired, knowledge: Knowledge, presences: Mapping[Cell, Presence], changes: Changes
) -> tuple[str, ...]:
    warnings = [
        f"every managed group of {node.name} reads absent: a new machine, or a wrong route?"
        for node in wiped_nodes(desired, knowledge, presences)
    ]
    if not knowledge.managed and changes.adopts:
        exist = (
            f"{count(len(changes.adopts), 'declared cell')} exist{'s' * (len(changes.adopts) == 1)} already"
        )
        warnings.append(
            f"the store knows nothing of cluster {desired.cluster!r} yet, and {exist}; "
            "groups that were declared earlier and are not any more cannot be known"
        )
    warnings += node_warnings(desired, knowledge)
    warnings += _asides_adopted(desired, knowledge, changes)
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


def node_warnings(desired: Desired, knowledge: Knowledge) -> list[str]:
    """Nodes that were renamed, or left the file, since the last apply."""
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
                f"node {name} left the file: it is not written to, and its managed cells are forgotten, but "
                f"{count(aside, 'cell')} on it {agreeing(aside, 'stays', 'stay')} set aside: planner status"
            )
        else:
            warnings.append(f"node {name} left the file: it is not written to, and is forgotten")
    return warnings
