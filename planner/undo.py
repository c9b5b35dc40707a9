"""The reverse of an earlier, applied transaction, as a plan like any other. Pure.

==================  ====================  ========================
in the transaction  the cell now          the plan
==================  ====================  ========================
created             present, and managed  delete
deleted             absent                create; adopted again where it had been
adopted             present, and adopted  forget: no request
not ours            any                   left as it is, and named
created             present, of others    left as it is, and named
created or deleted  not as it was left    left as it is, and named
==================  ====================  ========================

What was created, and is not managed by now or was adopted, is somebody else's: a later transaction deleted or
forgot ours, or its origin was uncertain from the first.
A node is the same one while its URL is the same; its name may have changed since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import codec
from planner.diff import (
    DRIFT,
    LATE_EFFECT,
    PRUNED,
    SET_ASIDE,
    UNDO,
    UNPRUNED,
    WAS_ADOPTED,
    Change,
    Changes,
)
from planner.model import Action, Cell, Presence, StepState
from planner.plan import assemble, node_warnings
from planner.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from planner.model import Desired, Managed, Node, Plan, Step
    from planner.ports import Knowledge, Record
    from planner.scope import PlanScope


@dataclass(frozen=True, slots=True)
class Past:
    """What is left to undo of a transaction, on the nodes of the file and under their names of today.

    Attributes:
        number: of the transaction.
        written: cells that it wrote, with what it did, in its order.
        adopted: cells that it adopted, and that are managed as adopted still.
        not_ours: cells that somebody else had written first.
        others: cells that it created, and that are somebody else's by what is managed now.
        were_adopted: cells of `written` that were adopted before it deleted them, or as it brought them back.
        gone: nodes that it wrote to, and that the file does not have any more, by their old names.
        pruned: those of `written` that nobody managed; brought back they are adopted, and never deleted just
            since nobody declares them.
    """

    number: int
    written: tuple[tuple[Action, Cell], ...] = ()
    adopted: tuple[Cell, ...] = ()
    not_ours: tuple[Cell, ...] = ()
    others: tuple[Cell, ...] = ()
    were_adopted: frozenset[Cell] = frozenset()
    gone: tuple[Node, ...] = ()
    pruned: frozenset[Cell] = frozenset()


def past_of(record: Record, desired: Desired, knowledge: Knowledge) -> Past:
    """What a transaction did, by its journal.

    Raises:
        StalePlan: the plan that the store keeps of it cannot be read.
    """
    old = {node.name: node for node in record.intent.nodes}
    now = {node.url: node.name for node in desired.nodes}
    states = {mark.number: mark.state for mark in record.marks}
    written, not_ours, others, gone, pruned = [], [], [], {}, set()
    were_adopted = set()
    for step in record.intent.steps:
        node = old[step.cell.node]
        state = states.get(step.number)
        if state is StepState.DONE and node.url not in now:
            gone[node.name] = node
        elif state is StepState.DONE:
            cell = Cell(step.cell.group, now[node.url])
            if _is_others(step, knowledge.managed.get((cell.group, node.url))):
                others.append(cell)
            else:
                written.append((step.action, cell))
                if step.reason.endswith(WAS_ADOPTED):
                    were_adopted.add(cell)
                if step.reason == PRUNED:
                    pruned.add(cell)
        elif state is StepState.NOT_OURS:
            not_ours.append(Cell(step.cell.group, now.get(node.url, node.name)))
    adopted = []
    plan = plan_of(record)
    for cell in plan.adopts if plan else ():
        managed = knowledge.managed.get((cell.group, old[cell.node].url))
        if managed is not None and managed.adopted and managed.url in now:
            adopted.append(Cell(cell.group, now[managed.url]))
    return Past(
        record.number,
        tuple(written),
        tuple(adopted),
        tuple(not_ours),
        tuple(others),
        frozenset(were_adopted),
        tuple(gone.values()),
        frozenset(pruned),
    )


def _is_others(step: Step, managed: Managed | None) -> bool:
    """Whether what is on a cell that was created must not be deleted: it is managed no more, or adopted.

    A step that brought back what had been adopted before (drift, a late effect) is adopted too, and ours.
    """
    if step.action is not Action.CREATE:
        return False
    why = step.reason
    brought_back = why.startswith((DRIFT, LATE_EFFECT, SET_ASIDE, UNPRUNED)) or why.endswith(WAS_ADOPTED)
    return managed is None or (managed.adopted and not brought_back)


def plan_of(record: Record) -> Plan | None:
    """The plan that a transaction carried out; None where the store keeps none.

    Raises:
        StalePlan: it cannot be read.
    """
    if not record.intent.plan:
        return None
    return codec.load_plan(record.intent.plan, f"the plan of TX {record.number} in the store")


def scope_of(record: Record, desired: Desired) -> Scope:
    """What the undo is about: of a transaction that left nodes out, the nodes that it was made for.

    They are told by URL, and named as they are called today. What was left out then may be away still.

    Raises:
        StalePlan: the plan that the store keeps of it cannot be read.
    """
    plan = plan_of(record)
    if plan is None or plan.scope is None or not plan.scope.nodes_left_out:
        return EVERYTHING
    urls = {node.url for node in plan.nodes}
    names = tuple(node.name for node in desired.nodes if node.url in urls)
    return Scope(nodes=names) if len(names) < len(desired.nodes) else EVERYTHING


def cells_to_read(
    past: Past, desired: Desired, scope: Scope = EVERYTHING
) -> Iterator[tuple[Cell, Presence | None]]:
    """Every cell in scope of every group that the transaction changed, with what it left there, where it did.

    Yields None for a cell that it did not change.
    """
    left: dict[Cell, Presence] = {cell: action.after for action, cell in past.written}
    left.update(dict.fromkeys(past.adopted, Presence.PRESENT))
    for group in dict.fromkeys(cell.group for cell in left):
        for node in desired.nodes:
            if scope.includes_node(node.name):
                cell = Cell(group, node.name)
                yield cell, left.get(cell)


def build(
    past: Past,
    desired: Desired,
    knowledge: Knowledge,
    presences: Mapping[Cell, Presence],
    *,
    lossy: Collection[Cell] = (),
    allow_lossy: bool = False,
    allow_deletes: int | None = None,
    scope: PlanScope | None = None,
) -> Plan:
    """Make the plan that undoes what still holds, the last step first.

    Args:
        past: what the transaction did; nothing of it on a node that is gone.
        desired: the file: its nodes, limits and protection count, and what it asks for is warned of.
        knowledge: what the store knows of the cluster.
        presences: every cell of `cells_to_read`, as read.
        lossy: cells whose record shows more than the id.
        allow_lossy: whether records that show more than the id may be deleted.
        allow_deletes: raises `max_deletes` knowingly, and sets the percentage aside.
        scope: of the transaction, where it left nodes out: see `scope_of`.
    """
    back = {Action.CREATE: Action.DELETE, Action.DELETE: Action.CREATE}
    holding = [(action, cell) for action, cell in past.written if presences[cell] is action.after]
    reverse = [Change(back[action], cell, _why(past, cell)) for action, cell in reversed(holding)]
    changes = Changes(
        creates=tuple(change for change in reverse if change.action is Action.CREATE),
        deletes=tuple(change for change in reverse if change.action is Action.DELETE),
        forgets=tuple(cell for cell in past.adopted if presences[cell] is Presence.PRESENT),
    )
    plan = assemble(
        desired,
        knowledge,
        presences,
        changes,
        lossy=lossy,
        allow_deletes=allow_deletes,
        allowances=["lossy-delete"] if allow_lossy else [],
        scope=scope,
    )
    warnings = [
        *_left_out(past, presences),
        *_still_asked_for(desired, changes),
        *node_warnings(desired, knowledge, scope),
    ]
    # What it leads to is what no file asks for: a scheduled run must not bring it back.
    return replace(plan, warnings=tuple(warnings), source="")


def _why(past: Past, cell: Cell) -> str:
    """The reason of the step that brings a cell back; by it an apply knows what is adopted, not created."""
    reason = f"{UNPRUNED if cell in past.pruned else UNDO} TX {past.number}"
    return f"{reason}, {WAS_ADOPTED}" if cell in past.were_adopted else reason


def _left_out(past: Past, presences: Mapping[Cell, Presence]) -> Iterator[str]:
    moved = [cell for action, cell in past.written if presences[cell] is not action.after]
    moved += [cell for cell in past.adopted if presences[cell] is not Presence.PRESENT]
    if moved:
        yield f"moved since TX {past.number}, and left as they are: {_named(moved)}"
    if past.not_ours:
        yield f"not ours in TX {past.number}, and left as they are: {_named(past.not_ours)}"
    if past.others:
        yield f"not managed as created by now, and left as they are: {_named(past.others)}"


def _still_asked_for(desired: Desired, changes: Changes) -> Iterator[str]:
    """Where the next plan from this file would lead away from the undo again."""
    wishes = {Cell(group.id, name): group.state for group in desired.groups for name in group.nodes}
    deletes = [change.cell for change in changes.deletes if wishes.get(change.cell) is Presence.PRESENT]
    forgets = [cell for cell in changes.forgets if wishes.get(cell) is Presence.PRESENT]
    creates = [change.cell for change in changes.creates]
    unwanted = [cell for cell in creates if wishes.get(cell) is Presence.ABSENT]
    undeclared = [change.cell for change in changes.creates if _is_let_go(change, wishes)]
    for cells, asks, would in (
        (deletes, "still declares {}", "bring {} back"),
        (forgets, "still declares {}", "adopt {} again"),
        (unwanted, "still has `state: absent` for {}", "delete {} again"),
        (undeclared, "does not declare {}", "delete {} again"),
    ):
        groups = tuple(dict.fromkeys(cell.group for cell in cells))
        if groups:
            it = "it" if len(groups) == 1 else "them"
            asked, happens = asks.format(", ".join(groups)), would.format(it)
            yield f"{desired.origin} {asked}: the next plan would {happens}"


def _is_let_go(change: Change, wishes: Collection[Cell]) -> bool:
    """Whether the file is silent about what is created, and nothing else will keep it."""
    kept = change.reason.startswith(UNPRUNED) or change.reason.endswith(WAS_ADOPTED)
    return change.cell not in wishes and not kept


def _named(cells: Iterable[Cell]) -> str:
    """``a on node01, node02; b on node01``."""
    nodes: dict[str, list[str]] = {}
    for cell in cells:
        nodes.setdefault(cell.group, []).append(cell.node)
    return "; ".join(f"{group} on {', '.join(names)}" for group, names in nodes.items())
