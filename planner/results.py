"""How the use cases end when they end well; the views show these. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model import Cell, Plan, Presence
    from planner.ports import Holder, Record, Watched


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that was read for a plan, the groups that do not change among it.

    Attributes:
        groups: ids, in the file's order; then those that the file does not name.
        presences: of every cell that was read; by reference, since there may be a million.
    """

    groups: tuple[str, ...]
    presences: Mapping[Cell, Presence]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it was made from."""

    plan: Plan
    survey: Survey


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


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery did.

    Attributes:
        number: the transaction that was finished; None when there was none.
        undone: cells that were brought back, or seen to be as they were.
        not_ours: cells that somebody else had written first, left as they are.
        set_aside: cells that were set aside by hand, left as they are.
    """

    number: int | None = None
    undone: tuple[Cell, ...] = ()
    not_ours: tuple[Cell, ...] = ()
    set_aside: tuple[Cell, ...] = ()


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
