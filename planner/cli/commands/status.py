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
@settings_options(STORE_ONLY | {"watch"})
def command(*, check: bool, cluster: str | None, output: str, **flags: str | None) -> int:
    """Show what is unfinished and what to do about it, who holds the lock, and when the last apply was.

    It names the open cells of an unfinished transaction, those that were set aside by hand, and those that
    are watched since a write of theirs went unanswered.

    \b
    Examples:
      planner status
      planner status --check          # exit 4: run planner recover
    """
    from planner.app import status

    with Session(flags, output) as session:
        store, name = session.store(create=False), session.cluster(cluster)
        file = session.known_file
        nodes = file.nodes if file is not None and file.cluster == name else ()
        found = status(store, name, session.settings.policy(), session.clock, nodes)
        session.view.status(found)
        return Incomplete.exit_code if check and (found.needs_recover or found.set_aside) else 0
