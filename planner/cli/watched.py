"""A run that machines watch: what it shows and what its nodes answer is recorded, and told when it ends."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from planner.cli.options import OUTLETS
from planner.clock import SystemClock
from planner.errors import PlannerError
from planner.settings import SETTINGS, load_settings, read_dotenv
from planner.telemetry.outlets import STANDARD_OUTPUT, Outlets
from planner.telemetry.record import RunRecord
from planner.telemetry.summary import Doubts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.cli.session import Session
    from planner.events import Event
    from planner.model import Plan
    from planner.ports import Clock, Nodes, Reporter
    from planner.results import Applied, Recovered
    from planner.settings import Settings
    from planner.verdict import Answer, Call
    from planner.views import View
    from planner.views.report import Report


def outlets_of(settings: Settings) -> Outlets:
    """Where the settings want a run to be told."""
    return Outlets(
        line=settings.summary,
        textfile=settings.metrics_file,
        gateway=settings.pushgateway,
        webhook=settings.notify,
    )


def tell_of_wrong_usage(command: str, error: PlannerError, flags: Mapping[str, str | None]) -> None:
    """Tell of a run that never began, to those outlets whose own settings make sense.

    Args:
        command: that was meant.
        error: why it did not begin.
        flags: as for `load_settings`; those that are no outlets do not matter.
    """
    dotenv: Mapping[str, str] = {}
    with suppress(PlannerError):
        dotenv = read_dotenv(Path(".env"))
    try:
        settings = load_settings(
            {name: text for name, text in flags.items() if name in OUTLETS},
            _outlets(os.environ),
            _outlets(dotenv),
        )
    except PlannerError:
        return
    outlets = outlets_of(settings)
    if outlets.line == STANDARD_OUTPUT:  # it may be a document
        outlets = replace(outlets, line="")
    if outlets:
        Watch(command, outlets, SystemClock()).tell(error.exit_code, error)


def _outlets(variables: Mapping[str, str]) -> dict[str, str]:
    return {setting.env: variables.get(setting.env, "") for setting in SETTINGS if setting.name in OUTLETS}


class Watch:
    """The record of one run, and where it goes.

    Attributes:
        record: what is known of it.
    """

    def __init__(self, command: str, outlets: Outlets, clock: Clock) -> None:
        self.record = RunRecord(command, clock)
        self._outlets = outlets
        self._clock = clock

    def view(self, inner: View) -> View:
        """A view that shows the same, and is recorded."""
        return cast("View", _WatchedView(inner, self.record))

    def nodes(self, inner: Nodes) -> Nodes:
        """Nodes that answer the same, and are recorded."""
        return _WatchedNodes(inner, self.record)

    def ask(self, session: Session) -> None:
        """Take note of the cluster, and of what the store says of it now.

        A store that fails, or was moved, says nothing.
        """
        from planner.app import status
        from planner.transaction import open_steps, states_of

        try:
            desired = session.known_file
            self.record.cluster = desired.cluster if desired else session.cluster_meant()
            store = session.store(create=False)
            if not self.record.cluster or store.moved() is not None:
                return
            policy = session.settings.policy()
            found = status(store, self.record.cluster, policy, self._clock, history=0)
            tally = store.tally(self.record.cluster)
        except PlannerError:
            return
        except Exception as bug:  # noqa: BLE001  (nothing about telemetry may fail a run)
            _warn(f"The store was not asked how it stands: a bug in planner: {type(bug).__name__}")
            return
        unfinished = found.unfinished if found.needs_recover else None
        self.record.doubts = Doubts(
            found.needs_recover,
            0 if unfinished is None else len(open_steps(states_of(unfinished))),
            len(found.set_aside),
            len(found.watched),
            {str(state): number for state, number in tally.items()},
        )

    def tell(self, exit_code: int, error: BaseException | None) -> None:
        """Tell everyone how the run went. A warning is a line of the log: standard output is complete."""
        try:
            self._outlets.send(self.record.summary(exit_code, error), _warn)
        except Exception as bug:  # noqa: BLE001  (nothing about telemetry may fail a run)
            _warn(f"Nobody was told how the run ended: a bug in planner: {type(bug).__name__}")


def _warn(text: str) -> None:
    from planner.views.words import shown

    logging.getLogger("planner").warning("%s", shown(text))


class _WatchedView:
    def __init__(self, inner: View, record: RunRecord) -> None:
        self._inner = inner
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def report(self, report: Report) -> None:
        self._record.planned(report.plan)
        self._inner.report(report)

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        self._record.applied(result)
        self._inner.applied(result, origin)

    def unapplied(self, plan: Plan) -> None:
        self._record.planned(plan)
        self._inner.unapplied(plan)

    def recovered(self, result: Recovered) -> None:
        self._record.recovered(result)
        self._inner.recovered(result)

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        with self._inner.reporter() as inner:
            yield _WatchedReporter(inner, self._record)


class _WatchedReporter:
    def __init__(self, inner: Reporter, record: RunRecord) -> None:
        self._inner = inner
        self._record = record

    def emit(self, event: Event) -> None:
        self._record.emit(event)
        self._inner.emit(event)


class _WatchedNodes:
    def __init__(self, inner: Nodes, record: RunRecord) -> None:
        self._inner = inner
        self._record = record

    def room(self, node: str) -> int:
        return self._inner.room(node)

    def submit(self, call: Call) -> None:
        self._inner.submit(call)

    def wait(self, until: float) -> Answer | None:
        answer = self._inner.wait(until)
        if answer is not None:
            self._record.answered(answer)
        return answer

    def revoke(self) -> None:
        self._inner.revoke()
