"""A plan as Markdown, for the comment of a pull request: whole where that fits, else honest about it. Pure.

GitHub takes 65,536 characters. What a reviewer must not miss has room of its own: refusals, warnings and
deletes. Rows of the other kinds share what is left.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from planner.views.marked import code, comment, prose, row
from planner.views.plan_text import MARKS, remark
from planner.views.report import BY_WEIGHT
from planner.views.sentences import allowed
from planner.views.summary import Kind
from planner.views.words import NAMES_SHOWN, sentence, shown
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from planner.views.report import Report
    from planner.views.summary import Row

MAX_BYTES = 60_000
"""Of the whole text, in UTF-8; it never has more characters than bytes."""

ALERT_BYTES = 20_000
"""Of all refusals and warnings."""

MOST_ROWS = 1_500
"""Rows of one kind that are written at all; no more would ever fit."""

FEW = 20
"""Rows that are shown without a fold."""

ID, NAME, REASON, SENTENCE, COMMAND = 120, 60, 160, 600, 400
"""Characters that an id or a file's name, a node's name, a reason, a sentence and a command may take."""

HEAD = row(("", "action", "group", "nodes", "reason")) + row(("---",) * 5)

MOST_GROUPS = 10
"""Groups that a refusal names, and that are named of those which nobody manages."""


def markdown_of(report: Report) -> str:
    """The text; at most `MAX_BYTES` in UTF-8, whatever the plan holds."""
    tables = [
        _Table(kind, rows)
        for kind in BY_WEIGHT
        if (rows := [each for each in report.rows if each.kind is kind])
    ]
    head = [_headline(report), *_notes(report), *_alerts(report)]
    tail = [*_unmanaged(report.unmanaged), _evidence(report)]
    where = _where_all_are(report)
    room = MAX_BYTES - sum(map(_size, (*head, *tail, where))) - 200 * (len(tables) + 1)
    lines = _fill(tables, room, len(report.plan.nodes))
    hidden = {t.kind: len(t.rows) - len(lines[t.kind]) for t in tables if len(t.rows) > len(lines[t.kind])}
    if hidden:
        parts = ", ".join(f"{number:,} {_verb(kind)}" for kind, number in hidden.items())
        total = f"{sum(hidden.values()):,} of {len(report.rows):,} entries"
        head.append(f"> [!NOTE]\n> {total} are not listed here, for want of room: {parts}.{where}\n")
    folded = len(report.rows) > FEW
    body = [_block(t, lines[t.kind], hidden.get(t.kind, 0)) for t in tables] if folded else []
    if report.rows and not folded:
        body.append(HEAD + "".join(line for t in tables for line in lines[t.kind]))
    return "\n".join([*head, *body, *tail])


def _size(text: str) -> int:
    return len(text.encode()) + 1


def _headline(report: Report) -> str:
    """The comment by which a bot finds what it wrote before, and what the plan amounts to."""
    sign = comment("planner", "plan" if report.undoes is None else "undo", report.plan.cluster)
    title = f"{report.title} · " if report.undoes is not None else ""
    total = prose(report.sentence.rstrip("."), SENTENCE)
    return f"{sign}### {code(report.plan.cluster, NAME)} · {title}{total}\n"


def _notes(report: Report) -> list[str]:
    """That the plan is about a part only."""
    return [f"> [!IMPORTANT]\n> {prose(report.partial, SENTENCE)}\n"] if report.partial else []


def _refused(groups: Sequence[str]) -> str:
    """The groups that a guard is about."""
    return f">\n> Groups: {_some(groups)}\n" if groups else ""


def _some(groups: Sequence[str]) -> str:
    more = len(groups) - MOST_GROUPS
    names = ", ".join(code(group, ID) for group in groups[:MOST_GROUPS])
    return f"{names} and {more:,} more" if more > 0 else names


def _unmanaged(rows: Sequence[Row]) -> list[str]:
    """What nobody declared and nobody manages."""
    if not rows:
        return []
    what = f"{count(len(rows), 'group')} that nobody declared or manages, and that no plan touches"
    return [f"{what}: {_some([each.group for each in rows])}\n"]


def _alerts(report: Report) -> list[str]:
    """Refusals and warnings, as many as there is room for, and how many there are besides."""
    plan = report.plan
    refusals = (
        f"> **Refused** ({code(each.guard, NAME)}): {prose(sentence(each.why), SENTENCE)}\n"
        f"{_refused(each.groups)}>\n> Next: {prose(each.cure, SENTENCE)}\n"
        for each in plan.refusals
    )
    warnings = (f"> {prose(sentence(each), SENTENCE)}\n" for each in plan.warnings)
    blocks = []
    room = ALERT_BYTES
    for sign, texts, total in (
        ("CAUTION", refusals, len(plan.refusals)),
        ("WARNING", warnings, len(plan.warnings)),
    ):
        fitting = _fitting(texts, room)
        room -= sum(map(_size, fitting))
        if total > len(fitting):
            fitting.append(f"> … and {total - len(fitting):,} more, for which there is no room here.\n")
        if sign == "CAUTION" and fitting:
            fitting.append("> As it is, this plan cannot be applied.\n")
        if fitting:
            blocks.append(f"> [!{sign}]\n" + ">\n".join(fitting))
    return blocks


def _fitting(texts: Iterable[str], room: int) -> list[str]:
    """The first of the texts, as long as they fit."""
    chosen = []
    for text in texts:
        room -= _size(text)
        if room < 0:
            break
        chosen.append(text)
    return chosen


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows of one kind."""

    kind: Kind
    rows: list[Row]


