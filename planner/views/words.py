"""Words: what may be sent to a terminal, how wide it is, and how it is counted. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from planner.scope import has_wildcards
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.counts import StepCounts
    from planner.results import Validated
    from planner.scope import PlanScope
    from planner.views.summary import Summary

__all__ = [
    "applied_sentence",
    "count",
    "cut",
    "duration",
    "fragment",
    "on_nodes",
    "plan_sentence",
    "sentence",
    "shorten",
    "shown",
    "unchanged_sentence",
    "undo_sentence",
    "width_of",
]

_RAW = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal obeys, hides or cannot draw: controls, direction marks, separators."""

MAX_SENTENCE = 2000
"""Characters of one sentence; a longer one lists ten thousand ids, and is cut."""

NAMES_SHOWN = 4

MINUTES_SHOWN = 120
"""From here on, hours are easier to read."""


def shown(text: str) -> str:
    r"""The text with everything that a terminal would not print as it stands written out, as ``\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) if unicodedata.category(char) in _RAW else char for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def width_of(text: str) -> int:
    """Columns that the text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> tuple[str, str]:
    """The longest beginning that fits into `columns` (at least one character), and the rest."""
    if text.isascii():
        return text[: max(columns, 1)], text[max(columns, 1) :]
    taken = 0
    for position, char in enumerate(text):
        taken += _columns(char)
        if taken > columns and position:
            return text[:position], text[position:]
    return text, ""


