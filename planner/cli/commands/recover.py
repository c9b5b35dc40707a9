"""`planner recover`: finish what a dead or failed run left."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from planner.cli.completion import complete_cells, complete_node_urls, complete_nodes
from planner.cli.options import Command, cluster_option, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.errors import WrongUsage
from planner.model import Cell
from planner.results import Recovered

if TYPE_CHECKING:
    from planner.model import Desired
    from planner.ports import Holder, Record


@click.command(cls=Command, codes=(0, 1, 4, 5, 64, 130))
@click.option("--dry-run", is_flag=True, help="Only show what would be brought back.")
@click.option(
    "--skip",
    multiple=True,
    metavar="NODE",
    shell_complete=complete_nodes,
    help="Set every open cell of this node aside. Repeatable.",
)
@click.option(
    "--accept",
    multiple=True,
    metavar="NODE/GROUP",
    shell_complete=complete_cells,
    help="Set this cell aside, as it is. Repeatable.",
)
@click.option(
    "--node-url",
    multiple=True,
    metavar="NAME=URL",
    shell_complete=complete_node_urls,
    help="Where a node is now, when it has moved. Repeatable.",
)
@click.option(
    "--api-from-file",
    is_flag=True,
    help="Speak to the nodes as the file says now (`api`, `credential`, `tls`), not as the journal does.",
)
@click.option(
    "--forget",
    multiple=True,
    metavar="NODE/GROUP",
    shell_complete=complete_cells,
    help="Only stop naming this cell, which was set aside and whose node is gone for good. Repeatable.",
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
    api_from_file: bool,
    forget: tuple[str, ...],
    cluster: str | None,
    output: str,
    quiet: bool,
    **flags: str | None,
) -> None:
    """Finish what a dead or failed run left: bring every node back to what it was. Safe to run at any time.

    It uses the nodes of the journal, never those of the file. After a run that died it first waits one settle
    time, since that run's last requests may still take effect.

    Where an undo was turned down because `cluster.api` is wrong, or a credential is found elsewhere by now,
    correct the file and pass --api-from-file: a node that has the same URL in the file is then spoken to as
    the file says.

    A cell that cannot be brought back may be set aside by hand (--skip, --accept). That closes the
    transaction, and leaves the cell marked: `planner status` names it until a later apply has verified it.
    One whose node has left the file for good can be given up (--forget); that asks no node.

    \b
    Examples:
      planner recover
      planner recover --dry-run
      planner recover --skip node03
      planner recover --api-from-file
      planner recover --forget node03/foo.bar
    """
    from planner.app import recover, speaks_as_before, steps_to_set_aside, what_to_recover

    accepted = [_cell("--accept", text) for text in accept]
    given_up = [_cell("--forget", text) for text in forget]
    urls = _urls(node_url)
    if given_up and (dry_run or skip or accept or node_url or api_from_file):
        raise _forget_goes_alone()
    with Session(flags, output, quiet=quiet) as session:
        desired = session.desired() if api_from_file else None  # once: it may be standard input
        name = desired.cluster if desired is not None and cluster is None else session.cluster(cluster)
        # One that is not there has nothing to recover, and most likely is not the one that was meant.
        store = session.store(create=False)
        if given_up:
            _give_up(given_up, name, session, ask_file=cluster is None)
            return
        with ExitStack() as stack:
            # The lock, from here on; a dry run only looks.
            lease = None if dry_run else stack.enter_context(session.lock(name, "recover"))
            holder = store.holder(name) if dry_run else None
            record = what_to_recover(store, name)
            if record is None:
                _nothing(session, name)
                return
            aside = steps_to_set_aside(record, skip, accepted)
            before, record = record, _spoken_to(_moved(record, urls), desired, session)
            if holder is not None:
                _running(session, record, holder)
            session.view.recovering(record, dry_run=dry_run, aside=aside)
            if lease is None:
                return
            unchanged = desired.origin if desired and speaks_as_before(before, record) else ""
            how = [f"--node-url {text}" for text in node_url] + ["--api-from-file"] * api_from_file
            with session.world(record.intent.nodes, writes=True) as world:
                policy = session.settings.policy()
                result = recover(record, lease, policy, world, aside, how=how, unchanged=unchanged)
        session.view.recovered(result)


def _forget_goes_alone() -> WrongUsage:
    return WrongUsage(
        "--forget goes with none of the options of a recovery",
        next="run `planner recover` with those first, if there is something to recover",
    )


def _running(session: Session, record: Record, holder: Holder) -> None:
    """A dry run takes no lock: it may look at a run that is alive."""
    session.view.warning(
        f"transaction {record.number} is running now ({holder.who}): this is what is open at the moment, "
        "and there is nothing to recover unless that run dies"
    )


def _give_up(cells: list[Cell], name: str, session: Session, *, ask_file: bool) -> None:
    """Stop naming cells. Whoever names the cluster instead of the file is not asked what the file says."""
    from planner.app import give_up

    desired = session.desired() if ask_file else None
    store = session.store(create=False)
    with session.lock(name, "recover") as lease:
        given_up = give_up(cells, name, store, lease, desired)
    session.view.recovered(Recovered(given_up=given_up))


def _nothing(session: Session, name: str) -> None:
    """Say so; and where there is something, since the file may name another cluster by now."""
    for other in session.store().unfinished_besides(name):
        session.view.warning(
            f"transaction {other.number} of cluster {other.cluster!r} is unfinished: "
            f"planner recover --cluster {other.cluster}"
        )
    session.view.recovered(Recovered())


def _cell(option: str, text: str) -> Cell:
    """``NODE/GROUP``: a node's name has no slash, an id may."""
    node, slash, group = text.partition("/")
    if not slash or not group or not node:
        raise WrongUsage(f"{option} {text} is not NODE/GROUP", next=f"for example: {option} node03/foo.bar")
    return Cell(group, node)


def _spoken_to(record: Record, desired: Desired | None, session: Session) -> Record:
    """The transaction, its nodes spoken to as the file says; as the journal says where there is no file."""
    from planner.app import with_api_of

    if desired is None:
        return record
    record, remarks = with_api_of(desired, record)
    for remark in remarks:
        session.view.warning(remark)
    return record


def _urls(moves: tuple[str, ...]) -> dict[str, str]:
    """Where nodes are now, by name; judged even when there turns out to be nothing to recover."""
    from planner.desired import canonical_url

    urls = {}
    for text in moves:
        name, _, url = text.partition("=")
        try:
            urls[name] = canonical_url(url)
        except ValueError as error:
            raise WrongUsage(
                f"--node-url {text} cannot be used",
                why=str(error),
                next="for example: --node-url node03=http://node03.example.com",
            ) from error
    return urls


def _moved(record: Record, urls: dict[str, str]) -> Record:
    """The transaction, some of its nodes under a new URL."""
    nodes = record.intent.nodes
    unknown = sorted(urls.keys() - {node.name for node in nodes})
    if unknown:
        raise WrongUsage(
            f"--node-url names no node of the transaction: {', '.join(unknown)}",
            next=f"its nodes are {', '.join(node.name for node in nodes)}",
        )
    nodes = tuple(replace(node, url=urls.get(node.name, node.url)) for node in nodes)
    names: dict[str, str] = {}
    for node in nodes:
        if names.setdefault(node.url, node.name) != node.name:
            raise WrongUsage(
                f"--node-url puts {names[node.url]} and {node.name} at one URL",
                where=node.url,
                why="a cell of one would be looked for on the other, and be called recovered",
                next="say where each of them is now",
            )
    return replace(record, intent=replace(record.intent, nodes=nodes))
