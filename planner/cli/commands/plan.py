"""`planner plan`: read every node and show what would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.crews import reads_of
from planner.cli.keys import signing_key
from planner.cli.options import (
    PLAN_KEY,
    WORKERS,
    Command,
    allowance_options,
    quiet_option,
    report_options,
    scope_options,
    settings_options,
)
from planner.cli.reports import Outputs
from planner.cli.session import Session
from planner.cli.unfinished import warn_of_unfinished
from planner.errors import ChangesPending, Refused

if TYPE_CHECKING:
    from planner.scope import Scope


@click.command(cls=Command, codes=(0, 1, 2, 4, 6, 7, 64, 130))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan to this file.")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when changes are pending, 7 when a guard stands against them; 0 means no changes.",
)
@scope_options
@allowance_options
@report_options
@quiet_option
@settings_options(also=WORKERS | PLAN_KEY)
def command(
    *,
    out: Path | None,
    detailed_exitcode: bool,
    output: str,
    reports: tuple[Path, ...],
    quiet: bool,
    scope: Scope,
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
      planner plan --exclude-node node03 --group 'pay*' --out part.json
      planner plan --out plan.json --report plan.md --report plan.html --detailed-exitcode
    """
    from planner.app import Allowances, survey
    from planner.views.report import report_of

    outputs = Outputs(out, reports)
    with Session(flags, output, quiet=quiet) as session:
        key = signing_key(session.settings)
        desired = session.desired()
        store = session.store()
        doubts = warn_of_unfinished(session, desired, saves=out is not None)
        allowances = Allowances(allow_deletes, allow_delete_adopted, allow_lossy_delete)
        with session.world(desired.nodes, reads=reads_of(desired)) as world:
            planned = survey(desired, store, session.settings.policy(), world, allowances, scope)
        plan = planned.plan
        outputs.write(
            session.view,
            report_of(
                plan,
                survey=planned.survey,
                file=desired.origin,
                saved=outputs.saved,
                beside=outputs.names,
                doubts=doubts,
            ).signed_by(key),
        )
        if detailed_exitcode and plan.refusals:
            return Refused.exit_code
        return ChangesPending.exit_code if detailed_exitcode and plan.has_changes else 0
