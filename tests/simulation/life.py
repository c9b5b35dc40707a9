"""One simulated life from one seed: a cluster, a file, an apply that may go wrong, and what must be true.

The invariant: within the assumptions every cell ends as planned, or every cell ends as it was, or the run
says exit 4 and names the cells that may differ; and a recovery in a healed world brings every cell back.
"""

from __future__ import annotations

import random
from dataclasses import replace

from planner.app import apply_plan, make_plan, recover, what_to_recover
from planner.errors import (
    Incomplete,
    Interrupted,
    LockLost,
    NodesUnreadable,
    PlannerError,
    Reversed,
    StalePlan,
    StoreFailed,
)
from planner.model import (
    Cell,
    Desired,
    Dialect,
    Group,
    Limits,
    Managed,
    Node,
    Plan,
    Policy,
    Presence,
    StepState,
    TransactionState,
)
from planner.scope import EVERYTHING, Scope
from planner.transaction import World as Ports
from planner.transaction import open_steps, states_of
from planner.transaction.recovery import FINISHED
from planner.verdict import Call
from tests.simulation.lag import Lag
from tests.simulation.memory import MemoryLease, MemoryStore
from tests.simulation.part import Part, draw_scope
from tests.simulation.scenarios import NAMES, Scenario
from tests.simulation.story import Violation, told
from tests.simulation.world import SETTLE, Crash, Faults, World

CLUSTER = "simulated"
PROOF_LIFE = 5.0
URLS = {name: f"http://{name}" for name in NAMES}
NODES = tuple(Node(name, url) for name, url in URLS.items())
FOREIGN_NODES = tuple(replace(node, dialect=Dialect(exists=(400, 500))) for node in NODES)
NO_LIMITS = Limits(None, None)
FILE = "file"
"""The digest of the file."""
STRANGER = "stranger"
"""A group that nobody declared and nobody manages, where a file prunes."""
SETTLED = "g9"
"""A group that is managed, declared, and there, where nodes list."""
UNTOUCHED = FINISHED
"""A cell in one of these states, as the store holds it, must not be written."""


