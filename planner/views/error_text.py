"""An error as lines, in one shape: what failed, where, why, and what to do next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import ChangesPending, FileInvalid, Interrupted, Reversed
from planner.views.layout import EMPTY, Line, Span, paragraph
from planner.views.sentences import steps_words
from planner.views.source_text import problem_lines
from planner.views.words import fragment, sentence, shown
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.errors import PlannerError

MAX_DETAILS = 50

SENTENCES = (ChangesPending, Reversed, Interrupted)
"""Ends that are told by their own sentence: the nodes are as they were, and nothing is left to repair."""


def error_lines(error: PlannerError, width: int | None) -> list[Line]:
    """``Error: what failed.``, and indented lines: where, why, the steps, the details, next."""
    if isinstance(error, SENTENCES):
        lines = paragraph(sentence(error.what), width, style="bold", hang=0)
    else:
        lines = paragraph(sentence(error.what), width, style="bold", lead=Span("Error: ", "bold red"), hang=2)
    if isinstance(error, FileInvalid) and error.problems:
        lines += _problems(error, width) + _listed(error.remarks, width)
        return lines + _labelled("next", error.next, width)
    lines += _labelled("where", error.where, width) + _labelled("why", error.why, width)
    if error.ending is not None:
        lines += _labelled("steps", steps_words(error.ending.steps), width)
    lines += _listed(error.details, width)
    return lines + _labelled("next", error.next, width)


def _listed(details: Sequence[str], width: int | None) -> list[Line]:
    """One line for each."""
    lines: list[Line] = []
    for detail in details[:MAX_DETAILS]:
        lines += paragraph(shown(detail.strip()), width, lead=Span("  - "), hang=4)
    if len(details) > MAX_DETAILS:
        more = f"… and {count(len(details) - MAX_DETAILS, 'more line')}"
        lines += paragraph(more, width, lead=Span("  - "), hang=4)
    return lines


def _problems(error: FileInvalid, width: int | None) -> list[Line]:
    """Every problem with its line, an empty line around each: where it is says the problem itself."""
    lines: list[Line] = []
    for problem in error.problems[:MAX_DETAILS]:
        lines += [EMPTY, *problem_lines(problem, error.where, width)]
    lines.append(EMPTY)
    if len(error.problems) > MAX_DETAILS:
        more = f"… and {count(len(error.problems) - MAX_DETAILS, 'more problem')}"
        lines += [*paragraph(more, width, hang=2), EMPTY]
    return lines


def _labelled(label: str, text: str, width: int | None) -> list[Line]:
    if not text.strip():
        return []
    return paragraph(fragment(text), width, lead=Span(f"  {label}: ", "cyan"), hang=4)
