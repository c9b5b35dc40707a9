"""Rows to the types of the ports. Each function reads on a connection that shows one snapshot."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, true

from planner.grid import ManagedCells
from planner.model import UNFINISHED, Action, Cell, Presence, Step, StepState, TransactionState
from planner.ports import CellMark, Intent, Knowledge, Note, Record, Unfinished, Watched
from planner.store.rows import sound, to_nodes, to_policy, to_words
from planner.store.tables import cluster as clusters
from planner.store.tables import file, managed, node, note, protected, step, transaction, watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

STEP_COLUMNS = (
    step.c.transaction_number, step.c.number, step.c.action, step.c.group_id, step.c.node, step.c.reason,
)  # fmt: skip
BATCH = 10_000
"""Rows of managed cells that are in memory at once: there may be a million."""
MARK_COLUMNS = (step.c.number, step.c.state, step.c.suspect, step.c.tried, step.c.unanswered, step.c.note)


def knowledge(connection: Connection, store: str, cluster: str) -> Knowledge:
    """See `planner.ports.Store.knowledge`."""
    serial = connection.execute(select(clusters.c.serial).where(clusters.c.name == cluster)).scalar()
    last = _last_file(connection, cluster)
    cells = connection.execute(
        select(managed.c.group_id, managed.c.url, managed.c.adopted, managed.c.creation)
        .where(managed.c.cluster == cluster)
        .order_by(managed.c.url, managed.c.group_id)
        .execution_options(yield_per=BATCH)
    )
    known = connection.execute(
        select(node.c.name, node.c.url).where(node.c.cluster == cluster).order_by(node.c.position)
    )
    guarded = connection.execute(select(protected.c.group_id).where(protected.c.cluster == cluster))
    collected = ManagedCells.collect(chain.from_iterable(cells.partitions()))
    protected_groups = tuple(guarded.scalars())
    sound((*collected.groups, *collected.by_url, *protected_groups), tuple[str, ...])
    return Knowledge(
        store=store,
        serial=sound(serial or 0, int),
        managed=collected,
        nodes=sound(tuple((row[0], row[1]) for row in known), tuple[tuple[str, str], ...]),
        source=sound(last.source, str) if last is not None and last.whole else "",
        unfinished=unfinished(connection, cluster),
        protected=frozenset(protected_groups),
    )


def clusters_known(connection: Connection) -> tuple[str, ...]:
    """See `planner.ports.Store.clusters`."""
    names = connection.execute(select(clusters.c.name).order_by(clusters.c.name)).scalars()
    return sound(tuple(names), tuple[str, ...])


def unfinished(connection: Connection, cluster: str) -> int | None:
    """The number of the cluster's unfinished transaction."""
    number = connection.execute(
        select(transaction.c.number)
        .where(
            transaction.c.cluster == cluster, transaction.c.state.in_([str(state) for state in UNFINISHED])
        )
        .order_by(transaction.c.number)
        .limit(1)
    ).scalar()
    return sound(number, int | None)


def record(connection: Connection, cluster: str, number: int) -> Record | None:
    """See `planner.ports.Store.record`."""
    row = connection.execute(
        select(transaction).where(transaction.c.number == number, transaction.c.cluster == cluster)
    ).one_or_none()
    if row is None:
        return None
    steps = _steps(connection, [number]).get(number, ())
    marks = connection.execute(
        select(*MARK_COLUMNS).where(step.c.transaction_number == number).order_by(step.c.number)
    )
    told = tuple(CellMark(mark[0], StepState(mark[1]), *mark[2:]) for mark in marks)
    return _record(row, steps, told, _notes(connection, [number]).get(number, ()))


def history(connection: Connection, cluster: str, limit: int) -> tuple[Record, ...]:
    """See `planner.ports.Store.history`."""
    rows = connection.execute(
        select(transaction)
        .where(transaction.c.cluster == cluster)
        .order_by(transaction.c.number.desc())
        .limit(limit)
    ).all()
    numbers = [row.number for row in rows]
    steps, notes = _steps(connection, numbers), _notes(connection, numbers)
    return tuple(_record(row, steps.get(row.number, ()), (), notes.get(row.number, ())) for row in rows)


def tally(connection: Connection, cluster: str) -> dict[TransactionState, int]:
    """See `planner.ports.Store.tally`."""
    rows = connection.execute(
        select(transaction.c.state, func.count())
        .where(transaction.c.cluster == cluster)
        .group_by(transaction.c.state)
    )
    return {TransactionState(state): number for state, number in rows}


def applied(connection: Connection, cluster: str, plan_digest: str) -> int | None:
    """See `planner.ports.Store.applied`; the last one, and None for an empty digest."""
    if not plan_digest:
        return None
    number = connection.execute(
        select(transaction.c.number)
        .where(
            transaction.c.cluster == cluster,
            transaction.c.plan_digest == plan_digest,
            transaction.c.state == str(TransactionState.APPLIED),
        )
        .order_by(transaction.c.number.desc())
        .limit(1)
    ).scalar()
    return sound(number, int | None)


