"""What one seed asks for: the cluster's size, its faults, deaths, interrupts, and other people."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields

from tests.simulation.world import FAULT_NAMES, SETTLE, Faults

NAMES = ("node01", "node02", "node03")


@dataclass(slots=True)
class Scenario:
    """What one seed asks for."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    groups: int = 2
    parallelism: int = 4
    crashes: list[int] = field(default_factory=list)  # port calls until the process dies, per run
    signal_in: int | None = None
    dead: dict[str, tuple[float, float]] = field(default_factory=dict)
    refuse: bool = False
    meddle: int = 0
    store_fails: float = 0.0
    recover_after: float = 0.0  # seconds between a death and the next recover
    canary: bool = False
    stolen_after: float | None = None  # seconds until another run has the lock
    grace: float = float("inf")  # seconds after the signal at which the run leaves
    flapping: dict[str, float] = field(default_factory=dict)  # node: away for so many seconds, and back
    ambiguous: bool = False  # 'exists' is a 500 on every node
    skip: bool = False  # a recovery that cannot reach a node sets its cells aside
    goes_on: bool = False  # at the end comes another apply, in a healed world
    lists: bool = False  # some nodes list, and some groups are as they should be
    lag: float = 0.0  # seconds that every list is older than the cluster
    prune: bool = False  # the nodes list, and the file prunes what nobody declared
    protect: bool = False  # the file protects a group
    narrow: str = ""  # a node that takes one call at a time, so that the others get ahead of it
    part: bool = False  # the plan is about a part of the cluster; the apply that comes after it is not

    def __str__(self) -> str:
        """What is not as in a scenario without any fault."""
        plain, faults = Scenario(self.seed), Faults()
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "faults"}
        shown = [f"{name}={value}" for name, value in own.items() if value != getattr(plain, name)]
        rates = {f.name: getattr(self.faults, f.name) for f in fields(faults) if f.init}
        shown += [f"{name}={rate}" for name, rate in rates.items() if rate != getattr(faults, name)]
        return ", ".join(shown)


def scenario_of(seed: int) -> Scenario:
    """Draw a scenario within the assumptions."""
    rng = random.Random(seed)
    scenario = Scenario(seed, groups=rng.choice((1, 2, 2, 3)), parallelism=rng.choice((1, 2, 4, 16)))
    for kind in rng.sample(FAULT_NAMES, rng.choice((0, 1, 1, 2, 4))):
        setattr(scenario.faults, kind, rng.choice((0.02, 0.1, 0.3, 0.6)) / (4 if kind == "false_404" else 1))
    if rng.random() < 0.35:
        scenario.crashes = [rng.randint(2, 90) for _ in range(rng.choice((1, 1, 2, 3)))]
        scenario.recover_after = rng.choice((0.0, 0.01, 1.0, 60.0))
    if rng.random() < 0.15:
        scenario.signal_in = rng.randint(1, 60)
    if rng.random() < 0.2:
        start = rng.uniform(0.0, 3.0)
        scenario.dead = {rng.choice(NAMES): (start, start + rng.choice((0.5, 20.0, 400.0, 4000.0)))}
    scenario.refuse = rng.random() < 0.15
    scenario.meddle = rng.choice((0, 0, 0, 0, 1, 2))
    if rng.random() < 0.1:
        scenario.store_fails = rng.choice((0.1, 0.5, 1.0))
    scenario.canary = rng.random() < 0.1
    scenario.narrow = rng.choice((*NAMES, "", "", "", "", ""))
    if rng.random() < 0.05:
        scenario.stolen_after = rng.choice((0.01, 0.1, 1.0, 15.0))
    if scenario.signal_in is not None:
        scenario.grace = rng.choice((float("inf"), 0.5, 15.0, 60.0))
    if rng.random() < 0.1:
        scenario.flapping = {rng.choice(NAMES): rng.choice((0.3, 3.0, 30.0))}
    scenario.ambiguous = rng.random() < 0.1
    scenario.skip = rng.random() < 0.3
    scenario.goes_on = rng.random() < 0.2
    scenario.prune = rng.random() < 0.15
    scenario.part = rng.random() < 0.15
    scenario.protect = rng.random() < 0.3
    scenario.lists = rng.random() < 0.3
    if scenario.lists or scenario.prune:
        scenario.lag = rng.choice((0.0, 0.0, 0.5, 10.0))
    return scenario


def scenario_outside(seed: int) -> Scenario:
    """Draw a scenario outside the assumptions: effects later than the settle time, reads that lie on."""
    scenario = scenario_of(seed)
    rng = random.Random(seed + 1)
    scenario.faults.late_by = (0.1, 4 * SETTLE)
    scenario.faults.late = max(scenario.faults.late, 0.1)
    scenario.faults.lies = 5
    scenario.faults.false_404 = rng.choice((0.0, 0.2))
    return scenario
