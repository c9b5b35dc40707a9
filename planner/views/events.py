"""JSON Lines of events: apply, reconcile. One object per line, flushed as it happens."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner import __version__
from planner.counts import StepCounts
from planner.errors import ChangesPending
from planner.model import Cell
from planner.views import data
from planner.views.machine import MachineView
from planner.views.report import report_of
from planner.views.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from planner.errors import PlannerError
    from planner.events import Event
    from planner.model import Plan, Step
    from planner.ports import Clock, Record, Reporter
    from planner.results import Applied, Copied, Imported, Probed, Recovered, Status, Validated
    from planner.views.channel import Channel
    from planner.views.report import Report

FORMAT = "planner.events"
VERSION = 1

TYPES = {"undone": "reversed", "undo-failed": "reverse-failed", "warning": "diagnostic", "note": "diagnostic"}
"""Types of lines about kinds of `planner.events.EVENT_KINDS`; every other kind is a type of its own name."""


class EventView(MachineView):
    """See `planner.views.base.View`; `planner schema events` tells of every line.

    The first line is of type ``version``, the last one of type ``summary``, however the run ends. A result
    that is a document elsewhere is a line of type ``document`` here.
    """

    def __init__(self, out: Channel, err: Channel, *, clock: Clock, quiet: bool = False) -> None:
        super().__init__(out, err, clock=clock, quiet=quiet)
        self._lock = threading.Lock()  # a warning may come from another thread, and lines must stay whole
        self._opened = False
        self._plan: Plan | None = None
        self._steps: dict[Cell, Step] = {}
        self._transaction: int | None = None

    def report(self, report: Report) -> None:
        """Write the plan, as in its file, with a ``summary``; then its warnings."""
        self._planned(report)
        self._check()

    def loaded(self, plan: Plan) -> None:
        """Write a plan that comes from a file."""
        self._planned(report_of(plan))

    def _planned(self, report: Report) -> None:
        self._plan = report.plan
        self._steps = {step.cell: step for step in report.plan.steps}
        self._line("planned", {"plan": data.of_plan(report)})
        for text in report.plan.warnings:
            self._remark("warning", text)

    def applied(self, result: Applied, origin: str = "groups.yaml") -> None:
        """Write the last line."""
        del origin
        found = data.of_outcome(result)
        self._transaction = found["transaction"]
        self._line("summary", {"outcome": found["outcome"], "exit_code": 0, "failed_step": None, **found})
        self._remark_lost()

    def unapplied(self, plan: Plan) -> None:
        """Write the last line."""
        pending = plan.has_changes
        found: data.Json = {
            "outcome": "changes pending" if pending else "no changes",
            "exit_code": ChangesPending.exit_code if pending else 0,
            "failed_step": None,
            "steps": self._never_started(),
            "counts": None,
            "not_ours": [],
        }
        self._line("summary", found)
        self._remark_lost()

    def recovering(self, record: Record, dry_run: bool, aside: Collection[int] = ()) -> None:
        """Write what is brought back."""
        del dry_run
        self._transaction = record.number
        self._line("document", {"document": data.of_recovering(record, aside)})

    def recovered(self, result: Recovered) -> None:
        """Write what was recovered."""
        self._line("document", {"document": data.of_recovered(result)})
        self._transaction = None
        self._remark_lost()

    def status(self, status: Status) -> None:
        """Write what the store knows."""
        self._document(data.of_status(status))

    def history(self, records: Sequence[Record]) -> None:
        """Write past transactions."""
        self._document(data.of_history(records))

    def transaction(self, record: Record) -> None:
        """Write one transaction."""
        self._document(data.of_transaction(record))

    def validated(self, files: Sequence[Validated]) -> None:
        """Write what each file came to."""
        self._document(data.of_validated(files))

    def nodes(self, probed: Probed) -> None:
        """Write how every node answered."""
        self._document(data.of_probed(probed))

    def imported(self, result: Imported, text: str, saved: str | None = None) -> None:
        """Write what the cluster holds."""
        del text
        self._document(data.of_imported(result, saved))

    def copied(self, result: Copied) -> None:
        """Write what was copied."""
        self._document(data.of_copied(result))

    def error(self, error: PlannerError) -> None:
        """Write what failed, and the last line; and say it on stderr."""
        ending = data.of_ending(error.ending)
        if error.ending is None:
            ending |= {"transaction": self._transaction, "steps": self._never_started()}
        self._transaction = ending["transaction"]
        self._line("diagnostic", {"severity": "error", **data.of_complaint(error)})
        found = {
            "outcome": error.outcome,
            "exit_code": error.exit_code,
            **ending,
            "counts": None,
            "not_ours": [],
        }
        self._line("summary", found)
        super().error(error)

    def warning(self, text: str) -> None:
        """Write it, and say it on stderr."""
        self._remark("warning", text)
        super().warning(text)

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        """Every event is a line."""
        yield _EventReporter(self)

    def write_event(self, event: Event, tally: Tally) -> None:
        """Write an event of the engine."""
        kind, step = event.kind, event.step
        if kind in ("warning", "note"):
            self._remark(kind, event.text)
            if kind == "warning":
                super().warning(event.text)
            return
        place = {"phase": tally.phase or None, "done": tally.done, "total": tally.total}
        if kind == "begun":
            self._transaction = event.data["transaction"]
            place = {"phase": None, "done": 0, "total": event.total}
        note = "" if kind == "phase" else event.text
        more = {}
        if kind == "retried":  # told by a worker thread, which knows of requests and not of steps
            step = self._steps.get(Cell(event.group, event.node))
            more = event.data
        self._line(TYPES.get(kind, kind), {"note": note, **place, **more}, step, event.node, event.group)

    def _remark(self, severity: str, text: str) -> None:
        said = {"what": text, "where": "", "why": "", "next": "", "details": []}
        self._line("diagnostic", {"severity": severity, "code": None, "exit_code": None, **said})

    def _document(self, document: data.Json) -> None:
        self._line("document", {"document": document})
        self._check()

    def _never_started(self) -> data.Json | None:
        """What becomes of the steps of a plan whose transaction did not begin; None where that is not so."""
        if self._plan is None or self._transaction is not None:
            return None
        return data.of_steps(StepCounts(never_started=len(self._plan.steps)))

    def _line(
        self,
        type: str,  # noqa: A002  (the name of the key)
        fields: data.Json,
        step: Step | None = None,
        node: str = "",
        group: str = "",
    ) -> None:
        with self._lock:
            if not self._opened:
                self._opened = True
                self._write("version", {"format": FORMAT, "version": VERSION, "planner": __version__})
            self._write(type, fields, step, node, group)
            self._out.flush()

    def _write(
        self,
        type: str,  # noqa: A002
        fields: data.Json,
        step: Step | None = None,
        node: str = "",
        group: str = "",
    ) -> None:
        head = {
            "type": type,
            "time": self._clock.wall(),
            "transaction": self._transaction,
            "step": step.number if step else None,
            "action": step.action.value if step else None,
            "node": node or None,
            "group": group or None,
        }
        self._out.write(data.dump({**head, **fields}) + "\n")


class _EventReporter:
    def __init__(self, view: EventView) -> None:
        self._view = view
        self._tally = Tally()

    def emit(self, event: Event) -> None:
        self._tally.take(event)
        self._view.write_event(event, self._tally)