def _fill(tables: list[_Table], room: int, nodes: int) -> Mapping[Kind, list[str]]:
    """The lines of every table that fit: deletes may take half of the room, the others share the rest.

    What one table does not need is for the others.
    """
    drafts = {t.kind: [_line(each, nodes) for each in islice(t.rows, MOST_ROWS)] for t in tables}
    needs = {kind: sum(map(_size, lines)) for kind, lines in drafts.items()}
    chosen = {}
    order = sorted(needs, key=lambda kind: (kind is not Kind.DELETE, needs[kind]))
    for position, kind in enumerate(order):
        later = sum(needs[other] for other in order[position + 1 :])
        parts = 2 if kind is Kind.DELETE else len(order) - position
        chosen[kind] = _fitting(drafts[kind], max(room // parts, room - later))
        room -= sum(map(_size, chosen[kind]))
    return chosen


def _line(each: Row, nodes: int) -> str:
    where = f"all {nodes:,}" if len(each.nodes) == nodes > 1 else _named(each.nodes)
    mark = f"`{MARKS[each.kind][0]}`" if MARKS[each.kind][0].strip() else ""
    return row((mark, each.kind, code(each.group, ID), where, prose(remark(each), REASON)))


def _named(nodes: tuple[str, ...]) -> str:
    if len(nodes) <= NAMES_SHOWN:
        return ", ".join(code(name, NAME) for name in nodes)
    some = ", ".join(code(name, NAME) for name in nodes[: NAMES_SHOWN - 1])
    return f"{some} and {len(nodes) - NAMES_SHOWN + 1:,} more"


def _verb(kind: Kind) -> str:
    return "kept" if kind is Kind.KEEP else f"to {kind}"


def _block(table: _Table, lines: list[str], hidden: int) -> str:
    """The table of one kind, folded where it is long; deletes are never folded."""
    opened = " open" if table.kind is Kind.DELETE or len(table.rows) <= FEW else ""
    title = f"{MARKS[table.kind][0]} {count(len(table.rows), 'group')} {_verb(table.kind)}".strip()
    more = f"\n… and {count(hidden, 'more group')} {_verb(table.kind)}.\n" if hidden else ""
    return f"<details{opened}>\n<summary>{title}</summary>\n\n{HEAD}{''.join(lines)}{more}\n</details>\n"


def _where_all_are(report: Report) -> str:
    """The sentence that says where the whole plan can be read."""
    names = [code(name, ID) for name in report.beside[:NAMES_SHOWN]]
    if report.saved is not None:
        names.append(_command("show", report.saved))
    names = names or [code("planner plan --format json", ID)]
    return f" All are in {' and in '.join(names)}."


def _command(verb: str, saved: str) -> str:
    """The command with the plan file; without it where it would have to be cut, and be another."""
    command = f"planner {verb} {shlex.quote(saved)}"
    return code(command if len(shown(command)) <= COMMAND else f"planner {verb} PLAN", COMMAND)


def _evidence(report: Report) -> str:
    """What the plan was made from, its digest, and how to apply it."""
    plan = report.plan
    source = "" if report.offline else f" from {code(report.file, ID)}"
    made = f", made{source} at {code(plan.created, NAME)}" if plan.created else ""
    signed = f", signed with key {code(report.signed_with, ID)}" if report.signed_with else ""
    lines = [f"Plan {code(report.digest, ID)}{made}{signed}."]
    if plan.allowances:
        lines.append(f"Allowed knowingly: {prose(allowed(plan.allowances), SENTENCE)}.")
    if report.can_be_applied:
        if report.saved is None:
            lines.append("Not saved: `planner plan --out plan.json` makes one that can be applied.")
        else:
            lines.append(f"Apply exactly this: {_command('apply', report.saved)}")
    return "  \n".join(lines) + "\n"
