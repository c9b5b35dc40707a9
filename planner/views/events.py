"""JSON Lines of events: apply, reconcile. One object per line, flushed as it happens."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner import __version__
from planner.views import data
from planner.views.machine import MachineView
from planner.views.report import report_of
from planner.views.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from planner.errors import PlannerError
    from planner.model import Cell, Event, Plan
    from planner.ports import Clock, Record, Reporter
    from planner.results import Applied, Imported, Probed, Recovered, Status, Validated
    from planner.views.channel import Channel
    from planner.views.report import Report

FORMAT = "planner.events"
VERSION = 1


class EventView(MachineView):
    """See `planner.views.base.View`.

    The first line is of type ``version``; the last one is of type ``summary``, or ``error``. In between are
    ``plan``, ``recovering``, ``status``, ``history``, ``transaction``, ``nodes``, ``import``, ``warning`` and
    the kinds of `planner.model.EVENT_KINDS`.
    """

    def __init__(self, out: Channel, err: Channel, *, clock: Clock, quiet: bool = False) -> None:
        super().__init__(out, err, clock=clock, quiet=quiet)
        self._lock = threading.Lock()  # a warning may come from another thread, and lines must stay whole
        self._begun = False

    def plan(
        self,
        plan: Plan,
        *,
        origin: str = "groups.yaml",
        saved: str | None = None,
        undoes: int | None = None,
        doubts: Mapping[Cell, str] | None = None,
    ) -> None:
        """Write the plan, as in its file, with a ``summary``."""
        self.report(report_of(plan, file=origin, saved=saved, undoes=undoes, doubts=doubts))

    def report(self, report: Report) -> None:
        """Write the plan, as in its file, with a ``summary``."""
        self._line("plan", {"plan": data.of_plan(report)})
        self._check()

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        """Write the last line."""
        del origin
        self._line("summary", data.of_applied(result))
        self._remark_lost()

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        """Write what is brought back."""
        self._line("recovering", {"dry_run": dry_run, **data.of_recovering(record, aside)})

    def recovered(self, result: Recovered) -> None:
        """Write the last line."""
        self._line("summary", data.of_recovered(result))
        self._remark_lost()

    def status(self, status: Status) -> None:
        """Write what the store knows."""
        self._line("status", data.of_status(status))
        self._check()

    def history(self, records: Sequence[Record]) -> None:
        """Write past transactions."""
        self._line("history", data.of_history(records))
        self._check()

    def transaction(self, record: Record) -> None:
        """Write one transaction."""
        self._line("transaction", data.of_transaction(record))
        self._check()

    def validated(self, files: Sequence[Validated]) -> None:
        """Write what each file came to."""
        self._line("validation", data.of_validated(files))
        self._check()

    def nodes(self, probed: Probed) -> None:
        """Write how every node answered."""
        self._line("nodes", data.of_probed(probed))
        self._check()

    def imported(self, result: Imported, text: str, saved: str | None = None) -> None:
        """Write what the cluster holds."""
        del text
        self._line("import", data.of_imported(result, saved))
        self._check()

    def error(self, error: PlannerError) -> None:
        """Write the last line; and say it on stderr."""
        self._line("error", {"error": data.of_error(error)})
        super().error(error)

    def warning(self, text: str) -> None:
        """Write it, and say it on stderr."""
        self._line("warning", {"text": text})
        super().warning(text)

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        """Every event is a line."""
        yield _EventReporter(self)

    def write_event(self, event: Event, tally: Tally) -> None:
        """Write an event of the engine; what it does not say of itself is left out."""
        step = event.step
        fields = {
            "step": step.number if step else None,
            "action": step.action.value if step else None,
            "node": event.node,
            "group": event.group,
            "text": event.text,
            "phase": tally.phase if event.kind != "phase" else None,
        }
        said = {key: value for key, value in fields.items() if value}
        self._line(event.kind, {**said, "done": tally.done, "total": tally.total, **_extra(event)})
        if event.kind == "warning":
            super().warning(event.text)

    def _line(self, type: str, fields: data.Json) -> None:  # noqa: A002  (the name of the key)
        with self._lock:
            time = self._clock.wall()
            if not self._begun:
                self._begun = True
                first = {"type": "version", "format": FORMAT, "version": VERSION, "time": time}
                self._out.write(data.dump({**first, "planner": __version__}) + "\n")
            self._out.write(data.dump({"type": type, "time": time, **fields}) + "\n")
            self._out.flush()


class _EventReporter:
    def __init__(self, view: EventView) -> None:
        self._view = view
        self._tally = Tally()

    def emit(self, event: Event) -> None:
        self._tally.take(event)
        self._view.write_event(event, self._tally)


def _extra(event: Event) -> data.Json:
    return {"data": event.data} if event.data else {}
