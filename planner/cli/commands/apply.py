"""`planner apply`: carry out a plan on every node, or reverse it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.completion import complete_nodes
from planner.cli.crews import reads_of, reads_to_apply
from planner.cli.keys import open_plan_file, plan_keys
from planner.cli.options import (
    OUTLETS,
    PLAN_KEY,
    WORKERS,
    Command,
    allowance_options,
    format_option,
    quiet_option,
    scope_options,
    settings_options,
)
from planner.cli.session import Session
from planner.errors import Interrupted, WrongUsage
from planner.inputs import asks_nobody

if TYPE_CHECKING:
    from planner.app import Allowances
    from planner.model import Desired, Plan
    from planner.scope import Scope


@click.command(cls=Command, codes=(0, 1, 3, 4, 5, 6, 7, 64, 130))
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Apply without a question (not needed with a plan file).")
@click.option(
    "--canary",
    multiple=True,
    metavar="NODE",
    shell_complete=complete_nodes,
    help="This node goes first, whole. Repeatable.",
)
@scope_options
@allowance_options
@format_option
@quiet_option
@settings_options(also=OUTLETS | WORKERS | PLAN_KEY)
def command(
    *,
    plan_file: Path | None,
    yes: bool,
    canary: tuple[str, ...],
    output: str,
    quiet: bool,
    scope: Scope,
    allow_deletes: int | None,
    allow_delete_adopted: bool,
    allow_lossy_delete: bool,
    **flags: str | None,
) -> None:
    """Carry out a plan on every node as one transaction. If anything fails, everything is reversed.

    With a plan file: exactly that plan, or a refusal because the cluster has moved since. Without one: plans,
    shows, and asks. The --allow options count only without a plan file: what a plan file allows was decided,
    and could be reviewed, when it was made.

    \b
    Examples:
      planner apply plan.json
      planner apply
      planner apply --yes --canary node01
      planner apply --exclude-node node03 --group 'pay*'
    """
    from planner.app import Allowances, apply_plan, check_elsewhere, check_finished

    allowances = Allowances(allow_deletes, allow_delete_adopted, allow_lossy_delete)
    with Session(flags, output, quiet=quiet, events=True, watched_as="apply") as session:
        if plan_file is not None:
            _check_alone(allowances != Allowances(), scope)
        elif not yes and (session.reads_stdin or _is_for_machines(session, output) or asks_nobody()):
            raise WrongUsage(
                "There is no terminal to ask at, and nothing was changed",
                next="review a plan file (planner plan --out plan.json), or pass --yes",
            )
        desired = session.desired()
        loaded = _load(plan_file, session)
        if loaded is not None:
            session.view.loaded(loaded)
        first = _canaries(canary, desired, loaded.scope.patterns if loaded and loaded.scope else scope)
        store = session.store()
        with session.lock(desired.cluster, "apply") as lease:
            check_finished(store, desired.cluster)
            check_elsewhere(store, desired)
            plan = loaded or _plan(session, desired, allowances, scope)
            if loaded is None and plan.has_changes and not yes:
                _ask()
            with session.world(desired.nodes, writes=True, reads=reads_to_apply(plan)) as world:
                result = apply_plan(plan, desired, store, lease, session.settings.policy(), world, first)
        if (result.number, result.already, loaded) == (None, None, None):
            session.view.unapplied(plan)
        else:
            session.view.applied(result, desired.origin)


def _is_for_machines(session: Session, output: str) -> bool:
    """Whether nobody would read a question: it would stand among lines of JSON."""
    return "json" in (output, session.settings.log_format)


def _check_alone(allows: bool, scope: Scope) -> None:
    for wrong, what, options in (
        (allows, "allows", "--allow option"),
        (not scope.is_all, "is about", "--group and --node options"),
    ):
        if wrong:
            raise WrongUsage(
                f"A plan file says itself what it {what}",
                next=f"give the {options} to `planner plan`, and apply what it saves",
            )


def _load(path: Path | None, session: Session) -> Plan | None:
    """The plan file's plan, if there is one. The keys must be there anyhow: they are set for a reason."""
    if path is None:
        plan_keys(session.settings)
        return None
    return open_plan_file(path, session.settings, session.view).plan


def _plan(session: Session, desired: Desired, allowances: Allowances, scope: Scope) -> Plan:
    """Make a plan now, and show it.

    Raises:
        Refused: a guard stands against it.
    """
    from planner.app import make_plan
    from planner.guards import refused
    from planner.views.report import report_of

    with session.world(desired.nodes, reads=reads_of(desired)) as world:
        plan = make_plan(desired, session.store(), session.settings.policy(), world, allowances, scope)
    session.view.report(report_of(plan, file=desired.origin))
    if plan.refusals:
        raise refused(plan.refusals)
    return plan


def _ask() -> None:
    if not click.confirm("Apply this plan?", err=True):
        raise Interrupted("Not applied; nothing was changed")


def _canaries(names: tuple[str, ...], desired: Desired, scope: Scope) -> frozenset[str]:
    known = {node.name for node in desired.nodes}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise WrongUsage(
            f"--canary names no node of the file: {', '.join(unknown)}",
            next=f"the nodes are {', '.join(sorted(known))}",
        )
    outside = [name for name in names if not scope.includes_node(name)]
    if outside:
        raise WrongUsage(
            f"--canary names a node that the plan leaves out: {', '.join(outside)}",
            next="name one that it writes to, or plan with it",
        )
    return frozenset(names)
