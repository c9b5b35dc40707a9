"""A notification about a run that somebody should know of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.telemetry.summary import Json, document_of
from planner.words import count, plain

if TYPE_CHECKING:
    from planner.telemetry.summary import Complaint, RunSummary

FORMAT = "planner.notification"
VERSION = 1
KINDS = ("drift", "repair", "applied", "recovered", "reversed", "incomplete", "refused", "failed")
"""What a notification can be about."""
_LONGEST = 1000
"""Characters of the line for people."""

_PLAINLY = str.maketrans({"<": "\u2039", ">": "\u203a", "@": "\uff20", "[": "\uff3b"})
"""What chats read as a mention of everybody, or as a link that says something else: ``<!channel>``,
``<url|text>``, ``@all``, ``[text](url)``. Signs that look alike stand for these."""

_BY_OUTCOME = {
    "changes pending": "drift",
    "reversed": "reversed",
    "incomplete": "incomplete",
    "lock lost": "incomplete",
    "refused": "refused",
    "stale": "refused",
    "failed": "failed",
    "wrong usage": "failed",
}


def notification_of(summary: RunSummary) -> Json | None:
    """What to post; None where there is nothing to tell: no change, or another run is at work."""
    kind = kind_of(summary)
    if kind is None:
        return None
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "text": _text(kind, summary),
        "summary": document_of(summary),
    }


def kind_of(summary: RunSummary) -> str | None:
    """One of `KINDS`, or None."""
    if summary.outcome == "applied" and summary.steps is not None and summary.steps.total:
        return "repair" if summary.command == "reconcile" else "applied"
    if summary.outcome in ("applied", "already applied", "no changes"):
        return None if summary.recovered is None else "recovered"
    return _BY_OUTCOME.get(summary.outcome)


def _text(kind: str, summary: RunSummary) -> str:
    """One line for people; many receivers show only a field of this name, in a mark-up of their own.

    An error may repeat words of a node: none of them may call anybody, or be a link. The summary has them as
    they are.
    """
    name = summary.cluster or "a cluster that could not be told"
    if summary.error is not None:
        said = _of_error(kind, summary.error)
        if summary.recovered is not None:
            said += f"; before that, transaction {summary.recovered} of a dead run was reversed"
    elif kind == "recovered":
        said = f"transaction {summary.recovered}, which a dead run had left, is reversed"
    elif kind == "drift":
        found = summary.drift.found if summary.drift else 0
        said = (
            f"{count(found, 'cell')} differ from the file" if found != 1 else "1 cell differs from the file"
        )
    else:
        done = summary.steps.applied if summary.steps else 0
        verb = "repaired" if kind == "repair" else "changed"
        said = f"{count(done, 'cell')} {verb} (transaction {summary.transaction})"
    return plain(f"planner {summary.command} of {name}: {said}", _LONGEST).translate(_PLAINLY)


def _of_error(kind: str, error: Complaint) -> str:
    """What failed, and the one thing that helps to see why: a cause, the first detail, or the place."""
    more = error.why if kind == "drift" else next(iter(error.details), error.where)
    return f"{error.what}: {more}" if more and more not in error.what else error.what
