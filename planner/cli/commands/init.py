"""`planner init`: a commented groups.yaml and .env to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from planner.cli.files import write_private, write_public
from planner.errors import PlannerError
from planner.settings import env_example


@click.command()
@click.option("--force", is_flag=True, help="Replace a groups.yaml that is there already.")
def command(*, force: bool) -> None:
    """Write a commented groups.yaml and .env into this folder, to start from. Never replaces an .env.

    \b
    Example:
      planner init && planner validate
    """
    groups, settings = Path("groups.yaml"), Path(".env")
    if groups.exists() and not force:
        raise PlannerError(
            f"{groups} exists, and nothing was written", next="choose another folder, or pass --force"
        )
    example = resources.files("planner") / "schemas" / "groups.example.yaml"
    write_public(groups, (example.read_text("utf-8"),))
    click.echo(f"Wrote {groups}")
    if settings.exists():
        click.echo(f"Kept {settings}")
    else:
        write_private(settings, (env_example(),))  # a password may come to stand in it
        click.echo(f"Wrote {settings}: every setting, commented out")