def shorten(text: str, columns: int) -> str:
    """The text, with an ellipsis in its middle if it is wider than `columns`."""
    if width_of(text) <= columns:
        return text
    head, _ = cut(text, max((columns - 1) // 2, 1))
    tail, _ = cut(text[::-1], max(columns - 1 - width_of(head), 1))
    return f"{head}…{tail[::-1]}"


def sentence(text: str) -> str:
    """One full stop at the end, whatever the author wrote."""
    text = shown(text.strip()[: MAX_SENTENCE + 1])
    if len(text) > MAX_SENTENCE:
        return text[:MAX_SENTENCE] + "…"
    text = text.rstrip(".") if text.endswith(".") and not text.endswith("...") else text
    return text if text.endswith(("...", "…", "!", "?")) else f"{text}."


def fragment(text: str) -> str:
    """No full stop at the end: for a labelled line, whose end may be a command to copy."""
    text = shown(text.strip()[: MAX_SENTENCE + 1])
    if len(text) > MAX_SENTENCE:
        return text[:MAX_SENTENCE] + "…"
    several = ". " in text
    return text if several or text.endswith("...") else text.rstrip(".")


def on_nodes(names: Sequence[str], of: int, *, left_out: int = 0) -> str:
    """``on all 3 nodes``, ``on node01, node02``, ``on node01, node02, node03 and 12 more``.

    Args:
        names: of the nodes.
        of: how many nodes the plan is about.
        left_out: how many it leaves out; those are none of 'all'.
    """
    if len(names) == of > 1:
        return f"on all {of:,} nodes{' of the plan' if left_out else ''}"
    return f"on {_some(names)}"


def _some(names: Sequence[str]) -> str:
    if len(names) <= NAMES_SHOWN:
        return ", ".join(map(shown, names))
    some = ", ".join(map(shown, names[: NAMES_SHOWN - 1]))
    return f"{some} and {len(names) - NAMES_SHOWN + 1:,} more"


ALLOWED = {
    "delete-adopted": "deletes of adopted groups",
    "lossy-delete": "deletes of records that show more than the id",
}


def allowed(allowances: Iterable[str]) -> str:
    """What a plan was knowingly allowed: ``up to 5 deletes, deletes of adopted groups``."""
    words = []
    for each in allowances:
        number = each.removeprefix("deletes=")
        known = number != each and number.isascii() and number.isdigit()
        words.append(f"up to {count(int(number), 'delete')}" if known else ALLOWED.get(each, each))
    return shown(", ".join(words))


def plan_sentence(summary: Summary) -> str:
    """``Plan: 3 to create, 1 to delete, on 3 nodes (12 requests).``; of a plan that has changes."""
    counts = (
        (summary.create, "create"),
        (summary.repair, "repair"),
        (summary.delete, "delete"),
        (summary.adopt, "adopt"),
        (summary.protect, "protect"),
        (summary.unprotect, "unprotect"),
    )
    parts = ", ".join(f"{number:,} to {verb}" for number, verb in counts if number)
    if not summary.requests:
        return f"Plan: {parts} (no requests)."
    return f"Plan: {parts}, on {count(summary.nodes, 'node')} ({count(summary.requests, 'request')})."


def applied_sentence(summary: Summary) -> str:
    """Such as ``Apply complete: 3 groups created, 1 deleted, on 3 nodes.``, of what was done."""
    counts = (
        (summary.create, "created"),
        (summary.repair, "repaired"),
        (summary.delete, "deleted"),
        (summary.adopt, "adopted"),
        (summary.protect, "protected"),
        (summary.unprotect, "no longer protected"),
    )
    parts = [(number, verb) for number, verb in counts if number]
    if not parts:
        return "Apply complete: nothing had to be written."
    first, *others = parts
    text = ", ".join([f"{count(first[0], 'group')} {first[1]}", *(f"{n:,} {verb}" for n, verb in others)])
    where = f", on {count(summary.nodes, 'node')}" if summary.requests else ""
    return f"Apply complete: {text}{where}."


def partial_sentence(scope: PlanScope) -> str:
    """Such as ``Partial plan: only groups matching pay*, without node03: 1 of 3 nodes is left out.``."""
    left = [
        f"{some:,} of {count(of, noun)}"
        for some, of, noun in (
            (scope.groups_left_out, scope.groups_total, "group"),
            (scope.nodes_left_out, scope.nodes_total, "node"),
        )
        if some
    ]
    one = len(left) == 1 and scope.groups_left_out + scope.nodes_left_out == 1
    out = f"{' and '.join(left)} {'is' if one else 'are'} left out" if left else "nothing is left out"
    return f"Partial plan: {_asked(scope)}: {out}."


def _asked(scope: PlanScope) -> str:
    """``only groups matching pay*, without node03``."""
    patterns = scope.patterns
    parts = (
        ("only", "group", patterns.groups),
        ("without", "group", patterns.exclude_groups),
        ("only", "node", patterns.nodes),
        ("without", "node", patterns.exclude_nodes),
    )
    return ", ".join(f"{word} {_matching(noun, those)}" for word, noun, those in parts if those)


def _matching(noun: str, patterns: Sequence[str]) -> str:
    """``groups matching pay*``, ``group payments``, ``node03``: a node's name says what it is."""
    if any(map(has_wildcards, patterns)):
        return f"{noun}s matching {_some(patterns)}"
    if noun == "node":
        return _some(patterns)
    return f"{noun}{'s' if len(patterns) > 1 else ''} {_some(patterns)}"


def unchanged_sentence(origin: str, scope: PlanScope | None = None) -> str:
    """``No changes. Every node matches groups.yaml.``, with the file's own name; of a part, what is true."""
    if scope is not None:
        return f"No changes in the part that was looked at: it matches {shown(origin)}."
    return f"No changes. Every node matches {shown(origin)}."


def valid_sentence(checked: Validated) -> str:
    """Say that a file is valid, and what it holds."""
    amount = f"{count(checked.groups, 'group')} on {count(checked.nodes, 'node')}"
    return f"{shown(checked.file)} is valid: {amount} of cluster {shown(checked.cluster)}."


def undo_sentence(number: int, forgets: int) -> str:
    """What the undo of a transaction amounts to where it sends no request."""
    if not forgets:
        return f"Nothing of TX {number} is left to undo."
    return f"Plan: {count(forgets, 'adopted cell')} to forget (no requests)."


def steps_words(steps: StepCounts) -> str:
    """``2 reversed, 1 never started``; empty where nothing was started."""
    counts = (
        (steps.applied, "applied"),
        (steps.reversed, "reversed"),
        (steps.failed, "not brought back"),
        (steps.unknown, "unknown"),
        (steps.not_applied, "turned down"),
        (steps.not_ours, "not ours"),
        (steps.set_aside, "set aside"),
        (steps.never_started, "never started"),
    )
    if steps.never_started == steps.total:
        return ""
    return ", ".join(f"{number:,} {what}" for number, what in counts if number)


def duration(seconds: float) -> str:
    """``8 s``, ``2 min 05 s``, ``3 h 07 min``."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes >= MINUTES_SHOWN:
        return f"{minutes // 60:,} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
