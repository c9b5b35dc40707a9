"""What a scheduled run may apply by itself: drift from the file last applied, and nothing unreviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import StalePlan

if TYPE_CHECKING:
    from planner.model import Desired
    from planner.ports import Store


def check_reviewed(
    desired: Desired, store: Store, *, apply_changes: bool = False, signed_only: bool = False
) -> None:
    """Refuse to repair towards a file that is not the one last applied.

    Args:
        desired: the file as it is now.
        store: where the file last applied is remembered.
        apply_changes: whether a file that was never applied, or only in part, will do: what deploys it is
            the review. One that was applied before the last one will never do: it is what a machine holds
            that got no update.
        signed_only: whether changes come by signed plans alone: then `apply_changes` does not matter.

    Raises:
        StalePlan: it is another file, or an older one.
    """
    last = store.knowledge(desired.cluster).source
    if desired.digest == last:
        return
    superseded = store.superseded(desired.cluster, desired.digest)
    if superseded and not last:
        raise StalePlan(
            f"{desired.origin} is not what was applied last, and nothing was changed",
            why="this very file was applied; an undo, or a part of another one, came after it",
            next="say in the file what is meant by now, or apply it again as it is: planner apply",
        )
    if superseded:
        raise StalePlan(
            f"{desired.origin} is older than what was applied last, and nothing was changed",
            why="this very file was applied, and another one came after it",
            next="bring this machine the newest file; if the older one is meant, apply it: planner apply",
        )
    if signed_only:
        raise StalePlan(
            f"{desired.origin} is not the file that was applied last, and nothing was changed",
            why="its differences are changes; with a key for plans (PLANNER_PLAN_KEY) only a signed plan may "
            "bring them, whatever --apply-changes says",
            next="where the key is: planner plan --out plan.json, then planner apply plan.json",
        )
    if not apply_changes:
        raise StalePlan(
            f"{desired.origin} is not the file that was applied last, and nothing was changed",
            why="its differences are changes, which nobody has reviewed, not drift"
            if last
            else "no whole file was applied last, so its differences are changes, not drift",
            next="review it and apply it (planner plan, planner apply), or pass --apply-changes",
        )
