"""`planner status`: the lock, what is unfinished, and the last apply."""

from __future__ import annotations

import click

from planner.cli.options import STORE_ONLY, Command, cluster_option, format_option, settings_options
from planner.cli.session import Session
from planner.errors import Incomplete


@click.command(cls=Command, codes=(0, 1, 4, 64))
@click.option("--check", is_flag=True, help="Exit 4 when something needs `planner recover`.")
@cluster_option
@format_option
@settings_options(STORE_ONLY)
def command(*, check: bool, cluster: str | None, output: str, **flags: str | None) -> int:
    """Show who holds the lock, what is unfinished, set aside or watched, and when the last apply was.

    \b
    Examples:
      planner status
      planner status --check          # exit 4: run planner recover
    """
    from planner.app import status

    with Session(flags, output) as session:
        found = status(session.store(create=False), session.cluster(cluster))
        session.view.status(found)
        return Incomplete.exit_code if check and (found.needs_recover or found.set_aside) else 0
