"""Reaching nodes, and finding what they hold: reads only, and no failure hidden."""

from __future__ import annotations

import pytest

from planner.app.importing import holdings
from planner.app.probing import NOBODYS, probe_nodes, unreached
from planner.errors import Interrupted, NodesUnreadable, WrongUsage
from planner.model import Cell
from planner.results import Probed
from planner.verdict import Method
from tests.builders import ABSENT, NAMES, NODES, READ, Bench, group
from tests.laws.book import when
from tests.unit.test_unmanaged import LIST, LISTING, bench_of


def probed(bench: Bench, tries: int = 3) -> Probed:
    return probe_nodes(bench.file, tries, bench.policy, bench.ports)


def asked(bench: Bench) -> set[str]:
    return {call.group for _, call in bench.world.submitted}


# Probing.


def test_every_request_counts_and_none_is_tried_again() -> None:
    bench = bench_of("a", nodes=NODES)
    bench.on(READ, "a", "node02", "error_before", "hang_before")
    bench.always(READ, "a", "node03", "reset_before")
    found = probed(bench)
    assert [each.state for each in found.nodes] == ["ok", "unsteady", "unreadable"]
    assert [len(each.latencies) for each in found.nodes] == [3, 1, 0]
    assert found.nodes[1].failures == ("500", "time-out")
    assert len(bench.requests("a", "node03")) == 3
    assert all(0 < seconds < 0.1 for seconds in found.nodes[0].latencies)
    error = unreached(found)
    assert error is not None
    assert (error.exit_code, error.where, error.details) == (1, "node03", ("node03 (http://node03): reset",))


def test_a_node_that_answered_once_is_reached() -> None:
    bench = bench_of("a", nodes=NODES)
    bench.on(READ, "a", "node02", "error_before", "error_before")
    assert unreached(probed(bench)) is None
    assert bench.writes == []


def test_found_and_not_found_are_both_an_answer() -> None:
    for holds in ({}, {"a": NAMES}):
        assert unreached(probed(bench_of("a", nodes=NODES, holds=holds), 1)) is None


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        (("a", "b"), {"a"}),
        ((group("a", state=ABSENT), "b"), {"b"}),
        ((group("a", "node01"), "b"), {"a", "b"}),
        ((group("a", state=ABSENT),), {"a"}),
        ((), {NOBODYS}),
    ],
)
def test_what_is_asked_for_is_a_group_that_should_be_there(groups: tuple[str, ...], wanted: set[str]) -> None:
    bench = bench_of(*groups, nodes=NODES)
    probed(bench, 1)
    assert asked(bench) == wanted


def test_a_node_that_can_list_is_asked_for_its_list() -> None:
    bench = bench_of("a", nodes=(*LISTING[:2], NODES[2]), x=["node01"], y=["node01"])
    bench.always(LIST, "", "node02", 404)
    found = probed(bench)
    assert [each.listed for each in found.nodes] == [2, None, None]
    assert found.nodes[1].failures[0] == "404; if the ids are elsewhere, set cluster.api.list"
    error = unreached(found)
    assert error is not None
    assert "correct `cluster.api` in the file" in error.next


def test_probing_can_be_interrupted() -> None:
    bench = bench_of("a", nodes=NODES)
    bench.on(READ, "a", "node01", when(bench.interrupt))
    with pytest.raises(Interrupted):
        probed(bench)


def test_the_median_is_of_the_requests_that_were_answered() -> None:
    bench = bench_of("a", nodes=NODES)
    bench.on(READ, "a", "node01", "", "error_before", "")
    found = probed(bench, 4).nodes[0]
    assert found.median == sorted(found.latencies)[1]


# What a cluster holds.


def test_every_group_that_is_listed_and_who_holds_it() -> None:
    bench = bench_of(b=NAMES, a=["node03", "node01"], holds={"..": ["node02"]})
    found = holdings(bench.file, (), bench.policy, bench.ports)
    assert found.groups == (("a", ("node01", "node03")), ("b", NAMES))
    assert (found.partial, found.unnamed, found.absent) == (("a",), ("..",), ())


def test_named_groups_are_read_and_an_absence_is_confirmed() -> None:
    bench = bench_of(nodes=NODES, b=NAMES, a=["node02"], c=NAMES)
    bench.on(READ, "b", "node01", "false_404")
    found = holdings(bench.file, ("b", "nope", "a"), bench.policy, bench.ports)
    assert found.groups == (("a", ("node02",)), ("b", NAMES))
    assert (found.partial, found.absent) == (("a",), ("nope",))


def test_without_a_list_of_every_node_groups_have_to_be_named() -> None:
    bench = bench_of(nodes=(LISTING[0], *NODES[1:]))
    with pytest.raises(WrongUsage, match="cannot be told") as caught:
        holdings(bench.file, (), bench.policy, bench.ports)
    assert caught.value.why == "nothing says how to list the groups of node02, node03"


@pytest.mark.parametrize("named", [(), ("a",)])
def test_a_node_that_cannot_be_read_holds_not_nothing(named: tuple[str, ...]) -> None:
    bench = bench_of("a", a=NAMES)
    bench.always(READ if named else Method.LIST, "a" if named else "", "node03", "error_before")
    with pytest.raises(NodesUnreadable) as caught:
        holdings(bench.file, named, bench.policy, bench.ports)
    assert caught.value.where == "node03"


def test_after_an_import_there_is_nothing_but_adoptions() -> None:
    bench = bench_of(b=NAMES, a=["node03", "node01"])
    found = holdings(bench.file, (), bench.policy, bench.ports)
    bench.file = bench_of(*(group(id, *names) for id, names in found.groups)).file
    plan = bench.plan()
    assert (plan.steps, plan.unmanaged, len(plan.adopts)) == ((), (), 5)
    assert Cell("a", "node02") not in plan.adopts
