"""`planner init`: a commented groups.yaml and .env to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

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
    try:
        groups.write_text(example.read_text("utf-8"), encoding="utf-8")
        click.echo(f"Wrote {groups}")
        if settings.exists():
            click.echo(f"Kept {settings}")
        else:
            settings.write_text(env_example(), encoding="utf-8")
            click.echo(f"Wrote {settings}: every setting, commented out")
    except OSError as error:
        raise PlannerError(
            f"{error.filename} cannot be written",
            why=error.strerror or str(error),
            next="choose a folder that you may write to",
        ) from error
