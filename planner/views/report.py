"""A plan as every format shows it: read once, told as text, JSON, Markdown or HTML. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from planner import codec
from planner.diff import DRIFT, LATE_EFFECT
from planner.model import Action, Presence
from planner.views.sentences import partial_sentence, plan_sentence, unchanged_sentence, undo_sentence
from planner.views.summary import NO_DOUBTS, Kind, rows_of, summarize, unmanaged_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model import Cell, Plan
    from planner.results import Survey
    from planner.signing import PlanKey
    from planner.views.summary import Row, Summary


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of a plan.

    Attributes:
        plan: what would be done; its refusals, warnings and allowances are told as they are.
        rows: the plan group by group.
        summary: their counts.
        survey: everything that was read; None where that is not known (an undo, a plan file).
        file: what the user called the file.
        saved: name of the plan file that was written, or that is shown.
        undoes: the transaction that the plan is the reverse of.
        offline: whether the plan was read from its file, and no node was asked.
        beside: names of the reports that are written in the same run.
        doubts: cells that an unfinished transaction has left half-way, and why they are in doubt.
        key: what the plan file, and what is printed as one, is signed with; None where it is not signed.
    """

    plan: Plan
    rows: tuple[Row, ...]
    summary: Summary
    survey: Survey | None = None
    file: str = "groups.yaml"
    saved: str | None = None
    undoes: int | None = None
    offline: bool = False
    beside: tuple[str, ...] = ()
    doubts: Mapping[Cell, str] = field(default_factory=dict)
    key: PlanKey | None = None

    @property
    def title(self) -> str:
        """What this is: ``Plan`` or ``Undo of TX 7``."""
        return "Plan" if self.undoes is None else f"Undo of TX {self.undoes}"

    @property
    def sentence(self) -> str:
        """What the plan amounts to."""
        if self.plan.has_changes:
            return plan_sentence(self.summary)
        if self.undoes is not None:
            return undo_sentence(self.undoes, len(self.plan.forgets))
        file = "the file that this plan was made from" if self.offline else self.file
        return unchanged_sentence(file, self.plan.scope)

    @property
    def partial(self) -> str:
        """What a partial plan leaves out, in a sentence; empty for a whole plan."""
        return partial_sentence(self.plan.scope) if self.plan.scope else ""

    @property
    def unmanaged(self) -> tuple[Row, ...]:
        """What nobody declared and nobody manages, and that stays; known only where nodes can list."""
        return unmanaged_rows(self.plan)

    @property
    def digest(self) -> str:
        """The plan's digest, as its file has it; taken anew each time."""
        return codec.digest(self.plan)

    def signed_by(self, key: PlanKey | None) -> Report:
        """The same, of a plan file that is signed; where there is no key, it is not."""
        return replace(self, key=key)

    @property
    def signed_with(self) -> str:
        """Id of the key that the plan file is signed with; empty where there is no file or no key."""
        return self.key.id if self.key and self.saved else ""

    @property
    def can_be_applied(self) -> bool:
        """Whether there is something to apply, and no guard stands against it."""
        return not (self.plan.refusals or self.plan.is_empty)


def report_of(
    plan: Plan,
    *,
    survey: Survey | None = None,
    file: str = "groups.yaml",
    saved: str | None = None,
    undoes: int | None = None,
    offline: bool = False,
    beside: tuple[str, ...] = (),
    doubts: Mapping[Cell, str] | None = None,
) -> Report:
    """Read a plan once; see `Report`."""
    doubts = doubts or NO_DOUBTS
    rows = rows_of(plan, doubts)
    summary = summarize(plan, rows)
    return Report(plan, rows, summary, survey, file, saved, undoes, offline, beside, doubts)


BY_WEIGHT = (
    Kind.DELETE,
    Kind.UNPROTECT,
    Kind.REPAIR,
    Kind.CREATE,
    Kind.ADOPT,
    Kind.PROTECT,
    Kind.KEEP,
    Kind.FORGET,
)
"""The order in which a reviewer is shown the kinds: what can hurt comes first."""


class State(enum.StrEnum):
    """A cell of the matrix, as one letter. The last five are no change."""

    CREATE = "+"
    REPAIR = "~"
    DRIFT = "!"  # a repair of what an earlier apply had left otherwise
    DELETE = "-"
    ADOPT = "="
    KEEP = "k"
    FORGET = "f"
    PRESENT = "o"
    ABSENT = "."
    UNREAD = "?"


KIND_OF = {
    State.CREATE: Kind.CREATE,
    State.REPAIR: Kind.REPAIR,
    State.DRIFT: Kind.REPAIR,
    State.DELETE: Kind.DELETE,
    State.ADOPT: Kind.ADOPT,
    State.KEEP: Kind.KEEP,
    State.FORGET: Kind.FORGET,
}
"""The kind of row that a cell belongs to."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Groups by nodes.

    Attributes:
        nodes: names, in the plan's order.
        groups: ids, in the order in which they were read; the plan's order where that is not known.
        lines: one string per group, with one letter of `State` per node.
        whole: whether every group that was read is in it, and not only those that the plan touches.
    """

    nodes: tuple[str, ...]
    groups: tuple[str, ...]
    lines: tuple[str, ...]
    whole: bool


def matrix_of(report: Report) -> Matrix:
    """The matrix of a plan; a million cells take about a second."""
    plan, survey = report.plan, report.survey
    column = {node.name: position for position, node in enumerate(plan.nodes)}
    blank = State.UNREAD.value.encode() * len(column)
    grid = {group: bytearray(blank) for group in survey.groups} if survey else {}
    for row in report.rows:
        grid.setdefault(row.group, bytearray(blank))
    seen = survey.presences.items() if survey else plan.bystanders
    letters = {Presence.PRESENT: ord(State.PRESENT), Presence.ABSENT: ord(State.ABSENT)}
    for (group, node), presence in seen:
        if group in grid and node in column:
            grid[group][column[node]] = letters[presence]
    kinds = {State(letter).value: kind for letter, kind in KIND_OF.items() if letter is not State.DRIFT}
    letter_of = {kind: ord(letter) for letter, kind in kinds.items()}
    for row in report.rows:
        if row.kind not in letter_of:
            continue  # of the whole group, such as its protection
        line, letter = grid[row.group], letter_of[row.kind]
        for name in row.nodes:
            line[column[name]] = letter
    for step in plan.steps:
        if step.action is Action.CREATE and step.reason.startswith((DRIFT, LATE_EFFECT)):
            grid[step.cell.group][column[step.cell.node]] = ord(State.DRIFT)
    lines = tuple(line.decode("ascii") for line in grid.values())
    return Matrix(tuple(column), tuple(grid), lines, whole=survey is not None)
