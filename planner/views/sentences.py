"""Whole sentences that several formats say alike: what a plan, an apply or a file amounts to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.scope import has_wildcards
from planner.views.words import shown, some_of
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.counts import StepCounts
    from planner.results import Validated
    from planner.scope import PlanScope
    from planner.views.summary import Summary

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
        return f"{noun}s matching {some_of(patterns)}"
    if noun == "node":
        return some_of(patterns)
    return f"{noun}{'s' if len(patterns) > 1 else ''} {some_of(patterns)}"


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
