"""Draw docs/pictures/ from real runs of the real commands against a simulated cluster (`make pictures`).

What differs from run to run or between machines (times, ids, who) is written as the same value in each.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from planner.cli.commands.demo import Stage
from planner.simulator import SimulatedCluster
from planner.views.picture import draw

FOLDER = Path(__file__).parent / "pictures"
DONE, INVALID, REVERSED, INCOMPLETE, REFUSED = 0, 1, 3, 4, 7
ALIKE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "2026-11-24 10:00:00 UTC"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "3ff7537c-49bd-4233-85f0-97c192164b4b"),
    (re.compile(r"[\w.-]+@[\w.-]+ pid \d+"), "ci@runner pid 4711"),
)
HEAD = "version: 1\ncluster: {name: production}\n"


def plan(stage: Stage) -> None:
    """A plan with one of everything, and its apply."""
    _before(stage, "[search, mail, reports]")
    stage.cluster.change_groups("node02", remove=["search"])
    stage.cluster.change_groups("node01", add=["legacy"])
    stage.cluster.change_groups("node02", add=["legacy"])
    stage.cluster.change_groups("node03", add=["legacy"])
    _write(stage, "[search, mail, payments, legacy, {id: reports, state: absent}]")
    stage.planner("plan", "--out", "plan.json", "--quiet", expect=[DONE])
    stage.say()
    stage.planner("apply", "plan.json", "--quiet", expect=[DONE])


def refusal(stage: Stage) -> None:
    """A plan that two guards stand against."""
    _before(stage, "[search, mail, reports, {id: payments, protect: true}]")
    _write(stage, "[search, {id: payments, protect: true, nodes: [node01]}]")
    stage.planner("plan", "--detailed-exitcode", "--quiet", expect=[REFUSED])


def reversed_apply(stage: Stage) -> None:
    """An apply that fails on one node."""
    _before(stage, "[search, mail, reports]")
    _write(stage, "[search, mail, payments, {id: reports, state: absent}]")
    stage.cluster.set_faults("node03:POST:error-before=1")
    stage.planner("apply", "--yes", "--quiet", "--retries", "2", expect=[REVERSED])


def killed(stage: Stage) -> None:
    """A run that is killed, what status says, and recover."""
    _before(stage, "[search, mail]")
    _write(stage, "[search, mail, payments]")
    stage.kill_at_write(2, "apply", "--yes", "--quiet", "--parallelism", "1")
    stage.say()
    stage.planner("status", "--check", expect=[INCOMPLETE])
    stage.say()
    stage.planner("recover", "--quiet", expect=[DONE])


def file_error(stage: Stage) -> None:
    """A file with several mistakes."""
    text = HEAD + "limits: {max_delete: 5}\ngroups:\n  - search\n  - {id: mail, state: gone}\n  - search\n"
    (stage.folder / "groups.yaml").write_text(text, encoding="utf-8")
    stage.planner("validate", expect=[INVALID])


SCENES: dict[str, Callable[[Stage], None]] = {
    "plan": plan,
    "refusal": refusal,
    "reversed": reversed_apply,
    "killed": killed,
    "file-error": file_error,
}


def _write(stage: Stage, groups: str) -> None:
    (stage.folder / "groups.yaml").write_text(f"{HEAD}groups: {groups}\n", encoding="utf-8")


def _before(stage: Stage, groups: str) -> None:
    """What was applied before the picture begins."""
    _write(stage, groups)
    stage.planner("apply", "--yes", "--quiet", expect=[DONE])
    stage.lines.clear()


def main() -> None:
    """Draw the pictures that are named, or all."""
    FOLDER.mkdir(exist_ok=True)
    os.environ["COLUMNS"] = "100"
    for name in sys.argv[1:] or SCENES:
        cluster = SimulatedCluster(3, seed=7)
        with tempfile.TemporaryDirectory(prefix="planner-") as folder, cluster:
            stage = Stage(cluster, Path(folder), color=True)
            SCENES[name](stage)
        lines = stage.lines
        for pattern, same in ALIKE:
            lines = [pattern.sub(same, line) for line in lines]
        draw(lines, FOLDER / f"{name}.svg", title=f"planner {name.replace('-', ' ')}")


if __name__ == "__main__":
    main()
