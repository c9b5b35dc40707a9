"""The life of one cell: carried out, settled, verified, undone. Each procedure is a task of the scheduler."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from typing import TYPE_CHECKING, Any

from planner import hints
from planner.events import Event
from planner.model import Action, Cell, Presence, StepState
from planner.transaction.scheduler import StepFailed
from planner.verdict import (
    Answer,
    Call,
    Effect,
    Listing,
    Method,
    Reading,
    TryEnd,
    Verdict,
    is_exists_ambiguous,
    judge_list,
    judge_read,
    judge_write,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.model import Dialect, Policy, Step
    from planner.ports import Clock, Reporter
    from planner.transaction.run import Journal, StepRun
    from planner.transaction.scheduler import Task

MAX_MOVES = 3
"""How often a cell may move after it was in place, before we stop to repair it (transaction law 3)."""

MAX_MISUNDERSTOOD = 2
"""How often in a row a node may say to an undo what only other settings can mend, before we stop."""


# What every read asks for, looked up once: Python 3.11 is slow to find a member by its enum.
ABSENT, READ, LIST, STOPPED = Presence.ABSENT, Method.READ, Method.LIST, TryEnd.STOPPED


class Reader:
    """Reads cells; absence is confirmed unless a single 'not found' is good enough."""

    def __init__(self, dialects: Mapping[str, Dialect], policy: Policy, clock: Clock) -> None:
        self._dialects = dialects
        self._policy = policy
        self._clock = clock
        self._ids = count(1)

    def call(self, method: Method, cell: Cell, tries: int) -> Call:
        """A new call with an id of its own."""
        return Call(next(self._ids), method, cell.group, cell.node, tries)

    def read(self, cell: Cell, expected: Presence | None = None) -> Generator[Call | float, Answer, Reading]:
        """Read one cell.

        A 404 can lie (an ingress during a redeploy). Absence counts after `Dialect.confirm_absent` answers in
        a row, one back-off apart; a single one will do where the caller `expected` it and closes nothing.
        """
        dialect = self._dialects[cell.node]
        needed = 1 if expected is ABSENT else dialect.confirm_absent
        while True:
            answer = yield from self._ask(READ, cell)
            reading = judge_read(answer, dialect)
            needed -= 1
            if reading.presence is not ABSENT or needed <= 0:
                return reading
            yield self._clock.now() + self._policy.backoff

    def list(self, node: str) -> Generator[Call | float, Answer, Listing]:
        """Ask a node for the ids of all its groups."""
        return judge_list((yield from self._ask(LIST, Cell("", node))))

    def _ask(self, method: Method, cell: Cell) -> Generator[Call | float, Answer, Answer]:
        """Send what changes nothing; again, where only the permit was missing."""
        stopped = 0
        while True:
            answer = yield self.call(method, cell, self._policy.tries)
            if answer.tries[-1].end is not STOPPED or stopped >= self._policy.tries:
                return answer
            # The permit was missing for a moment: a slow commit, a process that was paused.
            stopped += 1
            yield self._clock.now() + self._policy.pause(stopped)


class Cells:
    """The procedures of a transaction's cells, over one journal."""

    def __init__(
        self,
        reader: Reader,
        policy: Policy,
        clock: Clock,
        journal: Journal,
        reporter: Reporter,
        *,
        allow_lossy: bool = False,
    ) -> None:
        self._reader = reader
        self._policy = policy
        self._clock = clock
        self._journal = journal
        self._reporter = reporter
        self._allow_lossy = allow_lossy

    # Forward.

    def carry_out(self, run: StepRun, stage: Sequence[StepRun], index: int) -> Task:
        """Bring one cell to where its step leads: done, or not ours.

        Raises:
            StepFailed: it cannot be carried out; the step's state says what may have happened.
        """
        step = run.step
        self._journal.start(run, stage, index)
        stale = self._clock.now() - run.checked_at > self._policy.recheck_after
        # Its 'exists' would not tell whose a group is, and a reverse would delete it: no lie must pass here.
        blind = step.action is Action.CREATE and is_exists_ambiguous(run.dialect)
        if stale or blind or step.action is Action.DELETE:
            reading = yield from self._reader.read(step.cell, expected=None if blind else step.before)
            if reading.presence is None:
                raise self._failed(run, f"it cannot be read before the write: {reading.why}")
            if reading.presence is step.after:
                there = step.after is Presence.PRESENT
                self._not_ours(run, "it was there already" if there else "it was gone")
                return
            self._check_loss(run, reading)
        self._tell("started", run)
        yield from self._write_until_met(run)

    def _write_until_met(self, run: StepRun) -> Task:
        """Write, read back what is unknown, and write again what is still needed."""
        step, attempt = run.step, 0
        verdict = None
        while run.tries_left > 0:
            if attempt:
                yield self._clock.now() + self._policy.pause(attempt)
            attempt += 1
            verdict = yield from self._write(run, writes(step.action), run.tries_left)
            run.tries_left -= verdict.tries
            if verdict.effect is Effect.APPLIED:
                self._done(run)
                return
            if verdict.effect is Effect.NOT_APPLIED and verdict.tries == 0:
                continue  # the permit was missing for a moment; the control decides whether it comes back
            if verdict.effect is Effect.NOT_APPLIED:
                self._settle_for_not_applied(run, verdict.why)
            if verdict.effect in (Effect.NOT_APPLIED, Effect.REFUSED):
                raise self._failed(run, verdict.failure)  # refused: the reverse looks at it all the same
            met = yield from self._read_back(run, verdict)
            if met:
                return
        raise self._failed(run, _in_vain(verdict, step) if verdict else "no tries left")

    def _read_back(self, run: StepRun, verdict: Verdict) -> Generator[Call | float, Any, bool]:
        """After an unknown effect, or an answer 'exists' or 'missing': see whether the step is met.

        Raises:
            StepFailed: it cannot be seen, or the node refused the create.
        """
        step = run.step
        foreign = verdict.effect is Effect.CONFLICT and verdict.first and run.suspect_since is None
        if not foreign and run.state is not StepState.UNKNOWN:
            self._journal.move(run, StepState.UNKNOWN, verdict.why)
            self._tell("unknown", run, verdict.why)
        reading = yield from self._reader.read(step.cell)
        if reading.presence is step.after:
            if foreign:
                self._not_ours(run, f"the node answered {verdict.why}")
            else:
                self._done(run, verdict.if_met)
            return True
        refused = verdict.effect is Effect.CONFLICT and step.action is Action.CREATE
        if reading.presence is None or refused:
            if foreign:  # the one request that reached the node was turned down: nothing of ours is there
                self._settle_for_not_applied(run, verdict.why)
            unseen = f"{verdict.why}, and it cannot be read back: {reading.why}"
            raise self._failed(run, verdict.failure if refused and reading.presence else unseen)
        self._check_loss(run, reading)
        return False

    def settle(self, run: StepRun) -> Task:
        """See that a step is met, not before its suspicion has settled; repair it if it moved.

        Raises:
            StepFailed: it cannot be seen, or it moved too often.
        """
        for moves in range(MAX_MOVES + 1):
            if run.suspect_since is not None:
                yield run.suspect_since + self._policy.settle
            reading = yield from self._reader.read(run.step.cell)
            if reading.presence is None:
                raise self._failed(run, f"it cannot be read back: {reading.why}")
            if reading.presence is run.step.after:
                if run.suspect_since is not None:
                    run.suspect_since = None
                    self._journal.touch(run)
                self._tell("verified", run)
                return
            if run.state is StepState.NOT_OURS:
                raise self._failed(run, "somebody else met it, and then took it back")
            if moves == MAX_MOVES:
                break
            self._check_loss(run, reading)
            self._journal.move(run, StepState.UNKNOWN, "it moved after it was done")
            self._tell("unknown", run, "it moved after it was done")
            run.tries_left = self._policy.tries
            yield from self._write_until_met(run)
        hint = hints.LYING_404 if run.step.after is Presence.PRESENT else ""
        raise self._failed(run, hints.joined(f"it moved {MAX_MOVES + 1} times after it was done", hint))

    # Backward.

    def undo(self, run: StepRun) -> Task:
        """Bring one cell back to its before-image, with patience: undone and read back, or undo-failed.

        There is no patience with a node that does not understand the request: it needs another `cluster.api`.
        """
        before = run.step.before
        deadline = self._clock.now() + self._policy.reverse_timeout
        moves, attempt, misunderstood, was_met, claimed = 0, 0, 0, False, False
        while True:
            began = self._clock.now()
            reading = yield from self._reader.read(run.step.cell)
            why = reading.why
            if reading.presence is before:
                settled = run.suspect_since is None or began >= run.suspect_since + self._policy.settle
                if settled:
                    run.suspect_since = None
                    self._journal.move(run, StepState.UNDONE)
                    self._tell("undone", run)
                    return
                was_met, claimed = True, False
                assert run.suspect_since is not None  # noqa: S101  (it is not settled)  # nosec B101
                yield run.suspect_since + self._policy.settle
                deadline += self._clock.now() - began
                continue
            if reading.presence is not None:
                moves, was_met = moves + was_met, False
                if moves > MAX_MOVES:
                    why = f"it moved {moves} times after it was undone"
                    break
                verdict = yield from self._write(run, Method.towards(before), self._policy.tries)
                if verdict.effect is Effect.APPLIED and not claimed:
                    attempt, misunderstood, claimed = 0, 0, True
                    continue
                misunderstood = misunderstood + 1 if verdict.not_understood else 0
                why = f"{verdict.why}, and it is still {reading.presence}" if claimed else verdict.failure
            if misunderstood == MAX_MISUNDERSTOOD or self._clock.now() >= deadline:
                break
            attempt += 1
            yield self._clock.now() + self._policy.pause(attempt)
        self._journal.move(run, StepState.UNDO_FAILED, why)
        self._tell("undo-failed", run, why)

    def look_at(self, run: StepRun) -> Task:
        """Look at a cell whose node turned our write down: somebody else may have met the step.

        Nothing of ours can be there, so it is never written; but it is not as it was, and the report says so.
        """
        reading = yield from self._reader.read(run.step.cell)
        if reading.presence is run.step.after:
            self._not_ours(run, run.note or "the node turned our write down")

    # Both.

    def _write(self, run: StepRun, method: Method, tries: int) -> Generator[Call | float, Answer, Verdict]:
        run.sent = True
        answer = yield self._reader.call(method, run.step.cell, tries)
        verdict = judge_write(answer, run.dialect, tried_before=run.tried)
        run.ours = run.ours or _may_be_ours(verdict)
        run.perhaps_theirs = verdict.effect is Effect.AMBIGUOUS and verdict.first
        run.tried = run.tried or any(t.reached for t in answer.tries)
        if verdict.suspect_since is not None:
            run.suspect_since = max(verdict.suspect_since, run.suspect_since or verdict.suspect_since)
            run.unanswered = run.unanswered or any(t.unanswered for t in answer.tries)
            self._journal.touch(run)
        return verdict

    def _done(self, run: StepRun, note: str = "") -> None:
        self._journal.move(run, StepState.DONE, note)
        self._tell("done", run, note)

    def _not_ours(self, run: StepRun, note: str) -> None:
        self._journal.move(run, StepState.NOT_OURS, note)
        self._tell("not-ours", run, note)

    def _check_loss(self, run: StepRun, reading: Reading) -> None:
        """Do not delete what shows more than the id (law 9): somebody may have put it there meanwhile."""
        if reading.extra and run.step.action is Action.DELETE and not self._allow_lossy:
            raise self._failed(run, "its record shows more than the id, which a delete would lose")

    def _settle_for_not_applied(self, run: StepRun, why: str) -> None:
        """Nothing of ours can be there, and nothing can come: the reverse need not touch the cell."""
        if run.suspect_since is None and run.state is StepState.STARTED:
            self._journal.move(run, StepState.NOT_APPLIED, why)

    def _failed(self, run: StepRun, why: str) -> StepFailed:
        run.note = why
        self._journal.touch(run)
        self._tell("failed", run, why)
        return StepFailed(run.step, why)

    def _tell(self, kind: str, run: StepRun, text: str = "") -> None:
        step = run.step
        self._reporter.emit(Event(kind, text, step, step.cell.node, step.cell.group))


def _in_vain(verdict: Verdict, step: Step) -> str:
    """Why a step is not met after its last try, which was read back."""
    why = verdict.why
    if verdict.effect in (Effect.CONFLICT, Effect.AMBIGUOUS):  # the node said that it was met
        why += f", and it is still {step.before}"
    return hints.joined(why, verdict.hint)


def _may_be_ours(verdict: Verdict) -> bool:
    """Whether a write may have had, or may still have, an effect of ours."""
    if verdict.suspect_since is not None:
        return True
    turned_down = verdict.effect is Effect.REFUSED or (verdict.effect is Effect.CONFLICT and verdict.first)
    return verdict.effect is not Effect.NOT_APPLIED and not turned_down
