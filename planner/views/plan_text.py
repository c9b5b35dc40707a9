"""A plan as lines: the diff group by group, what it amounts to, what stands against it. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.views.layout import EMPTY, Entry, Line, Span, paragraph, table
from planner.views.sentences import allowed, partial_sentence
from planner.views.summary import Kind, Row, unmanaged_rows
from planner.views.words import fragment, on_nodes, sentence, shown
from planner.words import count, named

if TYPE_CHECKING:
    from planner.model import Plan, Refusal
    from planner.scope import PlanScope
    from planner.views.report import Report

MAX_ROWS = 200
"""Rows of the diff that a terminal shows; nobody reads ten thousand there."""

MAX_UNMANAGED = 10
"""Unmanaged groups that a terminal shows: they must not hide what is going to happen."""

MARKS = {
    Kind.CREATE: ("+", "green"),
    Kind.REPAIR: ("~", "yellow"),
    Kind.DELETE: ("-", "red"),
    Kind.ADOPT: ("=", "blue"),
    Kind.PROTECT: ("=", "blue"),
    Kind.UNPROTECT: ("=", "blue"),
    Kind.FORGET: (" ", "dim"),
    Kind.KEEP: (" ", "dim"),
    Kind.UNMANAGED: ("?", "dim"),
}
REMARKS = {
    Kind.ADOPT: "exists already",
    Kind.PROTECT: "may not be deleted from now on",
    Kind.UNPROTECT: "may be deleted from now on",
    Kind.FORGET: "gone already, no longer managed",
    Kind.KEEP: "adopted, no longer declared: stays",
}


def plan_lines(report: Report, width: int | None) -> list[Line]:
    """Everything that `planner plan`, `planner undo` and `planner show` of a plan file print."""
    plan = report.plan
    left_out = plan.scope.nodes_left_out if plan.scope else 0
    lines: list[Line] = diff_lines(report.rows, len(plan.nodes), width, left_out=left_out)
    lines += unmanaged_lines(plan, width)
    if lines:
        lines.append(EMPTY)
    lines += paragraph(report.sentence, width, style="bold")
    lines += partial_lines(plan.scope, width)
    if plan.allowances:
        lines += paragraph(f"Allowed knowingly: {allowed(plan.allowances)}.", width, style="yellow")
    groups: tuple[str, ...] = ()
    for refusal in plan.refusals:
        lines += _refusal(refusal, width, listed=refusal.groups == groups)
        groups = refusal.groups
    if plan.refusals:
        lines += paragraph("As it is, this plan cannot be applied.", width, style="red")
    for warning in plan.warnings:
        lines += warning_lines(warning, width)
    if how := _how_to_apply(report):
        lines += paragraph(how, width)
    return lines


def diff_lines(rows: tuple[Row, ...], nodes: int, width: int | None, *, left_out: int = 0) -> list[Line]:
    """One entry per row; where there are too many, the first ones, and how many more groups there are."""
    first = _first(rows)
    lines = table([_entry(row, nodes, left_out) for row in first], width)
    hidden = {row.group for row in rows} - {row.group for row in first}
    if hidden:
        more = f"… and {count(len(hidden), 'more group')} (see --format json)"
        lines += paragraph(more, width, style="dim", hang=2)
    return lines


def partial_lines(scope: PlanScope | None, width: int | None) -> list[Line]:
    """What a partial plan leaves out; nothing for a whole plan."""
    return [] if scope is None else paragraph(partial_sentence(scope), width, style="yellow")


def unmanaged_lines(plan: Plan, width: int | None) -> list[Line]:
    """What nobody declared and nobody manages: the first groups, and how many more there are."""
    rows = unmanaged_rows(plan)
    left_out = plan.scope.nodes_left_out if plan.scope else 0
    lines = table([_entry(row, len(plan.nodes), left_out) for row in rows[:MAX_UNMANAGED]], width)
    if len(rows) > MAX_UNMANAGED:
        more = f"… and {count(len(rows) - MAX_UNMANAGED, 'more unmanaged group')} (see --format json)"
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


def _entry(row: Row, nodes: int, left_out: int) -> Entry:
    symbol, style = MARKS[row.kind]
    where = on_nodes(row.nodes, nodes, left_out=left_out) if row.nodes else ""
    return Entry(f"  {symbol} {row.kind:<6}  ", shown(row.group), (where, shown(remark(row))), style)


def remark(row: Row) -> str:
    """What leaves it in doubt; why, or what that means; and what becomes of the group's protection."""
    return ", ".join(filter(None, (row.doubt, row.reason or REMARKS.get(row.kind, ""), row.protection)))


def _refusal(refusal: Refusal, width: int | None, *, listed: bool) -> list[Line]:
    """Why, which groups (unless they are `listed` already) and the cure."""
    lead = Span("! Refused: ", "bold red")
    lines = paragraph(sentence(refusal.why), width, style="red", lead=lead, hang=2)
    if refusal.groups and not listed:
        lines += paragraph(shown(named(refusal.groups)), width, lead=Span("  groups: "), hang=4)
    return lines + paragraph(fragment(refusal.cure), width, lead=Span("  next: "), hang=4)


def _how_to_apply(report: Report) -> str:
    if report.saved is None:
        return ""
    saved = "" if report.offline else f"Saved to {shown(report.saved)}. "
    if report.signed_with:
        saved += f"Signed with key {report.signed_with}. "
    if report.can_be_applied:
        saved += f"Apply exactly this: planner apply {shown(shlex.quote(report.saved))}"
    return saved.rstrip()
