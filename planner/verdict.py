"""What the answers of an unreliable node mean. Pure: a ledger of tries in, a verdict out.

A verdict is taken over *all* tries of a request, never over the last one: a POST whose first try was
read by the node and timed out, and whose second try was refused, ends as 'connection refused' for the
HTTP library, and may have created the group all the same.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from planner import hints
from planner.model import Action, Presence
from planner.words import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Dialect

TOO_MANY_REQUESTS = 429
BY_A_GATEWAY = frozenset({502, 504})
"""A gateway gave up on the node, which may still carry the request out (RFC 9110, 15.6.3 and 15.6.5)."""
SERVER_ERRORS = 500
OK, NOT_MODIFIED = 200, 304
NOT_FOUND, GONE = 404, 410
READ_MISSING = frozenset({NOT_FOUND, GONE})
"""A read is 'absent' by 404 always, and by 410 where `Dialect.missing` has it. Other statuses there, such as
400, are about deletes: to a read they are a broken request, and no absence."""

DELETE_MISSING = frozenset({NOT_FOUND, 400})
"""A delete of a missing group is unspecified: these, and all of `Dialect.missing`."""


class TryEnd(enum.Enum):
    """How one try of a request ended."""

    NOT_SENT = "not sent"  # refused, DNS, connect time-out: the node surely never saw it
    UNANSWERED = "unanswered"  # the node may have read it, and gave no answer
    ANSWERED = "answered"  # a status line was read
    STOPPED = "stopped"  # the permit was gone before the try; nothing was sent


class Try(NamedTuple):
    """One try of a request: how it ended, when (seconds, monotonic), with which status, in which words.

    `hint` names a setting that may help, where only the client can know (see `planner.hints`).
    """

    end: TryEnd
    at: float
    status: int = 0
    detail: str = ""
    hint: str = ""

    @property
    def reached(self) -> bool:
        """Whether the node may have seen it."""
        return self.end in (TryEnd.UNANSWERED, TryEnd.ANSWERED)

    @property
    def suspicious(self) -> bool:
        """Whether it may have taken, or may still take, an effect that no answer tells of."""
        return self.end is TryEnd.UNANSWERED or (
            self.end is TryEnd.ANSWERED and _may_be_an_error(self.status)
        )

    @property
    def unanswered(self) -> bool:
        """Whether the node may have seen it, and said nothing itself: what the watch list is for."""
        return self.end is TryEnd.UNANSWERED or (self.end is TryEnd.ANSWERED and self.status in BY_A_GATEWAY)

    def __str__(self) -> str:
        return self.detail or (str(self.status) if self.status else self.end.value)


def _may_be_an_error(status: int) -> bool:
    """Whether a node may answer so before, after or instead of an effect."""
    return status >= SERVER_ERRORS or status == TOO_MANY_REQUESTS


class Method(enum.StrEnum):
    """What a request does, whatever its HTTP form on that node."""

    READ = "read"
    LIST = "list"  # all ids of a node; about no group
    CREATE = "create"
    DELETE = "delete"

    @property
    def is_write(self) -> bool:
        """Whether the request can change the node."""
        return self not in _READING

    @classmethod
    def towards(cls, presence: Presence) -> Method:
        """The write that leads to `presence`."""
        return cls.CREATE if presence is Presence.PRESENT else cls.DELETE


_READING = frozenset({Method.READ, Method.LIST})


class Call(NamedTuple):
    """One request to one node, to be tried at most `tries` times. `id` is unique within a run."""

    id: int
    method: Method
    group: str
    node: str
    tries: int


class Body(NamedTuple):
    """What the answer to a read, or to a list, said.

    Attributes:
        group: the id in it.
        extra: whether it shows more than the id; a delete and a create would lose that.
        fault: why it cannot be used (not JSON, too large, too slow, a redirect …); empty when it can.
        groups: the ids in the answer to a list, in its order.
    """

    group: str = ""
    extra: bool = False
    fault: str = ""
    groups: tuple[str, ...] = ()


NO_BODY = Body()


class Answer(NamedTuple):
    """The end of a call: every try of it, in order, and the body of a read's answer."""

    call: Call
    tries: tuple[Try, ...]
    body: Body | None = None


class Reading(NamedTuple):
    """What a read says of a cell. `presence` is None when it cannot be told: never 'absent'."""

    presence: Presence | None
    why: str = ""
    extra: bool = False


class Listing(NamedTuple):
    """What a list says of a node. `groups` is None when it cannot be told: never 'none'."""

    groups: tuple[str, ...] | None
    why: str = ""


SEEN_ABSENT = Reading(Presence.ABSENT)
SEEN_PRESENT = Reading(Presence.PRESENT)


