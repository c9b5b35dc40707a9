"""How the nodes answered, and what an import found, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.layout import EMPTY, Line, Span, paragraph
from planner.views.words import fragment, shown, width_of
from planner.words import count

if TYPE_CHECKING:
    from planner.results import Imported, Probe, Probed

STYLES = {"ok": "green", "unsteady": "yellow", "unreadable": "red"}
HEAD = ("NODE", "STATE", "MEDIAN", "MAX", "GROUPS", "URL", "LABELS")
GAP = "  "


def nodes_lines(probed: Probed, width: int | None) -> list[Line]:
    """A table with one row per node, or a paragraph per node where that is wider than the screen."""
    rows = [_cells(probe) for probe in probed.nodes]
    columns = [max(map(width_of, column)) for column in zip(HEAD, *rows, strict=True)]
    if not any(probe.node.labels for probe in probed.nodes):
        columns.pop()
    fits = width is None or sum(columns) + len(GAP) * (len(columns) - 1) <= width
    lines: list[Line] = [(Span(_row(HEAD, columns), "dim"),)] if fits else []
    for probe, cells in zip(probed.nodes, rows, strict=True):
        style = STYLES[probe.state]
        if fits:
            text = _row(cells, columns)
            before = columns[0] + len(GAP)
            end = before + len(probe.state)
            lines.append((Span(text[:before]), Span(text[before:end], style), Span(text[end:])))
        else:
            named = zip(("", "", "median ", "max ", "groups ", "", ""), cells, strict=True)
            said = [f"{name}{cell}" for name, cell in named if cell]
            lines += paragraph(", ".join(said[1:]), width, lead=Span(f"{said[0]}{GAP}", style), hang=2)
        lines += _failures(probe, probed.tries, width)
    return [*lines, EMPTY, *paragraph(_total(probed), width, style="bold")]


def imported_lines(result: Imported, saved: str, width: int | None) -> list[Line]:
    """What was written, and what to do with it."""
    what = f"{count(len(result.groups), 'group')} on {count(len(result.nodes), 'node')}"
    return paragraph(f"Wrote {shown(saved)}: {what} of cluster {shown(result.cluster)}.", width)


def _cells(probe: Probe) -> tuple[str, ...]:
    node = probe.node
    lists = node.dialect.list_path is not None
    return (
        shown(node.name),
        probe.state,
        _duration(probe.median) if probe.answered else "-",
        _duration(max(probe.latencies)) if probe.answered else "-",
        f"{probe.listed:,}" if probe.listed is not None else "-" if lists else "no list",
        shown(node.url),
        " ".join(f"{shown(key)}={shown(value)}" for key, value in node.labels),
    )


def _row(cells: tuple[str, ...], columns: list[int]) -> str:
    padded = [cell + " " * (room - width_of(cell)) for cell, room in zip(cells, columns, strict=False)]
    return GAP.join(padded).rstrip()


def _failures(probe: Probe, tries: int, width: int | None) -> list[Line]:
    """Each reason once, with how often it was met."""
    reasons = {why: probe.failures.count(why) for why in probe.failures}
    lines: list[Line] = []
    for why, times in reasons.items():
        text = f"{times:,} of {count(tries, 'request')} failed: {fragment(why)}"
        lines += paragraph(text, width, lead=Span("  "), hang=4, style=STYLES[probe.state])
    return lines


def _total(probed: Probed) -> str:
    counts = {state: sum(probe.state == state for probe in probed.nodes) for state in STYLES}
    parts = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
    return f"{count(len(probed.nodes), 'node')}: {parts} ({count(probed.tries, 'request')} each)."


def _duration(seconds: float) -> str:
    """``4 ms``, ``1.25 s``."""
    ms = seconds * 1000
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms" if ms < 1000 else f"{seconds:.2f} s"  # noqa: PLR2004
