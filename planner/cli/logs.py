"""Events as log lines on stderr: text for people, JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from planner.events import Event

if TYPE_CHECKING:
    from planner.ports import Reporter
    from planner.verdict import Call, Try

LOGGER = logging.getLogger("planner")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, message, and what the event was about."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line, ensure_ascii=False)


def configure(level: str, form: str) -> None:
    """Log to stderr at this level, as ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    LOGGER.handlers = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(level.upper())
    logging.getLogger("urllib3").setLevel(
        logging.ERROR
    )  # it warns of every retry; ours are counted and shown


class LogReporter:
    """Logs every event, and hands it on to the reporter that shows it.

    Retries happen in worker threads; they are kept, and reported with the next event of the main thread.
    """

    def __init__(self, shown: Reporter) -> None:
        self._shown = shown
        self._retries: deque[Event] = deque()

    def retried(self, call: Call, end: Try, pause: float) -> None:
        """Take note that a request is tried again after `pause` seconds. Called from any thread."""
        text = f"{call.method}: {end}; again in {pause:.1f} s"
        data = {"request": call.method.value, "pause": round(pause, 3)}
        self._retries.append(Event("retried", text, None, call.node, call.group, data=data))

    def emit(self, event: Event) -> None:
        """See `planner.ports.Reporter`. What a run does in detail is for `--log-level debug`."""
        while self._retries:
            self._emit(self._retries.popleft())
        self._emit(event)

    def _emit(self, event: Event) -> None:
        self._shown.emit(event)
        if event.kind == "progress" or not LOGGER.isEnabledFor(logging.DEBUG):
            return
        found = {"event": event.kind, "node": event.node, "group": event.group, "text": event.text}
        fields: dict[str, str | int] = {key: value for key, value in found.items() if value}
        if event.step is not None:
            fields |= {"step": event.step.number, "action": event.step.action.value}
        # As JSON: no control characters.
        words = json.dumps(" ".join(map(str, fields.values())), ensure_ascii=True)[1:-1]
        LOGGER.debug(words, extra={"fields": fields})
