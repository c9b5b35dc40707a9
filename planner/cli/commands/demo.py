"""`planner demo`: the whole story on a simulated cluster, told by the real commands."""

from __future__ import annotations

import os
import subprocess  # starts our own interpreter only  # nosec B404
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.errors import PlannerError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.simulator import SimulatedCluster

SEED = 7
FAULTS = "POST:error-after=0.2,POST:hang-after=0.1,GET:error-before=0.05"
SETTINGS = {
    "PLANNER_READ_TIMEOUT": "700ms",  # and so everything settles after 1.4 s
    "PLANNER_BACKOFF": "50ms",
    "PLANNER_BACKOFF_MAX": "500ms",
}
FIRST_FILE = """\
version: 1
cluster: {name: demo}
groups: [billing, search, mail, reports]
"""
SECOND_FILE = """\
version: 1
cluster: {name: demo}
groups:
  - billing
  - search
  - mail
  - {id: payments, protect: true}
  - {id: reports, state: absent}
"""
APPLIED, REVERSED = 0, 3


class Stage:
    """Where the story is told: a cluster, a folder with groups.yaml, and the lines that were printed."""

    def __init__(self, cluster: SimulatedCluster, folder: Path, *, color: bool) -> None:
        self.cluster = cluster
        self.folder = folder
        self.lines: list[str] = []
        self._color = color
        nodes = ",".join(f"{name}={url}" for name, url in cluster.urls.items())
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PLANNER_")}
        self._environment = kept | SETTINGS | {
            "PLANNER_NODES": nodes,
            "PLANNER_STORE": f"sqlite:///{folder}/planner.db",
            "PLANNER_COLOR": "always" if color else "never",
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def say(self, text: str = "") -> None:
        """Print a line of the story."""
        self.lines.append(text)
        click.echo(text, color=self._color)

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self.say()
        self.say(
            click.style(f"── {title} ", bold=True) + click.style("─" * max(2, 74 - len(title)), dim=True)
        )

    def planner(self, *arguments: str, expect: Sequence[int]) -> None:
        """Run a command for real, show what it prints, and insist on its exit code.

        Raises:
            PlannerError: it ended otherwise.
        """
        self._show_command(arguments)
        process = self._popen(arguments)
        assert process.stdout is not None  # noqa: S101  (it is a pipe)  # nosec B101
        with process:
            for line in process.stdout:
                self.say(line.rstrip("\n"))
        self.say(click.style(f"(exit {process.returncode})", dim=True))
        if process.returncode not in expect:
            raise PlannerError(
                f"The demo expected exit {' or '.join(map(str, expect))}, and saw {process.returncode}",
                next="please report this, with what is shown above",
            )

    def kill_at_write(self, number: int, *arguments: str) -> None:
        """Run a command, and kill it with SIGKILL while its n-th write is on the wire."""
        self._show_command(arguments)
        self.cluster.hold(number, "after")
        with self._popen(arguments) as process:
            self.cluster.wait_held()
            process.kill()
        self.cluster.release()
        self.say(click.style(f"(kill -9, while write {number} was on the wire)", fg="red"))

    def nodes(self) -> None:
        """Show what every node holds, and whether they are equal."""
        held = self.cluster.groups()
        for name, groups in held.items():
            self.say(f"  {name}: {' '.join(groups) or '(nothing)'}")
        equal = len(set(held.values())) == 1
        self.say("  " + (click.style("equal", fg="green") if equal else click.style("DIFFERENT", fg="red")))

    def failures(self) -> None:
        """Show how many requests failed on the way, since the last look."""
        counts = self.cluster.requests().counts
        failed, total = sum(c.count for c in counts if c.fault), sum(c.count for c in counts)
        self.cluster.reset_requests()
        self.say(
            click.style(
                f"  {failed} of {total} requests failed on the way, some after they took effect", dim=True
            )
        )

    def write(self, text: str) -> None:
        """Write groups.yaml, and show it."""
        (self.folder / "groups.yaml").write_text(text, encoding="utf-8")
        for line in text.splitlines():
            self.say(click.style("  │ ", dim=True) + line)

    def _show_command(self, arguments: Sequence[str]) -> None:
        self.say(click.style("$ ", fg="green") + click.style("planner " + " ".join(arguments), bold=True))

    def _popen(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  (our own interpreter, fixed arguments)  # nosec B603
            [sys.executable, "-m", "planner.cli", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )


@click.command()
@click.option("--picture", type=click.Path(path_type=Path), hidden=True, help="Also draw it as an SVG.")
def command(*, picture: Path | None) -> None:
    """Show the whole story on a simulated cluster of three unreliable nodes.

    Plan and apply under faults, a node that fails and the full reverse, drift and its repair, and a run that
    is killed and recovered. Needs the extra `planner[simulator]`.

    \b
    Example:
      planner demo
    """
    from planner.simulator import MissingExtraError, SimulatedCluster

    color = picture is not None or (sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    try:
        cluster = SimulatedCluster(3, seed=SEED)
    except MissingExtraError as error:
        raise WrongUsage(
            "The simulator is not installed", why=str(error), next="pip install 'planner[simulator]'"
        ) from error
    with tempfile.TemporaryDirectory(prefix="planner-demo-") as folder, cluster:
        stage = Stage(cluster, Path(folder), color=color)
        tell(stage)
    if picture is not None:
        from planner.views.picture import draw

        draw(stage.lines, picture, title="planner demo")


def tell(stage: Stage) -> None:
    """The story, in five chapters."""
    stage.say("Three nodes, each with the same small HTTP API, and each of them unreliable:")
    stage.say(f"  {FAULTS}")
    stage.chapter("1. Plan and apply, while requests fail")
    stage.cluster.set_faults(FAULTS)
    stage.write(FIRST_FILE)
    stage.planner("plan", "--out", "plan.json", "--quiet", expect=[APPLIED])
    stage.planner("apply", "plan.json", expect=[APPLIED])
    stage.failures()
    stage.nodes()

    stage.chapter("2. One node fails: everything is reversed")
    stage.cluster.set_faults("node03:POST:error-before=1")
    stage.say("node03 answers 500 to every POST now, and the file asks for one more group, and one less.")
    stage.write(SECOND_FILE)
    stage.planner("apply", "--yes", expect=[REVERSED])
    stage.nodes()

    stage.chapter("3. Killed in the middle, and recovered")
    stage.cluster.set_faults("")
    stage.kill_at_write(2, "apply", "--yes", "--quiet", "--parallelism", "1")
    stage.nodes()
    stage.planner("recover", expect=[APPLIED])
    stage.nodes()

    stage.chapter("4. The same change, now that the nodes answer")
    stage.planner("apply", "--yes", "--quiet", expect=[APPLIED])
    stage.nodes()

    stage.chapter("5. Somebody deletes a group on one node: drift, and its repair")
    stage.cluster.change_groups("node02", remove=["search"])
    stage.nodes()
    stage.planner("apply", "--yes", "--quiet", expect=[APPLIED])
    stage.nodes()
    stage.say()
    stage.say(click.style("Every node is equal to groups.yaml.", fg="green", bold=True))
