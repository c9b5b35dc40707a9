"""`planner simulate`: a simulated cluster of real HTTP servers, with faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.errors import WrongUsage

if TYPE_CHECKING:
    from planner.simulator import SimulatedCluster


@click.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1), help="Number of nodes.")
@click.option(
    "--port",
    default=8001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Of the first; 0: free ones.",
)
@click.option(
    "--groups", type=click.Path(path_type=Path), help="What the nodes hold: a text file, one id a line."
)
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="Faults by name and rate. Repeatable.")
@click.option("--seed", type=int, help="Of all luck; another one each time by default.")
@click.option("--listing", is_flag=True, help="Let GET of the collection list the ids.")
def command(
    *, nodes: int, port: int, groups: Path | None, faults: tuple[str, ...], seed: int | None, listing: bool
) -> None:
    """Run a simulated cluster on loopback, until Ctrl-C. Needs the extra `planner[simulator]`.

    A fault is written [NODE:][METHOD:]NAME=RATE[@VALUE], and several with commas between. The names are
    error-before, error-after, hang-before, hang-after, late (@seconds), late-error (@seconds), reset,
    reset-before, reset-after, rate-limit (@seconds), unavailable, false-404, slow (@seconds) and refuse.

    \b
    Examples:
      planner simulate
      planner simulate --nodes 5 --fault error-after=0.1,hang-after=0.05,late=0.05@1.5 --seed 7
      planner simulate --fault node02:POST:error-before=1
    """
    from planner.simulator import MissingExtraError, SimulatedCluster, load_groups, node_names, serve

    try:
        content = load_groups(groups, node_names(nodes)) if groups else ()
        cluster = SimulatedCluster(
            nodes, port=port, groups=content, faults=",".join(faults), seed=seed, listing=listing
        )
        serve(cluster, lambda running: _ready(running, listing))
    except MissingExtraError as error:
        raise WrongUsage(
            "The simulator is not installed", why=str(error), next="pip install 'planner[simulator]'"
        ) from error
    except (ValueError, OSError) as error:
        raise WrongUsage("The simulated cluster cannot start", why=str(error)) from error


def _ready(cluster: SimulatedCluster, listing: bool) -> None:
    urls = cluster.urls
    for name, url in urls.items():
        click.echo(f"{name}  {url}")
    click.echo(f"control {cluster.control_url}  (faults, groups, requests)")
    click.echo(f"faults  {cluster.faults() or 'none'}  (seed {cluster.seed})")
    click.echo("\nIn another terminal:")
    click.echo("  export PLANNER_NODES=" + ",".join(f"{name}={url}" for name, url in urls.items()))
    click.echo("  planner plan        (with a groups.yaml that names no nodes)")
    if listing:
        click.echo("  planner import --name example --list-path /v1/group/ --list-field groupIds")
    click.echo(f"  curl -X PUT {cluster.control_url}/faults -d POST:error-before=0.2")
    click.echo("\nCtrl-C ends it. docs/cookbook.md (Rehearse failures) has all that control can do.")
