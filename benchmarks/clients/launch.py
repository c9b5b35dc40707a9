"""planner's command line in a process that times its journal (``on``), or whose waves are not held (``off``).

``off`` is a throw-away build, made while it starts: `SqlLease.commit` returns at once, and nothing else
differs. A run of it that died could not be recovered. ``on`` writes to standard error, as its last line, how
long the calls of the journal took, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.stats import JOURNAL_CALLS
from planner.store.lease import SqlLease


def forget_waves() -> None:
    """Take the durable commits of waves out of planner."""
    SqlLease.commit = lambda *arguments: None  # type: ignore[method-assign]


def timed(name: str, took: dict[str, float]) -> None:
    """Let a call of the journal add what it takes."""
    inner: Callable[..., Any] = getattr(SqlLease, name)

    def outer(*arguments: Any) -> Any:
        begin = time.perf_counter()
        try:
            return inner(*arguments)
        finally:
            took[name] += time.perf_counter() - begin
            took[f"{name}s"] += 1

    setattr(SqlLease, name, outer)


def tell(took: dict[str, float]) -> None:
    """The last line."""
    print(json.dumps(took), file=sys.stderr)


def main() -> None:
    """Patch, and run planner with the other arguments."""
    journal = sys.argv.pop(1)
    took = dict.fromkeys((*JOURNAL_CALLS, *(f"{name}s" for name in JOURNAL_CALLS)), 0.0)
    if journal == "off":
        forget_waves()
    else:
        for name in JOURNAL_CALLS:
            timed(name, took)
    from planner.cli import main as command_line

    try:
        command_line()
    finally:  # and not at exit: planner leaves before what was registered earlier
        if journal == "on":
            tell(took)


if __name__ == "__main__":
    main()
