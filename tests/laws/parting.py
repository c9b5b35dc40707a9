"""Law 11: a partial plan keeps to its part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.app import applying, planning
from planner.errors import Incomplete, StalePlan
from planner.model import Cell
from planner.scope import Scope
from planner.verdict import Method
from tests.builders import CLUSTER, NAMES, Bench, refused, url
from tests.laws.book import law, replaced, wrapped

POST = Method.CREATE
PART = Scope(groups=("a*",), exclude_nodes=("node03",))
TWO = NAMES[:2]


def _whole(desired: Any, knowledge: Any, _scope: Any) -> Any:
    return desired, knowledge


@law("11.1", replaced(planning, "part_of", _whole), replaced(Scope, "includes_group", lambda self, id: True))
def a_partial_plan_asks_and_writes_its_part_only() -> None:
    """Also where the file wants more, where a managed group is gone, and where a node is down."""
    bench = Bench("a1", "b", holds={"gone": NAMES}).manage("gone", "lost")
    bench.kill("node03")
    bench.apply(bench.plan(PART))
    assert {(call.group, call.node) for _, call in bench.world.submitted} == {("a1", name) for name in TWO}
    assert bench.holders("a1") == set(TWO)
    assert bench.holders("gone") == set(NAMES)


@law("11.2", replaced(applying, "_check_seen", lambda plan, seen: None))
def within_its_part_it_rests_on_every_cell_and_beyond_it_on_none() -> None:
    bench = Bench("a", holds={"a": ["node02"]}).manage("a", names=["node02"])
    plan = bench.plan(PART)
    bench.world.nodes["node02"].discard("a")
    bench.world.nodes["node03"].add("a")
    (moved,) = refused(bench, StalePlan, lambda: bench.apply(plan), 6).details
    assert "a on node02" in moved
    bench.world.nodes["node02"].add("a")
    bench.apply(plan)
    assert bench.holders("a") == set(NAMES)


def _careless(tidy: Any) -> Any:
    return lambda desired, store, lease, policy, world, _scope: tidy(desired, store, lease, policy, world)


@law(
    "11.3",
    replaced(applying, "_known_nodes", lambda plan, knowledge: plan.nodes),
    wrapped(applying, "tidy", _careless),
)
def what_is_known_of_all_else_stays() -> None:
    """No node is forgotten, no managed cell; what was set aside stays so, although it is as it should be."""
    bench = Bench("a", "b", holds={"b": NAMES}, parallelism=1, reverse_timeout=1.0).manage("b")

    def die() -> int:
        bench.kill("node01")
        return 403

    bench.on(POST, "a", "node03", die)
    with pytest.raises(Incomplete):
        bench.apply()
    bench.recover(skip=["node01"])
    bench.world.dead = {}
    memory = bench.store.memory(CLUSTER)
    before = dict(memory.managed)
    bench.apply(bench.plan(replace(PART, exclude_nodes=("node01",))))
    assert {each for _, each in memory.nodes} == {url(name) for name in NAMES}
    assert before.items() <= memory.managed.items()
    assert [cell for _, cell in bench.store.set_aside(CLUSTER)] == [Cell("a", "node01")]
