"""What the command line asks of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from planner.errors import PlannerError
    from planner.model import Plan
    from planner.ports import Record, Reporter
    from planner.results import Applied, Copied, Imported, Probed, Recovered, Status, Validated
    from planner.views.report import Report


class View(Protocol):
    """Shows results, errors and progress.

    No method is called while the progress of `reporter` runs, except `warning` and `info`; those two may
    also be called from another thread (logging).

    A stream that broke never ends a run: what cannot be shown is dropped. `report`, `status`, `history`,
    `transaction`, `nodes`, `imported`, and `recovering` of a dry run, have nothing but their output, and
    raise `PlannerError` when it could not be written; a pipe whose reader left is no error.
    """

    def report(self, report: Report) -> None:
        """Show what a plan would do."""

    def loaded(self, plan: Plan) -> None:
        """Take note of a plan that comes from a file, and was shown when it was made; for events only."""

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        """Show what was applied."""

    def unapplied(self, plan: Plan) -> None:
        """Take note that the run ends here, and that the plan that was shown is not applied; for events only.

        It has no changes, or the run was only to report them.
        """

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        """Show what is brought back, and the steps that are set `aside`; as a result if `dry_run`."""

    def recovered(self, result: Recovered) -> None:
        """Show what was recovered."""

    def status(self, status: Status) -> None:
        """Show what the store knows."""

    def history(self, records: Sequence[Record]) -> None:
        """Show past transactions, in the order given; their marks are not needed."""

    def transaction(self, record: Record) -> None:
        """Show one transaction, with what became of its steps."""

    def validated(self, files: Sequence[Validated]) -> None:
        """Show which files are valid, and of the others why they are not.

        Raises:
            PlannerError: it could not be written.
        """

    def nodes(self, probed: Probed) -> None:
        """Show how every node answered."""

    def imported(self, result: Imported, text: str, saved: str | None = None) -> None:
        """Show what a cluster holds.

        Args:
            result: what was found.
            text: the groups.yaml that was made of it.
            saved: name of the file that it was written to; where there is none, the text is the result.
        """

    def copied(self, result: Copied) -> None:
        """Show what was copied, and which of the two stores is to be used."""

    def error(self, error: PlannerError) -> None:
        """Show how the run ended, on stderr (for JSON as a document on stdout too)."""

    def warning(self, text: str) -> None:
        """Warn, on stderr."""

    def info(self, text: str) -> None:
        """Remark, on stderr."""

    def reporter(self) -> AbstractContextManager[Reporter]:
        """Show progress while the context is open."""