class Effect(enum.Enum):
    """What a write did, as far as its answers tell."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"  # every try surely not sent
    UNKNOWN = "unknown"  # to be read back
    CONFLICT = "conflict"  # 'exists' to a create, 'missing' to a delete: to be read back
    AMBIGUOUS = "ambiguous"  # the same by a status that may be an error after its effect as well: likewise
    REFUSED = "refused"  # the node understood, and does not want to


class Verdict(NamedTuple):
    """The judgement of a write.

    Attributes:
        effect: what the write did.
        suspect_since: when the last suspicious try ended; None when no try is suspicious.
        first: whether no earlier try of ours may have reached the node. A conflict that comes `first`
            is somebody else's doing; of what is ambiguous it cannot be told.
        tries: how many tries were sent or attempted.
        why: the last try in words.
        hint: which setting may help if the write is not carried out in the end.
        if_met: what to note of the step if it is seen to be met all the same.
        not_understood: whether the node does not understand such a request: no patience makes it.
    """

    effect: Effect
    suspect_since: float | None
    first: bool
    tries: int
    why: str
    hint: str = ""
    if_met: str = ""
    not_understood: bool = False

    @property
    def failure(self) -> str:
        """Why the write was not carried out, and what may help."""
        return hints.joined(self.why, self.hint)


def judge_read(answer: Answer, dialect: Dialect) -> Reading:
    """Say what a read tells of its cell."""
    last = answer.tries[-1] if answer.tries else Try(TryEnd.STOPPED, 0.0)
    if last.end is not TryEnd.ANSWERED:
        return Reading(None, _words(answer.tries))
    body = answer.body or NO_BODY
    if body.fault:
        return Reading(None, hints.joined(body.fault, last.hint))
    if last.status == NOT_FOUND or (last.status == GONE and GONE in dialect.missing):
        return SEEN_ABSENT
    if last.status == OK or (last.status == NOT_MODIFIED and answer.body is not None):
        if body.group != answer.call.group:
            return Reading(None, f"the answer is about another group: {quoted(body.group)}")
        return SEEN_PRESENT._replace(extra=True) if body.extra else SEEN_PRESENT
    return Reading(None, hints.joined(_words(answer.tries), last.hint or hints.after_read(last.status)))


def judge_list(answer: Answer) -> Listing:
    """Say which groups a node lists. An id that is not listed is not seen to be absent."""
    last = answer.tries[-1] if answer.tries else Try(TryEnd.STOPPED, 0.0)
    body = answer.body or NO_BODY
    if last.end is TryEnd.ANSWERED and body.fault:
        return Listing(None, hints.joined(body.fault, last.hint))
    if last.end is TryEnd.ANSWERED and last.status in (OK, NOT_MODIFIED) and answer.body is not None:
        return Listing(body.groups)
    return Listing(None, hints.joined(_words(answer.tries), last.hint or hints.after_list(last.status)))


def judge_write(answer: Answer, dialect: Dialect, *, tried_before: bool = False) -> Verdict:
    """Say what a write did.

    Args:
        answer: the end of the call, with all its tries.
        dialect: of the node that answered.
        tried_before: whether an earlier call of ours for this cell may have reached the node.
    """
    tries = answer.tries
    reached = sum(t.reached for t in tries)
    suspicious = [t.at for t in tries if t.suspicious]
    since = max(suspicious) if suspicious else None
    sent = sum(t.end is not TryEnd.STOPPED for t in tries)
    first = reached <= 1 and not tried_before

    def verdict(effect: Effect, hint: str = "", if_met: str = "") -> Verdict:
        deaf = effect in (Effect.REFUSED, Effect.UNKNOWN) and _not_understood(tries)
        return Verdict(effect, since, first, sent, _words(tries), hint, if_met, deaf)

    if not reached:
        return verdict(Effect.NOT_APPLIED)
    last = tries[-1]
    if last.end is not TryEnd.ANSWERED:
        return verdict(Effect.UNKNOWN)
    create = answer.call.method is Method.CREATE
    if last.status in (dialect.created if create else dialect.deleted):
        return verdict(Effect.APPLIED)
    if last.status in met_already(answer.call.method, dialect):
        hint = hints.after_exists(last.status) if create else hints.after_missing(last.status)
        return verdict(Effect.AMBIGUOUS if last.suspicious else Effect.CONFLICT, hint, "origin uncertain")
    hint = hints.after_create(last.status, first=first) if create else hints.after_delete(last.status)
    if last.suspicious:
        steady = create and len({t.status for t in tries}) == 1 < reached
        return verdict(
            Effect.UNKNOWN, hint, hints.joined(_words(tries), hints.OTHER_EXISTS) if steady else ""
        )
    if last.status < 400:  # noqa: PLR2004  (nothing below 400 is a refusal)
        # A success that the contract does not know, or a redirect: it may well have taken effect.
        since = last.at
    return verdict(Effect.REFUSED, last.hint or hint)


def _not_understood(tries: Sequence[Try]) -> bool:
    """Whether every try that may have reached the node was answered so."""
    return all(t.status in hints.NOT_UNDERSTOOD for t in tries if t.reached)


def met_already(method: Method, dialect: Dialect) -> frozenset[int]:
    """The statuses by which a node says that a request is met already: 'exists', 'missing'. A read has none.

    They are for the engine, which reads the cell back. To send the request again first would only make it
    harder to tell whose doing it was.
    """
    if method is Method.CREATE:
        return frozenset(dialect.exists)
    if method is Method.DELETE:
        return DELETE_MISSING.union(dialect.missing)
    return frozenset()


def is_exists_ambiguous(dialect: Dialect) -> bool:
    """Whether this node cannot tell us afterwards that a group was there before our create."""
    return any(map(_may_be_an_error, dialect.exists))


def _words(tries: Sequence[Try]) -> str:
    """The end of the last try that was made, and how many there were."""
    made = [t for t in tries if t.end is not TryEnd.STOPPED]
    if not made:
        return "stopped before it was sent"
    many = f" after {len(made)} tries" if len(made) > 1 else ""
    return f"{made[-1]}{many}"


def writes(action: Action) -> Method:
    """The method that carries out an action."""
    return Method.towards(action.after)
