"""How the use cases end when they end well; the views show these. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model import Cell, Plan, Presence
    from planner.ports import Holder, Record, Unfinished, Watched


class Aside(NamedTuple):
    """A cell that was set aside by hand, and not verified since.

    Attributes:
        transaction: that it belongs to.
        cell: under the name that its node had.
        url: the node's canonical URL.
        before: as it should be: what it was before that transaction.
        since: when it was set aside; wall time.
    """

    transaction: int
    cell: Cell
    url: str
    before: Presence
    since: str


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
        given_up: cells that had been set aside, and are not looked for any more.
    """

    number: int | None = None
    undone: tuple[Cell, ...] = ()
    not_ours: tuple[Cell, ...] = ()
    set_aside: tuple[Cell, ...] = ()
    given_up: tuple[Aside, ...] = ()


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
        set_aside: cells set aside by hand.
        watched: cells with an unanswered write that are still looked at, and neither set aside nor open.
        watch: seconds that a cell is watched.
        names: the nodes' names by canonical URL, as far as they are known.
        elsewhere: unfinished transactions of other clusters on nodes of this one.
        last: the last transaction, without its marks.
        last_applied: the last one that was applied, without its marks.
        next: what the user should do now; empty when nothing has to be done.
    """

    cluster: str
    store: str
    managed: int = 0
    holder: Holder | None = None
    unfinished: Record | None = None
    running: bool = False
    set_aside: tuple[Aside, ...] = ()
    watched: tuple[Watched, ...] = ()
    watch: float = 0.0
    names: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[Unfinished, ...] = ()
    last: Record | None = None
    last_applied: Record | None = None
    next: str = ""

    @property
    def needs_recover(self) -> bool:
        """Whether somebody has to run `planner recover`."""
        return self.unfinished is not None and not self.running
