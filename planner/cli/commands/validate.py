"""`planner validate`: check files offline."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from planner.cli.options import Command, settings_options
from planner.cli.session import STDIN, Session
from planner.errors import STANDARD_INPUT, FileInvalid, WrongUsage

if TYPE_CHECKING:
    from planner.results import Validated


@click.command(cls=Command, codes=(0, 1, 64))
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path())
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="What is written to stdout; `github`: annotations of a pull request.",
)
@settings_options(frozenset({"file", "color"}))
def command(*, files: tuple[str, ...], output: str, **flags: str | None) -> int:
    """Check groups.yaml, or these files, offline: every problem at once, with its line. Nothing is sent.

    In GitHub Actions, problems are marked in the pull request, whatever the format.

    \b
    Examples:
      planner validate
      planner validate production.yaml staging.yaml
      planner validate --format json --file groups.yaml
    """
    from planner.desired import parse_nodes
    from planner.views import annotate

    with Session(flags, "text" if output == "github" else output) as session:
        if session.settings.nodes:
            parse_nodes(session.settings.nodes)  # what is wrong with it is wrong with no file
        flag = flags["file"]
        named = (*([flag] if flag else []), *files) or (session.settings.file,)
        checked = [_check(session, file) for file in dict.fromkeys(named)]
        session.view.validated(checked)
        errors = [each.error for each in checked if each.error is not None]
        for error in errors:
            if output == "github":
                annotate(error, sys.stdout, os.environ)
            elif os.environ.get("GITHUB_ACTIONS") == "true" and session.settings.log_format == "text":
                annotate(error, sys.stderr, os.environ)
        return min((error.exit_code for error in errors), default=0)  # 1, unless all that is wrong is usage


def _check(session: Session, file: str) -> Validated:
    from planner.results import Validated

    try:
        desired = session.desired(file)
    except (FileInvalid, WrongUsage) as error:
        return Validated(STANDARD_INPUT if file == STDIN else file, error=error)
    return Validated(desired.origin, desired.cluster, len(desired.groups), len(desired.nodes))
