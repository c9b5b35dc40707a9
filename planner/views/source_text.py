"""A problem of a file as lines: its sentence, the line it is in, and a caret below what is meant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.layout import Line, Span, paragraph
from planner.views.words import shown, width_of

if TYPE_CHECKING:
    from planner.errors import Problem

TAB = "    "
"""What a tab is shown as: where its stops are in the user's editor is not known."""

UNBOUNDED = 200
"""Columns of a source line where there is no width: in a pipe."""

MIN_ROOM = 10
ELLIPSIS = "…"
MOST_PER_COLUMN = 4
"""Characters of a line per column of the screen, beyond which it is not even measured."""

_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
"""How a byte that is no UTF-8 comes: see PEP 383."""


def problem_lines(problem: Problem, origin: str, width: int | None) -> list[Line]:
    """``origin:line:column: what is wrong``, and below it the line, and what is meant in it."""
    place = f"{shown(origin)}:{problem.line}:{problem.column}: "
    lines = paragraph(place + shown(problem.text), width, style="bold", lead=Span(""), hang=2)
    gutter = " " * len(str(problem.line))
    if problem.source.strip():
        room = max((width or UNBOUNDED) - len(gutter) - 3, MIN_ROOM)
        source, indent, length = excerpt(problem.source, problem.column, problem.end_column, room)
        lines.append((Span(f"{gutter} |", "dim"),))
        lines.append((Span(f"{problem.line} | ", "dim"), Span(source)))
        caret = (Span(f"{gutter} | ", "dim"), Span(" " * indent + "^" * length, "bold red"))
        hint = shown(problem.hint)
        if not hint or width is None or indent + length + 1 + width_of(hint) <= room:
            return [*lines, (*caret, Span(f" {hint}", "cyan")) if hint else caret]
        lines.append(caret)
    if problem.hint:
        lines += paragraph(shown(problem.hint), width, style="cyan", lead=Span(f"{gutter} = ", "dim"), hang=4)
    return lines


def excerpt(source: str, column: int, end_column: int, room: int) -> tuple[str, int, int]:
    """The part of a line that fits into `room` columns, around what is meant in it.

    Returns the text, safe to print, how many columns the caret is indented by, and how long it is.
    """
    begin, end = min(column - 1, len(source)), min(end_column - 1, len(source))
    left, right = _window(source, begin, max(end, begin), room)
    head = ELLIPSIS if left else ""
    tail = ELLIPSIS if right < len(source) else ""
    before = head + _drawn(source[left:begin])
    meant = _drawn(source[begin : min(end, right)])
    after = _drawn(source[min(end, right) : right])
    return (before + meant + after + tail).rstrip(), width_of(before), max(width_of(meant), 1)


def _window(source: str, begin: int, end: int, room: int) -> tuple[int, int]:
    """Which characters are shown: the whole line, or what is meant and as much as fits around it."""
    if len(source) <= MOST_PER_COLUMN * room and width_of(_drawn(source)) <= room:
        return 0, len(source)
    free = room - 2 * len(ELLIPSIS)
    left = right = begin
    right, free = _grow(source, right, end, free * 2 // 3, free)
    left, free = _grow(source, left, 0, free // 2, free)
    right, free = _grow(source, right, len(source), free, free)
    left, free = _grow(source, left, 0, free, free)
    return left, right


def _grow(source: str, position: int, stop: int, share: int, free: int) -> tuple[int, int]:
    """Move towards `stop` by characters that take at most `share` columns; what is then left of `free`."""
    step = 1 if stop > position else -1
    while position != stop:
        columns = width_of(_drawn(source[position if step > 0 else position - 1]))
        if columns > share:
            break
        position, share, free = position + step, share - columns, free - columns
    return position, free


def _drawn(text: str) -> str:
    """Text of the file as it is shown."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_drawn_char, text))


def _drawn_char(char: str) -> str:
    if char == "\t":
        return TAB
    return f"\\x{ord(char) - _BYTE + 0x80:02x}" if _BYTE <= ord(char) <= _LAST_BYTE else shown(char)
