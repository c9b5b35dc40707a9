"""`planner recover`: finish what a dead or failed run left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from planner.cli.options import Command, cluster_option, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.errors import WrongUsage
from planner.model import Cell
from planner.results import Recovered

if TYPE_CHECKING:
    from planner.model import Node


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Only show what would be brought back.")
@click.option(
    "--skip", multiple=True, metavar="NODE", help="Set every open cell of this node aside. Repeatable."
)
@click.option(
    "--accept", multiple=True, metavar="NODE/GROUP", help="Set this cell aside, as it is. Repeatable."
)
@click.option(
    "--node-url",
    multiple=True,
    metavar="NAME=URL",
    help="Where a node is now, when it has moved. Repeatable.",
)
@cluster_option
@format_option
@quiet_option
@settings_options()
def command(
    *,
    dry_run: bool,
    skip: tuple[str, ...],
    accept: tuple[str, ...],
    node_url: tuple[str, ...],
    cluster: str | None,
    output: str,
    quiet: bool,
    **flags: str | None,
) -> None:
    """Finish what a dead or failed run left: bring every node back to what it was. Safe to run at any time.

    It uses the nodes of the journal, never those of the file. After a run that died it first waits one settle
    time, since that run's last requests may still take effect.

    A cell that cannot be brought back may be set aside by hand (--skip, --accept). That closes the
    transaction, and leaves the cell marked: `planner status` names it until a later apply has verified it.

    \b
    Examples:
      planner recover
      planner recover --dry-run
      planner recover --skip node03
    """
    from planner.app import recover, steps_to_set_aside, what_to_recover

    with Session(flags, output, quiet=quiet) as session:
        name = session.cluster(cluster)
        store = session.store()
        if dry_run:
            record = what_to_recover(store, name)
            if record is None:
                session.view.recovered(Recovered())
            else:
                session.view.recovering(record, dry_run=True)
            return
        with store.lock(name, "recover", session.settings.lock_timeout) as lease:
            record = what_to_recover(store, name)
            if record is None:
                session.view.recovered(Recovered())
                return
            aside = steps_to_set_aside(record, skip, [_cell(text) for text in accept])
            nodes = _moved(record.intent.nodes, node_url)
            session.view.recovering(record, dry_run=False)
            with session.world(nodes) as world:
                session.control.attach(lease)
                result = recover(record, lease, session.settings.policy(), world, aside)
        session.view.recovered(result)


def _cell(text: str) -> Cell:
    """``NODE/GROUP``: a node's name has no slash, an id may."""
    node, slash, group = text.partition("/")
    if not slash or not group:
        raise WrongUsage(f"--accept {text} is not NODE/GROUP", next="for example: --accept node03/foo.bar")
    return Cell(group, node)


def _moved(nodes: tuple[Node, ...], moves: tuple[str, ...]) -> tuple[Node, ...]:
    """The journal's nodes, some of them under a new URL."""
    from planner.desired import canonical_url

    urls = {}
    for text in moves:
        name, _, url = text.partition("=")
        try:
            urls[name] = canonical_url(url)
        except ValueError as error:
            raise WrongUsage(f"--node-url {text} cannot be used", why=str(error)) from error
    unknown = sorted(urls.keys() - {node.name for node in nodes})
    if unknown:
        raise WrongUsage(
            f"--node-url names no node of the transaction: {', '.join(unknown)}",
            next=f"its nodes are {', '.join(node.name for node in nodes)}",
        )
    return tuple(replace(node, url=urls.get(node.name, node.url)) for node in nodes)
