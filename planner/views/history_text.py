"""Past transactions as lines: one row each, in as many columns as there is room for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner import codec
from planner.model import Action
from planner.times import between
from planner.views.journal_words import RESULTS, STYLES
from planner.views.layout import MIN_COLUMNS, Line, Span, paragraph
from planner.views.sentences import allowed
from planner.views.words import cut, duration, shown, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.ports import Record

MAX_MESSAGE = 80
"""Characters of a message in the table where the output has no width."""

MIN_REMARK = 36
"""Columns that who and why need beside the others; with less they get a line of their own."""

GAP = "  "
HEADS = ("TX", "result", "steps", "started (UTC)", "took", "command")
RIGHT = 0  # the column of the numbers is flush right
RESULT = 1
LEAST = 4
"""Columns that are always beside each other; the others go down to who and why where there is no room."""

MARKS = {Action.CREATE: "+", Action.DELETE: "-"}


def history_lines(records: Sequence[Record], width: int | None) -> list[Line]:
    """One row per transaction; in a narrow terminal, who and why stand below it."""
    if not records:
        return paragraph("No transactions yet.", width, style="bold")
    rows = [_cells(record) for record in records]
    widths = [max(map(width_of, column)) for column in zip(HEADS, *rows, strict=True)]
    shown_columns = _fitting(widths, width)
    columns = widths[:shown_columns]
    fixed = sum(columns) + len(GAP) * len(columns)
    beside = width is None or width - fixed >= MIN_REMARK
    head = "who: message" if beside else ""
    lines = _row(HEADS[:shown_columns], columns, width, ("dim",) * len(HEADS), head)
    for record, row in zip(records, rows, strict=True):
        room = MAX_MESSAGE + width_of(record.holder) if width is None else width - (fixed if beside else 4)
        text = ", ".join(filter(None, (*_told(row[shown_columns:], record), _remark(record))))
        remark = _cropped(text, max(room, MIN_COLUMNS))
        styles = tuple(STYLES[record.state] if n == RESULT else "" for n in range(len(HEADS)))
        lines += _row(row[:shown_columns], columns, width, styles, remark if beside else "")
        if remark and not beside:
            lines.append((Span("    "), Span(remark, "dim")))
    return lines


def _cells(record: Record) -> tuple[str, ...]:
    steps = record.intent.steps
    counts = [(mark, sum(step.action is action for step in steps)) for action, mark in MARKS.items()]
    took = between(record.started, record.finished)
    return (
        str(record.number),
        RESULTS[record.state],
        " ".join(f"{mark}{number:,}" for mark, number in counts if number) or "none",
        shown(_minute(record.started)),
        "not yet" if not record.finished else "?" if took is None else duration(took),
        shown(record.intent.command) + (" (partial)" if codec.is_partial(record.intent.plan) else ""),
    )


def _minute(wall: str) -> str:
    """A stored time to the minute; what is no time is left as it is."""
    day, _, hour = wall.removesuffix("Z").partition("T")
    return f"{day} {hour[:5]}".strip()


def _fitting(widths: Sequence[int], width: int | None) -> int:
    """How many columns fit beside each other; not less than `LEAST`."""
    number = len(widths)
    while width is not None and number > LEAST and sum(widths[:number]) + len(GAP) * (number - 1) > width:
        number -= 1
    return number


def _told(dropped: Sequence[str], record: Record) -> list[str]:
    """The columns that did not fit, as words: the last ones of `HEADS`."""
    words = [f"took {dropped[0]}"] if len(dropped) == len(HEADS) - LEAST and record.finished else []
    return [*words, *dropped[-1:]]


def _remark(record: Record) -> str:
    """Who, what was allowed, why, and who came later."""
    words = allowed(record.intent.allowances)
    text = ": ".join(filter(None, (record.holder, words and f"allowed {words}", record.message)))
    later = f"; later {record.notes[-1].who}: {record.notes[-1].text}" if record.notes else ""
    return shown(text + later)


def _cropped(text: str, columns: int) -> str:
    return text if width_of(text) <= columns else cut(text, columns - 1)[0] + "…"


def _row(
    cells: Sequence[str], columns: Sequence[int], width: int | None, styles: Sequence[str], remark: str
) -> list[Line]:
    """One line; where even the columns do not fit, a paragraph."""
    if width is not None and sum(columns) + len(GAP) * (len(columns) - 1) > width:
        return paragraph(GAP.join(cells), width, style=styles[RESULT], hang=0)
    spans = []
    for position, (cell, room) in enumerate(zip(cells, columns, strict=True)):
        space = " " * (room - width_of(cell))
        spans.append(Span(f"{space}{cell}" if position == RIGHT else f"{cell}{space}", styles[position]))
        spans.append(Span(GAP))
    if remark:
        return [(*spans, Span(remark, "dim"))]
    *before, last, _gap = spans
    return [(*before, Span(last.text.rstrip(), last.style))]
