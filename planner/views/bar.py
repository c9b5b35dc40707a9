"""Progress as one live line at the bottom of a terminal, which vanishes when the run is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from planner.views.layout import paragraph
from planner.views.tally import SEVERITY, Tally
from planner.views.words import duration, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.events import Event
    from planner.ports import Clock, Reporter
    from planner.views.screen import Screen

FRAMES_PER_SECOND = 8
NARROW = 76
"""Columns below which the bar itself is left out, and the counts remain."""


class BarReporter:
    """Draws one bar per phase; lines about single cells are printed above it."""

    def __init__(self, screen: Screen, progress: Progress) -> None:
        self._screen = screen
        self._progress = progress
        self._tally = Tally()
        self._task = progress.add_task("", total=None, visible=False, troubles="")

    def emit(self, event: Event) -> None:
        """Move the bar."""
        tally = self._tally
        if tally.take(event):
            # A new task starts its own elapsed time; the old one leaves no line behind.
            self._progress.remove_task(self._task)
            self._task = self._progress.add_task(
                tally.title, total=tally.total, visible=tally.total > 0, troubles=""
            )
            return
        self._progress.update(self._task, completed=tally.done, troubles=tally.troubles)
        remark = tally.remark(event)
        if remark:
            text = f"Warning: {sentence(remark)}" if event.kind == "warning" else remark
            self._screen.show(paragraph(text, self._screen.width, style=SEVERITY[event.kind]))


class _Title(ProgressColumn):
    """The phase. It alone gives way where the terminal is narrow: its column may wrap, its text does not."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Elapsed(ProgressColumn):
    """Time of the phase, in the words that plain progress uses."""

    def render(self, task: Task) -> Text:
        return Text(duration(task.elapsed or 0.0), "dim", no_wrap=True)


@contextmanager
def bar_progress(screen: Screen, clock: Clock) -> Iterator[Reporter]:
    """A `BarReporter` whose bar is taken away with the context."""
    bars = [BarColumn(bar_width=20)] if screen.console.width >= NARROW else []
    progress = Progress(
        SpinnerColumn("line"),
        _Title(table_column=Column(overflow="ellipsis")),
        *bars,
        TextColumn("{task.completed:,}/{task.total:,}", markup=False, table_column=Column(no_wrap=True)),
        _Elapsed(table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[troubles]}", style="yellow", markup=False, table_column=Column(no_wrap=True)
        ),
        console=screen.console,
        refresh_per_second=FRAMES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        get_time=clock.now,
    )
    with progress:
        yield BarReporter(screen, progress)
