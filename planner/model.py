"""The words of the product, as frozen types. No I/O, no clock, no randomness.

A *cell* is one group on one node. A *plan* is an ordered list of steps, one per cell to change.
A *transaction* carries a plan out: every cell ends as planned, or every cell ends as it was.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from planner.access import NO_TLS, Credential, Tls

if TYPE_CHECKING:
    from planner.scope import PlanScope


class Presence(enum.StrEnum):
    """What was seen of a cell. 'Not read' is no member: an unread cell has no presence."""

    PRESENT = "present"
    ABSENT = "absent"

    @property
    def other(self) -> Presence:
        """The opposite presence."""
        return Presence.ABSENT if self is Presence.PRESENT else Presence.PRESENT


class Cell(NamedTuple):
    """One group on one node, both by name."""

    group: str
    node: str

    def __str__(self) -> str:
        return f"{self.group} on {self.node}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one node deviates from the contract of the node API; the defaults are the contract.

    Attributes:
        path: path of the collection, with a leading slash.
        trailing_slash: whether paths end with a slash.
        id_field: name of the id in bodies.
        delete_style: ``body``, ``path`` or ``query``.
        created: statuses of a successful create.
        deleted: statuses of a successful delete.
        exists: statuses that a create of an existing group may answer.
        missing: further statuses that mean 'not found', besides 404: 410 to a read, any of them to a delete.
        list_path: path that lists all ids, or None where the API cannot list.
        list_field: where the ids are in the list's answer; empty: the answer itself is the list.
        confirm_absent: how many 'not found' in a row close a cell as absent.
        headers: further request headers.
    """

    path: str = "/v1/group/"
    trailing_slash: bool = True
    id_field: str = "groupId"
    delete_style: str = "body"
    created: tuple[int, ...] = (201,)
    deleted: tuple[int, ...] = (200,)
    exists: tuple[int, ...] = (400, 409)
    missing: tuple[int, ...] = (404,)
    list_path: str | None = None
    list_field: str = ""
    confirm_absent: int = 2
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster. Its identity is `url`, the canonical base URL; the name is for people."""

    name: str
    url: str
    labels: tuple[tuple[str, str], ...] = ()
    dialect: Dialect = field(default_factory=Dialect)
    credential: Credential | None = None
    tls: Tls = NO_TLS

    @property
    def speech(self) -> tuple[Dialect, Credential | None, Tls]:
        """How it is spoken to: what is neither its identity nor for people."""
        return self.dialect, self.credential, self.tls


@dataclass(frozen=True, slots=True)
class Group:
    """One declared group. `nodes` are the names that its selector chose, in the file's order."""

    id: str
    nodes: tuple[str, ...]
    state: Presence = Presence.PRESENT
    protect: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Safety limits of a plan. Counts are groups; None means no limit.

    Attributes:
        max_deletes: the most groups that may lose a cell.
        max_delete_percent: the same as a share of `Plan.base`; one is always allowed.
        max_creates: the most groups that may gain a cell.
    """

    max_deletes: int | None = 20
    max_delete_percent: int | None = 30
    max_creates: int | None = None

    def stricter(self, other: Limits) -> Limits:
        """The limits that honour both."""
        return Limits(
            _stricter(self.max_deletes, other.max_deletes),
            _stricter(self.max_delete_percent, other.max_delete_percent),
            _stricter(self.max_creates, other.max_creates),
        )


def _stricter(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the file asks for.

    Attributes:
        cluster: the cluster's name.
        nodes: in the file's order.
        groups: in the file's order.
        limits: of every plan made from this file.
        prune: whether groups that nobody declared or manages are deleted too (where the API can list).
        store: the store that this cluster is pinned to; empty when it is not pinned.
        digest: SHA-256 of the text, in hex; of nodes from the environment, too.
        origin: what the user called the file.
    """

    cluster: str
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    limits: Limits = field(default_factory=Limits)
    prune: bool = False
    store: str = ""
    digest: str = ""
    origin: str = "groups.yaml"


class Managed(NamedTuple):
    """A cell that an earlier apply created or adopted; `order` grows with the order of creation."""

    group: str
    url: str
    adopted: bool = False
    order: int = 0


