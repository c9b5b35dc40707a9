"""Plans, records and streams that the tests of the views share."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.model import (
    Action,
    Cell,
    Node,
    Plan,
    Policy,
    Presence,
    Refusal,
    Seen,
    Step,
    StepState,
    TransactionState,
)
from planner.ports import CellMark, Intent, Record
from planner.views import View, open_view
from planner.views.report import report_of
from tests.schemas import check_output

ALL = ("node01", "node02", "node03")
WILD = "[red]a\x1b[31m\u202e\x9b2J\r\n\udc80]"
"""What would color, reverse, clear or break a terminal that got it as it is."""
WILD_SHOWN = r"[red]a\x1b[31m\u202e\x9b2J\r\n\udc80]"


def nodes(count: int = 3) -> tuple[Node, ...]:
    return tuple(Node(f"node{n:02}", f"http://node{n:02}.app.internal.com") for n in range(1, count + 1))


def plan(*changes: tuple[str, str, tuple[str, ...], str], count: int = 3, **fields: Any) -> Plan:
    """A plan of (action, group, nodes, reason)."""
    cells = [(Action(a), Cell(group, node), why) for a, group, names, why in changes for node in names]
    steps = tuple(Step(number, *change) for number, change in enumerate(cells, 1))
    fields["bystanders"] = _completed(steps, nodes(count), **fields)
    return Plan("production", "store-1", 4, nodes(count), steps, **fields)


def _completed(
    steps: tuple[Step, ...],
    known: tuple[Node, ...],
    *,
    bystanders: tuple[Seen, ...] = (),
    adopts: tuple[Cell, ...] = (),
    forgets: tuple[Cell, ...] = (),
    **_: Any,
) -> tuple[Seen, ...]:
    """A real plan has seen every cell of the groups that it touches: those left out are absent."""
    groups = dict.fromkeys(cell.group for cell in (*(step.cell for step in steps), *adopts, *forgets))
    seen = dict.fromkeys((Cell(group, node.name) for group in groups for node in known), Presence.ABSENT)
    seen.update(dict.fromkeys(adopts, Presence.PRESENT))
    seen.update({each.cell: each.presence for each in bystanders})
    for step in steps:
        del seen[step.cell]
    return tuple(Seen(*each) for each in seen.items())


def present(*cells: tuple[str, str]) -> tuple[Seen, ...]:
    return tuple(Seen(Cell(*cell), Presence.PRESENT) for cell in cells)


EXAMPLE = plan(
    ("create", "foo.bar", ALL, "declared"),
    ("create", "foo.baz", ALL, "declared"),
    ("create", "payments", ALL, "declared"),
    ("delete", "legacy", ALL, "state: absent"),
)
"""The plan of the product's own words: 3 to create, 1 to delete, on 3 nodes (12 requests)."""

MIXED = plan(
    ("create", "fresh", ALL, "declared"),
    ("create", "drifted", ("node02",), "drift"),
    ("create", "partial", ("node01", "node03"), "declared"),
    ("delete", "old", ("node01", "node02"), "no longer declared"),
    adopts=(Cell("here.already", "node01"), Cell("partial", "node02")),
    kept=(Cell("kept", "node01"),),
    forgets=(Cell("gone", "node02"),),
    warnings=("node node01 is called node09 now (same URL)",),
)

REFUSED = plan(
    ("delete", "a", ALL, "state: absent"),
    refusals=(
        Refusal(
            "protect",
            "1 protected group would be deleted",
            "remove `protect: true` from the file first",
            ("a",),
            1,
        ),
    ),
)


def plan_of_last(count: int) -> Plan:
    """The example's last steps, numbered from 1."""
    steps = EXAMPLE.steps[len(EXAMPLE.steps) - count :]
    return replace(EXAMPLE, steps=tuple(step._replace(number=n) for n, step in enumerate(steps, 1)))


def record(*states: StepState, note: str = "", work: Plan | None = None) -> Record:
    """An unfinished transaction over a plan (or the example's last steps), in these states."""
    marks = tuple(CellMark(number, state, note=note) for number, state in enumerate(states, 1))
    chosen = (work or plan_of_last(len(states))).steps
    intent = Intent("apply", EXAMPLE.nodes, chosen, Policy())
    return Record(
        7, "production", TransactionState.OPEN, intent, marks, "", "2026-01-01T00:00:00Z", "", "ci@host"
    )


class FakeClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def wall(self, ago: float = 0.0) -> str:
        return "2026-01-01T00:00:00Z"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Screen:
    """A view and what it printed."""

    def __init__(
        self,
        format: str = "text",
        *,
        tty: bool = False,
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.format = format
        self.out: io.StringIO = Terminal() if tty else io.StringIO()
        self.err: io.StringIO = Terminal() if tty else io.StringIO()
        self.clock = FakeClock()
        self.view: View = open_view(
            format,
            stdout=self.out,
            stderr=self.err,
            environ=environ or {},
            clock=self.clock,
            **options,
        )

    def plan(self, shown: Plan, **more: Any) -> None:
        """Show a plan, and what else `report_of` is told of it."""
        self.view.report(report_of(shown, **more))

    @property
    def stdout(self) -> str:
        """What was printed. As JSON it is what the schemas say; a test may look before a run ends."""
        text = self.out.getvalue()
        if self.format == "json" and text:
            check_output(text, whole=False)
        return text

    @property
    def stderr(self) -> str:
        return self.err.getvalue()
