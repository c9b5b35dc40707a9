"""A plan as lines: the diff group by group, what it amounts to, what stands against it. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.views.layout import EMPTY, Entry, Line, Span, paragraph, table
from planner.views.summary import NO_DOUBTS, Kind, Row, rows_of, summarize
from planner.views.words import (
    count,
    fragment,
    on_nodes,
    plan_sentence,
    sentence,
    shown,
    unchanged_sentence,
    undo_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model import Cell, Plan, Refusal

MAX_ROWS = 200
"""Rows of the diff that a terminal shows; nobody reads ten thousand there."""

MARKS = {
    Kind.CREATE: ("+", "green"),
    Kind.REPAIR: ("~", "yellow"),
    Kind.DELETE: ("-", "red"),
    Kind.ADOPT: ("=", "blue"),
    Kind.FORGET: (" ", "dim"),
    Kind.KEEP: (" ", "dim"),
}
REMARKS = {
    Kind.ADOPT: "exists already",
    Kind.FORGET: "gone already, no longer managed",
    Kind.KEEP: "adopted, no longer declared: stays",
}


def plan_lines(
    plan: Plan,
    width: int | None,
    *,
    origin: str,
    saved: str | None,
    undoes: int | None = None,
    doubts: Mapping[Cell, str] = NO_DOUBTS,
) -> list[Line]:
    """Everything that `planner plan` prints, and `planner undo` of transaction `undoes`."""
    rows = rows_of(plan, doubts)
    lines: list[Line] = diff_lines(rows, len(plan.nodes), width)
    if lines:
        lines.append(EMPTY)
    lines += paragraph(_total(plan, rows, origin, undoes), width, style="bold")
    for refusal in plan.refusals:
        lines += _refusal(refusal, width)
    if plan.refusals:
        lines += paragraph("`planner apply` will refuse this plan.", width, style="red")
    for warning in plan.warnings:
        lines += warning_lines(warning, width)
    if saved is not None:
        lines += paragraph(_saved(plan, saved), width)
    return lines


def diff_lines(rows: tuple[Row, ...], nodes: int, width: int | None) -> list[Line]:
    """One entry per row; where there are too many, the first ones, and how many more groups there are."""
    first = _first(rows)
    lines = table([_entry(row, nodes) for row in first], width)
    hidden = {row.group for row in rows} - {row.group for row in first}
    if hidden:
        more = f"… and {count(len(hidden), 'more group')} (see --format json)"
        lines += paragraph(more, width, style="dim", hang=2)
    return lines


def warning_lines(text: str, width: int | None) -> list[Line]:
    """A warning: ``Warning: the text.`` in one shape everywhere."""
    return paragraph(sentence(text), width, lead=Span("Warning: ", "yellow"), hang=2)


def _first(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """At most `MAX_ROWS`, in order. Deletes get half of them: they must not hide behind creates."""
    if len(rows) <= MAX_ROWS:
        return rows
    deletes = sum(row.kind is Kind.DELETE for row in rows)
    room = {True: min(deletes, max(MAX_ROWS // 2, MAX_ROWS - (len(rows) - deletes)))}
    room[False] = MAX_ROWS - room[True]
    chosen = []
    for row in rows:
        kind = row.kind is Kind.DELETE
        if room[kind]:
            room[kind] -= 1
            chosen.append(row)
    return tuple(chosen)


def _entry(row: Row, nodes: int) -> Entry:
    symbol, style = MARKS[row.kind]
    reason = shown(row.reason) or REMARKS.get(row.kind, "")
    reason = ", ".join(filter(None, (shown(row.doubt), reason)))
    where = on_nodes(row.nodes, nodes)
    return Entry(f"  {symbol} {row.kind:<6}  ", shown(row.group), (where, reason), style)


def _refusal(refusal: Refusal, width: int | None) -> list[Line]:
    lead = Span("! Refused: ", "bold red")
    lines = paragraph(sentence(refusal.why), width, style="red", lead=lead, hang=2)
    return lines + paragraph(fragment(refusal.cure), width, lead=Span("  next: "), hang=4)


def _total(plan: Plan, rows: tuple[Row, ...], origin: str, undoes: int | None) -> str:
    if plan.has_changes:
        return plan_sentence(summarize(plan, rows))
    return unchanged_sentence(origin) if undoes is None else undo_sentence(undoes, len(plan.forgets))


def _saved(plan: Plan, saved: str) -> str:
    name = shown(saved)
    if plan.refusals or plan.is_empty:
        return f"Saved to {name}."
    return f"Saved to {name}. Apply exactly this: planner apply {shown(shlex.quote(saved))}"
