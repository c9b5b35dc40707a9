"""Builders for tests: nodes, files, plans, and a bench on which plans are applied over a scripted cluster."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from planner.app import apply_plan, make_plan, recover, steps_to_set_aside, what_to_recover
from planner.app.planning import Allowances
from planner.errors import PlannerError, Reversed, StoreFailed
from planner.events import Event
from planner.grid import ManagedCells
from planner.model import (
    Action,
    Cell,
    Desired,
    Group,
    Limits,
    Managed,
    Node,
    Plan,
    Policy,
    Presence,
    Step,
    StepState,
    TransactionState,
)
from planner.ports import Knowledge, Stop
from planner.scope import EVERYTHING, Scope
from planner.transaction import World as Ports
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd
from tests.simulation.memory import MemoryStore
from tests.simulation.world import Faults, Request, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.results import Applied, Recovered
    from tests.simulation.memory import MemoryLease

CLUSTER = "test"
NAMES = ("node01", "node02", "node03")
NODES = tuple(Node(name, f"http://{name}") for name in NAMES)
UNLIMITED = Limits(None, None, None)
PRESENT, ABSENT = Presence.PRESENT, Presence.ABSENT
CREATE, DELETE = Action.CREATE, Action.DELETE
READ = Method.READ

Happening: TypeAlias = str | int | Callable[[], "str | int | None"]
"""What hits one try: a fault of `tests.simulation`, a status without an effect, `LIE`, or a function that is
called when the try arrives and says which of these it is (None: nothing)."""

LIE = "lie"
"""The node answers a write with success, and does nothing."""

STRANGE = "strange"
"""The node answers a read with another group's record."""

RICH = "rich"
"""The node answers a read with more than the id."""


def url(name: str) -> str:
    """The canonical URL of a node of `NODES`."""
    return f"http://{name}"


def group(id: str, *names: str, state: Presence = PRESENT, protect: bool = False) -> Group:
    """A declared group; on every node unless some are named."""
    return Group(id, names or NAMES, state, protect)


def desired(
    *groups: Group | str,
    nodes: tuple[Node, ...] = NODES,
    limits: Limits = UNLIMITED,
    cluster: str = CLUSTER,
    **more: Any,
) -> Desired:
    """A file; a group may be given by its id."""
    names = tuple(node.name for node in nodes)
    declared = tuple(Group(g, names) if isinstance(g, str) else g for g in groups)
    return Desired(cluster, nodes, declared, limits, **more)


def managed(*ids: str, names: Iterable[str] = NAMES, adopted: bool = False) -> dict[tuple[str, str], Managed]:
    """Managed cells, created in this order."""
    return {
        (id, url(name)): Managed(id, url(name), adopted, order)
        for order, id in enumerate(ids)
        for name in names
    }


def knowledge(cells: Mapping[tuple[str, str], Managed] | None = None, **more: Any) -> Knowledge:
    """What a store knows: these managed cells, on the usual nodes."""
    nodes = more.pop("nodes", tuple((node.name, node.url) for node in NODES))
    return Knowledge(
        "store", more.pop("serial", 1), ManagedCells.collect((cells or {}).values()), nodes, **more
    )


def seen(present: Mapping[str, Iterable[str]], *absent: str) -> dict[Cell, Presence]:
    """Presences on the usual nodes: the names that hold each group; nobody holds `absent`."""
    holders = {**{id: tuple(names) for id, names in present.items()}, **dict.fromkeys(absent, ())}
    return {
        Cell(id, name): PRESENT if name in names else ABSENT
        for id, names in holders.items()
        for name in NAMES
    }


def steps(*changes: tuple[Action, str, str]) -> tuple[Step, ...]:
    """Numbered steps of (action, group, node)."""
    return tuple(Step(i, action, Cell(id, node)) for i, (action, id, node) in enumerate(changes, 1))


def tries(*ends: int | str, start: float = 0.0) -> tuple[Try, ...]:
    """A ledger, one try a second: a status, or ``timeout``, ``refused``, ``stopped``."""
    kinds = {"timeout": TryEnd.UNANSWERED, "refused": TryEnd.NOT_SENT, "stopped": TryEnd.STOPPED}
    return tuple(
        Try(TryEnd.ANSWERED, at, end) if isinstance(end, int) else Try(kinds[end], at, detail=end)
        for at, end in enumerate(ends, int(start))
    )


def answer(method: Method, *ends: int | str, body: Body | None = None) -> Answer:
    """The end of a call about group ``g`` on node01."""
    return Answer(Call(1, method, "g", NAMES[0], 5), tries(*ends), body)


class _NextFault(Faults):
    """Faults without chance: the bench says which comes next."""

    next = ""

    def draw(self, *_: Any) -> str:
        return self.next


