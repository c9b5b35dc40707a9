"""`planner schema`: print a JSON Schema."""

from __future__ import annotations

import click


@click.command()
@click.argument("which", type=click.Choice(["groups"]), default="groups")
def command(which: str) -> None:
    """Print the JSON Schema (draft 2020-12) of groups.yaml, for editors.

    \b
    Example:
      planner schema > groups.schema.json
      # and in groups.yaml: # yaml-language-server: $schema=groups.schema.json
    """
    from planner.desired import schema_text

    texts = {"groups": schema_text}
    click.echo(texts[which](), nl=False)
