"""The goals, and the numbers that decide whether each is met."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from benchmarks.sections.growth import SERIES
from benchmarks.sections.plan import DEFAULT
from benchmarks.sections.start import NOTHING, SMALL, VERSION
from benchmarks.stats import JOURNAL_CALLS, find, spread, times_as_fast, times_as_long

MILLION = 1_000_000


class Goal(NamedTuple):
    """One goal. `measured` is None where it was not; `unit` follows both numbers.

    `least` tells whether the bound is a lower one.
    """

    text: str
    bound: float
    measured: float | None
    unit: str = "×"
    least: bool = True
    note: str = ""

    @property
    def verdict(self) -> str:
        """Decided by the numbers alone."""
        if self.measured is None:
            return "not measured"
        met = self.measured >= self.bound if self.least else self.measured <= self.bound
        return "met" if met else "not met"


def goals(sections: dict[str, Any]) -> list[Goal]:
    """Every goal, measured or not."""
    return [
        _plan(sections),
        *_apply(sections),
        _memory(sections),
        *_journal(sections),
        *_start(sections),
    ]


def case(sections: dict[str, Any], section: str, nodes: int, latency: int) -> list[dict[str, Any]]:
    """The rows of one case; none where it was not measured."""
    found = find(sections.get(section, {}).get("cases", []), nodes=nodes, latency=latency)
    return found["rows"] if found else []


def _plan(sections: dict[str, Any]) -> Goal:
    rows = case(sections, "plan", 3, 0)
    mine = find(rows, client="planner", parallelism=DEFAULT)
    its = find(rows, client="aiohttp", parallelism=DEFAULT)
    measured = times_as_fast(mine, its) if mine and its else None
    return Goal("plan reads as fast as a bare aiohttp loop: 3 nodes, 0 ms, whole processes", 1.0, measured)


def _apply(sections: dict[str, Any]) -> Iterator[Goal]:
    rows = case(sections, "apply", 3, 0)
    mine = find(rows, client="planner", parallelism=DEFAULT)
    clients = {
        "requests, careful": "a requests loop that looks before and after each POST",
        "requests": "a requests loop of POSTs alone",
        "Ansible": "Ansible",
        "Terraform": "Terraform with curl",
    }
    for client, words in clients.items():
        its = find(rows, client=client)
        measured = times_as_fast(mine, its) if mine and its else None
        missing = "" if its or not rows else "not on this machine"
        yield Goal(f"apply, with its journal, beside {words}: 3 nodes, 0 ms", 3.0, measured, note=missing)


def _memory(sections: dict[str, Any]) -> Goal:
    row = find(sections.get("growth", {}).get("rows", []), series="lists", cells=MILLION)
    measured = spread(row, "tree").median if row else None
    text = f"a million cells planned ({SERIES['lists']}), all processes together"
    return Goal(text, 400, measured, " MiB", least=False)


def _journal(sections: dict[str, Any]) -> Iterator[Goal]:
    for latency in (0, 20):
        found = find(sections.get("journal", {}).get("cases", []), latency=latency)
        begin = f"the journal's share of an apply, 3 nodes, {latency} ms"
        share = journal_share(found) if found else None
        yield Goal(f"{begin}: what is gone without its waves", 10, share, " %", least=False)
        share = journal_inside(found) if found else None
        yield Goal(f"{begin}: the time inside its calls", 10, share, " %", least=False)


def journal_share(found: dict[str, Any]) -> float:
    """Per cent of an apply's time that are gone without the journal: the median of the pairs."""
    on, off = (find(found["rows"], journal=name) for name in ("on", "off"))
    assert on is not None  # narrows the types: a row that was written  # nosec B101
    assert off is not None  # narrows the types: a row that was written  # nosec B101
    pairs = zip(on["rounds"], off["rounds"], strict=True)
    return 100 * median([1 - float(without["wall"] / whole["wall"]) for whole, without in pairs])


def journal_inside(found: dict[str, Any]) -> float:
    """Per cent of an apply's time that it waited for its intent, its waves and its closing: the median."""
    on = find(found["rows"], journal="on")
    assert on is not None  # narrows the types: a row that was written  # nosec B101
    pairs = zip(found["calls"], on["rounds"], strict=True)
    return 100 * median(
        [float(sum(call[name] for name in JOURNAL_CALLS) / run["wall"]) for call, run in pairs]
    )


def _start(sections: dict[str, Any]) -> Iterator[Goal]:
    rows = sections.get("start", {}).get("rows", [])
    nothing, version, small = (find(rows, client=name) for name in (NOTHING, VERSION, SMALL))
    ratio = times_as_long(version, nothing) if version and nothing else None
    yield Goal("`planner --version` beside `python -c pass`", 3.0, ratio, least=False)
    wall = spread(small, "wall").median if small else None
    yield Goal(f"{SMALL}, whole process", 0.4, wall, " s", least=False)
