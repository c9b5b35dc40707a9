"""`planner apply`: carry out a plan on every node, or reverse it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.files import read_plan
from planner.cli.options import Command, allowance_options, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.errors import Interrupted, Refused, WrongUsage

if TYPE_CHECKING:
    from planner.app import Allowances
    from planner.model import Desired, Plan
    from planner.transaction import World


@click.command(cls=Command)
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Apply without a question (not needed with a plan file).")
@click.option("--canary", multiple=True, metavar="NODE", help="This node goes first, whole. Repeatable.")
@allowance_options
@format_option
@quiet_option
@settings_options()
def command(
    *,
    plan_file: Path | None,
    yes: bool,
    canary: tuple[str, ...],
    output: str,
    quiet: bool,
    allow_deletes: int | None,
    allow_delete_adopted: bool,
    allow_lossy_delete: bool,
    **flags: str | None,
) -> None:
    """Carry out a plan on every node as one transaction. If anything fails, everything is reversed.

    With a plan file: exactly that plan, or a refusal because the cluster has moved since. Without one: plans,
    shows, and asks.

    \b
    Examples:
      planner apply plan.json
      planner apply
      planner apply --yes --canary node01
    """
    from planner.app import Allowances, apply_plan, check_elsewhere, check_finished

    allowances = Allowances(allow_deletes, allow_delete_adopted, allow_lossy_delete)
    with Session(flags, output, quiet=quiet, events=True) as session:
        if plan_file is not None:
            if allowances != Allowances():
                raise WrongUsage(
                    "A plan file says itself what it allows",
                    next="give the --allow option to `planner plan`, where it can be reviewed",
                )
        elif not yes and (session.reads_stdin or output == "json" or not sys.stdin.isatty()):
            raise WrongUsage(
                "There is no terminal to ask at, and nothing was changed",
                next="review a plan file (planner plan --out plan.json), or pass --yes",
            )
        desired = session.desired()
        first = _canaries(canary, desired)
        settings = session.settings
        loaded = _load(plan_file)
        store = session.store()
        with store.lock(desired.cluster, "apply", settings.lock_timeout) as lease:
            check_finished(store, desired.cluster)
            check_elsewhere(store, desired)
            with session.world(desired.nodes) as world:
                session.control.attach(lease)
                plan = loaded or _plan(session, desired, allowances, world)
            if loaded is None:
                session.view.plan(plan, origin=desired.origin)
                _refuse(plan)
            if loaded is None and plan.has_changes and not yes:
                _ask()
            with session.world(desired.nodes, writes=True) as world:
                result = apply_plan(plan, desired, store, lease, settings.policy(), world, first)
        if result.number is not None or result.already is not None or loaded is not None:
            session.view.applied(result, desired.origin)


def _load(path: Path | None) -> Plan | None:
    from planner import codec

    return None if path is None else codec.load_plan(read_plan(path), str(path))


def _plan(session: Session, desired: Desired, allowances: Allowances, world: World) -> Plan:
    from planner.app import make_plan

    return make_plan(desired, session.store(), session.settings.policy(), world, allowances)


def _refuse(plan: Plan) -> None:
    if plan.refusals:
        raise Refused(
            "The plan is refused, and nothing was changed",
            where=", ".join(refusal.guard for refusal in plan.refusals),
            why="; ".join(refusal.why for refusal in plan.refusals),
            next="; ".join(dict.fromkeys(refusal.cure for refusal in plan.refusals)),
        )


def _ask() -> None:
    if not click.confirm("Apply this plan?", err=True):
        raise Interrupted("Not applied; nothing was changed")


def _canaries(names: tuple[str, ...], desired: Desired) -> frozenset[str]:
    known = {node.name for node in desired.nodes}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise WrongUsage(
            f"--canary names no node of the file: {', '.join(unknown)}",
            next=f"the nodes are {', '.join(sorted(known))}",
        )
    return frozenset(names)
