"""Where a run is, counted from its events. Pure but for the state that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.words import shown
from planner.words import count

if TYPE_CHECKING:
    from planner.events import Event

_PARTS = {
    "read": frozenset({"progress"}),
    "list": frozenset({"progress"}),
    "copy": frozenset({"progress"}),
    "compare": frozenset({"progress"}),
    "probe": frozenset({"progress"}),
    "create": frozenset({"done", "not-ours", "failed"}),
    "delete": frozenset({"done", "not-ours", "failed"}),
    "read back": frozenset({"verified"}),
    "settle": frozenset({"verified"}),
    "verify": frozenset({"verified"}),
    "reverse": frozenset({"undone", "undo-failed"}),
}
"""The kinds of event that finish a part of a phase."""

_ANY = frozenset().union(*_PARTS.values())

TITLES = {
    "read": "Reading",
    "list": "Listing",
    "copy": "Copying",
    "compare": "Comparing",
    "probe": "Asking",
    "create": "Creating",
    "delete": "Deleting",
    "read back": "Reading back",
    "settle": "Waiting for late effects",
    "verify": "Verifying",
    "reverse": "Reversing",
}

UNITS = {"list": "node", "probe": "request", "copy": "row", "compare": "row"}
"""What the parts of a phase are, where they are no cells."""

LINES_PER_KIND = 20
"""Lines about single cells, per kind and phase; a cluster that times out everywhere must not flood."""


class Tally:
    """Counts of the phase that a run is in.

    Attributes:
        phase: its name, as the engine calls it; empty before the first.
        done: parts that are finished.
        total: parts that it has.
        watched: how many of them are read only since they are on the watch list.
        listed: how many cells need not be read besides, since a list has shown them.
        retries, unknown, failed: what went wrong in this phase.
        unread: parts that could not be read.
    """

    def __init__(self) -> None:
        self.phase = ""
        self.done = self.total = self.watched = self.listed = 0
        self.retries = self.unknown = self.failed = self.unread = 0
        self._lines: dict[str, int] = {}

    @property
    def title(self) -> str:
        """The phase, for people."""
        return TITLES.get(self.phase) or shown(self.phase).capitalize()

    def take(self, event: Event) -> bool:
        """Count an event; return whether it began a new phase."""
        if event.kind == "phase":
            self.phase, self.total = event.text, event.total
            self.watched, self.listed = event.data.get("watched", 0), event.data.get("listed", 0)
            self.done = self.retries = self.unknown = self.failed = self.unread = 0
            self._lines = {}
            return True
        if event.kind == "progress" and event.text:
            self.unread += 1
        elif event.kind in _PARTS.get(self.phase, _ANY):
            self.done += event.data.get("parts", 1)
            self.done = min(self.done, self.total) if self.total else self.done
        self.retries += event.kind == "retried"
        self.unknown += event.kind == "unknown"
        self.failed += event.kind in ("failed", "undo-failed")
        return False

    @property
    def unit(self) -> str:
        """What the phase counts: ``cell``, ``node``."""
        return UNITS.get(self.phase, "cell")

    @property
    def size(self) -> str:
        """``300 cells``, ``72 cells (66 watched; 228 listed)``; for the phase that only waits, what for."""
        parts = count(self.total, self.unit)
        notes = [f"{self.watched:,} watched"] if self.watched else []
        notes += [f"{self.listed:,} listed"] if self.listed else []
        if notes:
            return f"{parts} ({'; '.join(notes)})"
        return f"{parts} with unanswered requests" if self.phase == "settle" else parts

    @property
    def troubles(self) -> str:
        """``3 retries, 1 unknown``; empty when there were none."""
        retries = "1 retry" if self.retries == 1 else f"{self.retries:,} retries"
        parts = [
            (self.retries, retries),
            (self.unknown, f"{self.unknown:,} unknown"),
            (self.failed, f"{self.failed:,} failed"),
            (self.unread, f"{self.unread:,} not read"),
        ]
        return ", ".join(text for number, text in parts if number)

    def remark(self, event: Event) -> str:
        """What is worth a line of its own: failures, unknowns, warnings. Empty for everything else."""
        text = _remark(event)
        if not text or event.kind in ("warning", "note"):
            return text
        said = self._lines[event.kind] = self._lines.get(event.kind, 0) + 1
        if said == LINES_PER_KIND + 1:
            return f"further cells ({event.kind}) are only counted"
        return text if said <= LINES_PER_KIND else ""


def _remark(event: Event) -> str:
    subject = shown(str(event.step) if event.step else event.group)
    why = f": {shown(event.text)}" if event.text else ""
    match event.kind:
        case "failed":
            return f"failed at {subject}{why}"
        case "unknown":
            return f"not known yet, {subject} is read back{why}"
        case "undo-failed":
            return f"could not be reversed: {subject}{why}"
        case "not-ours":
            return f"not ours, somebody else was first: {subject}{why}"
        case "warning" | "note":
            return shown(event.text)
    return ""


SEVERITY = {
    "failed": "red",
    "undo-failed": "bold red",
    "unknown": "yellow",
    "not-ours": "dim",
    "warning": "yellow",
    "note": "dim",
}
URGENT = frozenset({"failed", "undo-failed", "warning"})
"""What is said even when a run is to be quiet."""


def parts(tally: Tally) -> str:
    """``120 of 300 cells``."""
    return f"{tally.done:,} of {count(tally.total, tally.unit)}"