def superseded(connection: Connection, cluster: str, source: str) -> bool:
    """See `planner.ports.Store.superseded`."""
    this = select(file.c.source).where(file.c.cluster == cluster, file.c.source == source)
    last = _last_file(connection, cluster)
    return last is not None and last.source != source and connection.execute(this).first() is not None


def _last_file(connection: Connection, cluster: str) -> Row[Any] | None:
    return connection.execute(
        select(file).where(file.c.cluster == cluster).order_by(file.c.position.desc()).limit(1)
    ).one_or_none()


def set_aside(connection: Connection, cluster: str) -> tuple[tuple[int, Cell], ...]:
    """See `planner.ports.Store.set_aside`."""
    rows = connection.execute(
        select(step.c.transaction_number, step.c.group_id, step.c.node)
        .join(transaction, transaction.c.number == step.c.transaction_number)
        .where(
            transaction.c.cluster == cluster,
            step.c.state == str(StepState.SET_ASIDE),
            step.c.verified != true(),
        )
        .order_by(step.c.transaction_number, step.c.number)
    )
    return sound(tuple((row[0], Cell(row[1], row[2])) for row in rows), tuple[tuple[int, Cell], ...])


def watched(connection: Connection, cluster: str) -> tuple[Watched, ...]:
    """See `planner.ports.Store.watched`."""
    rows = connection.execute(
        select(watch.c.group_id, watch.c.url, watch.c.transaction_number, watch.c.outcome, watch.c.since)
        .where(watch.c.cluster == cluster)
        .order_by(watch.c.transaction_number, watch.c.group_id, watch.c.url)
    )
    found = tuple(Watched(row[0], row[1], row[2], Presence(row[3]), row[4]) for row in rows)
    return sound(found, tuple[Watched, ...])


def _steps(connection: Connection, numbers: Iterable[int]) -> dict[int, tuple[Step, ...]]:
    """The steps of transactions, in order."""
    found: dict[int, list[Step]] = {}
    rows = connection.execute(
        select(*STEP_COLUMNS)
        .where(step.c.transaction_number.in_(list(numbers)))
        .order_by(step.c.transaction_number, step.c.number)
    )
    for of, number, action, group, name, reason in rows:
        found.setdefault(of, []).append(Step(number, Action(action), Cell(group, name), reason))
    return {number: tuple(steps) for number, steps in found.items()}


def _notes(connection: Connection, numbers: Iterable[int]) -> dict[int, tuple[Note, ...]]:
    """The notes of transactions, oldest first."""
    found: dict[int, list[Note]] = {}
    rows = connection.execute(
        select(note.c.transaction_number, note.c.at, note.c.who, note.c.text)
        .where(note.c.transaction_number.in_(list(numbers)))
        .order_by(note.c.transaction_number, note.c.position)
    )
    for of, at, who, text in rows:
        found.setdefault(of, []).append(Note(at, who, text))
    return {number: tuple(notes) for number, notes in found.items()}


def managed_besides(connection: Connection, cluster: str) -> dict[tuple[str, str], str]:
    """See `planner.ports.Store.managed_besides`."""
    rows = connection.execute(
        select(managed.c.group_id, managed.c.url, managed.c.cluster).where(managed.c.cluster != cluster)
    )
    found = {(row[0], row[1]): row[2] for row in rows}
    sound((*chain.from_iterable(found), *found.values()), tuple[str, ...])
    return found


def unfinished_besides(connection: Connection, cluster: str) -> tuple[Unfinished, ...]:
    """See `planner.ports.Store.unfinished_besides`."""
    rows = connection.execute(
        select(transaction.c.cluster, transaction.c.number, transaction.c.nodes)
        .where(
            transaction.c.cluster != cluster, transaction.c.state.in_([str(state) for state in UNFINISHED])
        )
        .order_by(transaction.c.number)
    )
    found = sound(tuple((row[0], row[1], row[2]) for row in rows), tuple[tuple[str, int, str], ...])
    return tuple(
        Unfinished(name, number, frozenset(node.url for node in to_nodes(nodes)))
        for name, number, nodes in found
    )


def _record(
    row: Row[Any], steps: tuple[Step, ...], marks: tuple[CellMark, ...], notes: tuple[Note, ...]
) -> Record:
    intent = Intent(
        command=row.command,
        nodes=to_nodes(row.nodes),
        steps=steps,
        policy=to_policy(row.policy),
        plan_digest=row.plan_digest,
        source=row.source,
        allowances=to_words(row.allowances),
        plan=row.plan,
    )
    found = Record(
        number=row.number,
        cluster=row.cluster,
        state=TransactionState(row.state),
        intent=intent,
        marks=marks,
        message=row.message,
        started=row.started,
        finished=row.finished,
        holder=row.holder,
        notes=notes,
    )
    _check_steps(sound(found, Record))
    return found


def _check_steps(found: Record) -> None:
    """What reads a record relies on it: steps in order, and on nodes that their transaction has."""
    names = {node.name for node in found.intent.nodes}
    numbers = [step.number for step in found.intent.steps]
    if any(step.cell.node not in names for step in found.intent.steps):
        raise ValueError(f"transaction {found.number} has a step on a node that it does not have")
    if sorted(set(numbers)) != numbers:
        raise ValueError(f"transaction {found.number} has a step twice")
