"""The log on stderr: text for people, JSON Lines for machines.

With ``--log-format json`` *everything* on stderr is a line of it: what other libraries log, Python's own
warnings and even the traceback of a bug. What a view would say there comes through `planner.cli.logview`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from planner.events import Event
from planner.jsontext import harmless
from planner.references import hide

if TYPE_CHECKING:
    from types import TracebackType

    from planner.ports import Reporter
    from planner.verdict import Call, Try

LOGGER = logging.getLogger("planner")
OTHERS = logging.getLogger()
"""What does not come from us; only warnings and worse."""

MOST_WORDS = 2000
"""Characters of one text in a line; a container's runtime cuts a line of 16 KiB in two."""
MOST_DETAILS = 20
MOST_DETAIL_WORDS = 300
LINES_PER_KIND = 20
"""Lines about single cells, per kind and phase, above debug; a cluster that is down must not flood."""
PACE = 10.0
"""Seconds between two lines about how far a phase is."""

LEVELS = {
    "begun": logging.INFO,
    "phase": logging.INFO,
    "note": logging.INFO,
    "not-ours": logging.INFO,
    "failed": logging.WARNING,
    "warning": logging.WARNING,
    "undo-failed": logging.ERROR,
}
"""Of the kinds of `planner.events.EVENT_KINDS`; every other one is detail."""


@dataclass(slots=True)
class Run:
    """What every line says of the run that it belongs to.

    Attributes:
        is_json: whether the log is JSON Lines.
        command: such as ``apply``; empty outside of a command.
        cluster: its name, from where it is known on.
        transaction: number of the one that the run is about now.
        began: monotonic seconds.
    """

    is_json: bool = False
    command: str = ""
    cluster: str = ""
    transaction: int | None = None
    began: float = field(default_factory=time.monotonic)


RUN = Run()
"""The run of this process; `configure` begins it."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Time, level, message, transaction and node are always there; see the schema."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, in ASCII: any stream holds it, and no terminal obeys it."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage()[:MOST_WORDS],
            "transaction": RUN.transaction,
            "node": None,
            **({"cluster": RUN.cluster} if RUN.cluster else {}),
            **fields,
        }
        return harmless(json.dumps(line))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment; where that is broken, nothing is left to be told."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Say nothing: it would not be JSON."""


def configure(level: str, form: str) -> None:
    """Log to stderr at this level, as ``text`` or ``json``; a new run begins."""
    global RUN  # noqa: PLW0603  (a process has one log)
    RUN = Run(form == "json")
    sys.excepthook = _show_bug
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    OTHERS.handlers = [each for each in OTHERS.handlers if not isinstance(each, _Stderr)]
    if RUN.is_json:
        handler = _Stderr()
        handler.setFormatter(JsonFormatter())
        OTHERS.addHandler(handler)
        logging.captureWarnings(True)
        sys.excepthook = _log_bug
    LOGGER.handlers = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(level.upper())
    logging.getLogger("urllib3").setLevel(
        logging.ERROR
    )  # it warns of every retry; ours are counted and shown


def say(level: int, message: str, **fields: object) -> None:
    """Write a line with these fields, as the schema has them; those that are None or empty are left out."""
    kept = {name: value for name, value in fields.items() if value not in (None, "", [])}
    LOGGER.log(level, "%s", message, extra={"fields": kept})


def began(command: str, version: str) -> None:
    """Write the first line of a run."""
    RUN.command = command
    if RUN.is_json:
        say(logging.INFO, f"{command} began", event="run-started", command=command, version=version)


def ended(exit_code: int) -> None:
    """Write the last line of a run, unless none began."""
    if not (RUN.is_json and RUN.command):
        return
    seconds = round(time.monotonic() - RUN.began, 3)
    words = f"{RUN.command} ended with exit code {exit_code} after {seconds:.1f} s"
    say(logging.INFO, words, event="run-ended", command=RUN.command, exit_code=exit_code, seconds=seconds)
    RUN.command = ""


def cut_details(details: tuple[str, ...] | list[str]) -> list[str]:
    """So many of them that a line stays whole on its way."""
    kept = [each[:MOST_DETAIL_WORDS] for each in details[:MOST_DETAILS]]
    more = len(details) - len(kept)
    return [*kept, f"and {more} more"] if more else kept


def _log_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception that nobody caught: a bug, in one line."""
    import traceback

    frames = [f"{each.filename}:{each.lineno} in {each.name}" for each in traceback.extract_tb(trace)]
    words = hide(f"A bug in planner: {kind.__name__}: {error}")
    say(logging.CRITICAL, words, event="error", code="bug", exit_code=1, details=frames[-MOST_DETAILS:])


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The same for people: Python's traceback, without a secret that an error may repeat."""
    import traceback

    sys.stderr.write(hide("".join(traceback.format_exception(kind, error, trace))))


class LogReporter:
    """Logs every event, and hands it on to the reporter that shows it.

    Retries happen in worker threads; they are kept, and reported with the next event of the main thread.
    """

    def __init__(self, shown: Reporter) -> None:
        self._shown = shown
        self._retries: deque[Event] = deque()
        self._story = _Story() if RUN.is_json else None

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
        if self._story is not None:
            self._story.tell(event)
        elif event.kind != "progress" and LOGGER.isEnabledFor(logging.DEBUG):
            # As JSON: no control characters.
            words = harmless(json.dumps(" ".join(map(str, _fields(event).values()))))[1:-1]
            LOGGER.debug(words)


def _fields(event: Event) -> dict[str, str | int]:
    found = {"event": event.kind, "node": event.node, "group": event.group, "text": event.text[:MOST_WORDS]}
    fields: dict[str, str | int] = {key: value for key, value in found.items() if value}
    if event.step is not None:
        fields |= {"step": event.step.number, "action": event.step.action.value}
    return fields


class _Story:
    """The events of a run as lines of JSON: a handful at info, all of them at debug."""

    def __init__(self) -> None:
        from planner.views.tally import Tally

        self._tally = Tally()
        self._said: Counter[str] = Counter()
        self._spoke = time.monotonic()

    def tell(self, event: Event) -> None:
        """Write the line of an event."""
        if event.kind == "begun":
            RUN.transaction = event.data["transaction"]
        if self._tally.take(event):
            self._said.clear()
            self._spoke = time.monotonic()
        if event.kind == "progress":
            self._pace()
            return
        level = LEVELS.get(event.kind, logging.DEBUG)
        self._said[event.kind] += 1
        if self._said[event.kind] > LINES_PER_KIND and event.kind not in ("phase", "note", "warning"):
            level = logging.DEBUG
        if LOGGER.isEnabledFor(level):
            say(level, self._words(event), **_fields(event))
        self._pace()

    def _words(self, event: Event) -> str:
        if event.kind == "begun":
            return f"transaction {RUN.transaction} began: {event.total} steps"
        if event.kind == "phase":
            return f"{self._tally.title}: {self._tally.size}"
        if event.kind in ("warning", "note"):
            return event.text
        place = f" on {event.node}" if event.node else ""
        subject = str(event.step) if event.step else f"{event.group}{place}" if event.group else event.node
        why = f": {event.text}" if event.text else ""
        return f"{event.kind} {subject}{why}"

    def _pace(self) -> None:
        """Say how far a long phase is, now and then."""
        from planner.views.tally import parts

        now = time.monotonic()
        if now - self._spoke >= PACE and self._tally.done < self._tally.total:
            self._spoke = now
            say(logging.INFO, f"{self._tally.title}: {parts(self._tally)}", event="progress")