class Action(enum.StrEnum):
    """What a step does to its cell."""

    CREATE = "create"
    DELETE = "delete"

    @property
    def after(self) -> Presence:
        """The presence that the step leads to; its before-image is the opposite."""
        return _AFTER[self]


# Tables, since a member is looked up slowly by its class's name (Python 3.11), and every read asks for these.
_AFTER = {Action.CREATE: Presence.PRESENT, Action.DELETE: Presence.ABSENT}
_BEFORE = {action: presence.other for action, presence in _AFTER.items()}


class Step(NamedTuple):
    """One change of one cell. Numbers start at 1 and give the order of the plan."""

    number: int
    action: Action
    cell: Cell
    reason: str = ""

    @property
    def before(self) -> Presence:
        """The before-image: the presence that a reverse goes back to."""
        return _BEFORE[self.action]

    @property
    def after(self) -> Presence:
        """The presence that the step leads to."""
        return _AFTER[self.action]

    def __str__(self) -> str:
        return f"step {self.number} ({self.action} {self.cell})"


class Seen(NamedTuple):
    """A cell that a plan does not write, and how it was seen."""

    cell: Cell
    presence: Presence


@dataclass(frozen=True, slots=True)
class Refusal:
    """A guard that stands against a plan.

    Attributes:
        guard: ``max_deletes``, ``max_delete_percent``, ``max_creates``, ``protect`` or ``lossy``.
        why: one sentence with the numbers, without the names.
        cure: what to do, for the command that shows it.
        groups: every group that it is about.
        count: how many groups that are; 0 in plan files that did not say it yet.
        of: of how many (`Plan.base`); None where no share is meant.
        limit: the number or percentage that is exceeded; None where there is none.
    """

    guard: str
    why: str
    cure: str
    groups: tuple[str, ...] = ()
    count: int = 0
    of: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an apply needs, and nothing that can change afterwards.

    Attributes:
        cluster: the cluster's name.
        store: id of the store that remembers what is managed.
        serial: version of the managed cells that the plan was made from.
        nodes: the nodes that the plan was made for, with URL and dialect.
        steps: creates in file order, then deletes in reverse order of declaration.
        adopts: declared cells that exist already and become managed; no request.
        forgets: managed cells that are gone and no longer wanted; no request.
        kept: adopted cells that are no longer declared, and stay (`--allow-delete-adopted` deletes them).
        bystanders: every other cell of every group that the plan touches, as seen.
        protects: groups that the file protects and the store does not remember as protected yet; no request.
        unprotects: groups that the store remembers as protected and that are so no longer; no request.
        base: number of groups that should exist, are managed, or are deleted: what a share of deletes is a
            share of.
        limits: the safety limits that the plan was judged by.
        refusals: the guards that stand against it; apply refuses while there are any.
        warnings: sentences for the user.
        source: SHA-256 of the file that the plan was made from.
        allowances: what was knowingly allowed for this plan, such as ``deletes=5``.
        created: when, ISO 8601 in UTC; for people only.
        scope: the part that it is about; None for the whole cluster.
        unmanaged: cells that exist, and that nobody declared and nobody manages, by group; only of nodes that
            can list. For people only: no apply needs them, and neither the plan file nor `==` knows them.
    """

    cluster: str
    store: str
    serial: int
    nodes: tuple[Node, ...]
    steps: tuple[Step, ...] = ()
    adopts: tuple[Cell, ...] = ()
    forgets: tuple[Cell, ...] = ()
    kept: tuple[Cell, ...] = ()
    bystanders: tuple[Seen, ...] = ()
    protects: tuple[str, ...] = ()
    unprotects: tuple[str, ...] = ()
    base: int = 0
    limits: Limits = field(default_factory=Limits)
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    source: str = ""
    allowances: tuple[str, ...] = ()
    created: str = ""
    scope: PlanScope | None = None
    unmanaged: tuple[Cell, ...] = field(default=(), compare=False)

    @property
    def has_changes(self) -> bool:
        """Whether `--detailed-exitcode` says that changes are pending: steps, adoptions, protection.

        A cell to forget is bookkeeping, and weakens nothing while it waits. Protection guards a group whose
        entry leaves the file only once an apply has recorded it: a pipeline that applies on exit 2 alone must
        not leave that guard unarmed behind an exit 0.
        """
        return bool(self.steps or self.adopts or self.protects or self.unprotects)

    @property
    def is_empty(self) -> bool:
        """Whether an apply has nothing to write, neither to a node nor to the store."""
        return not (self.has_changes or self.forgets)

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)


class StepState(enum.StrEnum):
    """Where a step is. The legal moves are in `STEP_MOVES`."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    UNKNOWN = "unknown"
    NOT_APPLIED = "not-applied"
    NOT_OURS = "not-ours"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"
    SET_ASIDE = "set-aside"