class ScriptedWorld(World):
    """The simulated cluster, where a script says what hits which try. Also proves the lock, and counts."""

    def __init__(self, nodes: dict[str, set[str]]) -> None:
        super().__init__(random.Random(1), nodes, _NextFault())
        self.scripts: dict[tuple[Method, Cell], deque[Happening]] = defaultdict(deque)
        self.always: dict[tuple[Method, Cell], Happening] = {}
        self.arrivals: list[tuple[float, Call]] = []
        self.served: list[Call] = []
        self.submitted: list[tuple[float, Call]] = []
        self.events: list[Event] = []
        self.flying: set[int] = set()
        self.most_flying = 0
        self.lease: MemoryLease | None = None
        self.expired = False

    def check(self) -> Stop | None:
        if self.lease is not None:
            self.lease.prove()
        return Stop.EXPIRE if self.expired else super().check()

    def emit(self, event: Event) -> None:
        self.events.append(event)
        super().emit(event)

    def submit(self, call: Call) -> None:
        self.submitted.append((self.time, call))
        self.flying.add(call.id)
        self.most_flying = max(self.most_flying, len(self.flying))
        super().submit(call)

    def wait(self, until: float) -> Answer | None:
        found = super().wait(until)
        if found is not None:
            self.flying.discard(found.call.id)
        return found

    def _arrive(self, request: Request) -> Answer | None:
        self.arrivals.append((self.time, request.call))
        key = (request.call.method, Cell(request.call.group, request.call.node))
        script = self.scripts[key]
        happening = script.popleft() if script else self.always.get(key, "")
        fault = happening() if callable(happening) else happening
        assert isinstance(self.faults, _NextFault)
        self.faults.next = str(fault or "")
        return super()._arrive(request)

    def _serve(self, request: Request, fault: str) -> tuple[int, Body | None, float]:
        call = request.call
        self.served.append(call)
        if fault.isdigit():
            return int(fault), None, self.time
        if fault == LIE:
            return (201 if call.method is Method.CREATE else 200), None, self.time
        if fault == STRANGE:
            return 200, Body("another", fault="strange" if call.method is Method.LIST else ""), self.time
        if fault == RICH:
            status, body = self._effect(request)
            return status, body and body._replace(extra=True), self.time
        return super()._serve(request, fault)


