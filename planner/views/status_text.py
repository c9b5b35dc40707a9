"""What the store knows, as lines: first what matters and what to do, then the cells, then the facts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.times import after
from planner.views.gathering import Fact, gathered_lines
from planner.views.journal_words import RESULTS, told_by, when
from planner.views.layout import EMPTY, Line, Span, paragraph
from planner.views.summary import to_bring_back
from planner.views.words import fragment, shown
from planner.words import agreeing, count

if TYPE_CHECKING:
    from planner.ports import Record
    from planner.results import Status

MOST_OPEN = 20
MOST_WATCHED = 10
"""Rows: after a crash thousands of cells are watched, and hardly one of them will ever matter."""
AS_JSON = "see --format json"


def status_lines(status: Status, width: int | None) -> list[Line]:
    """Everything that `planner status` prints."""
    lines = _headline(status, width)
    if status.next:
        lines += paragraph(fragment(status.next), width, lead=Span("  next: ", "cyan"), hang=4)
    for block in (_open(status, width), _aside(status, width), _watched(status, width)):
        if block:
            lines += [EMPTY, *block]
    return [*lines, EMPTY, *_facts(status, width)]


def _headline(status: Status, width: int | None) -> list[Line]:
    record, aside = status.unfinished, len(status.set_aside)
    lines: list[Line] = []
    if record is not None and status.running:
        text = f"Transaction {record.number} ({record.intent.command}) is running now."
        lines += paragraph(shown(text), width, style="bold")
    elif record is not None:
        cells = len(to_bring_back(record))
        may = f"{count(cells, 'cell')} may not be as {agreeing(cells, 'it was', 'they were')}"
        may = may if cells else "nothing was written"
        text = f"Transaction {record.number} ({record.intent.command}) is unfinished ({record.state}): {may}."
        lines += paragraph(shown(text), width, style="bold red")
        who = f"left by {record.holder or 'a dead run'}, begun {when(record.started) or 'at an unknown time'}"
        lines += paragraph(shown(who + (f": {record.message}" if record.message else "")), width, hang=2)
        if record.notes:
            note = record.notes[-1]
            lines += paragraph(shown(f"then {note.who}, {when(note.at)}: {note.text}"), width, hang=2)
    for other in status.elsewhere:
        text = (
            f"Transaction {other.number} of cluster {other.cluster} is unfinished, on nodes of this cluster."
        )
        lines += paragraph(shown(text), width, style="bold red")
    if aside:
        text = (
            f"{count(aside, 'cell')} {agreeing(aside, 'is', 'are')} set aside by hand, and may not be as "
            f"{agreeing(aside, 'it', 'they')} should be."
        )
        lines += paragraph(text, width, style="bold yellow")
    return lines or paragraph("Nothing is unfinished.", width, style="bold green")


def _open(status: Status, width: int | None) -> list[Line]:
    record = status.unfinished
    steps = to_bring_back(record) if record is not None and not status.running else ()
    if record is None or not steps:
        return []
    facts = (
        Fact(step.cell.group, step.cell.node, "", f"should be {step.before}", told_by(mark))
        for step, mark in reversed(steps)
    )
    nodes = [node.name for node in record.intent.nodes]
    lines = paragraph(f"Open: {count(len(steps), 'cell')}", width, style="cyan")
    return lines + gathered_lines(facts, nodes, width, most=MOST_OPEN, more="planner recover --dry-run")


def _aside(status: Status, width: int | None) -> list[Line]:
    if not status.set_aside:
        return []
    facts = (
        Fact(
            each.cell.group,
            _now_called(each.cell.node, status.names.get(each.url)),
            "",
            f"should be {each.before}",
            f"TX {each.transaction}",
        )
        for each in status.set_aside
    )
    lines = paragraph(f"Set aside: {count(len(status.set_aside), 'cell')}", width, style="cyan")
    return lines + gathered_lines(facts, tuple(status.names.values()), width, most=MOST_OPEN, more=AS_JSON)


def _now_called(name: str, now: str | None) -> str:
    """A node by the name that `--forget` wants, and by the one that it has now."""
    return name if now in (None, name) else f"{name} (now {now})"


def _watched(status: Status, width: int | None) -> list[Line]:
    watched = status.watched
    if not watched:
        return []
    ends = sorted(after(each.since, status.watch) for each in watched)
    until = f", until {when(ends[-1])}" if ends[-1] else ""
    text = f"Watched for late effects: {count(len(watched), 'cell')}{until}"
    facts = (
        Fact(
            each.group,
            status.names.get(each.url, each.url),
            "",
            f"should be {each.outcome}",
            f"TX {each.transaction}",
        )
        for each in watched
    )
    lines = paragraph(text, width, style="cyan")
    return lines + gathered_lines(facts, tuple(status.names.values()), width, most=MOST_WATCHED, more=AS_JSON)


def _facts(status: Status, width: int | None) -> list[Line]:
    facts = [
        ("cluster", f"{status.cluster}, {count(status.managed, 'managed cell')}"),
        ("store", status.store),
        ("lock", _lock(status)),
    ]
    last = status.last
    if last is None or status.unfinished is None or last.number != status.unfinished.number:
        facts.append(("last", _transaction(last)))
    if status.last_applied and (not last or status.last_applied.number != last.number):
        facts.append(("last applied", _transaction(status.last_applied)))
    lines: list[Line] = []
    for label, text in facts:
        lines += paragraph(shown(text), width, lead=Span(f"{label}: ", "cyan"), hang=2)
    return lines


def _lock(status: Status) -> str:
    holder = status.holder
    if holder is None:
        return "free"
    told = f" ({holder.command}) since {when(holder.since)}" if holder.command else ""
    return f"held by {holder.who}{told}"


def _transaction(record: Record | None) -> str:
    if record is None:
        return "none yet"
    ended = f"finished {when(record.finished)}" if record.finished else f"begun {when(record.started)}"
    who = f", by {record.holder}" if record.holder else ""
    return f"TX {record.number} ({record.intent.command}): {RESULTS[record.state]}, {ended}{who}"
