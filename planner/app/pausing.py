"""The growing pause of a repair that keeps failing: an unattended run must not hammer the nodes.

What it remembers is the journal itself: the last transactions of the cluster, as the store holds them. So the
pause outlives every run, and is the same for all that share the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from planner.errors import ChangesPending
from planner.model import TransactionState
from planner.times import after, between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.model import Action, Node, Plan, Step
    from planner.ports import Clock, Record, Store

LONGEST = 32
"""The pause doubles until it is so many times as long as the first one: with 10 minutes, 5 h 20 min."""
_READ_BACK = LONGEST.bit_length() + 1
"""Transactions that are looked at: as many as make the longest pause, one that was only stopped included."""
_FAILED = frozenset({TransactionState.REVERSED, TransactionState.CLOSED_WITH_EXCEPTIONS})


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a plan is not tried again yet.

    Attributes:
        failures: how often in a row it failed the same way.
        transaction: the last one that did.
        why: in its words.
        until: wall time.
        stopped: whether it did not fail by itself: each of these runs was stopped, or died.
    """

    failures: int
    transaction: int
    why: str
    until: str
    stopped: bool = False


def check_pause(plan: Plan, store: Store, clock: Clock, first: float) -> None:
    """Refuse to try a plan again that has just failed.

    Args:
        plan: what would be applied.
        store: where the transactions are.
        clock: of this machine.
        first: seconds of the first pause; 0 for no pause at all.

    Raises:
        ChangesPending: it is not tried before a time that the error names. Nothing was changed.
    """
    pause = pause_of(plan, store.history(plan.cluster, _READ_BACK), clock.wall(), first)
    if pause is None:
        return
    times = "" if pause.failures == 1 else f" {pause.failures} times in a row, each time the same way"
    what, cure = f"These changes failed{times}, and", "mend the cause"
    if pause.stopped:
        what = f"The last {pause.failures} runs with these changes were stopped, or died, in the middle; they"
        cure = "look why (memory, a deadline, a machine)"
    raise ChangesPending(
        f"{what} are not tried again before {pause.until}",
        where=f"TX {pause.transaction}",
        why=pause.why,
        next=f"{cure}; then `planner reconcile --backoff-after-failure 0` tries at once, "
        "and so does `planner apply`",
    )


def pause_of(plan: Plan, records: Sequence[Record], now: str, first: float) -> Pause | None:
    """How long a plan has to wait after its failures; None when it may be tried now.

    It failed the same way where the same changes were reversed because of the same node: which of its cells
    comes first is chance, since many requests are in flight. A run that was stopped or killed met no failing
    node: the first time that says nothing of the plan, and costs no pause; a plan that never comes to its end
    waits like any other.

    Args:
        plan: what would be applied.
        records: the cluster's last transactions, newest first, each finished.
        now: wall time. Where the clock went back behind the last failure, there is no pause.
        first: seconds of the first pause. It doubles with each failure, `LONGEST` times at most.
    """
    wanted = _work(plan.source, plan.steps, plan.nodes)
    failures = list(takewhile(lambda record: record.state in _FAILED and _work_of(record) == wanted, records))
    if not failures or not first:
        return None
    node = failed_node(failures[0])
    alike = list(takewhile(lambda record: failed_node(record) == node, failures))
    times = len(alike) if node else len(alike) - 1
    last = alike[0]
    seconds = first * min(2 ** (times - 1), LONGEST) if times else 0.0
    elapsed = between(last.finished, now)
    if elapsed is None or elapsed >= seconds:
        return None
    return Pause(len(alike), last.number, last.message, after(last.finished, seconds), stopped=not node)


def failed_node(record: Record) -> str:
    """The node whose step could not be carried out; empty where the run was stopped, or died."""
    found = (step.cell.node for step in record.intent.steps if record.message.startswith(f"{step}: "))
    return next(found, "")


def _work_of(record: Record) -> tuple[str, frozenset[tuple[Action, str, str]]]:
    return _work(record.intent.source, record.intent.steps, record.intent.nodes)


def _work(
    source: str, steps: Iterable[Step], nodes: Iterable[Node]
) -> tuple[str, frozenset[tuple[Action, str, str]]]:
    """What is to be done, whatever order or reason it has this time: the same file, the same changes."""
    urls = {node.name: node.url for node in nodes}
    return source, frozenset((step.action, step.cell.group, urls[step.cell.node]) for step in steps)
