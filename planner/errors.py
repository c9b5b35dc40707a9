"""Every way a run can end badly, as one tree.

::

    PlannerError                 1    an error; nothing was changed by this run
    ├── FileInvalid              1    groups.yaml (or a plan file) cannot be used
    ├── NodesUnreadable          1    a node could not be read: never taken as empty
    ├── SecretUnresolved         1    `env:NAME` or `file:/path` leads to no usable secret
    ├── StoreFailed              1    the store cannot be opened, read or written
    ├── ChangesPending           2    plan --detailed-exitcode
    ├── Reversed                 3    apply failed; every change was reversed and verified
    ├── Incomplete               4    named cells need `planner recover`
    ├── LockLost                 4    the lock is no longer provably ours: not one more request
    ├── Locked                   5    another run holds the lock
    ├── StalePlan                6    the plan is stale, altered, or of another cluster or store
    ├── Refused                  7    a safety limit or a protected group
    ├── WrongUsage              64    the command line or the settings make no sense
    └── Interrupted            130    interrupted before anything was changed

Each class owns its exit code; the command line maps an error to its exit in one place.
Every error says, in one shape, *what* failed, *where* (node, group, step), *why*, and what to do *next*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypedDict, Unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.counts import Ending
    from planner.model import Refusal


class Words(TypedDict, total=False):
    """What every error says besides `what`; see `PlannerError`."""

    where: str
    why: str
    next: str
    details: Sequence[str]


class PlannerError(Exception):
    """An end of the run that a user can understand and act on.

    Attributes:
        what: one sentence, what failed.
        where: node, group, step, file and line; empty where the whole run is meant.
        why: the cause, as far as it is known.
        next: what the user can do about it.
        details: further lines, such as one per problem or per cell.
        ending: what the transaction came to that it is about; None where none began.
        outcome: how the run ended, in a word or two, for machines.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"
    outcome: ClassVar[str] = "failed"

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        next: str = "",
        details: Sequence[str] = (),
        ending: Ending | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next
        self.details = tuple(details)
        self.ending = ending


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a text file.

    Attributes:
        line: from 1.
        column: from 1, in characters, as `end_column`.
        end_column: behind the last character that is meant; more than `column`, and in the same line.
        text: what is wrong.
        hint: what to do about it, such as ``did you mean `protect`?``; empty where the text says it all.
        source: the line as it stands, without its end; half of a surrogate pair for a byte that is no UTF-8.
    """

    line: int
    column: int
    end_column: int
    text: str
    hint: str = ""
    source: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """Text and hint in one."""
        if not self.hint:
            return self.text
        return f"{self.text} ({self.hint})" if self.hint.endswith("?") else f"{self.text}: {self.hint}"


STANDARD_INPUT = "standard input"
"""What a file is called that came from there."""


class FileInvalid(PlannerError):
    """A file of the user cannot be used.

    Attributes:
        problems: everything that is wrong in it, in its order; `details` holds the same, each as
            ``where:line:column: sentence``. Empty where the file cannot be read, or is no text.
    """

    code = "file-invalid"

    def __init__(self, what: str, *, problems: Sequence[Problem] = (), **words: Unpack[Words]) -> None:
        super().__init__(what, **words)
        self.problems = tuple(problems)
        self.details = (*self.details, *self._lines())

    @property
    def remarks(self) -> tuple[str, ...]:
        """The details that tell of no problem in the file."""
        told = set(self._lines())
        return tuple(each for each in self.details if each not in told)

    def _lines(self) -> list[str]:
        return [f"{self.where}:{each.line}:{each.column}: {each.sentence}" for each in self.problems]


class NodesUnreadable(PlannerError):
    """At least one node could not be read; `details` says why of each.

    Attributes:
        nodes: their names.
    """

    code = "nodes-unreadable"

    def __init__(self, what: str, *, nodes: Sequence[str] = (), **words: Unpack[Words]) -> None:
        super().__init__(what, **words)
        self.nodes = tuple(nodes)


class WorkersMissing(PlannerError):
    """The workers that the settings name cannot be had; nothing was changed."""


class SecretUnresolved(PlannerError):
    """A reference leads to no usable secret: nothing was sent that would have needed it."""

    code = "secret-unresolved"


class StoreFailed(PlannerError):
    """The store could not be opened, read or written."""

    code = "store-failed"


class ChangesPending(PlannerError):
    """Changes are pending, and the caller asked to be told by the exit code."""

    exit_code = 2
    code = "changes-pending"
    outcome = "changes pending"


class Reversed(PlannerError):
    """The apply failed or was interrupted; every change was reversed, and read back."""

    exit_code = 3
    code = "reversed"
    outcome = "reversed"


class Incomplete(PlannerError):
    """An unfinished transaction is in the store; `details` names the cells that need `planner recover`."""

    exit_code = 4
    code = "incomplete"
    outcome = "incomplete"


class LockLost(PlannerError):
    """The lock is not provably held any more: not one more request may be sent (transaction law 7)."""

    exit_code = 4
    code = "lock-lost"
    outcome = "lock lost"


class Locked(PlannerError):
    """Another run holds the lock; `where` names it."""

    exit_code = 5
    code = "locked"
    outcome = "locked"


class StalePlan(PlannerError):
    """The plan is stale, altered, or belongs to another cluster or store. Nothing was written."""

    exit_code = 6
    code = "stale-plan"
    outcome = "stale"


class Refused(PlannerError):
    """A safety limit or a protected group stands against the plan. Nothing was written.

    Attributes:
        refusals: every guard that does, with its numbers and all of its groups.
    """

    exit_code = 7
    code = "refused"
    outcome = "refused"

    def __init__(self, what: str, *, refusals: Sequence[Refusal] = (), **words: Unpack[Words]) -> None:
        super().__init__(what, **words)
        self.refusals = tuple(refusals)


class WrongUsage(PlannerError):
    """The command line or the settings make no sense."""

    exit_code = 64
    code = "usage"
    outcome = "wrong usage"


class Interrupted(PlannerError):
    """Interrupted before anything was changed."""

    exit_code = 130
    code = "interrupted"
    outcome = "interrupted"
