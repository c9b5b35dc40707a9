"""What the core asks of the world: nodes, a store, a clock, control of the run, a reporter.

The transaction talks to these only, so the same engine runs over real HTTP and a real database, and over
an in-memory cluster with virtual time.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from planner.events import Event
from planner.grid import ManagedCells
from planner.model import Cell, Managed, Node, Policy, Presence, Step, StepState, TransactionState
from planner.verdict import Answer, Call


class Clock(Protocol):
    """Monotonic seconds for decisions, and wall time for people."""

    def now(self) -> float:
        """Monotonic seconds; only differences mean anything, and only within this process."""

    def wall(self, ago: float = 0.0) -> str:
        """The time `ago` seconds ago: ISO 8601 in UTC, to the second; sorts as text."""


class Nodes(Protocol):
    """The nodes' API. Calls are answered in any order; every submitted call is answered once."""

    def room(self, node: str) -> int:
        """How many more calls to a node may be submitted now; none or fewer: an answer must come first."""

    def submit(self, call: Call) -> None:
        """Begin a call. Each try of it asks for the run's permit first."""

    def wait(self, until: float) -> Answer | None:
        """Return the next answer, or None at `until` (monotonic seconds) or when the run is signalled."""

    def revoke(self) -> None:
        """Allow no further try of any call that was submitted so far; what is in flight is still answered."""


PROOF_LIFE = 5.0
"""Seconds after which a proof of the lock is worth nothing (transaction law 7)."""


class Stop(enum.Enum):
    """Why a run is asked to stop."""

    INTERRUPT = "interrupt"  # stop, reverse, leave
    ABANDON = "abandon"  # a second interrupt: leave at once, `recover` goes on
    EXPIRE = "expire"  # the grace period after an interrupt is over: likewise


class Control(Protocol):
    """Asked by the engine before it goes on, at least once a second."""

    def check(self) -> Stop | None:
        """Return whether the run is asked to stop.

        Raises:
            LockLost: the lock is not provably held any more.
        """


class Reporter(Protocol):
    """Told what happens; never asked."""

    def emit(self, event: Event) -> None:
        """Take note of an event."""


class CellMark(NamedTuple):
    """The journal's word on one step.

    Attributes:
        number: the step.
        state: where it is.
        suspect: whether a request of it may still take effect.
        tried: whether a request of ours may have reached the node.
        unanswered: whether any write to the cell ever went unanswered (watch list).
        note: why, in words.
    """

    number: int
    state: StepState
    suspect: bool = False
    tried: bool = False
    unanswered: bool = False
    note: str = ""


class Wave(NamedTuple):
    """One durable commit of the journal: marks of many steps, and perhaps a move of the transaction.

    `message` is why the transaction is where it is, and replaces the one before. `note` is what somebody did
    to it after its run; it is kept with all others, and the store adds who and when.
    """

    marks: tuple[CellMark, ...]
    state: TransactionState | None = None
    message: str = ""
    note: str = ""


