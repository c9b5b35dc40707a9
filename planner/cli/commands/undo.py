"""`planner undo`: plan the reverse of an earlier transaction."""

from __future__ import annotations

from pathlib import Path

import click

from planner.cli.keys import signing_key
from planner.cli.options import (
    PLAN_KEY,
    Command,
    guard_options,
    quiet_option,
    report_options,
    settings_options,
    transaction_argument,
)
from planner.cli.reports import Outputs
from planner.cli.session import Session
from planner.cli.unfinished import warn_of_unfinished
from planner.errors import ChangesPending, Refused


@click.command(cls=Command, codes=(0, 1, 2, 4, 6, 7, 64, 130))
@transaction_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan to this file.")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when something is left to undo, 7 when a guard stands against it; 0 means nothing.",
)
@guard_options
@report_options
@quiet_option
@settings_options(also=PLAN_KEY)
def command(
    *,
    number: int,
    out: Path | None,
    detailed_exitcode: bool,
    output: str,
    reports: tuple[Path, ...],
    quiet: bool,
    allow_deletes: int | None,
    allow_lossy_delete: bool,
    **flags: str | None,
) -> int:
    """Plan the reverse of an earlier, applied transaction. Takes no lock and changes nothing.

    It is reviewed and applied like any plan. What has moved since, and what was not the transaction's own
    work, is left as it is.

    \b
    Examples:
      planner undo 7
      planner undo 7 --out undo.json && planner apply undo.json
      planner undo 7 --out undo.json --report undo.html
    """
    from planner.app import Allowances, make_undo
    from planner.views.report import report_of

    outputs = Outputs(out, reports)
    with Session(flags, output, quiet=quiet) as session:
        key = signing_key(session.settings)
        desired = session.desired()
        store = session.store(create=False)
        doubts = warn_of_unfinished(session, desired, saves=out is not None)
        allowances = Allowances(deletes=allow_deletes, lossy_delete=allow_lossy_delete)
        with session.world(desired.nodes) as world:
            plan = make_undo(number, desired, store, session.settings.policy(), world, allowances)
        outputs.write(
            session.view,
            report_of(
                plan,
                file=desired.origin,
                saved=outputs.saved,
                undoes=number,
                beside=outputs.names,
                doubts=doubts,
            ).signed_by(key),
        )
        if detailed_exitcode and plan.refusals:
            return Refused.exit_code
        return ChangesPending.exit_code if detailed_exitcode and not plan.is_empty else 0
