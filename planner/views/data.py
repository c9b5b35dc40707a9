"""Results as plain JSON data. The order of keys is fixed; ids and texts are as they are. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from planner import codec
from planner.errors import FileInvalid, PlannerError, Refused
from planner.jsontext import harmless, laid_out, plain
from planner.model import Action
from planner.signing import signed
from planner.times import after, between
from planner.undo import plan_of
from planner.views.journal_words import kinds_of, mark_of
from planner.views.summary import summarize, to_bring_back, unmanaged_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from planner.counts import Ending, StepCounts
    from planner.model import Cell, Step
    from planner.ports import CellMark, Record, Watched
    from planner.results import Applied, Aside, Copied, Imported, Probe, Probed, Recovered, Status, Validated
    from planner.views.report import Report
    from planner.views.summary import Kind

Json = dict[str, Any]


def document(name: str, fields: Json) -> Json:
    """A document, as the schema of that name tells of it."""
    return {"format": f"planner.{name}", "version": 1, **fields}


def dump(data: Json, indent: int | None = None) -> str:
    """JSON text in ASCII: any stream can hold it, and no terminal and no build server obeys it."""
    separators = (",", ":") if indent is None else None
    return harmless(json.dumps(data, indent=indent, separators=separators, default=str))


def of_plan(report: Report) -> Json:
    """The plan file's document, which an apply accepts, and what is known besides."""
    return plain(_page(report))


def _page(report: Report) -> Json:
    """The same, with `Rows` for what there may be a million of.

    Known besides is a summary, what nobody declared or manages, and the cells that an unfinished transaction
    leaves in doubt.
    """
    unmanaged = [{"group": row.group, "nodes": list(row.nodes)} for row in unmanaged_rows(report.plan)]
    page = {
        **codec.document_of(report.plan),
        "summary": asdict(report.summary),
        "unmanaged": unmanaged,
        "in_doubt": [{**cell._asdict(), "why": why} for cell, why in report.doubts.items()],
    }
    return signed(page, report.key)


def page_of(report: Report) -> Iterator[str]:
    """The same as text, in pieces and in ASCII; one step in a line."""
    yield from laid_out(_page(report))
    yield "\n"


def of_error(error: PlannerError) -> Json:
    """How a run ended."""
    return document("error", {"error": {**of_complaint(error), **of_ending(error.ending)}})


def of_complaint(error: PlannerError) -> Json:
    """What failed, in words; of a refused plan also `refusals`: each guard, with its numbers and groups."""
    refusals = error.refusals if isinstance(error, Refused) else ()
    return {
        "code": error.code,
        "exit_code": error.exit_code,
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "next": error.next,
        "details": list(error.details),
        **({"refusals": [asdict(refusal) for refusal in refusals]} if refusals else {}),
    }


def of_ending(ending: Ending | None) -> Json:
    """What a transaction came to that did not end well."""
    return {
        "transaction": ending.transaction if ending else None,
        "failed_step": ending.failed_step if ending else None,
        "steps": of_steps(ending.steps) if ending else None,
    }


def of_steps(counts: StepCounts) -> Json:
    """Counts of steps, and what they add up to."""
    return {"total": counts.total, **asdict(counts)}


def of_applied(result: Applied) -> Json:
    """The outcome of an apply: ``applied``, ``already applied`` or ``no changes``."""
    return document("applied", of_outcome(result))


def of_outcome(result: Applied) -> Json:
    """What a document and a summary of an apply both say."""
    done = result.number is not None
    already = result.already is not None
    return {
        "outcome": "applied" if done else "already applied" if already else "no changes",
        "transaction": result.number if done else result.already,
        "steps": of_steps(result.steps),
        "counts": asdict(summarize(result.plan, without=result.not_ours)) if done else None,
        "not_ours": of_cells(result.not_ours),
    }


