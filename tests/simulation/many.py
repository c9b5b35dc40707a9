"""Many lives on every core; prints the seeds that fail, and why."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.life import Life, live, live_outside
from tests.simulation.scenarios import Scenario, scenario_of, scenario_outside
from tests.simulation.story import Violation

CHUNK = 250
KINDS: dict[str, tuple[Callable[..., Life], Callable[[int], Scenario]]] = {
    "within": (live, scenario_of),
    "outside": (live_outside, scenario_outside),
}


@dataclass(slots=True)
class Tally:
    """What came of some lives.

    Attributes:
        lives: how many were lived, from the plan to the last check.
        runs: applies and recoveries in them.
        failed: kind, seed and story of each that broke the invariant.
        seconds: of CPU time; one core gives at most one a second.
    """

    lives: int = 0
    runs: int = 0
    failed: list[tuple[str, int, str]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Count what another worker has done."""
        self.lives += other.lives
        self.runs += other.runs
        self.failed += other.failed
        self.seconds += other.seconds

    def __str__(self) -> str:
        second = self.seconds or float("inf")
        return (
            f"{self.lives} lives, {self.runs} transactions (applies and recoveries), "
            f"{len(self.failed)} violations; per second of CPU time on one core: "
            f"{self.lives / second:.0f} lives, {self.runs / second:.0f} transactions"
        )


def chunk(task: tuple[str, int, int]) -> Tally:
    """Live some seeds; those that fail are lived again, to be told."""
    kind, start, end = task
    run, draw = KINDS[kind]
    tally = Tally()
    began = time.process_time()
    gc.disable()  # a life leaves a hundred objects in cycles: to look for them once a chunk is enough
    for seed in range(start, end):
        tally.lives += 1
        try:
            tally.runs += run(draw(seed)).runs
        except Violation:
            tally.failed.append((kind, seed, _story(kind, seed)))
    gc.enable()
    gc.collect()
    tally.seconds = time.process_time() - began
    return tally


def _story(kind: str, seed: int) -> str:
    run, draw = KINDS[kind]
    try:
        run(draw(seed), keep_timeline=True)
    except Violation as violation:
        return "\n".join([str(violation), *violation.__notes__])
    return "it did not fail when it was lived again"


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50_000, help="how many lives (a fifth more outside)")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    begin, end = options.start, options.start + options.seeds
    tasks = [("within", s, min(s + CHUNK, end)) for s in range(begin, end, CHUNK)]
    outside_end = begin + options.seeds // 5
    tasks += [("outside", s, min(s + CHUNK, outside_end)) for s in range(begin, outside_end, CHUNK)]
    total = Tally()
    # What was imported is never garbage: no worker looks through it again.
    with multiprocessing.get_context("spawn").Pool(initializer=gc.freeze) as pool:
        for done, tally in enumerate(pool.imap_unordered(chunk, tasks), 1):
            total.add(tally)
            for kind, seed, story in tally.failed:
                sys.stdout.write(f"\n{kind} seed {seed}: {story}\n")
            if done % 20 == 0 and done < len(tasks):
                sys.stdout.write(f"{done}/{len(tasks)} chunks, {len(total.failed)} violations\n")
                sys.stdout.flush()
    sys.stdout.write(f"{total}\n")
    return 1 if total.failed else 0
