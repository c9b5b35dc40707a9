"""The view for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.copied_text import copied_lines
from planner.views.error_text import error_lines
from planner.views.history_text import history_lines
from planner.views.layout import Span, paragraph
from planner.views.nodes_text import imported_lines, nodes_lines
from planner.views.outcome import check_written
from planner.views.plain import plain_progress
from planner.views.plan_text import plan_lines, warning_lines
from planner.views.recovery_text import recovered_lines, recovering_lines
from planner.views.result_text import applied_lines
from planner.views.sentences import valid_sentence
from planner.views.status_text import status_lines
from planner.views.transaction_text import transaction_lines
from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from planner.errors import PlannerError
    from planner.model import Plan
    from planner.ports import Clock, Record, Reporter
    from planner.results import Applied, Copied, Imported, Probed, Recovered, Status, Validated
    from planner.views.report import Report
    from planner.views.screen import Screen


class TextView:
    """See `planner.views.base.View`."""

    def __init__(self, out: Screen, err: Screen, *, clock: Clock, quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self._clock = clock
        self._quiet = quiet

    def report(self, report: Report) -> None:
        """Show the diff and what it amounts to."""
        self._out.show(plan_lines(report, self._out.width))
        check_written(self._out.channel)

    def loaded(self, plan: Plan) -> None:
        """The plan was shown when it was made."""

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        """Show what was applied."""
        self._out.show(applied_lines(result, self._out.width, origin=origin))
        self._remark_lost()

    def unapplied(self, plan: Plan) -> None:
        """The plan has said what there is to say."""

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        """Show what is brought back and set aside; a quiet run says what it came to, and no more."""
        if dry_run or not self._quiet:
            self._out.show(recovering_lines(record, self._out.width, dry_run=dry_run, aside=aside))
        if dry_run:
            check_written(self._out.channel)

    def recovered(self, result: Recovered) -> None:
        """Show what was recovered."""
        self._out.show(recovered_lines(result, self._out.width))
        self._remark_lost()

    def status(self, status: Status) -> None:
        """Show what the store knows."""
        self._out.show(status_lines(status, self._out.width))
        check_written(self._out.channel)

    def history(self, records: Sequence[Record]) -> None:
        """Show past transactions."""
        self._out.show(history_lines(records, self._out.width))
        check_written(self._out.channel)

    def transaction(self, record: Record) -> None:
        """Show one transaction."""
        self._out.show(transaction_lines(record, self._out.width))
        check_written(self._out.channel)

    def validated(self, files: Sequence[Validated]) -> None:
        """Show a sentence for each valid file, and the problems of the others on stderr."""
        for each in files:
            if each.error is not None:
                self.error(each.error)
            else:
                self._out.show(paragraph(valid_sentence(each), self._out.width))
        check_written(self._out.channel)

    def nodes(self, probed: Probed) -> None:
        """Show how every node answered."""
        self._out.show(nodes_lines(probed, self._out.width))
        check_written(self._out.channel)

    def imported(self, result: Imported, text: str, saved: str | None = None) -> None:
        """Show the file's text as it is, or where it was written to."""
        if saved is not None:
            self._out.show(imported_lines(result, saved, self._out.width))
        elif self._out.channel.isatty():
            self._out.channel.write("".join(f"{shown(line.expandtabs())}\n" for line in text.splitlines()))
        else:
            self._out.channel.write(text)
        check_written(self._out.channel)

    def copied(self, result: Copied) -> None:
        """Show what was copied, and which of the two stores is to be used."""
        self._out.show(copied_lines(result, self._out.width))
        self._remark_lost()

    def error(self, error: PlannerError) -> None:
        """Show how the run ended."""
        self._err.show(error_lines(error, self._err.width))

    def warning(self, text: str) -> None:
        """Warn."""
        self._err.show(warning_lines(text, self._err.width))

    def info(self, text: str) -> None:
        """Remark, unless the run is to be quiet."""
        if not self._quiet:
            self._err.show(paragraph(shown(text), self._err.width))

    def reporter(self) -> AbstractContextManager[Reporter]:
        """Progress: a bar in a terminal, lines elsewhere."""
        if self._err.live and not self._quiet:
            from planner.views.bar import bar_progress

            return bar_progress(self._err, self._clock)
        return plain_progress(self._say, self._clock, quiet=self._quiet)

    def _say(self, line: str) -> None:
        self._err.show([(Span(line),)])

    def _remark_lost(self) -> None:
        """The nodes are changed already: a result that nobody could read is no reason to fail."""
        if self._out.channel.lost:
            self.warning(f"the result could not be written: {self._out.channel.lost}")