def of_recovered(result: Recovered) -> Json:
    """How it ended: ``reversed``, ``closed with exceptions``, ``given up`` or ``nothing to recover``."""
    ended = "closed with exceptions" if result.set_aside else "reversed"
    if result.number is None:
        ended = "given up" if result.given_up else "nothing to recover"
    found = {
        "outcome": ended,
        "transaction": result.number,
        "steps": of_steps(result.steps) if result.steps else None,
        "undone": of_cells(result.undone),
        "not_ours": of_cells(result.not_ours),
        "set_aside": of_cells(result.set_aside),
        "given_up": [of_aside(each) for each in result.given_up],
    }
    return document("recovered", found)


def of_aside(aside: Aside) -> Json:
    """A cell that was set aside."""
    return {
        "transaction": aside.transaction,
        "group": aside.cell.group,
        "node": aside.cell.node,
        "url": aside.url,
        "should_be": aside.before.value,
        "since": aside.since or None,
    }


def of_recovering(record: Record, aside: Collection[int] = ()) -> Json:
    """What a recovery would bring back, and which of it would be set aside."""
    return document("recovering", _restoring(record, aside))


def _restoring(record: Record, aside: Collection[int] = ()) -> Json:
    return {
        "transaction": of_record(record),
        "cells": [
            {
                "step": step.number,
                "group": step.cell.group,
                "node": step.cell.node,
                "back_to": step.before.value,
                "state": mark.state.value,
                "note": mark.note,
                "set_aside": step.number in aside,
            }
            for step, mark in to_bring_back(record)
        ],
    }


def of_status(status: Status) -> Json:
    """What the store knows."""
    found = {
        "cluster": status.cluster,
        "store": status.store,
        "managed": status.managed,
        "holder": status.holder._asdict() if status.holder else None,
        "unfinished": _restoring(status.unfinished) if status.unfinished else None,
        "running": status.running,
        "needs_recover": status.needs_recover,
        "next": status.next,
        "set_aside": [of_aside(each) for each in status.set_aside],
        "watched": [_watched(each, status) for each in status.watched],
        "elsewhere": [
            {"cluster": each.cluster, "transaction": each.number, "urls": sorted(each.urls)}
            for each in status.elsewhere
        ],
        "last": of_record(status.last) if status.last else None,
        "last_applied": of_record(status.last_applied) if status.last_applied else None,
    }
    return document("status", found)


def _watched(watched: Watched, status: Status) -> Json:
    return {
        "group": watched.group,
        "url": watched.url,
        "node": status.names.get(watched.url),
        "transaction": watched.transaction,
        "outcome": watched.outcome.value,
        "since": watched.since,
        "until": after(watched.since, status.watch) or None,
    }


def of_history(records: Iterable[Record]) -> Json:
    """Past transactions, with how many cells each was to create and to delete."""
    found = [
        {
            **of_record(record),
            "cluster": record.cluster,
            "partial": codec.is_partial(record.intent.plan),
            "creates": sum(step.action is Action.CREATE for step in record.intent.steps),
            "deletes": sum(step.action is Action.DELETE for step in record.intent.steps),
        }
        for record in records
    ]
    return document("history", {"transactions": found})


def of_copied(result: Copied) -> Json:
    """A store that was copied, and whether the source is retired."""
    return document(
        "copied",
        {
            "store": result.store,
            "source": result.source,
            "target": result.target,
            "moved": result.moved,
            "already": result.already,
            "clusters": list(result.clusters),
            "transactions": result.transactions,
            "unfinished": [{"cluster": name, "transaction": number} for name, number in result.unfinished],
            "tables": [table._asdict() for table in result.tables],
        },
    )


