"""Carry out a plan as one transaction, or refuse it before the first write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner import codec
from planner.app.asides import tidy
from planner.app.endings import SHOWN, failure_of, left_open
from planner.app.planning import check_elsewhere, check_finished, check_identity, read
from planner.diff import LATE_EFFECT, SET_ASIDE, UNDO, UNPRUNED, WAS_ADOPTED
from planner.errors import LockLost, StalePlan
from planner.events import Event
from planner.guards import guards_now, protection_of, refused
from planner.model import Action, Cell, Managed, Node, StepState, TransactionState
from planner.ports import Closing, Intent
from planner.reads import by_node
from planner.results import Applied
from planner.scope import patterns_of
from planner.transaction import Abandoned, Transaction, runs_of
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from planner.model import Desired, Plan, Policy, Presence, Seen
    from planner.ports import Knowledge, Lease, Store
    from planner.transaction import Observation, Outcome, StepRun, World


def apply_plan(
    plan: Plan,
    desired: Desired,
    store: Store,
    lease: Lease,
    policy: Policy,
    world: World,
    canary: frozenset[str] = frozenset(),
    command: str = "apply",
) -> Applied:
    """Carry out exactly this plan, under the cluster's lock.

    Args:
        plan: made from this cluster, perhaps earlier and elsewhere.
        desired: the file as it is now: its nodes, limits and protection count.
        store: where everything is remembered.
        lease: the lock, held.
        policy: patience.
        world: the ports.
        canary: nodes that go first, whole.
        command: what the user ran.

    Raises:
        Incomplete: an earlier transaction is unfinished, or this one could not be reversed.
        StalePlan: the world, the store or the nodes are not those that the plan was made from.
        Refused: a guard stands against it.
        NodesUnreadable: a cell could not be checked.
        Reversed: it failed, and everything was reversed.
        LockLost: the lock went in the middle.
        Interrupted: before anything was changed.
    """
    sealed = codec.seal(plan)
    knowledge, already = _check_offline(plan, sealed.digest, desired, store)
    scope = patterns_of(plan.scope)
    if plan.is_empty:
        source = _source(plan)
        if _is_whole(plan, knowledge) and source not in ("", knowledge.source):
            lease.apply_file(source)
        tidy(desired, store, lease, policy, world, scope)
        return Applied(plan)
    seen = read(by_node(_expected(plan)), plan.nodes, policy, world)
    if already is not None:
        return _confirm_applied(plan, already, seen, knowledge.protected)
    _check_seen(plan, seen)
    if seen.lossy:
        _refuse_if_guarded(plan, desired, knowledge, seen.lossy)
    runs = runs_of(plan.steps, plan.nodes, policy, seen.began)
    intent = Intent(
        command, plan.nodes, plan.steps, policy, sealed.digest, plan.source, plan.allowances, sealed.line()
    )
    check_elsewhere(store, desired)  # again: that name's lock is not ours, and reading took a while
    number = lease.begin(intent)
    world.reporter.emit(Event("begun", total=len(plan.steps), data={"transaction": number}))
    transaction = Transaction(
        runs,
        plan.nodes,
        policy,
        world,
        lease,
        number,
        allow_lossy="lossy-delete" in plan.allowances,
    )
    outcome = _run(
        transaction, number, runs, lambda: _closing(plan, desired, runs, knowledge, store), plan, canary
    )
    if outcome.state is not TransactionState.APPLIED:
        raise failure_of(outcome)
    tidy(desired, store, lease, policy, world, scope)
    not_ours = tuple(each.step.cell for each in outcome.in_state(StepState.NOT_OURS))
    return Applied(plan, number, not_ours)


def _check_offline(plan: Plan, digest: str, desired: Desired, store: Store) -> tuple[Knowledge, int | None]:
    """All that can be refused before a node is asked.

    Args:
        plan: what is to be applied.
        digest: of the plan, by which the store knows it.
        desired: the file as it is now.
        store: what is remembered.

    Returns:
        What the store knows, and the transaction that has applied this very plan, if there is one.
    """
    if plan.cluster != desired.cluster:
        raise _stale(f"it was made for cluster {plan.cluster!r}, and the file names {desired.cluster!r}")
    knowledge = store.knowledge(plan.cluster)
    check_finished(store, plan.cluster, knowledge)
    check_elsewhere(store, desired)
    check_identity(desired, knowledge)
    _check_belongs(plan, desired, knowledge)
    already = store.applied(plan.cluster, digest)
    if already is None:
        _check_serial(plan, knowledge)
        _refuse_if_guarded(plan, desired, knowledge)
    return knowledge, already


def _run(
    transaction: Transaction,
    number: int,
    runs: list[StepRun],
    closing: Callable[[], Closing],
    plan: Plan,
    canary: frozenset[str],
) -> Outcome:
    try:
        return transaction.apply(closing, plan.bystanders, canary)
    except Abandoned as stop:
        raise left_open(
            number, runs, transaction.open_steps(), why=f"{stop.why}: this run left at once"
        ) from stop
    except LockLost as lost:
        raise left_open(
            number,
            runs,
            transaction.open_steps(),
            why=f"the lock is not provably held any more: {lost.why or lost.what}",
        ) from lost


def _closing(
    plan: Plan, desired: Desired, runs: list[StepRun], knowledge: Knowledge, store: Store
) -> Closing:
    """What is managed from now on, and what becomes of earlier doubts about cells that the plan decided on.

    What was managed stays created or adopted, as it was. Of the others, a create that somebody else met, or
    may have met, is adopted, and so is one that only undoes a late effect, a pruning, or the delete of what
    was adopted: none of them may be deleted since nobody declares it. A group that the file of today protects
    stays protected, whatever an older plan says.
    """
    urls = {node.name: node.url for node in plan.nodes}
    managed = [Managed(cell.group, urls[cell.node], adopted=True) for cell in plan.adopts]
    forgotten = [(cell.group, urls[cell.node]) for cell in plan.forgets]
    in_doubt = store.watched(plan.cluster) or store.set_aside(plan.cluster)
    decided = {*plan.adopts, *plan.forgets} if in_doubt else set()
    left = tuple((cell.group, urls[cell.node], seen) for cell, seen in plan.bystanders if cell in decided)
    for run in runs:
        group, node = run.step.cell
        if run.step.action is Action.DELETE:
            forgotten.append((group, urls[node]))
        else:
            before = knowledge.managed.get((group, urls[node]))
            managed.append(Managed(group, urls[node], adopted=before.adopted if before else _is_adopted(run)))
    today = protection_of(desired, knowledge).declared
    unprotected = tuple(group for group in plan.unprotects if group not in today)
    return Closing(
        tuple(managed),
        tuple(forgotten),
        _known_nodes(plan, knowledge),
        left,
        plan.protects,
        unprotected,
        _source(plan),
        _is_whole(plan, knowledge),
    )


def _source(plan: Plan) -> str:
    """The file that is applied; none by an undo, whose plan files of the first days name one."""
    return "" if plan.steps and plan.steps[0].reason.startswith(UNDO) else plan.source


def _is_whole(plan: Plan, knowledge: Knowledge) -> bool:
    """Whether the cluster is equal to the plan's file afterwards; a part of another one leads to neither."""
    return plan.scope is None or plan.source == knowledge.source


