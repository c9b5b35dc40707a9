"""One ordered transaction over many nodes: a saga whose every step has a before-image.

Forward: each stage is carried out, read back and settled before the next begins; at the end every cell of
every group that the plan touches is seen. Backward: after any failure every touched cell converges on its
before-image, in reverse order, and is read back. (Garcia-Molina & Salem, Sagas, 1987; the journal is written
ahead, as in ARIES, 1992.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.errors import StoreFailed
from planner.events import Event
from planner.model import Action, Seen, StepState, TransactionState
from planner.transaction.cells import Cells, Reader
from planner.transaction.recovery import open_steps
from planner.transaction.run import Journal, StepRun
from planner.transaction.scheduler import RunInterrupted, Scheduler, StepFailed, per_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.model import Node, Policy, Step
    from planner.ports import Clock, Closing, Control, Lease, Nodes, Reporter
    from planner.transaction.scheduler import Task, Tasks

WAVES_PER_FLIGHT = 8
"""Steps marked in one durable commit, as a multiple of the requests in flight."""

TO_UNDO = frozenset({StepState.STARTED, StepState.DONE, StepState.UNKNOWN, StepState.UNDO_FAILED})
"""A step in one of these states is undone when the transaction is reversed."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports that a transaction works through.

    Attributes:
        grace: how many seconds an interrupted run has for its reverse, to be told; None is no limit.
    """

    nodes: Nodes
    clock: Clock
    control: Control
    reporter: Reporter
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How one step ended."""

    step: Step
    state: StepState
    tried: bool
    note: str = ""
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended.

    Attributes:
        number: of the transaction.
        state: as reached on the nodes.
        durable: whether the store says the same; when it does not, `recover` must run again.
        steps: every step.
        failed_step: the step that could not be carried out, if it was one.
        why: the first failure in words; empty when applied.
        interrupted: whether an interrupt was the reason.
    """

    number: int
    state: TransactionState
    durable: bool
    steps: tuple[StepOutcome, ...]
    failed_step: Step | None = None
    why: str = ""
    interrupted: bool = False

    def in_state(self, *states: StepState) -> tuple[StepOutcome, ...]:
        """The steps that ended in one of these states."""
        return tuple(each for each in self.steps if each.state in states)

    @property
    def touched(self) -> bool:
        """Whether any node may have seen a write."""
        return any(each.tried for each in self.steps)


def stages_of(runs: Sequence[StepRun], canary: frozenset[str] = frozenset()) -> list[list[StepRun]]:
    """Cut the steps into stages, each settled before the next: canary nodes whole, then the others.

    ::

        creates on canaries  >  deletes on canaries  >  creates on the others  >  deletes on the others
    """
    order = [(True, Action.CREATE), (True, Action.DELETE), (False, Action.CREATE), (False, Action.DELETE)]
    stages = [
        [run for run in runs if (run.step.cell.node in canary) is first and run.step.action is action]
        for first, action in order
    ]
    return [stage for stage in stages if stage]


class Transaction:
    """Carries steps out, or reverses them. One object is one transaction; it is used once."""

    def __init__(
        self,
        runs: Sequence[StepRun],
        nodes: Iterable[Node],
        policy: Policy,
        world: World,
        lease: Lease,
        number: int,
        *,
        state: TransactionState = TransactionState.OPEN,
        allow_lossy: bool = False,
    ) -> None:
        self._runs = runs
        self._world = world
        self._policy = policy
        self._scheduler = Scheduler(world.nodes, world.clock, world.control, self._on_interrupt)
        self._journal = Journal(lease, number, state, WAVES_PER_FLIGHT * policy.parallelism)
        self._reader = Reader({node.name: node.dialect for node in nodes}, policy, world.clock)
        self._cells = Cells(
            self._reader, policy, world.clock, self._journal, world.reporter, allow_lossy=allow_lossy
        )

    def apply(
        self,
        closing: Callable[[], Closing],
        bystanders: Sequence[Seen] = (),
        canary: frozenset[str] = frozenset(),
    ) -> Outcome:
        """Carry every step out and see it, or reverse every step and see that.

        Args:
            closing: asked at the end for what becomes durable together with the state 'applied'.
            bystanders: cells of the touched groups that the plan does not write; they must still be as seen.
            canary: nodes that go first, whole.

        Raises:
            LockLost: the lock is not provably held; nothing more was sent.
            Abandoned: a second interrupt, or the end of the grace period after the first one.
        """
        try:
            self._forward(stages_of(self._runs, canary), bystanders)
            self._close(closing())
        except StepFailed as failure:
            return self._reverse(failure)
        return self._outcome(TransactionState.APPLIED, durable=True)

    def resume_reverse(self, why: str, aside: frozenset[int] = frozenset(), note: str = "") -> Outcome:
        """Reverse what an earlier run left.

        Args:
            why: what had gone wrong, in words.
            aside: numbers of steps that are set aside by hand: their cells are left as they are.
            note: what is done, for the transaction's history.

        Raises:
            LockLost, Abandoned: as for `apply`.
        """
        return self._reverse(StepFailed(None, why), aside, note)

    def open_steps(self) -> tuple[Step, ...]:
        """The steps that a recovery will find open if this run ends now: by the store, not by its memory."""
        return open_steps((run.step, self._journal.durable(run)) for run in self._runs)

    # Forward.

    def _forward(self, stages: Sequence[Sequence[StepRun]], bystanders: Sequence[Seen]) -> None:
        for position, stage in enumerate(stages):
            self._phase(f"{stage[0].step.action}", len(stage))
            self._scheduler.run(self._carrying_out(stage), flight=self._policy.parallelism)
            if position + 1 < len(stages):
                self._phase("read back", len(stage))
                self._scheduler.run(per_node((self._cells.settle, stage, _node_of)))
        suspects = [run for run in self._runs if run.suspect_since is not None]
        if suspects:
            self._phase("settle", len(suspects))
            self._scheduler.run(per_node((self._cells.settle, suspects, _node_of)))
        self._phase("verify", len(self._runs) - len(suspects) + len(bystanders))
        self._scheduler.run(self._verifying({run.step.number for run in suspects}, bystanders))

    def _carrying_out(self, stage: Sequence[StepRun]) -> Tasks:
        def carry_out(place: tuple[int, StepRun]) -> Task:
            index, run = place
            return self._cells.carry_out(run, stage, index)

        return per_node((carry_out, enumerate(stage), lambda place: _node_of(place[1])))

    def _verifying(self, seen: set[int], bystanders: Iterable[Seen]) -> Tasks:
        rest = (run for run in self._runs if run.step.number not in seen)
        return per_node((self._cells.settle, rest, _node_of), (self._see, bystanders, _node_of_seen))

    def _see(self, bystander: Seen) -> Task:
        cell, expected = bystander
        reading = yield from self._reader.read(cell)
        if reading.presence is None:
            raise StepFailed(None, f"{cell} cannot be read at the end: {reading.why}")
        if reading.presence is not expected:
            raise StepFailed(None, f"{cell} is {reading.presence} now: somebody else changed it meanwhile")
        self._world.reporter.emit(Event("verified", "", None, cell.node, cell.group))

    def _close(self, closing: Closing) -> None:
        try:
            self._journal.close(closing, "")
        except StoreFailed as failure:
            raise StepFailed(None, f"the store cannot be written: {failure.what}") from failure

    # Backward.

    def _reverse(self, failure: StepFailed, aside: frozenset[int] = frozenset(), note: str = "") -> Outcome:
        """Converge every touched cell on its before-image, in reverse order."""
        to_undo = []
        for run in reversed(self._runs):
            if run.state is StepState.STARTED and not run.ours:
                # Never sent, or turned down: what is there is not ours.
                self._journal.move(run, StepState.NOT_APPLIED)
            elif run.state in TO_UNDO:
                self._journal.move(run, StepState.UNDOING)
                to_undo.append(run)
            elif run.state is StepState.UNDOING:
                to_undo.append(run)
        self._journal.enter(TransactionState.REVERSING)
        self._journal.flush(self._message(failure), note)
        by_hand = [run for run in to_undo if run.step.number in aside]
        for run in by_hand:
            self._journal.move(run, StepState.UNDO_FAILED)  # its note still says why it is set aside
            self._journal.move(run, StepState.SET_ASIDE)
        rest = [run for run in to_undo if run.step.number not in aside]
        self._phase("reverse", len(rest))
        turned_down = [run for run in self._runs if run.state is StepState.NOT_APPLIED and run.tried]
        suspects = sum(run.suspect_since is not None for run in rest)
        if suspects:
            self._note(
                f"{suspects} of them may still change by requests that were on the way: "
                f"each is read again after {self._policy.settle:g} s"
            )
        self._scheduler.run(
            per_node((self._cells.undo, rest, _node_of), (self._cells.look_at, turned_down, _node_of)),
            interruptible=False,
            flight=self._policy.parallelism,
        )
        end = self._end_of_reverse()
        if end is TransactionState.CLOSED_WITH_EXCEPTIONS:
            self._journal.enter(TransactionState.REVERSE_INCOMPLETE)
        self._journal.enter(end)
        durable = self._journal.flush()
        return self._outcome(end, durable=durable, failure=failure)

    def _end_of_reverse(self) -> TransactionState:
        """What the reverse came to. A cell that any recovery has set aside stays an exception (law 5)."""
        states = {run.state for run in self._runs}
        if StepState.UNDO_FAILED in states:
            return TransactionState.REVERSE_INCOMPLETE
        if StepState.SET_ASIDE in states:
            return TransactionState.CLOSED_WITH_EXCEPTIONS
        return TransactionState.REVERSED

    def _message(self, failure: StepFailed) -> str:
        return f"{failure.step}: {failure.why}" if failure.step else failure.why

    def _outcome(
        self, state: TransactionState, *, durable: bool, failure: StepFailed | None = None
    ) -> Outcome:
        return Outcome(
            number=self._journal.number,
            state=state,
            durable=durable,
            steps=tuple(
                StepOutcome(run.step, run.state, run.tried, run.note, run.sent) for run in self._runs
            ),
            failed_step=failure.step if failure else None,
            why=failure.why if failure else "",
            interrupted=isinstance(failure, RunInterrupted),
        )

    def _on_interrupt(self, stops: bool) -> None:
        now = (
            "what is in flight is awaited, then every change is reversed" if stops else "the reverse goes on"
        )
        grace = self._world.grace
        limit = (
            f"a node that stays away is tried for {self._policy.reverse_timeout:g} s"
            if grace is None
            else f"after {grace:g} s (--grace) the rest is left to `planner recover`"
        )
        self._note(f"interrupted: {now}; {limit}; a second interrupt leaves at once, for `planner recover`")

    def _note(self, text: str) -> None:
        self._world.reporter.emit(Event("note", text))

    def _phase(self, name: str, parts: int) -> None:
        self._world.reporter.emit(Event("phase", name, total=parts))


def _node_of(run: StepRun) -> str:
    return run.step.cell.node


def _node_of_seen(bystander: Seen) -> str:
    return bystander.cell.node


def runs_of(
    steps: Iterable[Step], nodes: Iterable[Node], policy: Policy, checked_at: float = float("-inf")
) -> list[StepRun]:
    """Fresh runs of the steps of a plan, whose cells were last read at `checked_at`."""
    dialects = {node.name: node.dialect for node in nodes}
    runs = []
    for step in steps:
        run = StepRun(step, dialects[step.cell.node], policy.tries)
        run.checked_at = checked_at
        runs.append(run)
    return runs
