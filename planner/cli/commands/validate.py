"""`planner validate`: check the file offline."""

from __future__ import annotations

import click

from planner.cli.options import Command, settings_options
from planner.cli.session import Session
from planner.words import count


@click.command(cls=Command)
@settings_options(frozenset({"file", "color"}))
def command(**flags: str | None) -> None:
    """Check groups.yaml offline: every problem at once, with line and column. Nothing is sent.

    \b
    Example:
      planner validate --file groups.yaml
    """
    with Session(flags) as session:
        desired = session.desired()
        click.echo(
            f"{desired.origin} is valid: {count(len(desired.groups), 'group')} on "
            f"{count(len(desired.nodes), 'node')} of cluster {desired.cluster}."
        )
