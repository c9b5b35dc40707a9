"""A plan, group by group: rows and their counts. Every number on a screen counts rows of one kind. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from planner.model import Action, Presence, StepState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from planner.model import Cell, Plan, Step
    from planner.ports import CellMark, Record
    from planner.scope import PlanScope


class Kind(enum.StrEnum):
    """What happens to a group. Only the first four are changes; only the first three send requests."""

    CREATE = "create"
    REPAIR = "repair"
    DELETE = "delete"
    ADOPT = "adopt"
    PROTECT = "protect"
    UNPROTECT = "unprotect"
    FORGET = "forget"
    KEEP = "keep"
    UNMANAGED = "unmanaged"


WRITES = frozenset({Kind.CREATE, Kind.REPAIR, Kind.DELETE})

CHANGES = frozenset({Kind.CREATE, Kind.REPAIR, Kind.DELETE, Kind.ADOPT})
"""What happens to cells, and counts as a change."""

PROTECTED = "protected"
UNPROTECTED = "no longer protected"

STAYS = "stays, no longer managed"
"""Of a cell that is forgotten though it exists: an undone adoption."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of change of one group.

    Attributes:
        kind: a create is a repair where the group exists on other nodes already, or has drifted.
        group: its id, as it is.
        nodes: names, in the plan's order; none where only the protection changes.
        reason: why, where it is more than 'declared'; several are joined.
        protection: `PROTECTED` or `UNPROTECTED` where that becomes so together with another change.
        doubt: what leaves its cells in doubt: an unfinished transaction. Such cells have rows of their own.
    """

    kind: Kind
    group: str
    nodes: tuple[str, ...]
    reason: str = ""
    protection: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of groups per kind; nodes that get a request; requests, one per step.

    A group that is created on one node and deleted from another counts in both. A group counts as protected,
    or as unprotected, where nothing else changes of it. `scope` is the part that a partial plan is about.
    """

    create: int = 0
    repair: int = 0
    delete: int = 0
    adopt: int = 0
    nodes: int = 0
    requests: int = 0
    protect: int = 0
    unprotect: int = 0
    scope: PlanScope | None = None


NO_DOUBTS: Mapping[Cell, str] = MappingProxyType({})


def rows_of(plan: Plan, doubts: Mapping[Cell, str] = NO_DOUBTS) -> tuple[Row, ...]:
    """The rows of a plan, those of one group together: create, adopt, delete, what stays, protection.

    Args:
        plan: what is shown.
        doubts: why single cells are in doubt.
    """
    order = {node.name: position for position, node in enumerate(plan.nodes)}
    kept, gone = frozenset(plan.kept), frozenset(plan.forgets)
    present = [seen.cell for seen in plan.bystanders if seen.presence is Presence.PRESENT]
    existing = {cell.group for cell in present if cell not in kept}
    staying = {cell for cell in present if cell in gone}
    drifted = {step.cell.group for step in plan.steps if step.reason == "drift"}
    creates = [step for step in plan.steps if step.action is Action.CREATE]
    deletes = [step for step in plan.steps if step.action is Action.DELETE]
    groups: dict[str, dict[tuple[Kind, str], _Draft]] = {}

    def add(kind: Kind, cell: Cell, reason: str = "") -> None:
        row = (kind, doubts.get(cell, ""))
        draft = groups.setdefault(cell.group, {}).setdefault(row, _Draft([], {}))
        draft.nodes.append(cell.node)
        if reason not in ("", "declared"):
            draft.reasons[reason] = None

    for step in creates:
        repairs = step.cell.group in existing or step.cell.group in drifted
        add(Kind.REPAIR if repairs else Kind.CREATE, step.cell, step.reason)
    for cell in plan.adopts:
        add(Kind.ADOPT, cell)
    for step in deletes:
        add(Kind.DELETE, step.cell, step.reason)
    for cell in plan.kept:
        add(Kind.KEEP, cell)
    for cell in plan.forgets:
        add(Kind.FORGET, cell, STAYS if cell in staying else "")
    notes = _note_protection(plan, groups)
    return tuple(
        Row(
            kind,
            group,
            tuple(sorted(draft.nodes, key=order.__getitem__)),
            ", ".join(draft.reasons),
            notes.get((group, (kind, doubt)), ""),
            doubt,
        )
        for group, drafts in groups.items()
        for (kind, doubt), draft in drafts.items()
    )


def _note_protection(
    plan: Plan, groups: dict[str, dict[tuple[Kind, str], _Draft]]
) -> dict[tuple[str, tuple[Kind, str]], str]:
    """Which row tells what becomes of a group's protection: a row of its own where nothing else changes."""
    notes = {}
    for ids, own, note in (
        (plan.protects, Kind.PROTECT, PROTECTED),
        (plan.unprotects, Kind.UNPROTECT, UNPROTECTED),
    ):
        for group in ids:
            drafts = groups.setdefault(group, {})
            first = next((row for row in drafts if row[0] in CHANGES), None)
            if first is None:
                drafts[own, ""] = _Draft([], {})
            else:
                notes[group, first] = note
    return notes


def unmanaged_rows(plan: Plan) -> tuple[Row, ...]:
    """One row per group that nobody declared and nobody manages, with the nodes that hold it.

    They are none of `rows_of`: there may be a hundred thousand, and nothing happens to them.
    """
    holders: dict[str, list[str]] = {}
    for cell in plan.unmanaged:
        holders.setdefault(cell.group, []).append(cell.node)
    return tuple(Row(Kind.UNMANAGED, group, tuple(names)) for group, names in holders.items())


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row while it is collected; the keys of `reasons` are an ordered set."""

    nodes: list[str]
    reasons: dict[str, None]


def summarize(plan: Plan, rows: Iterable[Row] | None = None, without: Collection[Cell] = ()) -> Summary:
    """Count a plan.

    Args:
        plan: what is counted.
        rows: its rows, where the caller has them already.
        without: cells that somebody else wrote; a row counts while one of its cells is ours.
    """
    foreign = frozenset(without)
    counted = set()
    for row in rows_of(plan) if rows is None else rows:
        if not foreign or row.kind not in WRITES or any((row.group, n) not in foreign for n in row.nodes):
            counted.add((row.group, row.kind))
    counts = Counter(kind for _, kind in counted)
    cells = [step.cell for step in plan.steps if step.cell not in foreign]
    return Summary(
        create=counts[Kind.CREATE],
        repair=counts[Kind.REPAIR],
        delete=counts[Kind.DELETE],
        adopt=counts[Kind.ADOPT],
        nodes=len({cell.node for cell in cells}),
        requests=len(cells),
        protect=counts[Kind.PROTECT],
        unprotect=counts[Kind.UNPROTECT],
        scope=plan.scope,
    )


UNTOUCHED = frozenset(
    {StepState.PENDING, StepState.NOT_APPLIED, StepState.NOT_OURS, StepState.UNDONE, StepState.SET_ASIDE}
)
"""Steps that a recovery has nothing to bring back of; the same as the transaction's own set (tested)."""


def to_bring_back(record: Record) -> tuple[tuple[Step, CellMark], ...]:
    """The steps that a recovery looks at, in the order in which it does: the last one first."""
    marks = {mark.number: mark for mark in record.marks if mark.state not in UNTOUCHED}
    return tuple((step, marks[step.number]) for step in reversed(record.intent.steps) if step.number in marks)
