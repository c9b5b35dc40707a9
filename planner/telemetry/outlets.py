"""Where the summary of a run goes. Nothing here raises, and all of it has a bounded time."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from planner.disk import FOR_OTHERS, stranger_on, write_whole
from planner.errors import WrongUsage
from planner.telemetry.summary import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from planner.telemetry.summary import RunSummary

PATIENCE = 10.0
"""Seconds that all outlets together may take, whatever the other side does; the run ends without the rest."""
STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where the summary of a run goes; what is empty is not wanted.

    Attributes:
        line: a file for one line of JSON; `-` is standard output.
        textfile: a file of Prometheus metrics.
        gateway: URL of a Pushgateway.
        webhook: URL of a webhook. It may hold a token, and is in no message.
    """

    line: str = ""
    textfile: str = ""
    gateway: str = field(default="", repr=False)
    webhook: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return any((self.line, self.textfile, self.gateway, self.webhook))

    def check(self, output: str) -> None:
        """Fail before anything is done, where something is missing.

        Args:
            output: the format of standard output.

        Raises:
            WrongUsage: metrics are wanted, and their library is not installed; or two documents would be in
                one place.
        """
        if self.line == STANDARD_OUTPUT and output != "text":
            raise WrongUsage(
                "`--summary -` needs --format text",
                why=f"standard output is {output} already",
                next="write the summary to a file",
            )
        if (self.textfile or self.gateway) and importlib.util.find_spec("prometheus_client") is None:
            raise WrongUsage(
                "Metrics need the package prometheus-client",
                next="install planner with its extra: pip install 'planner[metrics]'",
            )

    def send(self, summary: RunSummary, warn: Callable[[str], None]) -> None:
        """Tell everyone at once, and warn of each that could not be told in time."""
        from_now = time.monotonic()
        told = [_Told(what, outlet) for what, outlet in self._wanted(summary, warn)]
        begun = [each for each in told if each.begin()]
        for each in begun:
            each.thread.join(max(0.0, from_now + PATIENCE - time.monotonic()))
        for each in told:
            if each.why:
                warn(f"{each.what}: {each.why}")

    def _wanted(
        self, summary: RunSummary, warn: Callable[[str], None]
    ) -> Iterator[tuple[str, Callable[[], str]]]:
        """What to warn of, and an outlet that says why it failed, or nothing."""
        if self.line:
            yield "The summary cannot be written", lambda: _write_line(self.line, summary)
        if self.webhook:
            yield "The notification was not taken", lambda: _notify(self.webhook, summary)
        if (self.textfile or self.gateway) and not summary.cluster:
            warn("No metrics were written: it could not be told which cluster the run was about")
            return
        now = time.time()
        if self.textfile:
            what = f"The metrics cannot be written to {self.textfile}"
            yield what, lambda: _metrics().write_textfile(self.textfile, summary, now)
        if self.gateway:
            what = "The Pushgateway has not taken the metrics"
            yield what, lambda: _metrics().push(self.gateway, summary, now)


class _Told:
    """One outlet in a thread of its own: it may hang, and nobody has to wait for it."""

    def __init__(self, what: str, outlet: Callable[[], str]) -> None:
        self.what = what
        self.why = f"it took longer than {PATIENCE:g} s"
        self._outlet = outlet
        self.thread = threading.Thread(target=self._run, name="planner-outlet", daemon=True)

    def begin(self) -> bool:
        """Start; where there is no thread to be had, it is not told."""
        try:
            self.thread.start()
        except RuntimeError as error:
            self.why = str(error)
            return False
        return True

    def _run(self) -> None:
        try:
            self.why = self._outlet()
        except Exception as error:  # noqa: BLE001  (nothing about telemetry may fail a run)
            self.why = f"a bug in planner: {type(error).__name__}"


def _metrics() -> ModuleType:
    from planner.telemetry import metrics

    return metrics


def _notify(url: str, summary: RunSummary) -> str:
    from planner.telemetry.notification import notification_of
    from planner.telemetry.posting import send

    body = notification_of(summary)
    if body is None:
        return ""
    return send(url, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _write_line(place: str, summary: RunSummary) -> str:
    line = line_of(summary) + "\n"
    try:
        if place == STANDARD_OUTPUT:
            sys.stdout.write(line)
            sys.stdout.flush()
        elif stranger := stranger_on(Path(place)):
            return stranger
        elif not _replaced(Path(place), line):
            Path(place).write_text(line, encoding="utf-8")
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _replaced(path: Path, line: str) -> bool:
    """Put a whole file in the place of an older one, so that nobody reads half a line.

    Not everything can be replaced: a pod's termination message is a file that is mounted alone, and what is
    no file, such as a pipe, must stay what it is. Those are written in place.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        return False
    try:
        write_whole(path, (line,), FOR_OTHERS, keep=True)
    except OSError:
        return False
    return True
