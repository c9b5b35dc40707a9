"""What `plan` and `undo` say while a transaction is unfinished: they may be looked at, and not be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.cli.session import Session
    from planner.model import Cell, Desired


def warn_of_unfinished(session: Session, desired: Desired, *, saves: bool) -> Mapping[Cell, str]:
    """Warn of a transaction that is unfinished on the file's nodes, under this cluster's name or another.

    Args:
        session: of the command.
        desired: the file.
        saves: whether the plan is to be saved; then it is refused, since nobody may apply it.

    Returns:
        The cells that are in doubt because of it.

    Raises:
        Incomplete: the plan is to be saved.
    """
    from planner.app import (
        check_elsewhere,
        check_finished,
        in_doubt_of,
        unfinished_elsewhere,
        what_to_recover,
    )

    store = session.store()
    if saves:
        check_finished(store, desired.cluster)
        check_elsewhere(store, desired)
        return {}
    doubts: dict[Cell, str] = {}
    record = what_to_recover(store, desired.cluster)
    if record is not None:
        holder = store.holder(desired.cluster)
        cure = f"it is running now ({holder.who})" if holder else "run `planner recover`"
        _warn(session, f"transaction {record.number}", cure)
        doubts = in_doubt_of(record, desired)
    other = unfinished_elsewhere(store, desired.cluster, {node.url for node in desired.nodes})
    if other is not None:
        cure = f"run `planner recover --cluster {other.cluster}`"
        _warn(session, f"transaction {other.number} of cluster {other.cluster!r}, on the same nodes,", cure)
        record = store.record(other.cluster, other.number)
        doubts |= in_doubt_of(record, desired) if record else {}
    return doubts


def _warn(session: Session, what: str, cure: str) -> None:
    session.view.warning(
        f"{what} is unfinished: {cure}; this plan shows the nodes as they are at the moment, "
        "and no plan is applied meanwhile"
    )
