"""`planner nodes`: reach every node."""

from __future__ import annotations

import click

from planner.cli.options import (
    NODES_ONLY,
    Command,
    WholeNumber,
    format_option,
    quiet_option,
    settings_options,
)
from planner.cli.session import Session

MOST_REQUESTS = 1000


@click.command(cls=Command, codes=(0, 1, 64, 130))
@click.option(
    "--count",
    default=3,
    show_default=True,
    type=WholeNumber(1, MOST_REQUESTS),
    help="Requests to each node, one after the other; none is tried again.",
)
@format_option
@quiet_option
@settings_options(NODES_ONLY - {"retries", "retry_status", "backoff", "backoff_max"})
def command(*, count: int, output: str, quiet: bool, **flags: str | None) -> None:
    """Reach every node of the file, and show state, latency, failures, and how many groups it lists.

    Sends reads only. Exit 1 when a node did not answer once.

    \b
    Examples:
      planner nodes
      planner nodes --count 20 --read-timeout 2s
      planner nodes --format json
    """
    from planner.app.probing import probe_nodes, unreached

    with Session(flags, output, quiet=quiet) as session:
        desired = session.desired()
        with session.world(desired.nodes) as world:
            probed = probe_nodes(desired, count, session.settings.policy(), world)
        session.view.nodes(probed)
        error = unreached(probed)
        if error is not None:
            raise error