def of_transaction(record: Record) -> Json:
    """A transaction, with what became of each step.

    `adopts`, `protects` and `unprotects` are what its plan says; null where that cannot be read.
    So is `scope`, which is also null of a whole plan.
    """
    intent = record.intent
    marks = {mark.number: mark for mark in record.marks}
    kinds = kinds_of(record)
    adopts: list[Json] | None = []
    protection: dict[str, list[str] | None] = {"protects": [], "unprotects": []}
    scope = None
    try:
        plan = plan_of(record)
    except PlannerError:
        adopts, protection = None, dict.fromkeys(protection)
    else:
        if plan is not None:
            adopts, scope = of_cells(plan.adopts), plan.scope
            protection = {"protects": list(plan.protects), "unprotects": list(plan.unprotects)}
    found = {
        **of_record(record),
        "cluster": record.cluster,
        "plan_digest": intent.plan_digest,
        "source": intent.source,
        "nodes": [{"name": node.name, "url": node.url} for node in intent.nodes],
        "steps": [_step(step, kinds[step.cell], mark_of(step, marks)) for step in intent.steps],
        "adopts": adopts,
        **protection,
        "scope": asdict(scope) if scope else None,
    }
    return document("transaction", found)


def _step(step: Step, kind: Kind, mark: CellMark) -> Json:
    return {
        "number": step.number,
        "action": step.action.value,
        "kind": kind.value,
        "group": step.cell.group,
        "node": step.cell.node,
        "reason": step.reason,
        "state": mark.state.value,
        "note": mark.note,
        "tried": mark.tried,
        "unanswered": mark.unanswered,
        "suspect": mark.suspect,
    }


def of_validated(files: Sequence[Validated]) -> Json:
    """What each file came to."""
    found = [
        {
            "file": each.file,
            "valid": each.error is None,
            "cluster": each.cluster or None,
            "counts": {"groups": each.groups, "nodes": each.nodes} if each.error is None else None,
            "problems": _problems(each.error),
            "error": None if each.error is None else of_complaint(each.error),
        }
        for each in files
    ]
    return document("validation", {"valid": all(each.error is None for each in files), "files": found})


def _problems(error: PlannerError | None) -> list[Json]:
    return [
        {
            "line": problem.line,
            "column": problem.column,
            "end_column": problem.end_column,
            "text": problem.text,
            "hint": problem.hint,
        }
        for problem in (error.problems if isinstance(error, FileInvalid) else ())
    ]


def of_record(record: Record) -> Json:
    """A transaction, without its steps."""
    return {
        "number": record.number,
        "command": record.intent.command,
        "allowances": list(record.intent.allowances),
        "state": record.state.value,
        "message": record.message,
        "started": record.started or None,
        "finished": record.finished or None,
        "seconds": between(record.started, record.finished),
        "holder": record.holder,
        "notes": [note._asdict() for note in record.notes],
    }


def of_cells(cells: Iterable[Cell]) -> list[Json]:
    """Cells as objects."""
    return [cell._asdict() for cell in cells]


def of_probed(probed: Probed) -> Json:
    """How every node answered; latencies are milliseconds."""
    found = {
        "cluster": probed.cluster,
        "tries": probed.tries,
        "nodes": [_probe(probe) for probe in probed.nodes],
    }
    return document("nodes", found)


def _probe(probe: Probe) -> Json:
    slowest = max(probe.latencies, default=None)
    return {
        "name": probe.node.name,
        "url": probe.node.url,
        "labels": dict(probe.node.labels),
        "state": probe.state,
        "median_ms": _ms(probe.median) if probe.answered else None,
        "max_ms": None if slowest is None else _ms(slowest),
        "failures": list(probe.failures),
        "can_list": probe.node.dialect.list_path is not None,
        "groups": probe.listed,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def of_imported(result: Imported, saved: str | None) -> Json:
    """What a cluster holds, and where it was written to."""
    found = {
        "cluster": result.cluster,
        "nodes": [{"name": node.name, "url": node.url} for node in result.nodes],
        "groups": [{"group": group, "nodes": list(names)} for group, names in result.groups],
        "partial": list(result.partial),
        "absent": list(result.absent),
        "unnamed": list(result.unnamed),
        "saved": saved,
    }
    return document("import", found)
