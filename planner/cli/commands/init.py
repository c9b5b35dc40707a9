"""`planner init`: a commented groups.yaml and .env to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from planner.errors import PlannerError
from planner.settings import env_example


@click.command()
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def command(*, force: bool) -> None:
    """Write a commented groups.yaml and .env into this folder, to start from. Replaces nothing.

    \b
    Example:
      planner init && planner validate
    """
    texts = {
        Path("groups.yaml"): (resources.files("planner") / "schemas" / "groups.example.yaml").read_text(
            "utf-8"
        ),
        Path(".env"): env_example(),
    }
    taken = [str(path) for path in texts if path.exists()]
    if taken and not force:
        raise PlannerError(
            f"{' and '.join(taken)} exists already, and nothing was written",
            next="choose an empty folder, or pass --force",
        )
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {path}")
