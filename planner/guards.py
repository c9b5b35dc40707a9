"""The guards that may stand against a plan: limits, protection, loss. Pure; they fail closed.

A delete counts once per group that loses any cell, whatever it is deleted for: a repair of a late effect, or
of a cell that was set aside, takes a group away like any other, so it counts too. The share is taken of every
group that should exist, is managed, or is deleted: a group that exists nowhere any more, such as an old
`state: absent`, must not make room for further deletes, and a share never exceeds 100 %.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from planner.diff import UNDO, undeclared
from planner.errors import Refused
from planner.model import Action, Limits, Presence, Refusal
from planner.scope import patterns_of
from planner.words import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from planner.model import Cell, Desired, Plan, Step
    from planner.ports import Knowledge

PERCENT = 100
DELETES = "deletes="
"""The allowance that raises `max_deletes`, before its number."""


class Protection(NamedTuple):
    """Groups that must not lose a cell.

    Attributes:
        declared: the file says so.
        remembered: the file does not declare them, and it protected them when it was last applied.
    """

    declared: frozenset[str] = frozenset()
    remembered: frozenset[str] = frozenset()


UNPROTECTED = Protection()


def protection_of(desired: Desired, knowledge: Knowledge) -> Protection:
    """What is protected: the file decides where it declares a group, the memory where it is silent."""
    declared = {group.id for group in desired.groups}
    protected = frozenset(group.id for group in desired.groups if group.protect)
    return Protection(protected, knowledge.protected - declared)


def base_of(desired: Desired, knowledge: Knowledge, steps: Iterable[Step]) -> int:
    """How many groups a share of deletes is a share of; see the module."""
    wanted = {group.id for group in desired.groups if group.state is Presence.PRESENT}
    return len(wanted.union(undeclared(desired, knowledge), _groups(steps, Action.DELETE)))


def guards(
    steps: Sequence[Step],
    base: int,
    limits: Limits,
    protection: Protection = UNPROTECTED,
    lossy: Collection[Cell] = (),
    *,
    raised: bool = False,
    again: str = "",
) -> tuple[Refusal, ...]:
    """Every guard that stands against these steps.

    Args:
        steps: of the plan.
        base: see `base_of`.
        limits: that count.
        protection: groups that must not lose a cell.
        lossy: cells whose record shows more than the id, unless it may be lost.
        raised: whether `--allow-deletes` has set the limit of deletes.
        again: the command that made the plan, where the plan is a file: a file allows nothing afterwards.
    """
    losing, gaining = _groups(steps, Action.DELETE), _groups(steps, Action.CREATE)
    return (
        *_too_many_deletes(losing, base, limits, raised=raised, again=again),
        *_too_many_creates(gaining, limits, again),
        *_protected(losing, protection, again),
        *_lossy(steps, lossy, again),
    )


def guards_now(
    plan: Plan, desired: Desired, knowledge: Knowledge, lossy: Collection[Cell] = ()
) -> tuple[Refusal, ...]:
    """The guards of a plan against the file and the store as they are now.

    The stricter of both limits counts, unless the plan has raised its own knowingly, and so does whatever is
    protected today. A guard that stood against the plan when it was made stands for ever.
    """
    raised = any(allowance.startswith(DELETES) for allowance in plan.allowances)
    now = Limits(None, None, desired.limits.max_creates) if raised else desired.limits
    again = _maker(plan)
    found = guards(
        plan.steps,
        plan.base,
        plan.limits.stricter(now),
        protection_of(desired, knowledge),
        () if "lossy-delete" in plan.allowances else lossy,
        raised=raised,
        again=again,
    )
    known = {refusal.guard for refusal in found}
    cure = f"what stood against it may be gone by now: plan again with `{again} --out plan.json`"
    before = (
        Refusal(r.guard, r.why, cure, r.groups, r.count, r.of, r.limit)
        for r in plan.refusals
        if r.guard not in known
    )
    return (*found, *before)


def refused(refusals: Sequence[Refusal]) -> Refused:
    """The end of a run against which these guards stand."""
    return Refused(
        "The plan is refused, and nothing was changed",
        where=", ".join(dict.fromkeys(refusal.guard for refusal in refusals)),
        why="; ".join(refusal.why for refusal in refusals),
        next="; ".join(dict.fromkeys(refusal.cure for refusal in refusals)),
        details=[f"{refusal.guard}: {named(refusal.groups)}" for refusal in refusals if refusal.groups],
        refusals=refusals,
    )


def _too_many_deletes(
    losing: tuple[str, ...], base: int, limits: Limits, *, raised: bool, again: str
) -> Iterable[Refusal]:
    count, of = len(losing), max(base, len(losing))
    deleted = f"{count:,} of {of:,} groups ({_share(count, of, limits.max_delete_percent)}) would be deleted"
    option = f"--allow-deletes {count}"
    cure = (
        f"if that is meant, allow it when it is planned: `{again} {option} --out plan.json`; "
        "or raise the limit in the file, and plan again"
        if again
        else f"if that is meant, allow it once with `{option}`, or raise the limit in the file"
    )
    most, percent = limits.max_deletes, limits.max_delete_percent
    if most is not None and count > most:
        limit = f"--allow-deletes allows {most:,}" if raised else f"max_deletes is {most:,}"
        yield Refusal("max_deletes", f"{deleted}; {limit}", cure, losing, count, of, most)
    if percent is not None and count > 1 and count * PERCENT > percent * of:
        why = f"{deleted}; max_delete_percent is {percent}"
        yield Refusal("max_delete_percent", why, cure, losing, count, of, percent)


def _share(count: int, of: int, limit: int | None) -> str:
    """A share in words, which never looks like the limit that it exceeds."""
    share = round(count * PERCENT / of) if of else 0
    if limit is not None and share <= limit and count * PERCENT > limit * of:
        return f"over {limit} %"
    return f"{share} %"


def _too_many_creates(gaining: tuple[str, ...], limits: Limits, again: str) -> Iterable[Refusal]:
    count, most = len(gaining), limits.max_creates
    if most is not None and count > most:
        why = f"{_groups_would(count, 'created')}; max_creates is {most:,}"
        cure = "if that is meant, raise limits.max_creates in the file"
        cure += f", and plan again with `{again} --out plan.json`" if again else ""
        yield Refusal("max_creates", why, cure, gaining, count, None, most)


def _protected(losing: tuple[str, ...], protection: Protection, again: str) -> Iterable[Refusal]:
    declared = tuple(group for group in losing if group in protection.declared)
    if declared:
        cure = "if that is meant, remove `protect: true` from the file first"
        cure += f", and plan again with `{again} --out plan.json`" if again else ""
        why = _groups_would(len(declared), "deleted", "protected ")
        yield Refusal("protect", why, cure, declared, len(declared))
    remembered = tuple(group for group in losing if group in protection.remembered)
    if remembered:
        why = _groups_would(len(remembered), "deleted", "protected ")
        why += ", whose entry left the file" if len(remembered) == 1 else ", whose entries left the file"
        cure = (
            "if that is meant, put the entry back without `protect: true`, apply, then remove it; "
            "or let `state: absent` delete the group"
        )
        yield Refusal("protect", why, cure, remembered, len(remembered))


def _lossy(steps: Sequence[Step], lossy: Collection[Cell], again: str) -> Iterable[Refusal]:
    cells = tuple(step.cell for step in steps if step.cell in lossy and step.action is Action.DELETE)
    if cells:
        records = "1 record that shows" if len(cells) == 1 else f"{len(cells):,} records that show"
        cure = "if the rest of the record does not matter, allow it "
        cure += (
            f"when it is planned: `{again} --allow-lossy-delete --out plan.json`"
            if again
            else "with `--allow-lossy-delete`"
        )
        groups = tuple(dict.fromkeys(cell.group for cell in cells))
        why = f"{records} more than the id would be lost: {named(cells)}"
        yield Refusal("lossy", why, cure, groups, len(groups))


def _groups_would(count: int, done: str, kind: str = "") -> str:
    return f"{count:,} {kind}{'group' if count == 1 else 'groups'} would be {done}"


def _groups(steps: Iterable[Step], action: Action) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.cell.group for step in steps if step.action is action))


def _maker(plan: Plan) -> str:
    """The command that made a plan, with its part of the cluster and what it was allowed, but for deletes.

    Without the part, what is advised would plan for the whole cluster.
    """
    reason = plan.steps[0].reason if plan.steps else ""
    number = reason.removeprefix(f"{UNDO} TX ")
    command = f"planner undo {number}" if reason.startswith(UNDO) and number.isdigit() else "planner plan"
    patterns = patterns_of(plan.scope)
    part = [
        f"--{option} {shlex.quote(pattern)}"
        for option, of in (
            ("group", patterns.groups),
            ("exclude-group", patterns.exclude_groups),
            ("node", patterns.nodes),
            ("exclude-node", patterns.exclude_nodes),
        )
        for pattern in of
    ]
    return " ".join([command, *part, *(f"--allow-{each}" for each in plan.allowances if "=" not in each)])
