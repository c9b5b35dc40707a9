"""A recovery as lines: what is brought back and set aside, and what came of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.gathering import Fact, gathered_lines
from planner.views.journal_words import told_by
from planner.views.layout import Line, paragraph
from planner.views.summary import to_bring_back
from planner.views.words import shown
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from planner.model import Step
    from planner.ports import CellMark, Record
    from planner.results import Recovered

MAX_ROWS = 200
MORE = "see --format json"


def recovering_lines(
    record: Record, width: int | None, *, dry_run: bool, aside: Collection[int] = ()
) -> list[Line]:
    """What is brought back, in the order in which it is done, and what is set aside."""
    steps = to_bring_back(record)
    rest = [each for each in steps if each[0].number not in aside]
    by_hand = [each for each in steps if each[0].number in aside]
    verb = "would be" if dry_run else "is being"
    begin = f"Transaction {record.number} ({record.state}) {verb}"
    lines: list[Line] = []
    if rest or not by_hand:
        amount = count(len(rest), "cell") if rest else "nothing was written"
        lines += paragraph(shown(f"{begin} reversed: {amount}."), width, style="bold")
        lines += _rows(rest, record, width, "back to")
    if by_hand:
        begin = "Set aside by hand, and left as it is" if rest else f"{begin} closed, with these set aside"
        lines += paragraph(shown(f"{begin}: {count(len(by_hand), 'cell')}."), width, style="bold yellow")
        lines += _rows(by_hand, record, width, "should be")
    return lines


def _rows(
    steps: Iterable[tuple[Step, CellMark]], record: Record, width: int | None, words: str
) -> list[Line]:
    facts = (
        Fact(step.cell.group, step.cell.node, step.before.value, f"{words} {step.before}", told_by(mark))
        for step, mark in steps
    )
    return gathered_lines(
        facts, [node.name for node in record.intent.nodes], width, most=MAX_ROWS, more=MORE, signs=True
    )


def recovered_lines(result: Recovered, width: int | None) -> list[Line]:
    """How a recovery ended well."""
    if result.given_up:
        text = f"Given up for good: {count(len(result.given_up), 'cell')} that had been set aside."
        facts = (
            Fact(each.cell.group, each.cell.node, "", f"should be {each.before}", f"TX {each.transaction}")
            for each in result.given_up
        )
        lines = paragraph(text, width, style="bold yellow")
        lines += gathered_lines(facts, (), width, most=MAX_ROWS, more=MORE)
        return lines + paragraph("`planner show` of the transaction tells of it.", width, style="dim")
    if result.number is None:
        return paragraph("Nothing to recover.", width, style="bold")
    others = _others(result, width)
    if not result.set_aside:
        text = f"Recovered: transaction {result.number} is reversed, every node is as it was."
        return paragraph(text, width, style="bold green") + others
    text = (
        f"Transaction {result.number} is closed with exceptions: "
        f"{count(len(result.set_aside), 'cell')} set aside. Everything else is as it was."
    )
    lines = paragraph(text, width, style="bold yellow")
    facts = (Fact(cell.group, cell.node, "") for cell in result.set_aside)
    lines += gathered_lines(facts, (), width, most=MAX_ROWS, more=MORE)
    named = "`planner status` names them until a later apply has verified them."
    return lines + paragraph(named, width) + others


def _others(result: Recovered, width: int | None) -> list[Line]:
    if not result.not_ours:
        return []
    lines = paragraph("Not ours, somebody else was first:", width, style="cyan", hang=0)
    facts = (Fact(cell.group, cell.node, "") for cell in result.not_ours)
    return lines + gathered_lines(facts, (), width, most=MAX_ROWS, more=MORE)
