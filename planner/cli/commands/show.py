"""`planner show`: one transaction, and what became of its steps."""

from __future__ import annotations

import click

from planner.cli.options import (
    STORE_ONLY,
    Command,
    cluster_option,
    format_option,
    settings_options,
    transaction_argument,
)
from planner.cli.session import Session


@click.command(cls=Command)
@transaction_argument
@cluster_option
@format_option
@settings_options(STORE_ONLY)
def command(*, number: int, cluster: str | None, output: str, **flags: str | None) -> None:
    """Show one transaction: who ran it and when, how it ended, and what became of its steps.

    \b
    Examples:
      planner show 7
      planner show 7 --format json
    """
    from planner.app import find_transaction

    with Session(flags, output) as session:
        store = session.store(create=False)
        session.view.transaction(find_transaction(store, session.cluster(cluster), number))
