"""The tables of the page: each takes a section of results.json, and is empty where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.goals import Goal, journal_inside, journal_share
from benchmarks.sections.growth import SERIES
from benchmarks.stats import Spread, exponent, find, rates, spread, times_as_fast


def table(head: str, rows: Iterator[list[str]] | list[list[str]]) -> str:
    """Markdown; the cells of `head` are split at its bars, and all but the first column are numbers."""
    names = [name.strip() for name in head.split("|")]
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def goals_table(found: list[Goal]) -> str:
    """Each goal, what was measured, and what that decides."""
    rows = []
    for goal in found:
        bound = f"{'≥' if goal.least else '≤'} {goal.bound:g}{goal.unit}"
        measured = "–" if goal.measured is None else f"{number(goal.measured)}{goal.unit}"
        verdict = goal.note or goal.verdict
        rows.append([goal.text, bound, measured, f"**{verdict}**" if verdict == "met" else verdict])
    return table("goal | asked for | measured | ", rows)


def comparison(rows: list[dict[str, Any]]) -> str:
    """Clients beside planner: with as many requests in flight, or else with its default."""

    def lines() -> Iterator[list[str]]:
        for row in rows:
            mine = find(rows, client="planner", parallelism=row["parallelism"]) or find(
                rows, client="planner"
            )
            assert mine is not None  # narrows the type: planner is in every table  # nosec B101
            yield [
                row["client"] + (" ¹" if row["one"] else ""),
                str(row["parallelism"]),
                f"{row['cells']:,}",
                *usage(row),
                number(median(rates(row))),
                "1" if mine is row else f"{number(times_as_fast(mine, row))}×",
            ]

    head = "client | in flight | cells | wall, s | CPU, s | peak, MiB | cells/s | planner is"
    return table(head, lines())


def growth(rows: list[dict[str, Any]]) -> str:
    """Every size, and under it the exponents of each series that has two."""

    def lines() -> Iterator[list[str]]:
        for series in SERIES:
            for row in rows:
                if row["series"] == series:
                    yield [SERIES[series], f"{row['cells']:,}", *usage(row), number(median(rates(row)))]
            if all(one is not None for one in exponents(rows, series)):
                wall, cpu, peak = (f"x^{one:.2f}" for one in exponents(rows, series) if one is not None)
                yield [SERIES[series], "exponent", wall, cpu, peak, ""]

    return table("how cells are known | cells | wall, s | CPU, s | peak, MiB | cells/s", lines())


def exponents(rows: list[dict[str, Any]], series: str) -> list[float | None]:
    """Of wall time, CPU time and peak memory over the number of cells; None where there are not two sizes."""
    its = [row for row in rows if row["series"] == series]
    if len({row["cells"] for row in its}) < 2:
        return [None] * 3
    return [
        exponent([(row["cells"], spread(row, key).median) for row in its]) for key in ("wall", "cpu", "tree")
    ]


def starts(rows: list[dict[str, Any]]) -> str:
    """Milliseconds, beside the first row."""

    def lines() -> Iterator[list[str]]:
        first = 1000 * spread(rows[0], "wall").median
        for row in rows:
            wall, cpu = (Spread(*(1000 * one for one in spread(row, key))) for key in ("wall", "cpu"))
            name = row["client"] if "×" in row["client"] else f"`{row['client']}`"
            yield [name, ranged(wall), ranged(cpu), f"{wall.median / first:.1f}×"]

    return table("command | wall, ms | CPU, ms | beside the first", lines())


def journal(cases: list[dict[str, Any]]) -> str:
    """On and off at each latency, and what the calls themselves took."""

    def lines() -> Iterator[list[str]]:
        for case in cases:
            for row in case["rows"]:
                share = inside = ""
                if row["journal"] == "on":
                    waves = median(call["commits"] for call in case["calls"])
                    share = f"{journal_share(case):.1f} %"
                    inside = f"{journal_inside(case):.1f} % ({waves:.0f} waves)"
                wall = ranged(spread(row, "wall"))
                cells = f"{row['cells']:,}"
                yield [
                    f"{row['client']}, {case['latency']} ms",
                    cells,
                    wall,
                    ranged(spread(row, "cpu")),
                    share,
                    inside,
                ]

    return table("build | cells | wall, s | CPU, s | gone without it | inside its calls", lines())


def executors(cases: list[dict[str, Any]]) -> str:
    """Every command with every executor."""

    def lines() -> Iterator[list[str]]:
        for case in cases:
            for row in case["rows"]:
                name = f"`{case['command']}`, {case['latency']} ms, `--executor {row['client']}`"
                yield [name, f"{row['cells']:,}", *usage(row), number(median(rates(row)))]

    return table("command | cells | wall, s | CPU, s | peak, MiB | cells/s", lines())


def usage(row: dict[str, Any]) -> list[str]:
    """Wall and CPU time with their ranges, and the most memory."""
    return [ranged(spread(row, "wall")), ranged(spread(row, "cpu")), f"{spread(row, 'tree').most:.0f}"]


def ranged(found: Spread) -> str:
    """``1.20 (1.10–1.35)``; the median alone where nothing varied, as in a single run."""
    if found.least == found.most:
        return number(found.median)
    return f"{number(found.median)} ({number(found.least)}–{number(found.most)})"


def number(value: float) -> str:
    """Three figures that count, and all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
