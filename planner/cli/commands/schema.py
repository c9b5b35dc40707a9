"""`planner schema`: print a JSON Schema."""

from __future__ import annotations

import click

from planner.cli.options import Command
from planner.cli.schemas import SCHEMAS, schema_text


class _Command(Command):
    """Its help lists what there is, too."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Schemas"):
            formatter.write_dl(list(SCHEMAS.items()))


@click.command(cls=_Command)
@click.argument("name", metavar="[NAME]", type=click.Choice(list(SCHEMAS)), default="groups")
@click.option("--list", "listed", is_flag=True, help="List the schemas, one a line.")
def command(*, name: str, listed: bool) -> None:
    """Print a JSON Schema (draft 2020-12): that of groups.yaml, or of something that planner prints as JSON.

    What planner prints may hold more than the schema knows: ignore it. `version` grows only when something is
    taken away, or changes its meaning.

    \b
    Examples:
      planner schema > groups.schema.json
      # and in groups.yaml: # yaml-language-server: $schema=groups.schema.json
      planner schema events
      planner schema --list
    """
    if listed:
        width = max(map(len, SCHEMAS))
        for each, what in SCHEMAS.items():
            click.echo(f"{each:{width}}  {what}")
        return
    click.echo(schema_text(name), nl=False)
