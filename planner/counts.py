"""What became of a plan's steps, in numbers that add up. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.model import StepState

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Every step of a plan, counted once, by how its cell is now.

    Attributes:
        applied: as planned, by the transaction; while that is unfinished, `recover` brings it back.
        reversed: perhaps changed, then brought back, and read back.
        never_started: no request that changes the cell was sent.
        not_applied: the node turned the request down, and nothing was changed.
        not_ours: somebody else was first; left as it is.
        unknown: perhaps changed: the run stopped in the middle of it.
        failed: it could not be brought back.
        set_aside: set aside by hand, and left as it is.
    """

    applied: int = 0
    reversed: int = 0
    never_started: int = 0
    not_applied: int = 0
    not_ours: int = 0
    unknown: int = 0
    failed: int = 0
    set_aside: int = 0

    @property
    def total(self) -> int:
        """The steps of the plan."""
        return sum(getattr(self, name) for name in self.__slots__)

    @classmethod
    def of(cls, steps: Iterable[tuple[StepState, bool]]) -> StepCounts:
        """Count steps, each given by its state and by whether a write of it was sent."""
        names = Counter(
            "never_started" if state in _MARKED and not sent else _COUNTED[state] for state, sent in steps
        )
        return cls(**names)


_COUNTED = {
    StepState.PENDING: "never_started",
    StepState.STARTED: "unknown",
    StepState.DONE: "applied",
    StepState.UNKNOWN: "unknown",
    StepState.NOT_APPLIED: "not_applied",
    StepState.NOT_OURS: "not_ours",
    StepState.UNDOING: "unknown",
    StepState.UNDONE: "reversed",
    StepState.UNDO_FAILED: "failed",
    StepState.SET_ASIDE: "set_aside",
}

_MARKED = frozenset({StepState.STARTED, StepState.NOT_APPLIED})
"""Steps are marked in waves, before their requests: one in such a state may be untouched."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a transaction came to that did not end well.

    Attributes:
        transaction: its number.
        steps: what became of its steps.
        failed_step: number of the step that could not be carried out, if it was one.
    """

    transaction: int
    steps: StepCounts
    failed_step: int | None = None
