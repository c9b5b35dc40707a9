"""Past transactions as lines: the table of many, and all of one. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from planner import codec
from planner.errors import PlannerError
from planner.model import Action, StepState, TransactionState
from planner.undo import plan_of
from planner.views.layout import EMPTY, MIN_COLUMNS, Entry, Line, Span, paragraph, table
from planner.views.plan_text import partial_lines
from planner.views.words import allowed, count, cut, on_nodes, shown, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.model import Plan, Step
    from planner.ports import CellMark, Record

MAX_ROWS = 200
"""Rows of one transaction that a terminal shows; nobody reads ten thousand there."""

MAX_MESSAGE = 80
"""Characters of a message in the table where the output has no width."""

MIN_REMARK = 36
"""Columns that who and why need beside the others; with less they get a line of their own."""

GAP = "  "
HEADS = ("TX", "state", "command", "steps", "started (UTC)", "finished")
RIGHT = 0  # the column of the numbers is flush right

STYLES = {
    TransactionState.APPLIED: "green",
    TransactionState.REVERSED: "yellow",
    TransactionState.CLOSED_WITH_EXCEPTIONS: "red",
    TransactionState.OPEN: "bold red",
    TransactionState.REVERSING: "bold red",
    TransactionState.REVERSE_INCOMPLETE: "bold red",
}
MARKS = {Action.CREATE: ("+", "green"), Action.DELETE: ("-", "red")}

IMPLIED = {StepState.DONE: True, StepState.UNDONE: True, StepState.PENDING: False}
"""Whether a step of this state was tried, where that goes without saying."""


# Many.


def history_lines(records: Sequence[Record], width: int | None) -> list[Line]:
    """One row per transaction; in a narrow terminal, who and why stand below it."""
    if not records:
        return paragraph("No transactions yet.", width, style="bold")
    rows = [_cells(record) for record in records]
    columns = [max(map(width_of, column)) for column in zip(HEADS, *rows, strict=True)]
    fixed = sum(columns) + len(GAP) * len(columns)
    beside = width is None or width - fixed >= MIN_REMARK
    lines = _row(HEADS, columns, width, ("dim",) * len(HEADS), "who: message" if beside else "")
    for record, row in zip(records, rows, strict=True):
        room = MAX_MESSAGE + width_of(record.holder) if width is None else width - (fixed if beside else 4)
        remark = _cropped(_remark(record), max(room, MIN_COLUMNS))
        styles = ("", STYLES[record.state], "", "", "", "")
        lines += _row(row, columns, width, styles, remark if beside else "")
        if remark and not beside:
            lines.append((Span("    "), Span(remark, "dim")))
    return lines


def _cells(record: Record) -> tuple[str, ...]:
    steps = record.intent.steps
    counts = [(mark, sum(step.action is action for step in steps)) for action, (mark, _) in MARKS.items()]
    return (
        str(record.number),
        record.state.value,
        shown(record.intent.command) + (" (partial)" if codec.is_partial(record.intent.plan) else ""),
        " ".join(f"{mark}{number:,}" for mark, number in counts if number) or "none",
        shown(_time(record.started)),
        shown(_time(record.finished, record.started)) or "not yet",
    )


def _time(time: str, since: str = "") -> str:
    """A stored time for people; only its hour where it is of the same day as `since`."""
    day, _, hour = time.removesuffix("Z").partition("T")
    return hour if since.startswith(f"{day}T") else f"{day} {hour}".strip()


def _remark(record: Record) -> str:
    """Who, what was allowed, and the message, which may be long."""
    words = allowed(record.intent.allowances)
    return shown(": ".join(filter(None, (record.holder, words and f"allowed {words}", record.message))))


def _cropped(text: str, columns: int) -> str:
    return text if width_of(text) <= columns else cut(text, columns - 1)[0] + "…"


def _row(
    cells: Sequence[str], columns: Sequence[int], width: int | None, styles: Sequence[str], remark: str
) -> list[Line]:
    """One line; where even the columns do not fit, a paragraph."""
    if width is not None and sum(columns) + len(GAP) * (len(columns) - 1) > width:
        return paragraph(GAP.join(cells), width, style=styles[1], hang=0)
    spans = []
    for position, (cell, room, style) in enumerate(zip(cells, columns, styles, strict=True)):
        space = " " * (room - width_of(cell))
        spans.append(Span(f"{space}{cell}" if position == RIGHT else f"{cell}{space}", style))
        spans.append(Span(GAP))
    text = [*spans, Span(remark, "dim")] if remark else spans[:-1]
    return [tuple(text)]


# One.


def transaction_lines(record: Record, width: int | None) -> list[Line]:
    """Everything that `planner show` prints."""
    style = STYLES[record.state]
    text = f"Transaction {record.number} ({record.intent.command}) is {record.state}."
    lines = paragraph(shown(text), width, style=f"bold {style.removeprefix('bold ')}")
    facts = (
        ("cluster", record.cluster),
        ("who", record.holder),
        ("started", record.started),
        ("finished", record.finished or "not yet"),
        ("message", record.message),
        ("allowed", allowed(record.intent.allowances)),
        ("plan", record.intent.plan_digest),
        ("file", record.intent.source),
    )
    for label, fact in facts:
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
    lines += table([*(_entry(row, where) for row in _first(rows)), *others[:MAX_ROWS]], width)
    hidden = max(len(rows) - MAX_ROWS, 0) + max(len(others) - MAX_ROWS, 0)
    if hidden:
        more = f"… and {count(hidden, 'more row')} (see --format json)"
        lines += paragraph(more, width, style="dim", hang=2)
    return lines + paragraph(_total(record), width, style="bold")


class _Row(NamedTuple):
    """Steps of one group that did the same and ended alike."""

    action: Action
    group: str
    state: StepState
    outcome: str
    reason: str
    nodes: list[str]


def _rows(record: Record) -> list[_Row]:
    """In the order of the steps; what one group met differently on some nodes takes further rows."""
    marks = {mark.number: mark for mark in record.marks}
    rows: dict[tuple[str, ...], _Row] = {}
    for step in record.intent.steps:
        state, outcome = _outcome(step, marks)
        key = (step.cell.group, step.action, outcome, step.reason)
        row = rows.setdefault(key, _Row(step.action, step.cell.group, state, outcome, step.reason, []))
        row.nodes.append(step.cell.node)
    return list(rows.values())


def _outcome(step: Step, marks: dict[int, CellMark]) -> tuple[StepState, str]:
    """The state of a step, and all that its mark says."""
    mark = marks.get(step.number)
    if mark is None:
        return StepState.PENDING, StepState.PENDING.value
    parts = [mark.state.value]
    if mark.tried is not IMPLIED.get(mark.state):
        parts.append("tried" if mark.tried else "not tried")
    parts += ["unanswered"] if mark.unanswered else []
    parts += ["suspect"] if mark.suspect else []
    text = ", ".join(parts)
    return mark.state, f"{text}: {mark.note}" if mark.note else text


def _first(rows: list[_Row]) -> list[_Row]:
    """At most `MAX_ROWS`, in order; what did not simply go well must not hide behind what did."""
    if len(rows) <= MAX_ROWS:
        return rows
    usual = (StepState.DONE, StepState.UNDONE, StepState.PENDING)
    ranked = sorted(range(len(rows)), key=lambda n: (rows[n].state in usual, n))
    return [rows[n] for n in sorted(ranked[:MAX_ROWS])]


def _entry(row: _Row, where: Callable[[list[str]], str]) -> Entry:
    symbol, style = MARKS[row.action]
    outcome = shown(row.outcome if row.reason in ("", "declared") else f"{row.outcome} ({row.reason})")
    return Entry(f"  {symbol} {row.action:<6}  ", shown(row.group), (where(row.nodes), outcome), style)


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
    marks = {mark.number: mark.state for mark in record.marks}
    states = [marks.get(step.number, StepState.PENDING) for step in steps]
    return f"{count(len(steps), 'step')}: {_counted(states)}."


def _counted(states: Iterable[StepState]) -> str:
    numbers: dict[StepState, int] = {}
    for state in states:
        numbers[state] = numbers.get(state, 0) + 1
    return ", ".join(f"{numbers[state]:,} {state}" for state in StepState if state in numbers)
