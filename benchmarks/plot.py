"""results.json -> one SVG for both themes: how a plan grows, and how many times as fast planner is.

Text and lines have the colour of the page's text in light and in dark, by `prefers-color-scheme`; an image
cannot see the page's own switch, so the ground under it is painted too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from benchmarks.goals import case
from benchmarks.sections.growth import SERIES
from benchmarks.sections.plan import DEFAULT
from benchmarks.stats import exponent, find, spread, times_as_fast

WIDTH, PANEL = 860, 330
STYLE = """\
<style>
  .ground { fill: #ffffff } text { fill: #1f2430; font: 12px system-ui, sans-serif }
  .title { font-size: 14px; font-weight: 600 } .axis { stroke: #8a8f9c; stroke-width: 1 }
  .grid { stroke: #e3e5ea; stroke-width: 1 } .goal { stroke: #8a8f9c; stroke-dasharray: 4 4 }
  .end { text-anchor: end } .middle { text-anchor: middle }
  .s0 { stroke: #00796b; fill: #00796b } .s1 { stroke: #c2410c; fill: #c2410c }
  .s2 { stroke: #5b4bc4; fill: #5b4bc4 } polyline { fill: none !important; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #1e2129 } text { fill: #d8dbe2 } .grid { stroke: #343845 }
    .s0 { stroke: #4db6ac; fill: #4db6ac } .s1 { stroke: #fb923c; fill: #fb923c }
    .s2 { stroke: #a99cf5; fill: #a99cf5 }
  }
</style>
"""


class Frame(NamedTuple):
    """Where a panel lies, in pixels: its lines are drawn within."""

    left: float
    top: float
    right: float
    bottom: float


class Scale(NamedTuple):
    """A logarithmic axis: from powers of ten to pixels."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> Scale:
        """The whole powers of ten around all values."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), begin, end)

    def at(self, value: float) -> float:
        """Where a value lies."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

    @property
    def powers(self) -> list[float]:
        """The values with a line of the grid."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def picture(document: dict[str, Any]) -> str:
    """The whole picture; a panel without measurements is left out, and so is the picture's height."""
    sections = document.get("sections", {})
    parts: list[str] = []
    top = 0.0
    rows = sections.get("growth", {}).get("rows", [])
    if rows:
        half = WIDTH / 2
        for left, key, title, unit in (
            (0.0, "wall", "Plan: wall time, s", "s"),
            (half, "tree", "Plan: peak memory, MiB", "MiB"),
        ):
            frame = Frame(left + 58, 40, left + half - 34, PANEL - 92)
            parts += growth(frame, rows, key, title, unit)
        top += PANEL
    found = bars(sections)
    if found:
        parts += ratios(top, found)
        top += 74 + 22 * len(found)
    label = "How a plan grows with its cells, and how many times as fast planner is as other clients"
    size = f'viewBox="0 0 {WIDTH} {top:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">\n'
    return (
        head
        + STYLE
        + f'<rect class="ground" width="{WIDTH}" height="{top:g}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def growth(frame: Frame, rows: list[dict[str, Any]], key: str, title: str, unit: str) -> Iterator[str]:
    """One log-log panel with a line per series and its exponent."""
    across = Scale.over([row["cells"] for row in rows], frame.left, frame.right)
    up = Scale.over([spread(row, key).median for row in rows], frame.bottom, frame.top)
    yield f'<text class="title" x="{frame.left}" y="{frame.top - 16}">{title}</text>'
    for value in across.powers:
        x = across.at(value)
        yield f'<line class="grid" x1="{x}" y1="{frame.top}" x2="{x}" y2="{frame.bottom}"/>'
        yield f'<text class="middle" x="{x}" y="{frame.bottom + 16}">{value:,.0f}</text>'
    for value in up.powers:
        y = up.at(value)
        yield f'<line class="grid" x1="{frame.left}" y1="{y}" x2="{frame.right}" y2="{y}"/>'
        yield f'<text class="end" x="{frame.left - 6}" y="{y + 4}">{value:g}</text>'
    if key == "tree" and up.low <= math.log10(400) <= up.high:
        y = up.at(400)
        yield f'<line class="goal" x1="{frame.left}" y1="{y}" x2="{frame.right}" y2="{y}"/>'
        yield f'<text x="{frame.left + 4}" y="{y - 4}">400 {unit}</text>'
    for number, (series, words) in enumerate(SERIES.items()):
        points = [(row["cells"], spread(row, key).median) for row in rows if row["series"] == series]
        if not points:
            continue
        places = [(across.at(cells), up.at(value)) for cells, value in points]
        yield f'<polyline class="s{number}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
        yield from (f'<circle class="s{number}" cx="{x}" cy="{y}" r="3"/>' for x, y in places)
        grows = f": x^{exponent(points):.2f}" if len({cells for cells, _ in points}) > 1 else ""
        y = frame.bottom + 38 + 17 * number
        yield f'<rect class="s{number}" x="{frame.left}" y="{y - 8}" width="14" height="4"/>'
        yield f'<text x="{frame.left + 22}" y="{y}">{words}{grows}</text>'


def bars(sections: dict[str, Any]) -> list[tuple[str, float]]:
    """How many times as fast planner is: on three nodes, at each latency, with its default parallelism."""
    found = []
    for section in ("plan", "apply"):
        for latency in (0, 20):
            rows = case(sections, section, 3, latency)
            mine = find(rows, client="planner", parallelism=DEFAULT)
            for row in rows:
                if mine and row["client"] != "planner" and row["parallelism"] in (1, DEFAULT):
                    words = f"{section}, {latency} ms: {row['client']}"
                    found.append((words, times_as_fast(mine, row)))
    return found


def ratios(top: float, found: list[tuple[str, float]]) -> Iterator[str]:
    """A bar for each ratio, from 1 to the right where planner is faster, to the left where it is slower."""
    across = Scale.over([1.0, *(value for _, value in found)], 250, WIDTH - 80)
    bottom = top + 44 + 22 * len(found)
    yield f'<text class="title" x="20" y="{top + 24}">planner is … times as fast, per cell, on 3 nodes</text>'
    for value in across.powers:
        x, kind = across.at(value), "axis" if value == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" y1="{top + 38}" x2="{x}" y2="{bottom}"/>'
        yield f'<text class="middle" x="{x}" y="{bottom + 16}">{value:g}×</text>'
    middle = across.at(1.0)
    for number, (words, value) in enumerate(found):
        y, x = top + 42 + 22 * number, across.at(value)
        kind = "s0" if value >= 1 else "s1"
        yield f'<text class="end" x="240" y="{y + 12}">{escape(words)}</text>'
        place = f'x="{min(x, middle)}" y="{y}" width="{abs(x - middle):.1f}" height="15"'
        yield f'<rect class="{kind}" {place} rx="2"/>'
        yield f'<text x="{max(x, middle) + 6}" y="{y + 12}">{figures(value)}×</text>'


def figures(value: float) -> str:
    """Two figures that count, or the whole number."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
