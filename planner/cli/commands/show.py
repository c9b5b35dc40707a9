"""`planner show`: one transaction and what became of its steps, or a saved plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from planner.cli.completion import complete_transactions
from planner.cli.keys import open_plan_file
from planner.cli.options import (
    MOST_TRANSACTIONS,
    PLAN_KEY,
    STORE_ONLY,
    Command,
    cluster_option,
    report_options,
    settings_options,
)
from planner.cli.reports import Outputs
from planner.cli.session import Session
from planner.errors import WrongUsage

NUMBER = click.IntRange(1, MOST_TRANSACTIONS)


class Subject(click.Path):
    """A transaction's number, or else the name of a plan file: a file that is called 7 is named ``./7``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Tell which it is."""
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(NUMBER(value, param, ctx))
        path = Path(value)
        if path.name == value and not path.suffix and not path.exists():
            self.fail(f"{value!r} is neither a transaction's number nor a plan file", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer numbers; files where none begins like that."""
        numbers = complete_transactions(ctx, param, incomplete)
        return numbers or super().shell_complete(ctx, param, incomplete)


@click.command(cls=Command)
@click.argument("subject", metavar="TX|PLAN", type=Subject())
@cluster_option
@report_options
@settings_options(STORE_ONLY | PLAN_KEY)
def command(
    *, subject: int | Path, cluster: str | None, output: str, reports: tuple[Path, ...], **flags: str | None
) -> None:
    """Show one transaction, or a saved plan.

    Of a transaction: who ran it and when, how it ended, and what became of its steps. A plan file is checked
    against its digest, and with --plan-key against its signature, and shown as `planner plan` showed it; no
    node and no store is asked.

    \b
    Examples:
      planner show 7
      planner show 7 --format json
      planner show plan.json
      planner show plan.json --report plan.html
    """
    if isinstance(subject, Path):
        if cluster is not None:
            raise WrongUsage("--cluster says whose transaction is meant, and a plan file needs none")
        outputs = Outputs(None, reports, reads=subject)
        with Session(flags, output) as session:
            _show_plan(subject, session, outputs)
        return
    if reports or output not in ("text", "json"):
        raise WrongUsage(
            "A transaction is shown as text or as JSON only",
            next="name a plan file to have it as a report: planner show plan.json --report plan.html",
        )
    from planner.app import find_transaction

    with Session(flags, output) as session:
        store = session.store(create=False)
        session.view.transaction(find_transaction(store, session.cluster(cluster), subject))


def _show_plan(path: Path, session: Session, outputs: Outputs) -> None:
    from planner.views.report import report_of

    opened = open_plan_file(path, session.settings, session.view)
    report = report_of(opened.plan, saved=str(path), offline=True, beside=outputs.names)
    outputs.write(session.view, report.signed_by(opened.key))
