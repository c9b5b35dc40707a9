"""What becomes of cells that were set aside, or are watched, when later transactions overtake them."""

from __future__ import annotations

import pytest

from planner.errors import Incomplete, Reversed
from planner.model import Cell, Node
from planner.verdict import Method
from tests.builders import CLUSTER, NAMES, NODES, READ, Bench, desired

POST, DEL = Method.CREATE, Method.DELETE


def aside(bench: Bench, *, last: tuple[Method, str, str]) -> Bench:
    """Let an apply fail at its last request, node03 stay away in the reverse, and be set aside."""

    def die() -> int:
        bench.kill("node03")
        return 403

    bench.on(*last, die)
    with pytest.raises(Incomplete):
        bench.apply()
    bench.recover(skip=["node03"])
    bench.kill()
    assert Cell("a", "node03") in {cell for _, cell in bench.store.set_aside(CLUSTER)}
    return bench


def created_aside() -> Bench:
    """`a` should be absent on node03, and is present."""
    bench = aside(Bench("a", "b", parallelism=1, reverse_timeout=1.0), last=(POST, "b", "node01"))
    assert bench.holders("a") == {"node03"}
    return bench


def test_one_lying_404_does_not_verify_that_it_is_absent() -> None:
    bench = created_aside()
    bench.file = desired("b")
    bench.on(READ, "a", "node03", 404)
    plan = bench.plan()
    bench.on(READ, "a", "node03", 404)
    bench.apply(plan)
    assert bench.store.set_aside(CLUSTER) == ((1, Cell("a", "node03")),)


def test_another_machine_of_the_same_name_does_not_verify_it() -> None:
    bench = created_aside()
    bench.file = desired("a", nodes=(*NODES[:2], Node("node03", "http://another")))
    bench.world.nodes["node03"] = set()
    bench.apply()
    assert bench.holders("a") == set(NAMES)
    assert bench.store.set_aside(CLUSTER) == ((1, Cell("a", "node03")),)


def test_the_same_machine_by_another_name_does() -> None:
    bench = created_aside()
    bench.file = desired("a", nodes=(*NODES[:2], Node("three", "http://node03")))
    bench.world.nodes["three"] = bench.world.nodes.pop("node03")
    bench.apply()
    assert bench.store.set_aside(CLUSTER) == ()


def test_what_an_apply_has_forgotten_is_not_brought_back_by_the_next_one() -> None:
    """A delete was set aside while the group was gone there; the file does not want it anywhere."""
    bench = Bench("z", holds={"a": NAMES}, parallelism=1, reverse_timeout=1.0).manage("a")
    aside(bench, last=(DEL, "a", "node01"))
    assert bench.holders("a") == {"node01", "node02"}
    bench.apply()
    assert bench.holders("a") == set()
    assert Cell("a", "node03") not in {cell for _, cell in bench.store.set_aside(CLUSTER)}
    assert bench.plan().is_empty


def test_a_death_after_the_apply_leaves_nothing_set_aside_that_it_wrote() -> None:
    bench = created_aside()
    bench.file = desired("b")

    def lose(moment: str) -> None:
        if moment == "after close":
            bench.steal_lock()  # what comes after the closing is not done

    bench.store.on_commit = lose
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.store.set_aside(CLUSTER) == ()


def test_a_watched_cell_that_was_forgotten_is_not_brought_back() -> None:
    bench = Bench(holds={"a": NAMES}, parallelism=1).manage("a")
    bench.on(DEL, "a", "node03", "hang_before")
    bench.on(DEL, "a", "node02", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.as_before
    assert bench.store.watched(CLUSTER)
    bench.world.nodes["node03"].discard("a")  # beyond the settle time
    bench.apply()
    assert bench.holders("a") == set()
    assert bench.plan().is_empty


def test_a_watched_cell_that_was_adopted_is_not_deleted_as_a_late_effect() -> None:
    """Its node left the file and came back, so that nothing else remembers the adoption."""
    bench = Bench("a", parallelism=1)
    bench.on(POST, "a", "node01", "hang_before")
    bench.on(POST, "a", "node02", 403)
    with pytest.raises(Reversed):
        bench.apply()
    bench.world.nodes["node01"].add("a")  # somebody else's
    bench.apply()
    bench.file = desired("z", nodes=NODES[1:])
    bench.apply()
    bench.file = desired("z")
    bench.apply()
    assert "node01" in bench.holders("a")


def test_a_reading_says_how_much_of_it_is_the_watch_list() -> None:
    bench = created_aside()
    bench.file = desired("b")
    bench.world.events.clear()
    bench.plan()
    (phase,) = [event for event in bench.world.events if event.kind == "phase"]
    assert (phase.total, phase.data) == (6, {"watched": 3})
    bench.file = desired("a", "b")
    bench.world.events.clear()
    bench.plan()
    assert bench.world.events[0].data == {}, "what is declared is read anyway"
