"""Many lives on every core; prints the seeds that fail, and why."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable

from tests.simulation.life import Life, Scenario, Violation, live, live_outside, scenario_of, scenario_outside

CHUNK = 250
KINDS: dict[str, tuple[Callable[..., Life], Callable[[int], Scenario]]] = {
    "within": (live, scenario_of),
    "outside": (live_outside, scenario_outside),
}


def chunk(task: tuple[str, int, int]) -> list[tuple[str, int, str]]:
    """Live some seeds; return those that fail, each with its timeline."""
    kind, start, end = task
    run, draw = KINDS[kind]
    failed = []
    for seed in range(start, end):
        try:
            run(draw(seed))
        except Violation:
            try:
                run(draw(seed), keep_timeline=True)
            except Violation as violation:
                failed.append((kind, seed, "\n".join([str(violation), *violation.__notes__])))
    return failed


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
    started = time.monotonic()
    failures = 0
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, failed in enumerate(pool.imap_unordered(chunk, tasks), 1):
            for kind, seed, story in failed:
                failures += 1
                sys.stdout.write(f"\n{kind} seed {seed}: {story}\n")
            if done % 20 == 0 or done == len(tasks):
                rate = done * CHUNK / (time.monotonic() - started)
                sys.stdout.write(
                    f"{done}/{len(tasks)} chunks, {failures} violations, {rate:.0f} lives a second\n"
                )
                sys.stdout.flush()
    return 1 if failures else 0
