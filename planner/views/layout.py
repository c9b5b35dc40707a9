"""Lines of styled spans, wrapped to a width. Pure: a screen sends them, with or without the styles."""

from __future__ import annotations

from typing import NamedTuple

from planner.views.words import cut, shorten, width_of

MIN_COLUMNS = 10
"""Text is never squeezed into less, even if it then leaves the screen."""


class Span(NamedTuple):
    """Text and its style, in rich's words (``green``, ``bold red``, ``dim``). The text is safe to print."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
EMPTY: Line = ()


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(span.text for span in line)


def harmless(line: Line) -> Line:
    r"""The line; where it begins like a command to a build server (``::error::``), with ``\x3a`` instead.

    No text of ours begins so, but one of a node may, where a line is wrapped. Blanks before it do not count
    for GitHub's runner (`ActionCommand.TryParseV2`).
    """
    if not plain(line).lstrip().startswith("::"):
        return line
    at = next(number for number, span in enumerate(line) if span.text.strip())
    return (*line[:at], line[at]._replace(text=line[at].text.replace(":", r"\x3a", 1)), *line[at + 1 :])


def wrap(text: str, columns: int | None, first: int | None = None) -> list[str]:
    """Fill lines of `columns` with words; a word that is wider is folded. None: one line.

    Args:
        text: one paragraph.
        columns: of every line.
        first: columns of the first line, where they are fewer.
    """
    if columns is None:
        return [text]
    lines: list[str] = []
    line, room = "", first or columns
    for position, word in enumerate(text.split(" ")):
        joined = f"{line} {word}" if position else word
        if width_of(joined) <= room:
            line = joined
            continue
        if position:
            lines.append(line)
            room = columns
        line = word
        while width_of(line) > room:
            piece, line = cut(line, room)
            lines.append(piece)
            room = columns
    return [*lines, line]


def fold(text: str, columns: int) -> list[str]:
    """Cut a text into pieces of at most `columns`."""
    pieces = []
    while width_of(text) > columns:
        piece, text = cut(text, columns)
        pieces.append(piece)
    return [*pieces, text]


def paragraph(
    text: str, width: int | None, *, style: str = "", lead: Span | None = None, hang: int = 0
) -> list[Line]:
    """A wrapped text whose first line begins with `lead`, and whose further lines are indented by `hang`."""
    head = lead or Span(" " * hang)
    columns = None if width is None else max(width - hang, MIN_COLUMNS)
    room = None if width is None else max(width - width_of(head.text), MIN_COLUMNS)
    first, *others = wrap(text, columns, room)
    return [(head, Span(first, style)), *((Span(" " * hang), Span(line, style)) for line in others)]


class Entry(NamedTuple):
    """One line of an aligned list: a mark, a name, and up to two remarks in columns."""

    mark: str
    name: str
    remarks: tuple[str, ...] = ()
    style: str = ""


GAP = "  "
MIN_BESIDE = 30
"""Columns that a second remark needs beside the others; with less it stands below them."""

FOLDS = 3
"""Lines that one name may take before its middle is left out."""

UNBOUNDED = 80
"""What the columns of a table are laid out for where there is no width: in a pipe."""


def table(entries: list[Entry], width: int | None) -> list[Line]:
    """Entries in aligned columns; one that does not fit takes further, indented lines."""
    mark = max((width_of(entry.mark) for entry in entries), default=0)
    half = max((width or UNBOUNDED) - mark, MIN_COLUMNS) // 2
    names = _column([entry.name for entry in entries], half)
    remarks = _column([entry.remarks[0] for entry in entries if entry.remarks], half)
    return [line for entry in entries for line in _entry(entry, (mark, names, remarks), width)]


def _column(cells: list[str], widest: int) -> int:
    """As wide as its widest cell that is not wider than `widest`: one long id must not push the rest away."""
    return max((columns for cell in cells if (columns := width_of(cell)) <= widest), default=0)


def _entry(entry: Entry, columns: tuple[int, int, int], width: int | None) -> list[Line]:
    mark = columns[0]
    dim = entry.style if entry.style == "dim" else ""
    cells = [(entry.name, dim)]
    cells += [
        (remark, dim if position == 0 else "dim") for position, remark in enumerate(entry.remarks) if remark
    ]
    spans = [Span(_pad(entry.mark, mark), entry.style)]
    for position, (text, style) in enumerate(cells):
        last = position == len(cells) - 1
        spans.append(Span(text if last else f"{_pad(text, columns[position + 1])}{GAP}", style))
    if width is None or sum(width_of(span.text) for span in spans) <= width:
        return [tuple(spans)]
    if (
        all(entry.remarks[:2])
        and len(entry.remarks) > 1
        and sum(width_of(span.text) for span in spans[:3]) - len(GAP) <= width
    ):
        return _hung(spans, width, mark)
    space = max(width - mark, MIN_COLUMNS)
    pieces = [(piece, dim) for piece in fold(shorten(entry.name, FOLDS * space), space)]
    pieces += [(piece, "dim") for piece in wrap("  ".join(text for text, _ in cells[1:]), space)]
    heads = [spans[0], *[Span(" " * mark)] * (len(pieces) - 1)]
    return [(head, Span(*piece)) for head, piece in zip(heads, pieces, strict=True)]


def _hung(spans: list[Span], width: int, mark: int) -> list[Line]:
    """Mark, name and first remark in one line, and the second remark beside or below them."""
    (*first, last) = spans
    used = sum(width_of(span.text) for span in first)
    if width - used >= MIN_BESIDE:
        head, *others = wrap(last.text, width - used)
        return [(*first, Span(head, last.style)), *((Span(" " * used), Span(o, last.style)) for o in others)]
    *before, remark = first
    indent = " " * min(mark + len(GAP), max(width - MIN_COLUMNS, 0))
    below = wrap(last.text, max(width - len(indent), MIN_COLUMNS))
    return [
        (*before, Span(remark.text.rstrip(), remark.style)),
        *((Span(indent), Span(piece, last.style)) for piece in below),
    ]


def _pad(text: str, columns: int) -> str:
    return text + " " * (columns - width_of(text))
