"""`planner recover`: finish what a dead or failed run left."""

from __future__ import annotations

import click

from planner.cli.options import Command, cluster_option, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.results import Recovered


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Only show what would be brought back.")
@cluster_option
@format_option
@quiet_option
@settings_options()
def command(*, dry_run: bool, cluster: str | None, output: str, quiet: bool, **flags: str | None) -> None:
    """Finish what a dead or failed run left: bring every node back to what it was. Safe to run at any time.

    It uses the nodes of the journal, never those of the file. After a run that died it first waits one settle
    time, since that run's last requests may still take effect.

    \b
    Examples:
      planner recover
      planner recover --dry-run
    """
    from planner.app import recover, what_to_recover

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
            session.view.recovering(record, dry_run=False)
            with session.world(record.intent.nodes) as world:
                session.control.attach(lease)
                result = recover(record, lease, session.settings.policy(), world)
        session.view.recovered(result)
