"""How one run went, for machines: one model, from which every outlet is made. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from planner import __version__
from planner.jsontext import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.counts import StepCounts

Json = dict[str, Any]

FORMAT = "planner.summary"
VERSION = 1
LONGEST = 4096
"""Bytes of a line. Kubernetes keeps no more of a termination message (the field `terminationMessagePath`)."""
_SHORTER = ((10, 400), (3, 150), (0, 60))
"""How many nodes are named, and how long a text may be, until the line is short enough."""

_DETAILS = 3
"""Lines that an error may have at most: one tells what is wrong, a hundred are for the log."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What differed from the file.

    Attributes:
        found: cells that a plan would write.
        groups: of how many groups.
        left: by the node's name, with every node that was read: cells that still differ when the run ends.
    """

    found: int
    groups: int
    left: Mapping[str, int]

    @property
    def total_left(self) -> int:
        """Cells that still differ."""
        return sum(self.left.values())


@dataclass(frozen=True, slots=True)
class Doubts:
    """What the store says when the run ends.

    Attributes:
        incomplete: whether an unfinished transaction needs `planner recover`.
        open: its cells that may not be as they were.
        set_aside: cells that were set aside by hand.
        watched: cells with an unanswered write.
        transactions: how many there are, by state.
    """

    incomplete: bool
    open: int
    set_aside: int
    watched: int
    transactions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a run did not end well; see `planner.errors`."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    next: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How one run went.

    Attributes:
        command: what was run.
        cluster: its name; empty where it is not known.
        started: wall time.
        seconds: how long it took.
        outcome: how it ended, in a word or two.
        exit_code: the process's own.
        whole: whether it was about the whole cluster, and not only a part.
        transaction: the one that was applied, or failed; None where there was none.
        recovered: an earlier one that was finished first.
        drift: None where the nodes were not all read: not read is never 'none'.
        unreadable: names of the nodes that could not be read.
        steps: what became of the plan's steps.
        requests: how many tries of requests there were, by node and how they ended (`200`, `not sent`).
        retries: how many of these were tried again.
        doubts: None where the store could not be asked.
        error: None where it ended well.
    """

    command: str
    cluster: str
    started: str
    seconds: float
    outcome: str
    exit_code: int
    whole: bool
    transaction: int | None
    recovered: int | None
    drift: Drift | None
    unreadable: tuple[str, ...]
    steps: StepCounts | None
    requests: Mapping[tuple[str, str], int]
    retries: Mapping[tuple[str, str], int]
    doubts: Doubts | None
    error: Complaint | None

    @property
    def succeeded(self) -> bool:
        """Whether the whole cluster was equal to the file in the end."""
        return self.exit_code == 0 and self.whole


def line_of(summary: RunSummary) -> str:
    """One line of JSON, without its end, of at most `LONGEST` bytes: `planner schema summary` tells of it."""
    line = ""
    for names, letters in _SHORTER:
        line = harmless(json.dumps(document_of(summary, names, letters)))
        if len(line) < LONGEST:
            break
    return line


def document_of(summary: RunSummary, names: int = 10, letters: int = 400) -> Json:
    """What the line holds.

    Args:
        summary: of the run.
        names: how many nodes are named; `nodes` counts them all.
        letters: how long a text may be.
    """
    drift, doubts, error = summary.drift, summary.doubts, summary.error
    by_end: dict[str, int] = {}
    for (_, end), number in summary.requests.items():
        by_end[end] = by_end.get(end, 0) + number
    return {
        "format": FORMAT,
        "version": VERSION,
        "planner": __version__,
        "command": summary.command,
        "cluster": _cut(summary.cluster, letters) or None,
        "started": summary.started,
        "seconds": round(summary.seconds, 3),
        "outcome": summary.outcome,
        "exit_code": summary.exit_code,
        "transaction": summary.transaction,
        "recovered": summary.recovered,
        "drift": None if drift is None else _of_drift(drift, names, letters),
        "unreadable": {
            "nodes": len(summary.unreadable),
            "names": [_cut(name, letters) for name in summary.unreadable[:names]],
        },
        "steps": None if summary.steps is None else {**asdict(summary.steps), "total": summary.steps.total},
        "requests": {
            "total": sum(by_end.values()),
            "retried": sum(summary.retries.values()),
            "by_end": dict(sorted(by_end.items())),
        },
        "store": None if doubts is None else {**asdict(doubts), "transactions": dict(doubts.transactions)},
        "error": None if error is None else _of_error(error, names, letters),
    }


def _of_error(error: Complaint, names: int, letters: int) -> Json:
    texts = asdict(error)
    details = texts.pop("details")
    told: Json = {key: _cut(text, letters) for key, text in texts.items()}
    return {**told, "details": [_cut(line, letters) for line in details[: min(names, _DETAILS)]]}


def _of_drift(drift: Drift, names: int, letters: int) -> Json:
    left = sorted(((number, name) for name, number in drift.left.items() if number), reverse=True)
    return {
        "found": drift.found,
        "groups": drift.groups,
        "left": drift.total_left,
        "nodes": len(left),
        "by_node": {_cut(name, letters): number for number, name in left[:names]},
    }


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
