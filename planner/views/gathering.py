"""Cells gathered into rows, as a plan's are: one group that should be the same for the same reason. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.views.layout import Entry, Line, paragraph, table
from planner.views.words import on_nodes, shown
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIGNS = {"present": ("+", "green"), "absent": ("-", "red")}


class Fact(NamedTuple):
    """What is said of one cell."""

    group: str
    node: str
    presence: str
    words: str = ""
    detail: str = ""


def gathered_lines(
    facts: Iterable[Fact],
    nodes: Sequence[str],
    width: int | None,
    *,
    most: int,
    more: str,
    signs: bool = False,
) -> list[Line]:
    """One line per row, in the order of the facts; what is beyond `most` rows is counted.

    Args:
        facts: of single cells.
        nodes: the names of all, in their order.
        width: columns; None for as many as it takes.
        most: rows.
        more: where the others can be seen.
        signs: whether a row begins with what is done to its cells.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    for fact in facts:
        rows.setdefault((fact.group, fact.presence, fact.words, fact.detail), []).append(fact.node)
    order = {name: position for position, name in enumerate(nodes)}
    entries = []
    for (group, presence, words, detail), names in list(rows.items())[:most]:
        sign, style = SIGNS.get(presence, (" ", "")) if signs else (" ", "")
        remark = "  ".join(filter(None, (shown(words), shown(detail))))
        entries.append(
            Entry(
                f"  {sign} " if signs else "  ",
                shown(group),
                (on_nodes(sorted(names, key=lambda name: order.get(name, len(order))), len(nodes)), remark),
                style,
            )
        )
    lines = table(entries, width)
    if len(rows) > most:
        cells = sum(len(names) for names in list(rows.values())[most:])
        lines += paragraph(f"… and {count(cells, 'more cell')} ({more})", width, style="dim", hang=2)
    return lines
