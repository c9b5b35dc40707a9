"""What both JSON views share: everything that people read goes to stderr, as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.error_text import error_lines
from planner.views.layout import Line, harmless, plain
from planner.views.outcome import check_written
from planner.views.plan_text import warning_lines
from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.errors import PlannerError
    from planner.ports import Clock
    from planner.views.channel import Channel


class MachineView:
    """The common part of `DocumentView` and `EventView`."""

    def __init__(self, out: Channel, err: Channel, *, clock: Clock, quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self._clock = clock
        self._quiet = quiet

    def error(self, error: PlannerError) -> None:
        """Show how the run ended, in text."""
        self._say(error_lines(error, self._width))

    def warning(self, text: str) -> None:
        """Warn, in text."""
        self._say(warning_lines(text, self._width))

    def info(self, text: str) -> None:
        """Remark, in text, unless the run is to be quiet."""
        if not self._quiet:
            self._say_line(shown(text))

    @property
    def _width(self) -> int | None:
        return self._err.columns() if self._err.isatty() else None

    def _say(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._say_line(plain(harmless(line)))

    def _say_line(self, line: str) -> None:
        self._err.write(f"{line}\n")
        self._err.flush()

    def _check(self) -> None:
        check_written(self._out)

    def _remark_lost(self) -> None:
        """The nodes are changed already: a result that nobody could read is no reason to fail."""
        if self._out.lost:
            MachineView.warning(self, f"the result could not be written: {self._out.lost}")
