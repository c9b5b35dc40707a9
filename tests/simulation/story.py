"""A life for people, when it broke the invariant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.life import Life
    from tests.simulation.scenarios import Scenario


class Violation(AssertionError):
    """The invariant does not hold; the timeline tells how it came."""


@contextmanager
def told(life: Life, scenario: Scenario) -> Iterator[None]:
    """Tell the life where it breaks the invariant."""
    start = life.world.snapshot()
    asked = str(scenario) if life.world.timeline is not None else ""
    try:
        yield
    except Violation as violation:
        if life.world.timeline is not None:
            violation.add_note(story(life, asked, start))
        raise


def story(life: Life, asked: str, start: dict[str, frozenset[str]]) -> str:
    """A life for people: what was asked for, the plan, what happened, and what became of it."""
    steps = life.plan.steps if life.plan else ()
    record = life.store.record(life.desired.cluster, 1)
    lines = [f"seed {life.scenario.seed}: {asked}", "before:", *_held(start), "plan:"]
    if life.part is not None:
        lines.append(f"  {life.part.scope}")
    lines += [f"  {step.number}: {step.action} {step.cell}, {step.reason}" for step in steps]
    lines += ["timeline (seconds):", *(life.world.timeline or [])]
    lines += ["after:", *_held(life.world.snapshot()), f"journal: {record.state if record else 'nothing'}"]
    lines += [f"  {mark.number}: {mark.state} {mark.note}" for mark in (record.marks if record else ())]
    return "\n".join(lines)


def _held(nodes: dict[str, frozenset[str]]) -> list[str]:
    return [f"  {name}: {', '.join(sorted(groups)) or 'nothing'}" for name, groups in nodes.items()]
