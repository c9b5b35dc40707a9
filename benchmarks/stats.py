"""Medians, ratios of paired rounds, and the exponent of a growth: from the rows of results.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

JOURNAL_CALLS = ("begin", "commit", "close")
"""The lease's calls that hold the intent, a wave, and the closing of an apply durably."""


class Spread(NamedTuple):
    """A median with the least and the most of the rounds."""

    median: float
    least: float
    most: float


def spread(row: dict[str, Any], key: str) -> Spread:
    """What the rounds of a row took: `wall`, `cpu`, `rss` or `tree`."""
    values = [one[key] for one in row["rounds"]]
    return Spread(median(values), min(values), max(values))


def rates(row: dict[str, Any]) -> list[float]:
    """Cells per second of each round, by the whole process.

    Where a run on one cell was measured too, by what the other cells took beyond it: the client's start-up is
    then left out.
    """
    cells, off = row["cells"], 0.0
    if row["one"]:
        cells, off = cells - 1, row["one"]["wall"]
    return [cells / (one["wall"] - off) for one in row["rounds"]]


def times_as_fast(row: dict[str, Any], other: dict[str, Any]) -> float:
    """How many times as fast a row is as another, per cell: the median of the rounds' own ratios."""
    return median(mine / its for mine, its in zip(rates(row), rates(other), strict=True))


def times_as_long(row: dict[str, Any], other: dict[str, Any]) -> float:
    """How many times as long a row takes as another: the median of the rounds' own ratios."""
    pairs = zip(row["rounds"], other["rounds"], strict=True)
    return median([float(mine["wall"] / its["wall"]) for mine, its in pairs])


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """b of y = a x^b, by least squares over the logarithms.

    Raises:
        ValueError: there are not two different x.
    """
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    if len(set(xs)) < 2:
        raise ValueError("an exponent needs two sizes")
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)


def find(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    """The first row with these values."""
    for row in rows:
        if all(row.get(key) == value for key, value in wanted.items()):
            return row
    return None
