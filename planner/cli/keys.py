"""The keys for plan files, and plan files that are read with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cli.files import read_plan
from planner.errors import SecretUnresolved

if TYPE_CHECKING:
    from pathlib import Path

    from planner.settings import Settings
    from planner.signing import Opened, PlanKey
    from planner.views import View


def plan_keys(settings: Settings) -> tuple[PlanKey, ...]:
    """Every key that the settings name; none where they name none.

    Raises:
        SecretUnresolved: one of them cannot be had, or is too short. A key that is missing is never no key.
    """
    return tuple(map(_key, settings.plan_key))


def signing_key(settings: Settings) -> PlanKey | None:
    """What plan files are signed with: the first key, where there is one.

    Raises:
        SecretUnresolved: see `plan_keys`.
    """
    return next(iter(plan_keys(settings)), None)


def _key(reference: str) -> PlanKey:
    from planner.references import resolve
    from planner.signing import plan_key

    try:
        return plan_key(resolve(reference, purpose="the key for plan files").encode())
    except ValueError as short:
        raise SecretUnresolved(
            "Cannot use the key for plan files",
            where=reference,
            why=str(short),
            next="make one: openssl rand -hex 32 > plan.key",
        ) from None


def open_plan_file(path: Path, settings: Settings, view: View) -> Opened:
    """Read a plan file, and hold it against the keys, where there are any; warn where a signature is not.

    Raises:
        SecretUnresolved: see `plan_keys`.
        PlannerError: the file cannot be read.
        StalePlan: see `planner.signing.open_plan`.
    """
    from planner.signing import open_plan

    keys = plan_keys(settings)
    opened = open_plan(read_plan(path), keys, str(path))
    if opened.signed_with and opened.key is None:
        view.warning(
            f"{path} is signed with key {opened.signed_with}, and its signature was not looked at: "
            "no --plan-key is set"
        )
    return opened
