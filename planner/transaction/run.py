"""What a run knows of one step, and the journal that holds it durably."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import StoreFailed
from planner.model import (
    Dialect,
    Step,
    StepState,
    TransactionState,
    check_step_move,
    check_transaction_move,
)
from planner.ports import CellMark, Wave
from planner.transaction.scheduler import StepFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.ports import Closing, Lease


PENDING_WAVES = 4
"""Results are written with the next wave of marks, or when this many waves of them are pending."""


class StepRun:
    """One step while it is carried out or reversed. Mutable, and owned by the transaction's one thread.

    Attributes:
        step: what is to be done.
        dialect: of the step's node.
        state: see `planner.model.STEP_MOVES`.
        suspect_since: when the last suspicious try of a write ended (monotonic seconds); the cell must be
            read again one settle time later. None when nothing can still take effect.
        sent: whether a write was begun; one that was not is marked, with others of its wave, and untouched.
        tried: whether a write of ours may have reached the node.
        ours: whether a write of ours may have had, or may still have, an effect; a node that turned the only
            one down ('exists', 'missing', refused) was left as it was.
        perhaps_theirs: whether the only write of ours was answered by a status that may be 'exists' (or
            'missing') as well as an error after its effect. A step that is done then may be somebody else's
            doing: an apply adopts the group. The journal need not know: only a living apply closes, and a
            reverse goes back to the before-image either way.
        unanswered: whether a write ever went unanswered (watch list).
        tries_left: tries of the write that are still allowed going forward.
        checked_at: when the cell was last read before the write (monotonic seconds).
        note: why it is where it is, in words.
    """

    __slots__ = (
        "checked_at",
        "dialect",
        "note",
        "ours",
        "perhaps_theirs",
        "sent",
        "state",
        "step",
        "suspect_since",
        "tried",
        "tries_left",
        "unanswered",
    )

    def __init__(self, step: Step, dialect: Dialect, tries: int) -> None:
        self.step = step
        self.dialect = dialect
        self.state = StepState.PENDING
        self.suspect_since: float | None = None
        self.sent = False
        self.tried = False
        self.ours = False
        self.perhaps_theirs = False
        self.unanswered = False
        self.tries_left = tries
        self.checked_at = float("-inf")
        self.note = ""

    def mark(self) -> CellMark:
        """The journal's word on this step, as it is now."""
        return CellMark(
            self.step.number,
            self.state,
            self.suspect_since is not None,
            self.tried,
            self.unanswered,
            self.note,
        )


class Journal:
    """The write-ahead journal of one transaction: marks are collected, and become durable in waves.

    A store that cannot be written does not lose the marks: they stay pending, `broken` says so, and the next
    flush tries to write them all.
    """

    def __init__(self, lease: Lease, number: int, state: TransactionState, wave: int) -> None:
        self.number = number
        self.state = state
        self.broken: StoreFailed | None = None
        self._lease = lease
        self._wave = wave
        self._dirty: dict[int, StepRun] = {}
        self._moves: list[TransactionState] = []
        self._message = ""
        self._note = ""
        self._durable: dict[int, StepState] = {}  # of the steps in `_dirty` that have moved since

    def move(self, run: StepRun, state: StepState, note: str = "") -> None:
        """Move a step; durable with the next wave.

        Raises:
            IllegalMove: the tables do not know the move.
        """
        check_step_move(run.state, state)
        self._durable.setdefault(run.step.number, run.state)
        run.state = state
        if note:
            run.note = note
        self.touch(run)

    def durable(self, run: StepRun) -> StepState:
        """The state that the store holds: what a recovery, and every later look at it, will find."""
        return self._durable.get(run.step.number, run.state)

    def touch(self, run: StepRun) -> None:
        """Note that a step changed; write when a good deal is pending, so that a crash repeats little."""
        self._dirty[run.step.number] = run
        if len(self._dirty) >= PENDING_WAVES * self._wave and self.broken is None:
            self.flush()

    def start(self, run: StepRun, stage: Sequence[StepRun], index: int) -> None:
        """Make durable that this step, and the next ones of its stage, may now be touched.

        The nodes need not keep step with each other, so some of them may have been begun before.

        Raises:
            StepFailed: the store cannot be written, so nothing may be sent.
        """
        if run.state is not StepState.PENDING:
            return
        for each in stage[index : index + self._wave]:
            if each.state is not StepState.PENDING:
                continue  # its node was ahead of the others
            check_step_move(each.state, StepState.STARTED)
            self._durable.setdefault(each.step.number, each.state)
            each.state = StepState.STARTED
            self._dirty[each.step.number] = each
        self.flush()
        if self.broken is not None:
            raise StepFailed(run.step, f"the store cannot be written: {self.broken.what}")

    def enter(self, state: TransactionState) -> None:
        """Move the transaction; durable with the next wave."""
        if state is not self.state:
            check_transaction_move(self.state, state)
            self.state = state
            self._moves.append(state)

    def flush(self, message: str = "", note: str = "") -> bool:
        """Write what is pending; say whether all of it is durable now.

        Args:
            message: why the transaction is where it is.
            note: what is done to it now, for its history.

        Raises:
            LockLost: the lock's epoch has moved on.
        """
        self._message = message or self._message
        self._note = note or self._note
        if not (self._dirty or self._moves or self._message or self._note):
            return self.broken is None
        try:
            # A store that comes back has to be told every move: open, reversing, reversed.
            while len(self._moves) > 1:
                self._lease.commit(self.number, Wave((), self._moves[0]))
                self._moves.pop(0)
            state = self._moves[0] if self._moves else None
            self._lease.commit(self.number, Wave(self._marks(), state, self._message, self._note))
        except StoreFailed as failure:
            self.broken = failure
            return False
        self._written()
        return True

    def close(self, closing: Closing, message: str) -> None:
        """End the transaction as applied, durably.

        Raises:
            StoreFailed: it is not durable; the transaction is still open.
        """
        check_transaction_move(self.state, TransactionState.APPLIED)
        self._lease.close(self.number, Wave(self._marks(), TransactionState.APPLIED, message), closing)
        self.state = TransactionState.APPLIED
        self._written()

    def _marks(self) -> tuple[CellMark, ...]:
        return tuple(run.mark() for run in self._dirty.values())

    def _written(self) -> None:
        self._dirty.clear()
        self._moves.clear()
        self._durable.clear()
        self._message = self._note = ""
        self.broken = None
