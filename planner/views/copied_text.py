"""What a copy of the store came to, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.layout import Line, Span, paragraph
from planner.views.words import shown
from planner.words import agreeing, count

if TYPE_CHECKING:
    from planner.results import Copied


def copied_lines(result: Copied, width: int | None) -> list[Line]:
    """What is equal now, what is unfinished in it, and which of the two stores is to be used."""
    rows = sum(table.rows for table in result.tables)
    what = f"{count(len(result.clusters), 'cluster')}, {count(result.transactions, 'transaction')}"
    verb = "Moved" if result.moved else "Copied"
    lines = paragraph(f"{verb} the store to {shown(result.target)}.", width, style="bold")
    before = "an earlier command had copied it; " if result.already else ""
    lines += paragraph(
        f"{what}; {before}{count(rows, 'row')} in {count(len(result.tables), 'table')} were read back"
        f" and are equal. The id is the same: {result.store}.",
        width,
        lead=Span("  "),
        hang=2,
    )
    if result.unfinished:
        names = ", ".join(f"TX {number} of cluster {shown(name)}" for name, number in result.unfinished)
        still = agreeing(len(result.unfinished), "is", "are")
        lines += paragraph(
            f"{names} {still} unfinished, in the copy too: run `planner recover`.",
            width,
            style="yellow",
            lead=Span("  "),
            hang=2,
        )
    return lines + paragraph(_use(result), width, style="yellow", lead=Span("  "), hang=2)


def _use(result: Copied) -> str:
    if result.moved:
        return (
            f"From now on {shown(result.source)} refuses every run: set PLANNER_STORE (or --store) to the "
            "new one everywhere."
        )
    return (
        f"Use one of the two only. {shown(result.source)} stays the store; the copy is a backup, and older "
        "from the next run on. To change over, use --move."
    )
