"""The views of a plan as one page: Markdown or HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.outcome import check_written
from planner.views.render import render
from planner.views.text import TextView

if TYPE_CHECKING:
    from planner.ports import Clock
    from planner.views.report import Report
    from planner.views.screen import Screen


class PageView(TextView):
    """See `planner.views.base.View`. Everything but a plan is text, on stderr as ever."""

    def __init__(
        self, out: Screen, err: Screen, *, clock: Clock, quiet: bool = False, format: str = "html"
    ) -> None:
        super().__init__(out, err, clock=clock, quiet=quiet)
        self._format = format

    def report(self, report: Report) -> None:
        """Write the page, past the terminal's layout."""
        for piece in render(report, self._format):
            self._out.channel.write(piece)
        check_written(self._out.channel)