class Note(NamedTuple):
    """What somebody did to a transaction after its own run: for people. `at` is wall time."""

    at: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What the store must hold before the first request that can change a node.

    Attributes:
        command: what the user ran, such as ``apply``.
        nodes: names, URLs, dialects and credential *references* of every node.
        steps: in order.
        policy: of the run; recovery settles at least as long.
        plan_digest: SHA-256 of the plan.
        source: SHA-256 of the file.
        allowances: what was knowingly allowed.
        plan: the plan as JSON text, for history and undo.
    """

    command: str
    nodes: tuple[Node, ...]
    steps: tuple[Step, ...]
    policy: Policy
    plan_digest: str = ""
    source: str = ""
    allowances: tuple[str, ...] = ()
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A transaction as the store holds it. Times are for people only."""

    number: int
    cluster: str
    state: TransactionState
    intent: Intent
    marks: tuple[CellMark, ...]
    message: str = ""
    started: str = ""
    finished: str = ""
    holder: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """What becomes durable, in one commit, when a transaction is applied.

    Attributes:
        managed: cells that are managed from now on.
        forgotten: (group, canonical URL) of cells that are no longer managed.
        nodes: the nodes that the store knows from now on; a node that left is forgotten.
        left: (group, canonical URL) of cells that the plan decided on without a request, as they were seen at
            the end. Like a cell that was written, one of them that is watched should be so from now on, and
            one that was set aside is verified.
        protected: groups that are remembered as protected from now on.
        unprotected: groups that are so no longer; of those in both, they are protected.
        source: SHA-256 of the file that was applied; empty for what no file asks for, such as an undo.
        whole: whether the cluster is equal to that file from now on, and not only a part of it.
    """

    managed: tuple[Managed, ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()
    nodes: tuple[Node, ...] = ()
    left: tuple[tuple[str, str, Presence], ...] = ()
    protected: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    source: str = ""
    whole: bool = True


class Watched(NamedTuple):
    """A cell with an unanswered write, watched for a late effect. `outcome` is what its transaction left.

    `since` is wall time, as `Clock.wall` writes it. `aside` tells that it was set aside by hand.
    """

    group: str
    url: str
    transaction: int
    outcome: Presence
    since: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the store knows of a cluster.

    Attributes:
        store: the store's id.
        serial: version of the managed cells and of the file last applied; grows with every applied
            transaction, and with every file that is applied without one.
        managed: by (group, canonical URL).
        nodes: (name, canonical URL) as last applied.
        source: SHA-256 of the file last applied; empty when none was, or when what was applied last is no
            whole file (an undo, or a part).
        unfinished: number of the unfinished transaction, if there is one.
        watched: cells with an unanswered write, and cells set aside by hand.
        protected: groups that the file protected when it was last applied.
        others: what is managed under other clusters' names, see `Store.managed_besides`; read only for a file
            that prunes.
    """

    store: str
    serial: int = 0
    managed: ManagedCells = field(default_factory=ManagedCells)
    nodes: tuple[tuple[str, str], ...] = ()
    source: str = ""
    unfinished: int | None = None
    watched: tuple[Watched, ...] = ()
    protected: frozenset[str] = frozenset()
    others: Mapping[tuple[str, str], str] = field(default_factory=dict)


class Holder(NamedTuple):
    """Who holds a lock: for people. `since` is wall time."""

    who: str
    command: str
    since: str


class Lease(Protocol):
    """The right to write to one cluster. Every commit is conditional on its epoch (a fencing token)."""

    @property
    def epoch(self) -> int:
        """Grows with every grant of this cluster's lock."""

    def prove(self) -> None:
        """Prove that the lock is still held.

        Raises:
            LockLost: it is not, or that cannot be told.
        """

    def begin(self, intent: Intent) -> int:
        """Hold the intent durably, as a new open transaction, and return its number."""

    def commit(self, transaction: int, wave: Wave) -> None:
        """Hold a wave durably.

        Raises:
            StoreFailed: it is not durable; the lock may still be held.
            LockLost: the epoch has moved on.
        """

    def close(self, transaction: int, wave: Wave, closing: Closing) -> None:
        """Like `commit`, for the wave that ends the transaction as applied.

        It has seen every cell that it wrote or decided on: those are set aside no longer.
        """

    def apply_file(self, source: str) -> None:
        """Hold durably that the cluster is equal to this file, where nothing had to be written for it."""

    def clear_set_aside(self, cells: Iterable[tuple[str, str]]) -> None:
        """Take verified cells, (group, canonical URL), off the list of those set aside by hand."""

    def unwatch(self, before: str) -> None:
        """Take cells off the watch list that are on it since before `before` (wall time)."""


class Unfinished(NamedTuple):
    """An unfinished transaction, and the canonical URLs of the nodes that it was made for."""

    cluster: str
    number: int
    urls: frozenset[str]


class Store(Protocol):
    """What outlives a run: managed cells, transactions, the lock. Everything belongs to a cluster's name."""

    def knowledge(self, cluster: str) -> Knowledge:
        """What is known of the cluster; an unknown cluster is empty."""

    def unfinished(self, cluster: str) -> int | None:
        """The number of the cluster's unfinished transaction, as `knowledge` has it, without all the rest."""

    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters that the store knows."""

    def record(self, cluster: str, number: int) -> Record | None:
        """One transaction with its marks."""

    def history(self, cluster: str, limit: int = 50) -> tuple[Record, ...]:
        """The last transactions, newest first, without their marks."""

    def tally(self, cluster: str) -> Mapping[TransactionState, int]:
        """How many transactions there are in each state; none of a state that has none."""

    def applied(self, cluster: str, plan_digest: str) -> int | None:
        """The number of the applied transaction that carried out this plan."""

    def superseded(self, cluster: str, source: str) -> bool:
        """Whether this file (SHA-256) was applied, whole or in part, and another one, or an undo, since."""

    def set_aside(self, cluster: str) -> tuple[tuple[int, Cell], ...]:
        """Cells that were set aside by hand and not verified since, with their transactions."""

    def managed_besides(self, cluster: str) -> Mapping[tuple[str, str], str]:
        """What is managed under other clusters' names: these, by (group, canonical URL)."""

    def unfinished_besides(self, cluster: str) -> tuple[Unfinished, ...]:
        """The unfinished transactions of all other clusters."""

    def watched(self, cluster: str) -> tuple[Watched, ...]:
        """The watch list."""

    def holder(self, cluster: str) -> Holder | None:
        """Who holds the cluster's lock now; None when nobody does."""

    def lock(self, cluster: str, command: str, timeout: float) -> AbstractContextManager[Lease]:
        """Take the cluster's lock, waiting at most `timeout` seconds.

        Raises:
            Locked: another run holds it.
            StoreFailed: the store cannot be written.
        """
