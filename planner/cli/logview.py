"""A view whose stderr is the log in JSON: results as ever on stdout, and no line for people beside them."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from planner.cli import logs
from planner.cli.logs import cut_details, say
from planner.views import open_view
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from planner.errors import PlannerError
    from planner.model import Plan
    from planner.ports import Record, Reporter
    from planner.results import Applied, Copied, Recovered, Validated
    from planner.views import View
    from planner.views.report import Report

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR


def open_log_view(output: str, *, quiet: bool = False, events: bool = False, color: str = "auto") -> View:
    """The view of one run whose log is JSON; see `planner.views.open_view`.

    A quiet run logs warnings and errors only, unless debug was asked for.
    """
    if quiet and logs.LOGGER.level == INFO:
        logs.LOGGER.setLevel(WARNING)
    rest = _Rest()
    inner = open_view(
        output,
        color=color,
        quiet=quiet,
        events=events,
        stdout=sys.stdout,
        stderr=rest,
        environ=os.environ,
    )
    return cast("View", _LogView(inner, rest))


class _Rest(io.StringIO):
    """The stderr of the view inside: what it says there by itself, such as that its result was lost."""

    muted = False

    def write(self, text: str) -> int:
        """Log whole lines as warnings; what is logged already is muted."""
        for line in text.splitlines() if not self.muted else ():
            if line.strip():
                say(WARNING, line.strip().removeprefix("Warning: "), event="warning")
        return len(text)

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Drop what the view inside says meanwhile."""
        before, self.muted = self.muted, True
        try:
            yield
        finally:
            self.muted = before


class _LogView:
    """See `planner.views.base.View`."""

    def __init__(self, inner: View, rest: _Rest) -> None:
        self._inner = inner
        self._rest = rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    # What the log tells of results.

    def report(self, report: Report) -> None:
        from planner.views.sentences import plan_sentence
        from planner.views.summary import summarize

        plan = report.plan
        words = plan_sentence(summarize(plan)) if plan.has_changes else "Plan: no changes."
        say(INFO, words, event="planned", steps=len(plan.steps))
        for text in plan.warnings:
            say(WARNING, text, event="warning")
        self._inner.report(report)

    def loaded(self, plan: Plan) -> None:
        say(
            INFO,
            f"plan of {count(len(plan.steps), 'step')} from a file",
            event="planned",
            steps=len(plan.steps),
        )
        self._inner.loaded(plan)

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        from planner.views.sentences import applied_sentence
        from planner.views.summary import summarize

        logs.RUN.transaction = result.number or result.already
        words = applied_sentence(summarize(result.plan, without=result.not_ours))
        if result.already:
            words = f"This plan was carried out by transaction {result.already}: nothing is done again."
        say(INFO, words, event="applied")
        self._inner.applied(result, origin)

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        logs.RUN.transaction = record.number
        what = "would recover" if dry_run else "recovering"
        say(INFO, f"{what} transaction {record.number} ({record.intent.command})", event="recovering")
        self._inner.recovering(record, dry_run, aside)

    def recovered(self, result: Recovered) -> None:
        from planner.views.sentences import steps_words

        words = f": {steps_words(result.steps)}" if result.steps is not None else ""
        say(INFO, f"recovered{words}", event="recovered")
        for cell in result.set_aside[: logs.LINES_PER_KIND]:
            say(WARNING, f"set aside: {cell}", event="set-aside", node=cell.node, group=cell.group)
        logs.RUN.transaction = None
        self._inner.recovered(result)

    def copied(self, result: Copied) -> None:
        verb = "moved" if result.moved else "copied"
        say(INFO, f"{verb} the store to {result.target}, and compared it", event="copied")
        self._inner.copied(result)

    # What people would read on stderr.

    def validated(self, files: Sequence[Validated]) -> None:
        for each in files:
            if each.error is not None:
                self._log(each.error)
        with self._rest.mute():
            self._inner.validated(files)

    def error(self, error: PlannerError) -> None:
        with self._rest.mute():
            self._inner.error(error)
        self._log(error)

    def warning(self, text: str) -> None:
        say(WARNING, text, event="warning")
        with self._rest.mute():
            self._inner.warning(text)

    def info(self, text: str) -> None:
        say(INFO, text, event="note")
        with self._rest.mute():
            self._inner.info(text)

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        """Progress is logged by `planner.cli.logs.LogReporter`; events on stdout go on."""
        with self._rest.mute(), self._inner.reporter() as inner:
            yield inner

    @staticmethod
    def _log(error: PlannerError) -> None:
        if error.ending is not None:
            logs.RUN.transaction = error.ending.transaction
        say(
            ERROR,
            error.what,
            event="error",
            code=error.code,
            exit_code=error.exit_code,
            where=error.where,
            why=error.why,
            next=error.next,
            details=cut_details(error.details),
        )