class Life:
    """A cluster, a store and a file, and the runs over them."""

    def __init__(self, scenario: Scenario, *, keep_timeline: bool = False) -> None:
        self.scenario = scenario
        rng = self.rng = random.Random(scenario.seed * 7 + 1)
        self.world = World(rng, {name: set() for name in NAMES})
        self.world.parallelism = scenario.parallelism
        if scenario.narrow:
            self.world.narrow = {scenario.narrow: 1}
        self.world.timeline = [] if keep_timeline else None
        self.store = MemoryStore(seed=scenario.seed + 3)
        self.store.say = self.world.say if keep_timeline else None
        self.memory = self.store.memory(CLUSTER)
        self.policy = Policy(parallelism=scenario.parallelism, settle=SETTLE)
        self.ports = Ports(self.world, self.world, self.world, self.world)
        self.desired = self._draw_cluster()
        self.before: dict[str, frozenset[str]] = {}
        self.plan: Plan | None = None
        self.runs = 0
        self.aside: set[Cell] = set()  # what a recovery has set aside by hand
        self.written: set[int] = set()  # steps of the transaction that a write was sent for
        self.part: Part | None = None  # of a partial plan
        self.recorded = self._recorded()  # before the last apply

    def _draw_cluster(self) -> Desired:
        """Some groups exist, some are wanted, some are managed: creates, repairs, deletes, adoptions."""
        memory = self.memory
        memory.nodes = tuple(URLS.items())
        wanted = []
        for number in range(self.scenario.groups):
            group = f"g{number}"
            kind = self.rng.choice(("create", "create", "delete", "absent", "repair", "adopt"))
            some = self.rng.sample(NAMES, self.rng.randint(1, 2))
            for name in {"create": (), "repair": some}.get(kind, NAMES):
                self.world.nodes[name].add(group)
            if kind in ("delete", "repair"):
                for name in NAMES:
                    memory.managed[group, URLS[name]] = Managed(group, URLS[name], order=number)
            if kind != "delete":
                state = Presence.ABSENT if kind == "absent" else Presence.PRESENT
                wanted.append(Group(group, NAMES, state))
        if self.scenario.protect and wanted:
            wanted[0] = replace(wanted[0], protect=wanted[0].state is Presence.PRESENT)
        self.world.exists = 500 if self.scenario.ambiguous else 400
        nodes = FOREIGN_NODES if self.scenario.ambiguous else NODES
        self.world.lag = Lag(self.scenario.lag) if self.scenario.lag else None
        if self.scenario.lists:
            wanted.append(self._draw_settled())
        if not self.scenario.prune:
            able = self.rng.sample(NAMES, self.rng.randint(1, 3)) if self.scenario.lists else ()
            nodes = tuple(_listing(node) if node.name in able else node for node in nodes)
            return Desired(CLUSTER, nodes, tuple(wanted), NO_LIMITS, digest=FILE)
        for name in self.rng.sample(NAMES, self.rng.randint(1, 3)):
            self.world.nodes[name].add(STRANGER)
        nodes = tuple(map(_listing, nodes))
        return Desired(CLUSTER, nodes, tuple(wanted), NO_LIMITS, prune=True, digest=FILE)

    def _draw_settled(self) -> Group:
        """A group that was applied, and that perhaps went away on a node a moment ago."""
        for name in NAMES:
            self.world.nodes[name].add(SETTLED)
            self.memory.managed[SETTLED, URLS[name]] = Managed(SETTLED, URLS[name], order=99)
        if self.rng.random() < 0.7:
            lost = self.rng.choice(NAMES)
            self.world.nodes[lost].discard(SETTLED)
            if self.world.lag is not None:
                ago = self.rng.uniform(0.0, 2 * self.scenario.lag)
                self.world.lag.changed(self.world.time - ago, (SETTLED, lost), there=True)
        return Group(SETTLED, NAMES)

    # Runs.

    def plan_and_apply(self) -> str:
        """Plan in peace, then apply under the scenario's faults; say how it ended."""
        scope = self._cut_out()
        began = self.world.time
        self.plan = make_plan(self.desired, self.store, self.policy, self.ports, scope=scope)
        self._check_evidence(self.plan, began)
        self.before = self.world.snapshot()
        self.recorded = self._recorded()
        self.written.clear()
        self.runs += 1
        self._let_loose()
        try:
            with self.store.lock(CLUSTER, "apply", 0) as lease:
                self._hold(lease)
                canary = frozenset(NAMES[:1]) if self.scenario.canary else frozenset()
                apply_plan(self.plan, self.desired, self.store, lease, self.policy, self.ports, canary)
        except PlannerError as error:
            return self._ended(error)
        except Crash:
            return "crash"
        return "applied"

    def _cut_out(self) -> Scope:
        """Draw the part that the plan is about; a node that is left out stays away for the whole run."""
        world = self.world
        self.part = None
        self.ports = Ports(world, world, world, world)
        if not self.scenario.part:
            return EVERYTHING
        declared = {group.id for group in self.desired.groups}
        groups = sorted(declared.union(group for group, _ in self.memory.managed))
        scope = draw_scope(self.rng, groups, NAMES)
        world.dead = self._left_out(scope)
        self.part = Part(scope, world, self.memory)
        self.ports = Ports(self.part, world, world, world)
        return scope

    def _left_out(self, scope: Scope) -> dict[str, tuple[float, float]]:
        return {name: (0.0, float("inf")) for name in NAMES if not scope.includes_node(name)}

    def plan_and_apply_in_peace(self) -> str:
        """Plan and apply in a healed world."""
        self.scenario = Scenario(self.scenario.seed, parallelism=self.scenario.parallelism)
        return self.plan_and_apply()

    def recover(self, *, skip: bool = False) -> str:
        """Recover, perhaps dying again; say how it ended. `skip` sets the open cells of one node aside."""
        self.world.pass_time(self.scenario.recover_after)
        self.runs += 1
        self._arm()
        try:
            with self.store.lock(CLUSTER, "recover", 0) as lease:
                self._hold(lease)
                record = what_to_recover(self.store, CLUSTER)
                if record is None:
                    return "nothing"
                steps = open_steps(states_of(record)) if skip else ()
                away = [step for step in steps if step.cell.node == steps[0].cell.node]
                self.aside |= {step.cell for step in away}
                aside = frozenset(step.number for step in away)
                recover(record, lease, self.policy, self.ports, aside)
        except PlannerError as error:
            return self._ended(error)
        except Crash:
            return "crash"
        return "recovered"

    def _let_loose(self) -> None:
        scenario, world = self.scenario, self.world
        world.faults = scenario.faults
        world.dead = {
            name: (world.time + start, world.time + end) for name, (start, end) in scenario.dead.items()
        } | (self._left_out(self.part.scope) if self.part else {})
        world.flapping = scenario.flapping
        world.signal_in = scenario.signal_in
        world.grace = scenario.grace
        self.store.fail_rate = scenario.store_fails
        cells = [step.cell for step in self.plan.steps] if self.plan else []
        if scenario.refuse and cells:
            world.refuses = {self.rng.choice(cells)}
        for _ in range(scenario.meddle if cells else 0):
            after = self.rng.choice((0.0, self.rng.random()))
            world.meddle(after, self.rng.choice(cells), present=self.rng.random() < 0.5)
        self._arm()

    def _arm(self) -> None:
        self.world.crash_in = self.scenario.crashes.pop(0) if self.scenario.crashes else None
        self.store.on_commit = self.world.port_call

    def heal(self) -> None:
        """No more faults: what a recovery needs to end."""
        self.world.faults = Faults()
        self.world.dead = {}
        self.world.flapping = {}
        self.world.refuses = set()
        self.world.crash_in = None
        self.world.signal_in = None
        self.world.signals = 0
        self.world.deadline = float("inf")
        self.world.on_check = lambda: None
        self.world.permit = lambda: True
        self.scenario.stolen_after = None
        self.store.fail_rate = 0.0
        self.scenario.crashes = []

    def _ended(self, error: PlannerError) -> str:
        self.world.die()  # its process is gone: what is still in flight is answered to nobody
        self.world.say(f"exit {error.exit_code}: {error.what}")
        for line in error.details:
            self.world.say(f"    {line}")
        if error.ending is not None:
            counts, steps = (
                error.ending.steps,
                len(self.memory.records[error.ending.transaction].intent.steps),
            )
            if counts.total != steps or counts.never_started > steps - len(self.written):
                raise Violation(f"{counts} of {steps} steps, {len(self.written)} of them written")
        return {
            Reversed: "reversed",
            Interrupted: "interrupted",
            Incomplete: "incomplete",
            StalePlan: "stale",
            NodesUnreadable: "unreadable",
            LockLost: "lock-lost",
            StoreFailed: "store-failed",
        }.get(type(error), error.code)

    def _hold(self, lease: MemoryLease) -> None:
        """Prove the lock at every look at the control; perhaps another run takes it."""
        world = self.world
        stolen_after, self.scenario.stolen_after = self.scenario.stolen_after, None

        def steal() -> None:
            self.memory.epoch += 1
            world.say("another run has the lock")

        if stolen_after is not None:
            world.at(world.time + stolen_after, steal)
        world.on_check = lease.prove
        world.checked_at = world.time
        world.permit = lambda: world.time - world.checked_at < PROOF_LIFE and world.time < world.deadline
        world.before_write = self._guard

    def _guard(self, call: Call) -> None:
        """Law 1 and 7: no write without a durable mark of its cell, or without the lock."""
        memory = self.memory
        number = len(memory.records)
        steps = memory.records[number].intent.steps
        step = next(step for step in steps if step.cell == (call.group, call.node))
        mark = memory.marks[number].get(step.number)
        if mark is None or mark.state in UNTOUCHED:
            raise Violation(f"a write without a mark: {call}, {mark}")
        self.written.add(step.number)
        if not self.world.permit():
            raise Violation("a write without a young proof of the lock")

    # What must be true.

    def check(self, ending: str) -> None:
        """Raise `Violation` unless the cluster is as the ending says, once everything late has landed."""
        if self.part is not None:
            self.part.check()
        self._check_recorded(ending)
        if ending in ("applied", "reversed", "recovered"):
            self._check_seen(forward=ending == "applied")
        self.world.pass_time(3 * SETTLE)
        if ending == "applied":
            self._check_cells({step.cell: step.after for step in self.plan.steps} if self.plan else {})
        elif ending in ("reversed", "interrupted", "recovered", "stale", "unreadable", "store-failed"):
            self._check_cells({step.cell: step.before for step in self.plan.steps} if self.plan else {})
        elif ending == "incomplete":
            self._check_named()

    def _recorded(self) -> tuple[object, ...]:
        """What only an apply may change: protection, and the file applied last."""
        known = self.store.knowledge(CLUSTER)
        return known.protected, known.source, self.store.superseded(CLUSTER, FILE)

    def _check_recorded(self, ending: str) -> None:
        """What the file protects, and that it was applied, is recorded with an apply, and only so."""
        if ending != "applied":
            wanted = self.recorded
        else:
            inside = self.part.scope.includes_group if self.part else lambda _: True
            protected = {group.id for group in self.desired.groups if group.protect and inside(group.id)}
            wanted = (protected, FILE if self.part is None else "", False)
        if self._recorded() != wanted:
            raise Violation(f"recorded is {self._recorded()}, and should be {wanted}")

    def _check_seen(self, *, forward: bool) -> None:
        """Nothing is called done unseen: the last truthful read of a cell came after its last write.

        Forward this is so of every cell of every touched group, backward of every cell that was written.
        """
        assert self.plan is not None
        wanted = {step.cell: step.after if forward else step.before for step in self.plan.steps}
        if forward:
            wanted |= dict(self.plan.bystanders)
        marks = self.memory.marks.get(1)
        if marks is None:
            return  # nothing was begun
        foreign = {
            step.cell
            for step in self.plan.steps
            if not forward and marks[step.number].state in (StepState.NOT_OURS, StepState.NOT_APPLIED)
        }
        for cell, presence in wanted.items():
            written = self.world.written.get(cell)
            if cell in foreign or cell in self.aside or (written is None and not forward):
                continue
            when, there = self.world.seen.get(cell, (0.0, presence is not Presence.PRESENT))
            if when < (written or 0.0) or there != (presence is Presence.PRESENT):
                raise Violation(f"{cell} was not seen as {presence} at the end")

    def _check_cells(self, wanted: dict[Cell, Presence]) -> None:
        for cell, presence in wanted.items():
            if cell in self.world.foreign or cell in self.aside:
                continue
            there = cell.group in self.world.nodes[cell.node]
            if there != (presence is Presence.PRESENT):
                raise Violation(f"{cell} should be {presence}")

    def check_aside(self) -> None:
        """Raise `Violation` unless what was set aside is named, and nothing is called reversed."""
        named = {cell for _, cell in self.store.set_aside(CLUSTER)}
        marked = {mark.number for mark in self.memory.marks[1].values() if mark.state is StepState.SET_ASIDE}
        cells = {step.cell for step in self.memory.records[1].intent.steps if step.number in marked}
        if named != cells:
            raise Violation(f"set aside and not named: {cells - named}")
        if cells and self.memory.records[1].state is not TransactionState.CLOSED_WITH_EXCEPTIONS:
            raise Violation(f"cells are set aside, and the transaction is {self.memory.records[1].state}")

    def check_next_apply(self) -> None:
        """Raise `Violation` unless the next apply, in a healed world, makes every node equal to the file."""
        self.heal()
        self.world.pass_time(10 * SETTLE)
        self.world.foreign.clear()
        self.aside.clear()
        ending = self.plan_and_apply_in_peace()
        if ending != "applied":
            raise Violation(f"a healed world, and the next apply ended as {ending}")
        self.check(ending)
        self.check_declared()
        if self.store.set_aside(CLUSTER):
            raise Violation(f"still set aside: {self.store.set_aside(CLUSTER)}")

    def check_declared(self) -> None:
        """Raise `Violation` unless every declared group is as the file says, on every node."""
        wanted = {Cell(group.id, name): group.state for group in self.desired.groups for name in group.nodes}
        if self.desired.prune:
            wanted |= dict.fromkeys((Cell(STRANGER, name) for name in NAMES), Presence.ABSENT)
        self._check_cells(wanted)

    def _check_evidence(self, plan: Plan, began: float) -> None:
        """Raise `Violation` where a plan would write, adopt or forget what no read of its own has shown."""
        found = {step.cell: step.before for step in plan.steps}
        found |= dict.fromkeys(plan.adopts, Presence.PRESENT) | dict.fromkeys(plan.forgets, Presence.ABSENT)
        for cell, presence in found.items():
            when, there = self.world.seen.get(cell, (0.0, False))
            if when < began or there != (presence is Presence.PRESENT):
                raise Violation(f"{cell} is planned as {presence}, and was not read as such")

    def _check_named(self) -> None:
        """Exit 4: every cell that is not as it was is open in the journal."""
        record = what_to_recover(self.store, CLUSTER)
        if record is None or self.plan is None:
            raise Violation("exit 4, and nothing is unfinished in the store")
        open_numbers = {
            mark.number
            for mark in record.marks
            if mark.state not in (StepState.PENDING, StepState.NOT_APPLIED, StepState.UNDONE)
        }
        self._check_cells(
            {step.cell: step.before for step in self.plan.steps if step.number not in open_numbers}
        )


