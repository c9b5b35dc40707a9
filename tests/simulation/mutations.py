"""Deliberate mistakes in the engine, each of which the simulation must catch.

A mutation replaces one function for the length of a `with` block. It stands for a law of the transaction; the
test that a mutation is caught is the test that the law is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from planner import codec, reads, verdict
from planner.app import applying, planning
from planner.model import Presence, StepState
from planner.transaction import cells, machine, recovery, run, scheduler
from planner.verdict import Effect, Method
from tests.simulation import memory

Mutation = Callable[[], Any]


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    old = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, old)


def no_suspicion() -> Any:
    """A 500 or a time-out before a final answer is forgotten: late effects are not looked for."""
    judge = verdict.judge_write

    def hasty(*args: Any, **kwargs: Any) -> Any:
        return judge(*args, **kwargs)._replace(suspect_since=None)

    return _replaced(cells, "judge_write", hasty)


def last_try_only() -> Any:
    """The verdict is taken over the last try: 'timed out, then refused' reads as 'not sent'."""
    judge = verdict.judge_write

    def forgetful(answer: Any, *args: Any, **kwargs: Any) -> Any:
        return judge(answer._replace(tries=answer.tries[-1:]), *args, **kwargs)

    return _replaced(cells, "judge_write", forgetful)


def no_settling() -> Any:
    """Suspect cells are read at once, and not again after the settle time, when going forward."""
    settle = cells.Cells.settle

    def hasty(self: Any, step_run: Any) -> Any:
        step_run.suspect_since = None
        return settle(self, step_run)

    return _replaced(cells.Cells, "settle", hasty)


def intent_after_request() -> Any:
    """A request is sent before its mark is durable."""

    def late(self: Any, step_run: Any, stage: Any, index: int) -> None:
        if step_run.state is StepState.PENDING:
            self.move(step_run, StepState.STARTED)

    return _replaced(run.Journal, "start", late)


def undo_without_reading() -> Any:
    """The inverse is sent once, and taken for done."""

    def blind(self: Any, step_run: Any) -> Any:
        yield from self._write(step_run, Method.towards(step_run.step.before), 5)
        self._journal.move(step_run, StepState.UNDONE)

    return _replaced(cells.Cells, "undo", blind)


def undo_not_settled() -> Any:
    """An undo is called done before a late effect of the forward request can be ruled out."""
    settled = cells.Cells.undo

    def hasty(self: Any, step_run: Any) -> Any:
        patient, self._policy = self._policy, replace(self._policy, settle=0.0)
        try:
            yield from settled(self, step_run)
        finally:
            self._policy = patient

    return _replaced(cells.Cells, "undo", hasty)


def recover_at_once() -> Any:
    """A recovery does not wait for what the dead run had sent."""
    restore = recovery._restore

    def hasty(step_run: Any, mark: Any, now: float) -> None:
        restore(step_run, mark, now)
        step_run.suspect_since = None

    return _replaced(recovery, "_restore", hasty)


def recover_only_done() -> Any:
    """A recovery undoes what is marked as done, and forgets what was only started."""
    finished = recovery.FINISHED | {StepState.STARTED, StepState.UNKNOWN}
    resume = recovery.resume

    def forgetful(record: Any, policy: Any, now: float) -> Any:
        runs = resume(record, policy, now)
        for each in runs:
            if each.state in finished and each.state is not StepState.PENDING:
                each.state = StepState.NOT_APPLIED
        return runs

    from planner.app import recovering

    return _replaced(recovering, "resume", forgetful)


def one_404_is_enough() -> Any:
    """A single 'not found' closes a cell as absent."""
    read = cells.Reader.read

    def trusting(self: Any, cell: Any, expected: Any = None) -> Any:
        return read(self, cell, Presence.ABSENT)

    return _replaced(cells.Reader, "read", trusting)


def unreadable_is_absent() -> Any:
    """A read that failed is taken as absent."""
    judge = verdict.judge_read

    def careless(*args: Any) -> Any:
        reading = judge(*args)
        return reading if reading.presence else reading._replace(presence=Presence.ABSENT)

    return _replaced(cells, "judge_read", careless)


def no_verification() -> Any:
    """'Applied' is said without having seen it."""
    return _replaced(machine.Transaction, "_verifying", lambda self, seen, bystanders: {})


def keep_going_after_lock_loss() -> Any:
    """The control is not asked before a request."""
    return _replaced(scheduler.Scheduler, "_look_at_control", lambda self, interruptible: None)


def unknown_is_applied() -> Any:
    """A time-out of a write is taken for success."""
    judge = verdict.judge_write

    def hopeful(*args: Any, **kwargs: Any) -> Any:
        found = judge(*args, **kwargs)
        if found.effect is Effect.UNKNOWN:
            return found._replace(effect=Effect.APPLIED, suspect_since=None)
        return found

    return _replaced(cells, "judge_write", hopeful)


def failed_undo_is_forgotten() -> Any:
    """A cell that could not be reversed is called reversed."""
    move = run.Journal.move

    def lying(self: Any, step_run: Any, state: Any, note: str = "") -> None:
        move(self, step_run, StepState.UNDONE if state is StepState.UNDO_FAILED else state, note)

    return _replaced(run.Journal, "move", lying)


def a_partial_plan_forgets_the_rest() -> Any:
    """The nodes of a partial plan are taken for all that there are."""
    return _replaced(applying, "_known_nodes", lambda plan, knowledge: plan.nodes)


def the_whole_is_read_for_a_part() -> Any:
    """A scope is heeded when the plan is made, and not before the nodes are read."""
    return _replaced(planning, "part_of", lambda desired, knowledge, scope: (desired, knowledge))


def a_part_passes_for_the_whole() -> Any:
    """A scheduled run may repair towards a file of which only a part was applied."""
    return _replaced(applying, "_is_whole", lambda plan, knowledge: True)


def protection_is_recorded_too_early() -> Any:
    """It is remembered when the transaction begins, and not when it was applied."""
    begin = memory.MemoryLease.begin

    def hasty(self: Any, intent: Any) -> int:
        number = begin(self, intent)
        self.memory.protected |= set(codec.load_plan(intent.plan).protects)
        return number

    return _replaced(memory.MemoryLease, "begin", hasty)


def a_list_is_taken_as_read() -> Any:
    """What a node lists is there, also where something comes of it."""
    return _replaced(reads, "_is_settled", lambda wish, *, managed, prune: True)


def what_is_not_listed_is_absent() -> Any:
    """A node that lists is not read."""
    decide = reads.reads_of

    def believing(desired: Any, knowledge: Any, lists: Any) -> Any:
        found = decide(desired, knowledge, lists)
        for name in lists.nodes & found.nodes.keys():
            for cell, _ in found.nodes[name]:
                listed = name in lists.holders.get(cell.group, ())
                found.listed.see(cell, Presence.PRESENT if listed else Presence.ABSENT)
        nodes = {name: todo for name, todo in found.nodes.items() if name not in lists.nodes}
        return replace(found, nodes=nodes)

    return _replaced(planning, "reads_of", believing)


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        no_suspicion,
        last_try_only,
        no_settling,
        intent_after_request,
        undo_without_reading,
        undo_not_settled,
        recover_at_once,
        recover_only_done,
        one_404_is_enough,
        unreadable_is_absent,
        no_verification,
        keep_going_after_lock_loss,
        unknown_is_applied,
        failed_undo_is_forgotten,
        a_partial_plan_forgets_the_rest,
        the_whole_is_read_for_a_part,
        a_part_passes_for_the_whole,
        protection_is_recorded_too_early,
        a_list_is_taken_as_read,
        what_is_not_listed_is_absent,
    )
}