def _known_nodes(plan: Plan, knowledge: Knowledge) -> tuple[Node, ...]:
    """The nodes that are known from now on. A partial plan forgets none of those that it says nothing of."""
    if plan.scope is None:
        return plan.nodes
    urls = {node.url for node in plan.nodes}
    return (*plan.nodes, *(Node(name, url) for name, url in knowledge.nodes if url not in urls))


def _is_adopted(run: StepRun) -> bool:
    """Whether a cell that was not managed before becomes so as adopted."""
    theirs = run.state is StepState.NOT_OURS or run.perhaps_theirs
    reason = run.step.reason
    return theirs or reason.startswith((LATE_EFFECT, SET_ASIDE, UNPRUNED)) or reason.endswith(WAS_ADOPTED)


def _expected(plan: Plan) -> Iterator[tuple[Cell, Presence]]:
    """Every cell of every group that the plan touches, with its before-image."""
    for step in plan.steps:
        yield step.cell, step.before
    yield from plan.bystanders


def _check_belongs(plan: Plan, desired: Desired, knowledge: Knowledge) -> None:
    """Refuse a plan of another store or set of nodes; for a partial plan, of those that are in its scope."""
    if plan.store != knowledge.store:
        raise _stale(f"it was made with store {plan.store}, and this run uses {knowledge.store}")
    scope = patterns_of(plan.scope)
    planned = {node.name: (node.url, node.speech) for node in plan.nodes}
    here = {node.name: (node.url, node.speech) for node in desired.nodes if scope.includes_node(node.name)}
    if planned != here:
        moved = sorted(name for name in planned.keys() | here.keys() if planned.get(name) != here.get(name))
        raise _stale(f"its nodes are not those of the file: {', '.join(moved)}")


def _check_serial(plan: Plan, knowledge: Knowledge) -> None:
    if plan.serial != knowledge.serial:
        raise _stale(
            f"something was applied since it was made (serial {plan.serial}, now {knowledge.serial})"
        )


def _check_seen(plan: Plan, seen: Observation) -> None:
    """Refuse when any cell is not as the plan saw it (law 8)."""
    moved = [
        f"{cell}: was {expected}, is {seen.presences[cell]}"
        for cell, expected in _expected(plan)
        if seen.presences[cell] is not expected
    ]
    if moved:
        raise _stale("the cluster has moved since it was made", moved)


def _confirm_applied(plan: Plan, already: int, seen: Observation, protected: frozenset[str]) -> Applied:
    """A plan that history shows as applied, and that still holds, is done."""
    targets: list[Seen | tuple[Cell, Presence]] = [(step.cell, step.after) for step in plan.steps]
    targets += plan.bystanders
    moved = [
        f"{cell}: was left {target}, is {seen.presences[cell]}"
        for cell, target in targets
        if seen.presences[cell] is not target
    ]
    moved += [f"{group}: was left protected, is not" for group in plan.protects if group not in protected]
    if moved:
        raise _stale(f"it was applied by TX {already}, and does not hold any more", moved)
    return Applied(plan, already=already)


def _refuse_if_guarded(
    plan: Plan, desired: Desired, knowledge: Knowledge, lossy: Collection[Cell] = ()
) -> None:
    """Refuse a plan that a guard stands against, today's included.

    Raises:
        Refused: names every guard and its cure.
    """
    refusals = guards_now(plan, desired, knowledge, lossy)
    if refusals:
        raise refused(refusals)


def _stale(why: str, moved: Sequence[str] = ()) -> StalePlan:
    """A plan that the world has left behind; each cell that moved has its line."""
    more = [f"… and {count(len(moved) - SHOWN, 'more cell')}"] if len(moved) > SHOWN else []
    return StalePlan(
        "The plan is stale, and nothing was changed",
        why=why,
        next="make a new one and review it: planner plan",
        details=[*moved[:SHOWN], *more],
    )
