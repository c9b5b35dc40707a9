"""What a run tells its reporter while it is at work. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from planner.model import Step


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        kind: one of `EVENT_KINDS`.
        text: a sentence for people; empty where the kind says all.
        step: the step that it is about.
        node: the node's name, also where there is no step.
        group: the group's id, likewise.
        total: how many parts the phase has.
        data: what only single kinds have.
    """

    kind: str
    text: str = ""
    step: Step | None = None
    node: str = ""
    group: str = ""
    total: int = 0
    data: dict[str, Any] = {}  # noqa: RUF012  (a NamedTuple default; never mutated)


EVENT_KINDS = (
    "begun",  # the transaction is durably in the store; data: its number; total: how many steps it has
    "phase",  # text: what begins; total: how many parts it has; data: `watched`, if any of them are
    "progress",  # a part was read; text: why it could not be; data: `parts`, if it was more than one
    "started",  # a step's first request is about to be sent
    "retried",  # a request had to be tried again
    "unknown",  # a step's outcome is not known yet; it is read back
    "done",  # a step's change was answered or read back
    "not-ours",  # a step was met by somebody else
    "failed",  # a step cannot be carried out; the reverse follows
    "undone",  # a step was reversed and read back
    "undo-failed",  # a step could not be reversed
    "verified",  # a cell was read back at the end
    "warning",  # text
    "note",  # text: what a long run is doing, and why
)
