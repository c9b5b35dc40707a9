"""Progress as plain lines, for a pipe, CI and logs: at a phase's begin and end, and every ten seconds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.views.tally import URGENT, Tally, parts
from planner.views.words import duration, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.events import Event
    from planner.ports import Clock, Reporter

PACE = 10.0
"""Seconds between two lines of one phase; lines come with events, so a phase that waits is silent."""


class PlainReporter:
    """Says where a run is. `say` gets one line without its newline."""

    def __init__(self, say: Callable[[str], None], clock: Clock, *, quiet: bool = False) -> None:
        self._say = say
        self._clock = clock
        self._quiet = quiet
        self._tally = Tally()
        self._began = self._spoke = clock.now()

    def emit(self, event: Event) -> None:
        """Say what is due."""
        if event.kind == "phase":
            self.end()
            self._tally.take(event)
            self._began = self._spoke = self._clock.now()
            self._remark_phase()
            return
        self._tally.take(event)
        remark = self._tally.remark(event)
        if remark and (event.kind in URGENT or not self._quiet):
            self._say(f"Warning: {sentence(remark)}" if event.kind == "warning" else f"  {remark}")
        now = self._clock.now()
        if now - self._spoke >= PACE and self._tally.done < self._tally.total:
            self._spoke = now
            self._progress()

    def end(self) -> None:
        """Say how far the phase came."""
        if self._tally.phase and self._tally.total:
            self._progress(last=True)
        self._tally = Tally()

    def _remark_phase(self) -> None:
        if self._tally.total and not self._quiet:
            self._say(f"{self._tally.title}: {self._tally.size}")

    def _progress(self, *, last: bool = False) -> None:
        if self._quiet:
            return
        tally = self._tally
        spent = duration(self._clock.now() - self._began)
        state = "done" if last and tally.done >= tally.total and not tally.failed else parts(tally)
        troubles = f", {tally.troubles}" if tally.troubles else ""
        self._say(f"{tally.title}: {state} ({spent}{troubles})")


@contextmanager
def plain_progress(say: Callable[[str], None], clock: Clock, *, quiet: bool = False) -> Iterator[Reporter]:
    """A `PlainReporter` whose last phase is ended with the context."""
    reporter = PlainReporter(say, clock, quiet=quiet)
    try:
        yield reporter
    finally:
        reporter.end()
