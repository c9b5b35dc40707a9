"""Collects how a run goes, from what it shows and what its nodes answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from planner.errors import Interrupted, NodesUnreadable, PlannerError
from planner.telemetry.summary import Complaint, Doubts, Drift, RunSummary
from planner.verdict import TryEnd

if TYPE_CHECKING:
    from planner.events import Event
    from planner.model import Plan
    from planner.ports import Clock
    from planner.results import Applied, Recovered
    from planner.verdict import Answer


class RunRecord:
    """What is known of a run so far; `summary` says how it went. For one thread."""

    def __init__(self, command: str, clock: Clock) -> None:
        self.cluster = ""
        self.doubts: Doubts | None = None
        self._command = command
        self._clock = clock
        self._began = clock.now()
        self._started = clock.wall()
        self._plan: Plan | None = None
        self._applied: Applied | None = None
        self._recovered: Recovered | None = None
        self._transaction: int | None = None
        self._requests: Counter[tuple[str, str]] = Counter()
        self._retries: Counter[tuple[str, str]] = Counter()

    def planned(self, plan: Plan) -> None:
        """Take note of the plan, which every node was read for."""
        self._plan = plan

    def applied(self, result: Applied) -> None:
        """Take note of what was applied."""
        self._applied = result
        self._transaction = result.number or result.already

    def recovered(self, result: Recovered) -> None:
        """Take note of what an earlier run had left."""
        self._recovered = result

    def emit(self, event: Event) -> None:
        """Take note of the transaction that began."""
        if event.kind == "begun":
            self._transaction = event.data["transaction"]

    def answered(self, answer: Answer) -> None:
        """Count the tries of a request."""
        tries = [each for each in answer.tries if each.end is not TryEnd.STOPPED]
        ends = [str(each.status) if each.end is TryEnd.ANSWERED else each.end.value for each in tries]
        self._requests.update((answer.call.node, end) for end in ends)
        self._retries.update((answer.call.node, end) for end in ends[:-1])

    def summary(self, exit_code: int, error: BaseException | None) -> RunSummary:
        """How the run went.

        Args:
            exit_code: where no error says it.
            error: why it ended.
        """
        known = error if isinstance(error, PlannerError) else None
        ending = known.ending if known is not None else None
        plan = self._plan
        about = self._applied.plan if self._applied else plan
        return RunSummary(
            command=self._command,
            cluster=self.cluster,
            started=self._started,
            seconds=self._clock.now() - self._began,
            outcome=self._outcome(error),
            exit_code=exit_code if error is None else _exit_code(error),
            whole=about is not None and about.scope is None,
            transaction=ending.transaction if ending else self._transaction,
            recovered=self._recovered.number if self._recovered else None,
            drift=None if plan is None or isinstance(error, NodesUnreadable) else self._drift(plan),
            unreadable=error.nodes if isinstance(error, NodesUnreadable) else (),
            steps=self._applied.steps if self._applied else ending.steps if ending else None,
            requests=self._requests,
            retries=self._retries,
            doubts=self.doubts,
            error=None if error is None else _complaint(error),
        )

    def _outcome(self, error: BaseException | None) -> str:
        if isinstance(error, PlannerError):
            return error.outcome
        if error is not None:
            return Interrupted.outcome if isinstance(error, KeyboardInterrupt) else PlannerError.outcome
        if self._applied is not None:
            return "already applied" if self._applied.already else "applied"
        return "changes pending" if self._plan is not None and self._plan.has_changes else "no changes"

    def _drift(self, plan: Plan) -> Drift:
        """What differed, and, unless it was applied, still does."""
        left = dict.fromkeys((node.name for node in plan.nodes), 0)
        if self._applied is None:
            left |= Counter(step.cell.node for step in plan.steps)
        return Drift(len(plan.steps), len({step.cell.group for step in plan.steps}), left)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, PlannerError):
        return error.exit_code
    return Interrupted.exit_code if isinstance(error, KeyboardInterrupt) else PlannerError.exit_code


def _complaint(error: BaseException) -> Complaint:
    if isinstance(error, PlannerError):
        return Complaint(error.code, error.what, error.where, error.why, error.next, error.details)
    if isinstance(error, KeyboardInterrupt):
        return Complaint(Interrupted.code, "Interrupted; nothing was changed")
    return Complaint(PlannerError.code, f"A bug in planner: {type(error).__name__}")
