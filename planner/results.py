"""How the use cases end when they end well; the views show these. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.model import StepState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model import Cell, Plan
    from planner.ports import Holder, Record, Watched


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Every step of a plan, counted once, by how its cell is now.

    Attributes:
        applied: as planned, by the transaction; while that is unfinished, `recover` brings it back.
        reversed: perhaps changed, then brought back, and read back.
        never_started: no request of it was sent.
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
        """Count steps, each given by its state and by whether a request of it may have reached its node."""
        names = Counter(
            "never_started" if state is StepState.NOT_APPLIED and not tried else _COUNTED[state]
            for state, tried in steps
        )
        return cls(**names)


_COUNTED = {
    StepState.PENDING: "never_started",
    StepState.STARTED: "unknown",  # marked: a request may be on its way
    StepState.DONE: "applied",
    StepState.UNKNOWN: "unknown",
    StepState.NOT_APPLIED: "not_applied",
    StepState.NOT_OURS: "not_ours",
    StepState.UNDOING: "unknown",
    StepState.UNDONE: "reversed",
    StepState.UNDO_FAILED: "failed",
    StepState.SET_ASIDE: "set_aside",
}


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


@dataclass(frozen=True, slots=True)
class Applied:
    """A plan that every node holds now.

    Attributes:
        plan: what was carried out.
        number: of the transaction; None when there was nothing to do.
        not_ours: cells that somebody else brought there first.
        already: the transaction that had carried out this plan before, when nothing was done now.
    """

    plan: Plan
    number: int | None = None
    not_ours: tuple[Cell, ...] = ()
    already: int | None = None

    @property
    def steps(self) -> StepCounts:
        """What became of the plan's steps."""
        others = len(self.not_ours)
        return StepCounts(applied=len(self.plan.steps) - others, not_ours=others)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery did.

    Attributes:
        number: the transaction that was finished; None when there was none.
        undone: cells that were brought back, or seen to be as they were.
        not_ours: cells that somebody else had written first, left as they are.
        set_aside: cells that were set aside by hand, left as they are.
        steps: what became of the transaction's steps; None when there was none.
    """

    number: int | None = None
    undone: tuple[Cell, ...] = ()
    not_ours: tuple[Cell, ...] = ()
    set_aside: tuple[Cell, ...] = ()
    steps: StepCounts | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What the store knows of a cluster now.

    Attributes:
        cluster: its name.
        store: the store's id.
        managed: number of managed cells.
        holder: who holds the lock now.
        unfinished: the transaction that is not finished, with its marks.
        running: whether `unfinished` belongs to the run that holds the lock now.
        set_aside: cells set aside by hand, with their transactions.
        watched: cells with an unanswered write.
        last: the last transaction, without its marks.
        last_applied: the last one that was applied, without its marks.
    """

    cluster: str
    store: str
    managed: int = 0
    holder: Holder | None = None
    unfinished: Record | None = None
    running: bool = False
    set_aside: tuple[tuple[int, Cell], ...] = ()
    watched: tuple[Watched, ...] = ()
    last: Record | None = None
    last_applied: Record | None = None

    @property
    def needs_recover(self) -> bool:
        """Whether somebody has to run `planner recover`."""
        return self.unfinished is not None and not self.running
