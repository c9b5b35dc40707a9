"""What one durable commit of a lease writes. Each function runs inside a fenced transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, true, update

from planner.errors import Incomplete, StoreFailed
from planner.model import (
    UNFINISHED,
    Action,
    IllegalMove,
    StepState,
    TransactionState,
    check_transaction_move,
)
from planner.store import contents, reading
from planner.store.rows import clean, nodes_text, policy_text, words_text
from planner.store.tables import cluster as clusters
from planner.store.tables import file, managed, node, note, protected, step, transaction, watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

    from planner.model import Node, Presence
    from planner.ports import Closing, Intent, Wave

WATCHED_AFTER = frozenset(
    {
        TransactionState.APPLIED,
        TransactionState.REVERSED,
        TransactionState.REVERSE_INCOMPLETE,
        TransactionState.CLOSED_WITH_EXCEPTIONS,
    }
)
"""A transaction that comes to one of these puts its cells with unanswered writes on the watch list."""
NOTES_KEPT = 50
"""Notes of one transaction: a recovery that is tried every minute must not fill the store."""
NAMED_CELLS = 20
"""How many cells an error names."""
NEW_STEP = (str(StepState.PENDING), False, False, False, "", False)
"""The last columns of a step that nobody has begun: state, suspect, tried, unanswered, note, verified."""
UNTOUCHED = (
    StepState.PENDING,
    StepState.NOT_APPLIED,
    StepState.NOT_OURS,
    StepState.UNDONE,
    StepState.SET_ASIDE,
)
"""A step that is here is nothing for a recovery."""


def begin(connection: Connection, cluster: str, intent: Intent, epoch: int, who: str, wall: str) -> int:
    """Insert an open transaction with its steps, and return its number.

    Raises:
        Incomplete: the cluster has an unfinished transaction.
    """
    number = reading.unfinished(connection, cluster)
    if number is not None:
        raise _incomplete(connection, number)
    made = connection.execute(
        insert(transaction).values(
            cluster=cluster,
            state=str(TransactionState.OPEN),
            command=intent.command,
            plan_digest=intent.plan_digest,
            source=intent.source,
            allowances=words_text(intent.allowances),
            policy=policy_text(intent.policy),
            nodes=nodes_text(intent.nodes),
            plan=clean(intent.plan),
            epoch=epoch,
            holder=who,
            started=wall,
            finished="",
            message="",
        )
    ).inserted_primary_key
    number = int(made[0]) if made else 0
    _insert_steps(connection, number, intent)
    return number


def _insert_steps(connection: Connection, number: int, intent: Intent) -> None:
    urls = {member.name: member.url for member in intent.nodes}
    # By the driver alone: SQLAlchemy's own way takes four times as long, and a plan may have 100,000 steps.
    rows = [
        (number, one.number, one.action.value, *one.cell, urls[one.cell.node], one.reason, *NEW_STEP)
        for one in intent.steps
    ]
    if rows:
        contents.write(connection, step, rows)


def _incomplete(connection: Connection, number: int) -> Incomplete:
    rows = connection.execute(
        select(step.c.group_id, step.c.node, step.c.state)
        .where(step.c.transaction_number == number, step.c.state.not_in([str(state) for state in UNTOUCHED]))
        .order_by(step.c.number)
    ).all()
    details = [f"{row[0]} on {row[1]}: {row[2]}" for row in rows[:NAMED_CELLS]]
    if len(rows) > NAMED_CELLS:
        details.append(f"and {len(rows) - NAMED_CELLS} more")
    return Incomplete(
        f"Transaction {number} is unfinished.",
        where=f"transaction {number}",
        why="an earlier run did not come to its end",
        next="run `planner recover` first",
        details=details,
    )


def write_wave(
    connection: Connection, cluster: str, number: int, wave: Wave, wall: str, who: str = ""
) -> None:
    """Update the marks and, where the wave has one, move the transaction to its state.

    A note says `who` left it; a finished transaction takes notes, too.

    Raises:
        IllegalMove: the transaction cannot go there, or it is finished and has no more marks to take.
        StoreFailed: the store has no such transaction or step.
    """
    old = _state(connection, cluster, number)
    new = wave.state or old
    if new is not old:
        check_transaction_move(old, new)
    elif wave.marks and old not in UNFINISHED:
        raise IllegalMove(f"transaction {number} is {old}: it takes no more marks")
    if wave.marks:
        _write_marks(connection, number, wave)
    changes = {"state": str(new)} if new is not old else {}
    if wave.message:
        changes["message"] = clean(wave.message)
    if wave.note:
        _take_note(connection, number, (wall, who, clean(wave.note)))
    if new is not old and new not in UNFINISHED:
        changes["finished"] = wall
    if changes:
        connection.execute(update(transaction).where(transaction.c.number == number).values(**changes))
    if new is not old and new in WATCHED_AFTER:
        _watch(connection, cluster, number, new, wall)


def _take_note(connection: Connection, number: int, note_of: tuple[str, str, str]) -> None:
    """Keep a note behind the others, and let the oldest go where there are too many."""
    its = note.c.transaction_number == number
    last = connection.execute(select(func.max(note.c.position)).where(its)).scalar() or 0
    at, who, text = note_of
    connection.execute(
        insert(note).values(transaction_number=number, position=last + 1, at=at, who=who, text=text)
    )
    connection.execute(delete(note).where(its, note.c.position <= last + 1 - NOTES_KEPT))


def close(connection: Connection, cluster: str, number: int, wave: Wave, closing: Closing, wall: str) -> None:
    """End a transaction as applied, and take over what is managed now.

    Raises:
        IllegalMove: the transaction is not open, or the wave leads elsewhere.
    """
    if wave.state not in (None, TransactionState.APPLIED):
        raise IllegalMove(f"a transaction is closed as applied, not as {wave.state}")
    check_transaction_move(_state(connection, cluster, number), TransactionState.APPLIED)
    write_wave(connection, cluster, number, wave._replace(state=TransactionState.APPLIED), wall)
    _rewatch(connection, cluster, closing)
    _clear_written(connection, cluster, number)
    clear_set_aside(connection, cluster, [(group, url) for group, url, _ in closing.left])
    _manage(connection, cluster, closing)
    _protect(connection, cluster, closing)
    _know_nodes(connection, cluster, closing.nodes)
    apply_file(connection, cluster, closing.source, whole=closing.whole)


def apply_file(connection: Connection, cluster: str, source: str, *, whole: bool = True) -> None:
    """This file is the one applied last from now on; the ones before are remembered as older.

    A plan from before is stale, whatever there was to write.
    """
    mine = file.c.cluster == cluster
    last = connection.execute(select(func.max(file.c.position)).where(mine)).scalar() or 0
    connection.execute(delete(file).where(mine, file.c.source == source))
    connection.execute(insert(file).values(cluster=cluster, source=source, position=last + 1, whole=whole))
    connection.execute(
        update(clusters).where(clusters.c.name == cluster).values(serial=clusters.c.serial + 1)
    )


def clear_set_aside(connection: Connection, cluster: str, cells: Iterable[tuple[str, str]]) -> None:
    """Cells, (group, canonical URL), that were set aside are verified: they are no longer listed.

    By URL: a node's name may belong to another machine by now.
    """
    rows = [{"of_group": group, "of_url": url} for group, url in cells]
    if not rows:
        return
    this = and_(step.c.group_id == bindparam("of_group"), step.c.url == bindparam("of_url"))
    connection.execute(update(step).where(_is_aside(cluster), this).values(verified=True), rows)


def _clear_written(connection: Connection, cluster: str, number: int) -> None:
    """An applied transaction has seen every cell that it wrote."""
    its = step.alias()
    same = exists().where(
        its.c.transaction_number == number, its.c.url == step.c.url, its.c.group_id == step.c.group_id
    )
    connection.execute(update(step).where(_is_aside(cluster), same).values(verified=True))


def _is_aside(cluster: str) -> ColumnElement[bool]:
    ours = select(transaction.c.number).where(transaction.c.cluster == cluster)
    return and_(step.c.transaction_number.in_(ours), step.c.state == str(StepState.SET_ASIDE))


def _rewatch(connection: Connection, cluster: str, closing: Closing) -> None:
    """What was adopted or forgotten should stay as it is, whatever an earlier transaction left there."""
    this = and_(
        watch.c.cluster == cluster,
        watch.c.url == bindparam("of_url"),
        watch.c.group_id == bindparam("of_group"),
    )
    rows = [{"of_group": group, "of_url": url, "left": str(seen)} for group, url, seen in closing.left]
    if rows:
        connection.execute(update(watch).where(this).values(outcome=bindparam("left")), rows)


def unwatch(connection: Connection, cluster: str, before: str) -> None:
    """Forget what has been on the watch list since before a wall time."""
    connection.execute(delete(watch).where(watch.c.cluster == cluster, watch.c.since < before))


def _state(connection: Connection, cluster: str, number: int) -> TransactionState:
    found = connection.execute(
        select(transaction.c.state).where(transaction.c.number == number, transaction.c.cluster == cluster)
    ).scalar()
    if found is None:
        raise StoreFailed(
            f"The store has no transaction {number}.",
            where=f"cluster {cluster!r}",
            next="check --store: `planner history` lists the transactions",
        )
    return TransactionState(found)


def _write_marks(connection: Connection, number: int, wave: Wave) -> None:
    rows = [
        {
            "of_step": mark.number,
            "state": mark.state.value,
            "suspect": mark.suspect,
            "tried": mark.tried,
            "unanswered": mark.unanswered,
            "note": clean(mark.note),
        }
        for mark in wave.marks
    ]
    done = connection.execute(
        update(step).where(step.c.transaction_number == number, step.c.number == bindparam("of_step")), rows
    )
    if done.rowcount != len(rows):
        raise StoreFailed(
            f"The journal of transaction {number} does not hold every step of this wave.",
            where=f"transaction {number}",
            why=f"{done.rowcount} of {len(rows)} marks have a step",
            next="run `planner recover`",
        )


def outcome(state: TransactionState, action: Action, reached: StepState) -> Presence:
    """The presence that a transaction left its cell in.

    A step that somebody else has met is never undone.
    """
    kept = state is TransactionState.APPLIED or reached is StepState.NOT_OURS
    return action.after if kept else action.after.other


def _watch(connection: Connection, cluster: str, number: int, state: TransactionState, wall: str) -> None:
    """Put the cells with unanswered writes on the watch list.

    A cell that is on it for an earlier transaction stays, and what moves it is still a late effect of that
    one; but the presence that it should have is now the one that this transaction left.
    """
    same_cell = and_(
        watch.c.cluster == cluster, watch.c.url == step.c.url, watch.c.group_id == step.c.group_id
    )
    rows = connection.execute(
        select(step.c.url, step.c.group_id, step.c.action, step.c.state, step.c.unanswered)
        .join(watch, same_cell, isouter=True)
        .where(
            step.c.transaction_number == number, or_(step.c.unanswered == true(), watch.c.url.is_not(None))
        )
    ).all()
    values = [
        {
            "of_url": row[0],
            "of_group": row[1],
            "left": str(outcome(state, Action(row[2]), StepState(row[3]))),
            "unanswered": row[4],
        }
        for row in rows
    ]
    this = and_(
        watch.c.cluster == cluster,
        watch.c.url == bindparam("of_url"),
        watch.c.group_id == bindparam("of_group"),
    )
    new = [row for row in values if row["unanswered"]]
    moved = [row for row in values if not row["unanswered"]]
    if moved:
        connection.execute(update(watch).where(this).values(outcome=bindparam("left")), moved)
    if new:
        connection.execute(delete(watch).where(this), new)
        connection.execute(
            insert(watch).values(
                cluster=cluster,
                url=bindparam("of_url"),
                group_id=bindparam("of_group"),
                transaction_number=number,
                outcome=bindparam("left"),
                since=wall,
            ),
            new,
        )


def _manage(connection: Connection, cluster: str, closing: Closing) -> None:
    """Forget, then upsert. A cell that is managed already keeps its order, new ones come after all others."""
    mine = managed.c.cluster == cluster
    this = and_(mine, managed.c.url == bindparam("of_url"), managed.c.group_id == bindparam("of_group"))
    highest = connection.execute(select(func.max(managed.c.creation)).where(mine)).scalar() or 0
    if closing.forgotten:
        gone = [{"of_group": group, "of_url": url} for group, url in closing.forgotten]
        connection.execute(delete(managed).where(this), gone)
    if closing.nodes:
        left = managed.c.url.not_in([member.url for member in closing.nodes])
        connection.execute(delete(managed).where(mine, left))
    rows = connection.execute(select(managed.c.group_id, managed.c.url).where(mine))
    known = {(row[0], row[1]) for row in rows}
    old: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for cell in sorted(closing.managed, key=lambda cell: cell.order):
        row = {"of_group": cell.group, "of_url": cell.url, "adopted": cell.adopted}
        (old if (cell.group, cell.url) in known else new).append(row)
    if old:
        connection.execute(update(managed).where(this).values(adopted=bindparam("adopted")), old)
    if new:
        connection.execute(
            insert(managed).values(cluster=cluster, url=bindparam("of_url"), group_id=bindparam("of_group")),
            [{**row, "creation": highest + place} for place, row in enumerate(new, 1)],
        )


def _protect(connection: Connection, cluster: str, closing: Closing) -> None:
    """Remember what is protected. What is to be both protected and not is protected: a guard fails closed."""
    this = and_(protected.c.cluster == cluster, protected.c.group_id == bindparam("of_group"))
    moved = dict.fromkeys((*closing.unprotected, *closing.protected))
    if moved:
        connection.execute(delete(protected).where(this), [{"of_group": group} for group in moved])
    if closing.protected:
        rows = [{"cluster": cluster, "group_id": group} for group in dict.fromkeys(closing.protected)]
        connection.execute(insert(protected), rows)


def _know_nodes(connection: Connection, cluster: str, nodes: tuple[Node, ...]) -> None:
    """Take over the nodes. No nodes at all are an omission, and never a reason to forget every node."""
    if not nodes:
        return
    connection.execute(delete(node).where(node.c.cluster == cluster))
    connection.execute(
        insert(node),
        [
            {"cluster": cluster, "url": member.url, "name": member.name, "position": position}
            for position, member in enumerate(nodes)
        ],
    )
