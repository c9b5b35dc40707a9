"""JSON, one document per run: plan, recover, status, history, show, undo, nodes, import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views import data
from planner.views.machine import MachineView
from planner.views.plain import plain_progress

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from planner.errors import PlannerError
    from planner.model import Plan
    from planner.ports import Record, Reporter
    from planner.results import Applied, Copied, Imported, Probed, Recovered, Status, Validated
    from planner.views.report import Report


class DocumentView(MachineView):
    """See `planner.views.base.View`. Progress is plain text on stderr.

    Exactly one document is printed: an error that follows the result (changes are pending, a report could
    not be written) is told by stderr and the exit code only.
    """

    _printed = False

    def report(self, report: Report) -> None:
        """Print the plan file's document with a ``summary``, and what is ``unmanaged``."""
        self._printed = True
        for piece in data.page_of(report):
            self._out.write(piece)
        self._out.flush()
        self._check()

    def loaded(self, plan: Plan) -> None:
        """The one document is the result."""

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        """Print the outcome."""
        del origin
        self._print(data.of_applied(result))
        self._remark_lost()

    def unapplied(self, plan: Plan) -> None:
        """The one document is the plan."""

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        """Print what would be brought back; in a real run the one document is `recovered`."""
        if dry_run:
            self._print(data.of_recovering(record, aside))
            self._check()

    def recovered(self, result: Recovered) -> None:
        """Print the outcome."""
        self._print(data.of_recovered(result))
        self._remark_lost()

    def status(self, status: Status) -> None:
        """Print what the store knows."""
        self._print(data.of_status(status))
        self._check()

    def history(self, records: Sequence[Record]) -> None:
        """Print past transactions."""
        self._print(data.of_history(records))
        self._check()

    def transaction(self, record: Record) -> None:
        """Print one transaction."""
        self._print(data.of_transaction(record))
        self._check()

    def validated(self, files: Sequence[Validated]) -> None:
        """Print what each file came to; and the problems, as text, on stderr."""
        self._print(data.of_validated(files))
        for each in files:
            if each.error is not None:
                self.error(each.error)
        self._check()

    def nodes(self, probed: Probed) -> None:
        """Print how every node answered."""
        self._print(data.of_probed(probed))
        self._check()

    def imported(self, result: Imported, text: str, saved: str | None = None) -> None:
        """Print what the cluster holds."""
        del text
        self._print(data.of_imported(result, saved))
        self._check()

    def copied(self, result: Copied) -> None:
        """Print what was copied."""
        self._print(data.of_copied(result))
        self._remark_lost()

    def error(self, error: PlannerError) -> None:
        """Print the error, unless a result was printed; and say it on stderr."""
        if not self._printed:
            self._print(data.of_error(error))
        super().error(error)

    def reporter(self) -> AbstractContextManager[Reporter]:
        """Progress as plain lines on stderr."""
        return plain_progress(self._say_line, self._clock, quiet=self._quiet)

    def _print(self, document: data.Json) -> None:
        self._printed = True
        self._out.write(data.dump(document, indent=1) + "\n")
        self._out.flush()