class Bench:
    """A cluster, a store and a file, and the use cases over them."""

    def __init__(
        self, *groups: Group | str, holds: Mapping[str, Iterable[str]] | None = None, **policy: Any
    ) -> None:
        """`holds`: which groups exist, and on which nodes; they are nobody's until `manage` is called."""
        self.world = ScriptedWorld({name: set() for name in NAMES})
        for id, names in (holds or {}).items():
            for name in names:
                self.world.nodes[name].add(id)
        self.store = MemoryStore()
        self.store.memory(CLUSTER).nodes = tuple((node.name, node.url) for node in NODES)
        self.policy = replace(Policy(), **policy)
        self.file = desired(*groups)
        self.before = self.world.snapshot()

    def manage(self, *ids: str, names: Iterable[str] = NAMES, adopted: bool = False) -> Bench:
        """Let the store remember these groups."""
        self.store.memory(CLUSTER).managed |= managed(*ids, names=names, adopted=adopted)
        return self

    @property
    def ports(self) -> Ports:
        """The ports of a run."""
        self.world.parallelism = self.policy.parallelism
        return Ports(self.world, self.world, self.world, self.world)

    # What happens.

    def on(self, method: Method, id: str, name: str, *happenings: Happening) -> None:
        """What hits the next tries of a request, one after the other; then nothing does."""
        self.world.scripts[method, Cell(id, name)].extend(happenings)

    def always(self, method: Method, id: str, name: str, happening: Happening) -> None:
        """What hits every further try of a request."""
        self.world.always[method, Cell(id, name)] = happening

    def interrupt(self) -> None:
        """A signal, as something that happens when a try arrives."""
        self.world.signals += 1

    def interrupt_twice(self) -> None:
        """Two signals, the second of which abandons the run."""
        self.world.signals += 2

    def expire(self) -> None:
        """An interrupt whose grace period is over already."""
        self.world.signals += 1
        self.world.expired = True

    def kill(self, *names: str) -> None:
        """From now on these nodes refuse connections, and the others do not."""
        self.world.dead = dict.fromkeys(names, (self.world.time, float("inf")))

    def break_store(self, *moments: str, times: int | None = None) -> None:
        """Let commits fail at these moments (such as `before close`), for ever or so many times."""
        left = [times]

        def fail(moment: str) -> None:
            if moment not in moments or left[0] == 0:
                return
            if left[0] is not None:
                left[0] -= 1
            raise StoreFailed("The disk is full")

        self.store.on_commit = fail

    def mend_store(self) -> None:
        """Commits succeed again."""
        self.store.on_commit = lambda moment: None

    def steal_lock(self) -> None:
        """Another run is granted the lock."""
        self.store.memory(CLUSTER).epoch += 1

    def heal(self) -> None:
        """Nothing happens any more."""
        self.world.scripts.clear()
        self.world.always.clear()
        self.world.signals = 0
        self.world.expired = False

    # Runs.

    def plan(self, scope: Scope = EVERYTHING, **allowances: Any) -> Plan:
        """A plan from the file, perhaps of a part."""
        return make_plan(self.file, self.store, self.policy, self.ports, Allowances(**allowances), scope)

    def apply(
        self,
        plan: Plan | None = None,
        *,
        canary: Iterable[str] = (),
        ports: Ports | None = None,
        attach: Callable[[MemoryLease], None] = lambda lease: None,
    ) -> Applied:
        """Apply a plan (or make one first), under the lock; `attach` is told which."""
        plan = plan or self.plan()
        ports = ports or self.ports
        self.before = self.world.snapshot()
        self.forget_requests()
        with self._leased("apply") as lease:
            attach(lease)
            try:
                result = apply_plan(plan, self.file, self.store, lease, self.policy, ports, frozenset(canary))
            except PlannerError as error:
                awaited = not (isinstance(error, Reversed) and self.world.flying)
                assert awaited, "an engine that ends has awaited what it sent"
                self._check_counts(plan, error)
                raise
        assert not self.world.flying, "an engine that ends has awaited what it sent"
        return result

    def _check_counts(self, plan: Plan, error: PlannerError) -> None:
        """An error of a transaction that began tells what became of every step."""
        begun = [event.data["transaction"] for event in self.world.events if event.kind == "begun"]
        if error.ending is not None:
            assert error.ending.steps.total == len(plan.steps)
        if begun:
            assert error.ending is not None
            assert begun == [error.ending.transaction]

    def recover(self, *, skip: Iterable[str] = ()) -> Recovered | None:
        """Finish what is unfinished; None when nothing is. The open cells of some nodes may be set aside."""
        with self._leased("recover") as lease:
            record = what_to_recover(self.store, CLUSTER)
            if record is None:
                return None
            aside = steps_to_set_aside(record, tuple(skip))
            return recover(record, lease, self.policy, self.ports, aside)

    @contextmanager
    def _leased(self, command: str) -> Iterator[MemoryLease]:
        with self.store.lock(CLUSTER, command, 0) as lease:
            self.world.lease = lease
            try:
                yield lease
            finally:
                self.world.lease = None

    # What came of it.

    def forget_requests(self) -> None:
        """Look only at what comes from now on."""
        self.world.arrivals.clear()
        self.world.submitted.clear()
        self.world.events.clear()
        self.world.served.clear()

    @property
    def writes(self) -> list[str]:
        """The writes that reached a node, in order, such as ``create a on node01``."""
        return [f"{c.method} {c.group} on {c.node}" for c in self.world.served if c.method.is_write]

    def requests(self, id: str, name: str) -> list[str]:
        """The requests about one cell that arrived, in order: ``read``, ``create``, ``delete``."""
        return [c.method.value for _, c in self.world.arrivals if (c.group, c.node) == (id, name)]

    def times(self, method: Method, id: str, name: str) -> list[float]:
        """When these requests arrived, every try of them."""
        return [at for at, c in self.world.arrivals if (c.method, c.group, c.node) == (method, id, name)]

    def asked(self, method: Method, id: str, name: str) -> list[float]:
        """When the engine asked for these requests."""
        return [at for at, c in self.world.submitted if (c.method, c.group, c.node) == (method, id, name)]

    def holders(self, id: str) -> set[str]:
        """The nodes that hold a group."""
        return {name for name, groups in self.world.nodes.items() if id in groups}

    @property
    def as_before(self) -> bool:
        """Whether every node is as it was before the last apply."""
        return self.world.snapshot() == self.before

    def marks(self, number: int = 1) -> dict[str, StepState]:
        """The journal's states of a transaction, by cell."""
        record = self.store.record(CLUSTER, number)
        assert record is not None
        marks = {mark.number: mark.state for mark in record.marks}
        return {str(step.cell): marks[step.number] for step in record.intent.steps}

    def state(self, number: int = 1) -> TransactionState:
        """The journal's state of a transaction."""
        record = self.store.record(CLUSTER, number)
        assert record is not None
        return record.state


def refused(bench: Bench, kind: type[PlannerError], run: Callable[[], object], code: int) -> PlannerError:
    """Run, and make sure that it is refused without a write, and without a new transaction."""
    before, known = bench.world.snapshot(), len(bench.store.history(CLUSTER))
    bench.forget_requests()
    with pytest.raises(kind) as caught:
        run()
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert bench.writes == []
    assert bench.world.snapshot() == before
    assert len(bench.store.history(CLUSTER)) == known
    return caught.value
