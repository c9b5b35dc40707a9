"""`planner plan`: read every node and show what would change."""

from __future__ import annotations

from pathlib import Path

import click

from planner.cli.files import write_private
from planner.cli.options import Command, allowance_options, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.cli.unfinished import warn_of_unfinished
from planner.errors import ChangesPending, Refused


@click.command(cls=Command)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan to this file.")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when changes are pending, 7 when a guard stands against them; 0 means no changes.",
)
@allowance_options
@format_option
@quiet_option
@settings_options()
def command(
    *,
    out: Path | None,
    detailed_exitcode: bool,
    output: str,
    quiet: bool,
    allow_deletes: int | None,
    allow_delete_adopted: bool,
    allow_lossy_delete: bool,
    **flags: str | None,
) -> int:
    """Read every node and show what would change. Takes no lock and changes no node.

    \b
    Examples:
      planner plan
      planner plan --out plan.json && planner apply plan.json
      planner plan --detailed-exitcode --format json > plan.json
    """
    from planner import codec
    from planner.app import Allowances, make_plan

    with Session(flags, output, quiet=quiet) as session:
        desired = session.desired()
        store = session.store()
        doubts = warn_of_unfinished(session, desired, saves=out is not None)
        allowances = Allowances(allow_deletes, allow_delete_adopted, allow_lossy_delete)
        with session.world(desired.nodes) as world:
            plan = make_plan(desired, store, session.settings.policy(), world, allowances)
        if out is not None:
            write_private(out, codec.dump_plan(plan))
        session.view.plan(plan, origin=desired.origin, saved=str(out) if out else None, doubts=doubts)
        if detailed_exitcode and plan.refusals:
            return Refused.exit_code
        return ChangesPending.exit_code if detailed_exitcode and plan.has_changes else 0
