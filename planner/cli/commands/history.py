"""`planner history`: past transactions, newest first."""

from __future__ import annotations

import click

from planner.cli.options import (
    STORE_ONLY,
    Command,
    WholeNumber,
    cluster_option,
    format_option,
    settings_options,
)
from planner.cli.session import Session

MOST = 1000


@click.command(cls=Command)
@click.option(
    "--limit",
    type=WholeNumber(1, MOST),
    default=20,
    show_default=True,
    metavar="N",
    help="How many transactions are shown.",
)
@cluster_option
@format_option
@settings_options(STORE_ONLY)
def command(*, limit: int, cluster: str | None, output: str, **flags: str | None) -> None:
    """Show the past transactions of the cluster, newest first.

    \b
    Examples:
      planner history
      planner history --limit 100 --format json
    """
    with Session(flags, output) as session:
        store = session.store(create=False)
        session.view.history(store.history(session.cluster(cluster), limit))
