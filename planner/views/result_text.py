"""Results as lines: applied, recovering, recovered, status. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model import StepState
from planner.views.layout import Entry, Line, Span, paragraph, table
from planner.views.plan_text import partial_lines
from planner.views.summary import summarize, to_bring_back
from planner.views.words import applied_sentence, count, shown, unchanged_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Cell, Presence
    from planner.ports import Record
    from planner.results import Applied, Recovered, Status

MAX_CELLS = 200

_KNOWN = {StepState.DONE: "done", StepState.STARTED: "started", StepState.UNKNOWN: "outcome unknown"}


def applied_lines(result: Applied, width: int | None, *, origin: str) -> list[Line]:
    """How an apply ended well."""
    if result.already is not None:
        return paragraph(f"Already applied by TX {result.already}.", width, style="bold")
    if result.number is None:
        lines = paragraph(unchanged_sentence(origin, result.plan.scope), width, style="bold")
        return lines + partial_lines(result.plan.scope, width)
    text = applied_sentence(summarize(result.plan, without=result.not_ours))
    lines = paragraph(text, width, style="bold green")
    lines += partial_lines(result.plan.scope, width)
    lines += _not_ours(result.not_ours, width)
    return lines + paragraph(f"Transaction {result.number}.", width, style="dim")


def recovered_lines(result: Recovered, width: int | None) -> list[Line]:
    """How a recovery ended well."""
    if result.number is None:
        return paragraph("Nothing to recover.", width, style="bold")
    if result.set_aside:
        named = ", ".join(shown(str(cell)) for cell in result.set_aside[:MAX_CELLS])
        text = (
            f"Transaction {result.number} is closed with exceptions: "
            f"{count(len(result.set_aside), 'cell')} set aside ({named}). "
            "Everything else is as it was; `planner status` names them until they are verified."
        )
        return paragraph(text, width, style="bold yellow") + _not_ours(result.not_ours, width)
    text = f"Recovered: transaction {result.number} is reversed, every node is as it was."
    return paragraph(text, width, style="bold green") + _not_ours(result.not_ours, width)


def recovering_lines(record: Record, width: int | None, *, dry_run: bool) -> list[Line]:
    """What is brought back, cell by cell, in the order in which it is done."""
    steps = to_bring_back(record)
    verb = "would be" if dry_run else "is being"
    amount = count(len(steps), "cell") if steps else "nothing was written"
    text = f"Transaction {record.number} ({record.state}) {verb} reversed: {amount}."
    lines = paragraph(shown(text), width, style="bold")
    entries = [
        Entry(
            "  - " if step.before == "absent" else "  + ",
            shown(str(step.cell)),
            (f"back to {step.before}", _KNOWN.get(mark.state, str(mark.state)) + _note(mark.note)),
            "red" if step.before == "absent" else "green",
        )
        for step, mark in steps[:MAX_CELLS]
    ]
    lines += table(entries, width)
    if len(steps) > MAX_CELLS:
        more = f"… and {count(len(steps) - MAX_CELLS, 'more cell')} (see --format json)"
        lines += paragraph(more, width, style="dim", hang=2)
    return lines


def status_lines(status: Status, width: int | None) -> list[Line]:
    """What the store knows, one labelled line per question."""
    facts: list[tuple[str, str, str]] = [
        ("cluster", f"{status.cluster}, {count(status.managed, 'managed cell')}, store {status.store}", ""),
        ("lock", _lock(status), ""),
        ("unfinished", _unfinished(status), "bold red" if status.needs_recover else ""),
        ("last", _transaction(status.last), ""),
    ]
    if status.last_applied and (not status.last or status.last_applied.number != status.last.number):
        facts.append(("last applied", _transaction(status.last_applied), ""))
    lines: list[Line] = []
    for label, text, style in facts:
        lines += paragraph(shown(text), width, style=style, lead=Span(f"{label}: ", "cyan"), hang=2)
    aside = [f"{cell} (TX {number})" for number, cell in status.set_aside]
    lines += _list("set aside", aside, width)
    watched = [
        f"{w.group} on {w.url}: a late effect is looked for, should be {_presence(w.outcome)}"
        f" (TX {w.transaction}, since {w.since})"
        for w in status.watched
    ]
    return lines + _list("watched", watched, width)


def _lock(status: Status) -> str:
    holder = status.holder
    return f"held by {holder.who} ({holder.command}) since {holder.since}" if holder else "free"


def _unfinished(status: Status) -> str:
    record = status.unfinished
    if record is None:
        return "nothing"
    if status.running:
        return f"{_transaction(record)}, running now"
    return f"{_transaction(record)}, left by {record.holder or 'a dead run'}: run `planner recover`"


def _transaction(record: Record | None) -> str:
    if record is None:
        return "none yet"
    when = (
        f"finished {record.finished}"
        if record.finished
        else f"started {record.started or 'at an unknown time'}"
    )
    return f"TX {record.number} ({record.intent.command}) is {record.state}, {when}"


def _not_ours(cells: Sequence[Cell], width: int | None) -> list[Line]:
    return _list("Not ours, somebody else was first", [str(cell) for cell in cells], width)


def _list(label: str, items: Sequence[str], width: int | None) -> list[Line]:
    if not items:
        return []
    lines = paragraph(f"{label}:", width, style="cyan", hang=0)
    for item in items[:MAX_CELLS]:
        lines += paragraph(shown(item), width, lead=Span("  - "), hang=4)
    if len(items) > MAX_CELLS:
        lines += paragraph(f"… and {len(items) - MAX_CELLS:,} more", width, lead=Span("  - "), hang=4)
    return lines


def _note(note: str) -> str:
    return f": {shown(note)}" if note else ""


def _presence(presence: Presence) -> str:
    return str(presence)
