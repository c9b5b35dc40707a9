"""The exit codes, for help: one table, of which every command shows its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

EXIT_CODES = {
    0: "Done, or nothing to do.",
    1: "An error; nothing was changed by this run.",
    2: "Changes are pending (--detailed-exitcode, --mode report, a pause after a failure).",
    3: "Failed or interrupted, and every change was reversed and verified.",
    4: "An incomplete transaction is in the store: run `planner recover`.",
    5: "Another run holds the lock.",
    6: "The plan is stale, altered, or of another cluster or store.",
    7: "A safety limit or a protected group stands against the plan.",
    64: "Wrong usage.",
    130: "Interrupted, or answered with no, before anything was changed.",
}


def write_codes(formatter: click.HelpFormatter, codes: Iterable[int]) -> None:
    """Add a section about these codes."""
    rows = [(str(code), EXIT_CODES[code]) for code in codes]
    if rows:
        with formatter.section("Exit codes"):
            formatter.write_dl(rows)
