"""How the use cases end when they end well; the views show these. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from planner.counts import StepCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.errors import PlannerError
    from planner.model import Cell, Node, Plan, Presence
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
class Survey:
    """Everything that was looked at for a plan, the groups that do not change among it.

    Attributes:
        groups: ids, in the file's order; then those that the file does not name.
        presences: of every cell, as it was read or listed; by reference, since there may be a million.
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
        given_up: cells that had been set aside, and are not looked for any more.
    """

    number: int | None = None
    undone: tuple[Cell, ...] = ()
    not_ours: tuple[Cell, ...] = ()
    set_aside: tuple[Cell, ...] = ()
    steps: StepCounts | None = None
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


@dataclass(frozen=True, slots=True)
class Validated:
    """One file that was checked offline.

    Attributes:
        file: what the user called it.
        cluster: its name; empty where the file is not valid.
        groups: how many it declares.
        nodes: how many there are, in the file or in the environment.
        error: why it cannot be used; None where it can.
    """

    file: str
    cluster: str = ""
    groups: int = 0
    nodes: int = 0
    error: PlannerError | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """How one node answered.

    Attributes:
        node: the node.
        latencies: seconds, of each request that was answered as it should be.
        failures: why the others failed, in their order.
        listed: how many groups the node lists; None where it cannot list, or did not.
    """

    node: Node
    latencies: tuple[float, ...] = ()
    failures: tuple[str, ...] = ()
    listed: int | None = None

    @property
    def answered(self) -> bool:
        """Whether at least one request was answered."""
        return bool(self.latencies)

    @property
    def state(self) -> str:
        """``ok``, ``unsteady`` where some requests failed, or ``unreadable``."""
        return ("unsteady" if self.failures else "ok") if self.answered else "unreadable"

    @property
    def median(self) -> float:
        """Seconds; the lower one of two in the middle. Only where the node `answered`."""
        return sorted(self.latencies)[(len(self.latencies) - 1) // 2]


@dataclass(frozen=True, slots=True)
class Probed:
    """How every node answered `tries` requests."""

    cluster: str
    tries: int
    nodes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a cluster holds.

    Attributes:
        cluster: its name.
        nodes: in the file's order.
        groups: every group that exists, sorted, with the names of its nodes in their order.
        absent: groups that were asked for, and exist on no node.
        unnamed: ids that no file can hold.
    """

    cluster: str
    nodes: tuple[Node, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    absent: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()

    @property
    def partial(self) -> tuple[str, ...]:
        """The groups that exist on some nodes only."""
        return tuple(group for group, names in self.groups if len(names) < len(self.nodes))


class CopiedTable(NamedTuple):
    """A table of the store, equal on both sides: its rows, and a digest of all of them in any order."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Copied:
    """A store that was copied to another place, whole, and compared.

    Attributes:
        store: its id, which the copy has too.
        source: where it is, without a password.
        target: where the copy is, likewise.
        moved: whether the source is retired: nothing may be done with it any more.
        already: whether the copy was there from an earlier command, and only compared now.
        clusters: names, sorted.
        transactions: how many.
        unfinished: (cluster, number) of every unfinished transaction.
        tables: every table.
    """

    store: str
    source: str
    target: str
    moved: bool
    already: bool
    clusters: tuple[str, ...]
    transactions: int
    unfinished: tuple[tuple[str, int], ...]
    tables: tuple[CopiedTable, ...]