_S = StepState
STEP_MOVES: frozenset[tuple[StepState, StepState]] = frozenset(
    (a, b)
    for a, targets in {
        _S.PENDING: (_S.STARTED, _S.NOT_OURS),
        _S.STARTED: (_S.DONE, _S.UNKNOWN, _S.NOT_APPLIED, _S.NOT_OURS, _S.UNDOING),
        _S.UNKNOWN: (_S.DONE, _S.NOT_APPLIED, _S.UNDOING),
        _S.DONE: (_S.UNKNOWN, _S.UNDOING),
        _S.NOT_APPLIED: (_S.NOT_OURS,),  # a reverse looks at what had turned our write down
        _S.UNDOING: (_S.UNDONE, _S.UNDO_FAILED),
        _S.UNDO_FAILED: (_S.UNDOING, _S.SET_ASIDE),
    }.items()
    for b in targets
)


class TransactionState(enum.StrEnum):
    """Where a transaction is. The legal moves are in `TRANSACTION_MOVES`."""

    OPEN = "open"
    APPLIED = "applied"
    REVERSING = "reversing"
    REVERSED = "reversed"
    REVERSE_INCOMPLETE = "reverse-incomplete"
    CLOSED_WITH_EXCEPTIONS = "closed-with-exceptions"


_T = TransactionState
TRANSACTION_MOVES: frozenset[tuple[TransactionState, TransactionState]] = frozenset(
    {
        (_T.OPEN, _T.APPLIED),
        (_T.OPEN, _T.REVERSING),
        (_T.OPEN, _T.REVERSE_INCOMPLETE),
        (_T.REVERSING, _T.REVERSED),
        (_T.REVERSING, _T.REVERSE_INCOMPLETE),
        (_T.REVERSE_INCOMPLETE, _T.REVERSING),
        (_T.REVERSE_INCOMPLETE, _T.CLOSED_WITH_EXCEPTIONS),
    }
)
UNFINISHED = frozenset({_T.OPEN, _T.REVERSING, _T.REVERSE_INCOMPLETE})


class IllegalMove(AssertionError):
    """A state was left in a way that the tables do not know: a bug, and the run must not go on."""


def check_step_move(old: StepState, new: StepState) -> None:
    """Raise `IllegalMove` unless a step may go from `old` to `new`."""
    if (old, new) not in STEP_MOVES:
        raise IllegalMove(f"a step cannot go from {old} to {new}")


def check_transaction_move(old: TransactionState, new: TransactionState) -> None:
    """Raise `IllegalMove` unless a transaction may go from `old` to `new`."""
    if (old, new) not in TRANSACTION_MOVES:
        raise IllegalMove(f"a transaction cannot go from {old} to {new}")


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a run is. Durations are seconds.

    Attributes:
        parallelism: requests in flight.
        tries: tries of one step or one read, the first included.
        settle: how long after an unanswered request its late effect is still looked for.
        recheck_after: age of a read beyond which a cell is read again just before its write.
        reverse_timeout: how long a reverse keeps trying a cell, settling not counted.
        backoff: the first pause between tries; it doubles.
        backoff_max: the longest pause between tries.
        watch: how long a cell with an unanswered write is watched.
        linger: how long after the death of a run its workers may still send what it had handed to them.
    """

    parallelism: int = 16
    tries: int = 5
    settle: float = 20.0
    recheck_after: float = 30.0
    reverse_timeout: float = 300.0
    backoff: float = 0.2
    backoff_max: float = 10.0
    watch: float = 604_800.0
    linger: float = 0.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th failure (from 1): exponential, capped."""
        return float(min(self.backoff * 2 ** min(attempt - 1, 30), self.backoff_max))
