"""The end of an apply as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.layout import Line, Span, paragraph
from planner.views.plan_text import partial_lines
from planner.views.sentences import applied_sentence, unchanged_sentence
from planner.views.summary import summarize
from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Cell
    from planner.results import Applied

MAX_CELLS = 200


def applied_lines(result: Applied, width: int | None, *, origin: str) -> list[Line]:
    """How an apply ended well."""
    if result.already is not None:
        return paragraph(f"Already applied by TX {result.already}.", width, style="bold")
    if result.number is None:
        lines = paragraph(unchanged_sentence(origin, result.plan.scope), width, style="bold")
        return lines + partial_lines(result.plan.scope, width)
    text = applied_sentence(summarize(result.plan, without=result.not_ours))
    lines = paragraph(text, width, style="bold green")
    lines += partial_lines(result.plan.scope, width)
    lines += _not_ours(result.not_ours, width)
    return lines + paragraph(f"Transaction {result.number}.", width, style="dim")


def _not_ours(cells: Sequence[Cell], width: int | None) -> list[Line]:
    return _list("Not ours, somebody else was first", [str(cell) for cell in cells], width)


def _list(label: str, items: Sequence[str], width: int | None) -> list[Line]:
    if not items:
        return []
    lines = paragraph(f"{label}:", width, style="cyan", hang=0)
    for item in items[:MAX_CELLS]:
        lines += paragraph(shown(item), width, lead=Span("  - "), hang=4)
    if len(items) > MAX_CELLS:
        lines += paragraph(f"… and {len(items) - MAX_CELLS:,} more", width, lead=Span("  - "), hang=4)
    return lines
