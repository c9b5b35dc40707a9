"""What is measured: each section is a function from a `Bench` to its part of the results.

::

    plan.py       reading: planner beside the others
    apply.py      creating every cell of an empty cluster: planner beside the others
    growth.py     a plan of a thousand to a million cells
    start.py      how long a command takes that has next to nothing to do
    journal.py    what the durable commits cost an apply
    executors.py  threads and worker processes, once planner has them
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.sections import apply, executors, growth, journal, plan, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench

SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "plan": plan.measure,
    "apply": apply.measure,
    "growth": growth.measure,
    "start": start.measure,
    "journal": journal.measure,
    "executors": executors.measure,
}
"""By name, in the order in which they are run."""
