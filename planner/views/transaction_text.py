"""One transaction as lines: who, when, why, and what became of each of its steps. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from planner.errors import PlannerError
from planner.model import StepState, TransactionState
from planner.times import between
from planner.undo import plan_of
from planner.views.journal_words import COUNTED, STYLES, all_told_by, kinds_of, mark_of, ranges, when
from planner.views.layout import EMPTY, Entry, Line, Span, paragraph, table
from planner.views.plan_text import MARKS, partial_lines
from planner.views.sentences import allowed
from planner.views.words import duration, on_nodes, shown
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planner.model import Plan
    from planner.ports import Record
    from planner.views.summary import Kind

MAX_ROWS = 200
"""Rows of one transaction that a terminal shows; nobody reads ten thousand there."""

NUMBERED = 40
"""Columns below which the steps' numbers are left out: they can be had with --format json."""


def transaction_lines(record: Record, width: int | None) -> list[Line]:
    """Everything that `planner show` prints."""
    style = STYLES[record.state]
    text = f"Transaction {record.number} ({record.intent.command}) is {record.state}."
    lines = paragraph(shown(text), width, style=f"bold {style.removeprefix('bold ')}")
    for label, fact in _facts(record):
        if fact:
            lines += paragraph(shown(fact), width, lead=Span(f"{label}: ", "cyan"), hang=2)
    try:
        plan, unread = plan_of(record), ""
    except PlannerError as error:
        plan, unread = None, error.why
    scope = plan.scope if plan else None
    lines += partial_lines(scope, width)
    lines.append(EMPTY)
    rows = _rows(record)
    where = partial(on_nodes, of=len(record.intent.nodes), left_out=scope.nodes_left_out if scope else 0)
    others = _without_requests(plan, unread, where, done=record.state is TransactionState.APPLIED)
    numbered = width is None or width >= NUMBERED
    digits = max((len(ranges(row.numbers)) for row in rows), default=0) if numbered else 0
    entries = [_entry(row, where, digits) for row in _first(rows)]
    lines += table([*entries, *(_indented(each, digits) for each in others[:MAX_ROWS])], width)
    hidden = max(len(rows) - MAX_ROWS, 0) + max(len(others) - MAX_ROWS, 0)
    if hidden:
        more = f"… and {count(hidden, 'more row')} (see --format json)"
        lines += paragraph(more, width, style="dim", hang=2)
    return lines + paragraph(_total(record), width, style="bold")


def _facts(record: Record) -> Iterable[tuple[str, str]]:
    took = between(record.started, record.finished)
    lasted = f" ({duration(took)} after it began)" if took is not None else ""
    yield "cluster", record.cluster
    yield "who", record.holder
    yield "started", when(record.started)
    yield "finished", f"{when(record.finished)}{lasted}" if record.finished else "not yet"
    yield "message", record.message
    yield "allowed", allowed(record.intent.allowances)
    for note in record.notes:
        yield "later", f"{when(note.at)}, {note.who}: {note.text}"
    yield "plan", record.intent.plan_digest
    yield "file", record.intent.source


class _Row(NamedTuple):
    """Steps of one group that did the same and ended alike."""

    kind: Kind
    group: str
    state: StepState
    outcome: str
    reason: str
    nodes: list[str]
    numbers: list[int]


def _rows(record: Record) -> list[_Row]:
    """In the order of the steps; what one group met differently on some nodes takes further rows."""
    marks = {mark.number: mark for mark in record.marks}
    kinds = kinds_of(record)
    rows: dict[tuple[str, ...], _Row] = {}
    for step in record.intent.steps:
        mark = mark_of(step, marks)
        kind, outcome = kinds[step.cell], all_told_by(mark)
        key = (step.cell.group, kind, outcome, step.reason)
        new = _Row(kind, step.cell.group, mark.state, outcome, step.reason, [], [])
        row = rows.setdefault(key, new)
        row.nodes.append(step.cell.node)
        row.numbers.append(step.number)
    return list(rows.values())


def _first(rows: list[_Row]) -> list[_Row]:
    """At most `MAX_ROWS`, in order; what did not simply go well must not hide behind what did."""
    if len(rows) <= MAX_ROWS:
        return rows
    usual = (StepState.DONE, StepState.UNDONE, StepState.PENDING)
    ranked = sorted(range(len(rows)), key=lambda n: (rows[n].state in usual, n))
    return [rows[n] for n in sorted(ranked[:MAX_ROWS])]


def _entry(row: _Row, where: Callable[[list[str]], str], digits: int) -> Entry:
    symbol, style = MARKS[row.kind]
    outcome = row.outcome if row.reason in ("", "declared") else f"{row.outcome} ({shown(row.reason)})"
    number = f"  {ranges(row.numbers):>{digits}}" if digits else ""
    mark = f"{number}  {symbol} {row.kind:<6}  "
    return Entry(mark, shown(row.group), (where(row.nodes), outcome), style)


def _indented(entry: Entry, digits: int) -> Entry:
    """A line without a step's number, below those that have one."""
    return entry._replace(mark=f"  {' ' * digits}{entry.mark}") if digits else entry


def _without_requests(
    plan: Plan | None, unread: str, where: Callable[[list[str]], str], *, done: bool
) -> list[Entry]:
    """What it adopted, and what became of protection; only an apply that came to its end has done it."""
    if unread:
        return [Entry("  = ", shown(f"what it adopted cannot be told: {unread}"), (), "dim")]
    if plan is None:
        return []
    groups: dict[str, list[str]] = {}
    for cell in plan.adopts:
        groups.setdefault(cell.group, []).append(cell.node)
    word = "adopted" if done else "not adopted"
    entries = [
        Entry("  = adopt   ", shown(group), (where(names), word), "blue") for group, names in groups.items()
    ]
    for kind, ids in (("protect", plan.protects), ("unprotect", plan.unprotects)):
        word = "recorded" if done else "not recorded"
        entries += [Entry(f"  = {kind}  ", shown(group), ("", word), "blue") for group in ids]
    return entries


def _total(record: Record) -> str:
    steps = record.intent.steps
    if not steps:
        return "No steps: it sent no write."
    marks = {mark.number: mark for mark in record.marks}
    return f"{count(len(steps), 'step')}: {_counted(mark_of(step, marks).state for step in steps)}."


def _counted(states: Iterable[StepState]) -> str:
    numbers = dict.fromkeys((COUNTED[state] for state in StepState), 0)
    for state in states:
        numbers[COUNTED[state]] += 1
    return ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)