def _listing(node: Node) -> Node:
    return replace(node, dialect=replace(node.dialect, list_path="/v1/group/"))


def live(scenario: Scenario, *, keep_timeline: bool = False) -> Life:
    """Live one scenario within the assumptions to its end, and check it at every end of a run.

    Raises:
        Violation: the invariant does not hold; its notes tell the life, if a timeline was kept.
    """
    life = Life(scenario, keep_timeline=keep_timeline)
    goes_on = scenario.goes_on
    with told(life, scenario):
        ending = life.plan_and_apply()
        if ending != "crash":
            life.check(ending)
        ending = _recover_until_done(life, ending, check=True)
        if ending == "crash":  # it died before the transaction began, or after it was closed
            records = life.memory.records
            applied = bool(records) and records[1].state is TransactionState.APPLIED
            life.check("applied" if applied else "reversed")
        if life.aside:
            life.check_aside()
        if goes_on or life.aside:
            life.check_next_apply()
    return life


def live_outside(scenario: Scenario, *, keep_timeline: bool = False) -> Life:
    """Live one scenario outside the assumptions. Only the weaker oracle holds:

    no write without a mark or without the lock, every transaction comes to an end, and the next apply in a
    healed world makes every node equal to the file.

    Raises:
        Violation: it does not hold.
    """
    life = Life(scenario, keep_timeline=keep_timeline)
    with told(life, scenario):
        _recover_until_done(life, life.plan_and_apply(), check=False)
        life.check_next_apply()
    return life


def _recover_until_done(life: Life, ending: str, *, check: bool) -> str:
    runs = 0
    while life.store.knowledge(CLUSTER).unfinished is not None:
        runs += 1
        if runs > 3:
            life.heal()
        if runs > 6:
            raise Violation("a healed world, and the transaction is still unfinished")
        ending = life.recover(skip=life.scenario.skip and ending == "incomplete")
        if check and ending != "crash":
            life.check(ending)
    return ending
