"""results.json -> docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.bench import ROUNDS
from benchmarks.goals import goals
from benchmarks.sections.plan import DEFAULT

NOTES = Path(__file__).with_name("notes.md")
HEAD = """\
<!-- Written by benchmarks/page.py (make bench) from results.json and notes.md: a change here is lost. -->
# Benchmarks

`make bench` measures planner beside other clients of the same API, on one machine and in one run, and writes
this page. Every number here comes from
`benchmarks/results.json`, which holds each single run; whether a goal is met is decided by the numbers.

![The clients beside planner, and how the time and memory of a plan grow](pictures/benchmarks.svg)

"""
HOW = """\
## How it was measured

* **Whole processes.** Wall time runs from the start of a process to its end, so that the start of Python and
  its imports count. CPU time is user and system time of the process and of the children that it waited for
  (`wait4`).
* **Peak memory** is the most that the process and its children were seen to hold together, looked at every
  0.1 s in `/proc`, and at least what the kernel reports for the largest of them. Pages that processes share
  count once for each, so with worker processes it is rather too much.
* **Rounds alternate**: A B C A B C. A cell of a table is the median, with the least and the most. A ratio is
  the median of the rounds' own ratios, so that what slowed down one round slows down both sides.
* **Per cell.** Slow clients get fewer cells, and are compared in cells per second. Those marked ¹ take so
  long to start that it would count for too much: a run on one cell is taken off, and the rest is counted.
* **The nodes** are one process of the same machine, an event loop that answers as fast as Python can
  (`benchmarks/nodes.py`), each node at an address of its own. It competes with the clients for the
  cores, alike for all of them.
* **The work is checked**: every client compares every id or status, and after every apply the nodes are asked
  how many cells they hold. A client that did less ends the benchmark.

"""


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    sections = document.get("sections", {})
    parts = [HEAD, _goals(sections), _notes(), _machine(document), HOW]
    parts += [_plan(sections), _apply(sections), _growth(sections)]
    parts += [_start(sections), _journal(sections), _executors(sections)]
    return "".join(parts).rstrip() + "\n"


def _goals(sections: dict[str, Any]) -> str:
    return f"## Goals\n\n{tables.goals_table(goals(sections))}\n"


def _notes() -> str:
    text = NOTES.read_text("utf-8").strip() if NOTES.exists() else ""
    return f"{text}\n\n" if text else ""


def _machine(document: dict[str, Any]) -> str:
    here = document.get("machine", {})
    text = "## The machine\n\n" + tables.table(" | ", [[name, value] for name, value in here.items()])
    for name, found in document.get("sections", {}).items():
        text += f"\n* `{name}`: {found['date']}, commit `{found['commit']}`, {found['rounds']} rounds"
        if found["scale"] != 1 or found["rounds"] < ROUNDS:
            text += f" with {found['scale']:g} times the cells: a trial, no figures to go by"
        text += "."
    return text + "\n\n"


def _cases(sections: dict[str, Any], name: str) -> str:
    text = ""
    for case in sections[name]["cases"]:
        text += (
            f"### {name}: {case['nodes']} nodes, {case['latency']} ms\n\n{tables.comparison(case['rows'])}\n"
        )
    return text


def _plan(sections: dict[str, Any]) -> str:
    if "plan" not in sections:
        return ""
    text = f"""\
## Plan

`planner plan` of cells that are all as they should be, after an apply; the others read the same cells.
planner runs as it comes (`--parallelism {DEFAULT}`), and at 20 ms also with more; the aiohttp loop has as
many requests in flight. `terraform plan` asks no node about a resource with a provisioner: what is measured
is an apply whose provisioners read.

"""
    return text + _cases(sections, "plan")


def _apply(sections: dict[str, Any]) -> str:
    if "apply" not in sections:
        return ""
    text = """\
## Apply

Every cell of an empty cluster is created. `planner apply --yes` reads every cell before it plans, and again
before the first write, as often as it takes to believe that it is absent; it holds each wave durably before
it is sent, and reads every cell at the end. The aiohttp loop and the first requests loop send one POST per
cell and check its status; 'careful' has a GET before and one after.

"""
    return text + _cases(sections, "apply")


def _growth(sections: dict[str, Any]) -> str:
    if "growth" not in sections:
        return ""
    return f"""\
## Growth

`planner plan` of n groups on n nodes, in single runs. Exponents are least squares over the logarithms: 1 is
linear. With `api.list`, planner asks each node once. In the first two series nothing is to be done: the store
knows every cell, and was made without an apply (`benchmarks/clients/seed.py`). In the third it is empty, so
that every cell is to be adopted, a change.

{tables.growth(sections["growth"]["rows"])}
"""


def _start(sections: dict[str, Any]) -> str:
    return f"## Start\n\n{tables.starts(sections['start']['rows'])}\n" if "start" in sections else ""


def _journal(sections: dict[str, Any]) -> str:
    if "journal" not in sections:
        return ""
    return f"""\
## Journal

`planner apply --yes` as it is, and in a throw-away build in which the durable commits of the waves do
nothing (`benchmarks/clients/launch.py`; such a run could not be recovered). 'Gone without it' is the share of
the time by which the second is shorter; 'inside its calls' is measured in the first: how long the run waited
for its intent, its waves and its closing to be durable.

{tables.journal(sections["journal"]["cases"])}
"""


def _executors(sections: dict[str, Any]) -> str:
    cases = sections.get("executors", {}).get("cases", [])
    return f"## Threads and processes\n\n{tables.executors(cases)}\n" if cases else ""
