"""Where the summary of a run goes. Nothing here raises, and each outlet has a bounded time."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import WrongUsage
from planner.telemetry.summary import line_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.telemetry.summary import RunSummary

PATIENCE = 15.0
"""Seconds that an outlet may take, whatever the other side does; then the run ends without it."""
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
        """Tell everyone, and warn of each that could not be told."""
        now = time.time()
        if self.line:
            self._try("The summary cannot be written", lambda: _write_line(self.line, summary), warn)
        if self.webhook:
            self._try("The notification was not taken", lambda: _notify(self.webhook, summary), warn)
        if not (self.textfile or self.gateway):
            return
        if not summary.cluster:
            warn("No metrics were written: it could not be told which cluster the run was about")
            return
        from planner.telemetry import metrics

        if self.textfile:
            what = f"The metrics cannot be written to {self.textfile}"
            self._try(what, lambda: metrics.write_textfile(self.textfile, summary, now), warn)
        if self.gateway:
            self._try(
                "The Pushgateway has not taken the metrics",
                lambda: metrics.push(self.gateway, summary, now),
                warn,
            )

    def _try(self, what: str, outlet: Callable[[], str], warn: Callable[[str], None]) -> None:
        """Run an outlet in a thread of its own, which nobody waits for longer than `PATIENCE`."""
        said: list[str] = []

        def run() -> None:
            try:
                said.append(outlet())
            except Exception as error:  # noqa: BLE001  (nothing about telemetry may fail a run)
                said.append(f"a bug in planner: {type(error).__name__}")

        thread = threading.Thread(target=run, name="planner-outlet", daemon=True)
        thread.start()
        thread.join(PATIENCE)
        why = said[0] if said else f"it took longer than {PATIENCE:g} s"
        if why:
            warn(f"{what}: {why}")


def _notify(url: str, summary: RunSummary) -> str:
    from planner.telemetry.webhook import notification_of, post

    body = notification_of(summary)
    return "" if body is None else post(url, body)


def _write_line(place: str, summary: RunSummary) -> str:
    """Write the line in place: the termination message of a pod is a mounted file, not to be replaced."""
    line = line_of(summary) + "\n"
    try:
        if place == STANDARD_OUTPUT:
            sys.stdout.write(line)
            sys.stdout.flush()
        else:
            Path(place).write_text(line, encoding="utf-8")
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""
