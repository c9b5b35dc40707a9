"""An end that is not good names every cell that is not as it was, whatever else went wrong."""

from __future__ import annotations

import pytest

from planner.errors import Incomplete, Reversed
from planner.model import StepState
from planner.verdict import Method
from tests.builders import NAMES, Bench

POST, DEL = Method.CREATE, Method.DELETE


def incomplete_on(bench: Bench, *names: str, store: bool = True) -> Incomplete:
    """Let an apply fail, and its reverse fail on these nodes; perhaps the store fails too."""

    def die() -> int:
        bench.kill(*names)
        if not store:
            bench.break_store("before commit")
        return 403

    bench.on(POST, "a", "node03", die)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    return caught.value


def test_a_store_that_fails_too_does_not_hide_what_could_not_be_brought_back() -> None:
    error = incomplete_on(Bench("a", parallelism=1, reverse_timeout=1.0), "node01", store=False)
    assert "as it was" not in error.what
    assert error.where == "node01"
    assert error.details == ("a on node01 should be absent: refused after 5 tries",)
    assert "the store could not be told" in error.why


def test_what_is_set_aside_is_never_said_to_be_as_it_was() -> None:
    bench = Bench("a", parallelism=1, reverse_timeout=1.0)
    incomplete_on(bench, "node01", "node02")
    with pytest.raises(Incomplete) as caught:
        bench.recover(skip=["node01"])
    assert caught.value.details == ("a on node02 should be absent: refused after 5 tries",)
    assert "but for what is set aside: a on node01 should be absent" in caught.value.why


def test_nor_where_the_store_could_not_be_told_that_it_is() -> None:
    bench = Bench("a", parallelism=1, reverse_timeout=1.0)
    incomplete_on(bench, "node01")
    bench.break_store("before commit")
    with pytest.raises(Incomplete) as caught:
        bench.recover(skip=["node01"])
    assert "as it was, but for what is set aside" in caught.value.what
    assert caught.value.details == ("a on node01 should be absent",)


def test_what_somebody_else_met_is_named_although_the_run_failed_before_it_was_read_back() -> None:
    """The DELETE on node03 is answered 404: somebody was faster. The run fails before that was read twice."""
    bench = Bench(holds={"a": NAMES}, parallelism=1).manage("a")
    bench.on(DEL, "a", "node03", lambda: bench.world.nodes["node03"].discard("a"))
    bench.on(DEL, "a", "node01", 403)
    with pytest.raises(Reversed) as caught:
        bench.apply()
    assert bench.holders("a") == {"node01", "node02"}
    assert caught.value.details == ("a on node03: not ours, left as it is",)
    assert bench.marks()["a on node03"] is StepState.NOT_OURS


def test_a_refusal_that_took_effect_all_the_same_is_named() -> None:
    bench = Bench("a", parallelism=1)

    def another() -> int:
        bench.world.nodes["node02"].add("a")
        return 403

    bench.on(POST, "a", "node02", another)
    with pytest.raises(Reversed) as caught:
        bench.apply()
    assert bench.holders("a") == {"node02"}
    assert caught.value.details == ("a on node02: not ours, left as it is",)
