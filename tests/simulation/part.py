"""Partial plans in a simulated life: a part of the cluster is drawn, and all else must be let alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

from planner.scope import Scope
from planner.verdict import Answer, Call, Method
from tests.simulation.memory import ClusterMemory
from tests.simulation.story import Violation
from tests.simulation.world import World


def draw_scope(rng: random.Random, groups: Sequence[str], nodes: Sequence[str]) -> Scope:
    """Leave out a node, some groups, or both; never everything."""
    some = tuple(rng.sample(groups, len(groups) - 1)) if len(groups) > 1 else ()
    away = rng.choice(nodes)
    choices = [
        Scope(exclude_nodes=(away,)),
        Scope(groups=some, nodes=tuple(name for name in nodes if name != away)),
        Scope(groups=some) if some else Scope(nodes=(away,)),
    ]
    return rng.choice(choices)


class Part:
    """A cluster of which a run may see a part only. Stands between the engine and the nodes.

    It knows what the rest was like before the run, and that must not change.
    """

    def __init__(self, scope: Scope, world: World, memory: ClusterMemory) -> None:
        self.scope = scope
        self._world = world
        self._memory = memory
        self._urls = {url: name for name, url in memory.nodes}
        self._before = self._rest()

    def submit(self, call: Call) -> None:
        """Pass on what is about the part, reads included."""
        inside = self._inside(call.group, call.node)
        if not (self.scope.includes_node(call.node) if call.method is Method.LIST else inside):
            raise Violation(f"a request out of scope: {call}")
        self._world.submit(call)

    def room(self, node: str) -> int:
        """See the port."""
        return self._world.room(node)

    def wait(self, until: float) -> Answer | None:
        """See the port."""
        return self._world.wait(until)

    def revoke(self) -> None:
        """See the port."""
        self._world.revoke()

    def check(self) -> None:
        """Raise `Violation` unless the rest is as it was, on the nodes and in the store."""
        now = self._rest()
        if now != self._before:
            raise Violation(f"the rest has changed: it was {self._before}, and is {now}")

    def _rest(self) -> tuple[object, ...]:
        """What the nodes hold and what is known of it, out of scope; and all the nodes that are known."""
        held = {
            (group, name)
            for name, groups in self._world.nodes.items()
            for group in groups
            if not self._inside(group, name)
        }
        managed = {
            key: cell
            for key, cell in self._memory.managed.items()
            if not self._inside(key[0], self._urls[key[1]])
        }
        return held, managed, set(self._memory.nodes)

    def _inside(self, group: str, name: str) -> bool:
        return self.scope.includes_group(group) and self.scope.includes_node(name)
