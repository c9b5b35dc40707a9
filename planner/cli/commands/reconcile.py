"""`planner reconcile`: for a scheduler. Finish what a dead run left, then repair drift."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from planner.cli.crews import reads_of, reads_to_apply
from planner.cli.keys import plan_keys
from planner.cli.options import (
    PLAN_KEY,
    UNATTENDED,
    WORKERS,
    Command,
    format_option,
    quiet_option,
    settings_options,
)
from planner.cli.session import Session
from planner.errors import ChangesPending, FileInvalid, Locked, PlannerError, StalePlan, WrongUsage

if TYPE_CHECKING:
    from planner.model import Desired, Plan
    from planner.ports import Lease


@click.command(cls=Command, codes=(0, 1, 2, 3, 4, 5, 6, 7, 64, 130))
@click.option(
    "--apply-changes",
    is_flag=True,
    help="Apply a file that was never applied, too. One older than the last applied never is.",
)
@click.option(
    "--mode",
    type=click.Choice(["repair", "report"]),
    default="repair",
    show_default=True,
    help="Repair drift, or only report it: exit 2.",
)
@format_option
@quiet_option
@settings_options(also=UNATTENDED | WORKERS | PLAN_KEY)
def command(*, apply_changes: bool, mode: str, output: str, quiet: bool, **flags: str | None) -> int:
    """Finish what a dead run left, then repair drift. Never asks; made for a scheduler.

    What a dead run left is finished also where the file cannot be used.

    It repairs towards the file that was applied last. Another file is a change, not drift: it is reported
    (exit 6) and not applied, unless --apply-changes says that what deploys the file is the review. With
    --plan-key only a signed plan brings changes, and --apply-changes does not. Every limit and protection
    counts, and nothing can be allowed here.

    Changes that failed are shown each time (exit 2), and tried again only after a pause. It doubles while
    they fail the same way.

    \b
    Examples:
      planner reconcile
      planner reconcile --apply-changes --lock-timeout 60s
      planner reconcile --mode report          # exit 2 on drift, changes nothing
    """
    with Session(flags, output, quiet=quiet, events=True, watched_as="reconcile") as session:
        try:
            desired = session.desired()
        except (FileInvalid, WrongUsage) as unusable:
            cluster = session.cluster_meant()
            if mode == "repair" and cluster:
                _tell_too(unusable, _recover_without_a_file(session, cluster))
            raise
        if mode == "report":
            session.exit_code = _report(session, desired, apply_changes=apply_changes)
            return session.exit_code
        with session.lock(desired.cluster, "reconcile") as lease:
            recovered = _recover(session, desired.cluster, lease)
            try:
                _repair(session, desired, lease, apply_changes=apply_changes)
            except PlannerError as error:
                _tell_too(error, recovered)
                raise
    return 0


def _tell_too(error: PlannerError, recovered: int | None) -> None:
    """Let an error that says that nothing was changed tell what was recovered before that."""
    if recovered is not None:
        before = f"before that, transaction {recovered}, which an earlier run had left, was reversed"
        error.details = (*error.details, before)


def _recover_without_a_file(session: Session, cluster: str) -> int | None:
    """What a dead run left must not wait for a better file."""
    from planner.app import what_to_recover

    try:
        if what_to_recover(session.store(create=False), cluster) is None:
            return None
    except PlannerError:
        return None  # the file is what is wrong first
    with suppress(Locked), session.lock(cluster, "reconcile") as lease:
        return _recover(session, cluster, lease)
    return None


def _recover(session: Session, cluster: str, lease: Lease) -> int | None:
    """Finish what is unfinished, and say which transaction that was."""
    from planner.app import recover, what_to_recover

    record = what_to_recover(session.store(), cluster)
    if record is None:
        return None
    session.view.recovering(record, dry_run=False)
    with session.world(record.intent.nodes, writes=True) as world:
        result = recover(record, lease, session.settings.policy(), world)
    session.view.recovered(result)
    return record.number


def _repair(session: Session, desired: Desired, lease: Lease, *, apply_changes: bool) -> None:
    from planner.app import apply_plan, check_elsewhere, check_pause, check_reviewed, make_plan

    store, policy = session.store(), session.settings.policy()
    signed_only = bool(plan_keys(session.settings))  # before any request: a missing key is never no key
    check_elsewhere(store, desired)
    with session.world(desired.nodes, reads=reads_of(desired)) as world:
        plan = make_plan(desired, store, policy, world)
    _show(session, plan, desired)
    try:
        check_reviewed(desired, store, apply_changes=apply_changes, signed_only=signed_only)
    except StalePlan as stale:
        if not plan.is_empty:
            raise
        session.view.info(f"{stale.what}: nothing differs, so there is nothing to decide")
        session.view.unapplied(plan)
        return
    check_pause(plan, store, session.clock, session.settings.backoff_after_failure)
    with session.world(desired.nodes, writes=True, reads=reads_to_apply(plan)) as world:
        result = apply_plan(plan, desired, store, lease, policy, world, command="reconcile")
    if result.number is None:
        session.view.unapplied(plan)
    else:
        session.view.applied(result, desired.origin)


def _show(session: Session, plan: Plan, desired: Desired) -> None:
    """Show the plan, with what stands against it as for a plan file: nothing can be allowed here."""
    from planner.guards import guards_now
    from planner.views.report import report_of

    refusals = guards_now(plan, desired, session.store().knowledge(desired.cluster))
    session.view.report(report_of(replace(plan, refusals=refusals), file=desired.origin))


def _report(session: Session, desired: Desired, *, apply_changes: bool) -> int:
    from planner.app import check_elsewhere, check_finished, check_reviewed, make_plan

    signed_only = bool(plan_keys(session.settings))
    store = session.store()
    holder = store.holder(desired.cluster)
    if holder is not None:
        raise Locked(
            "Another run is at work, and drift cannot be told from what it does",
            where=f"{holder.who} ({holder.command}, since {holder.since})",
            next="report again when it has ended",
        )
    check_finished(store, desired.cluster)
    check_elsewhere(store, desired)
    with session.world(desired.nodes, reads=reads_of(desired)) as world:
        plan = make_plan(desired, store, session.settings.policy(), world)
    _show(session, plan, desired)
    if plan.has_changes:
        check_reviewed(desired, store, apply_changes=apply_changes, signed_only=signed_only)
    session.view.unapplied(plan)
    return ChangesPending.exit_code if plan.has_changes else 0
