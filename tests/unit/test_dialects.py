"""The engine over nodes whose `cluster.api` differs from the contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.errors import NodesUnreadable, Reversed
from planner.model import Dialect, Policy, StepState
from planner.verdict import Method
from tests.builders import ABSENT, CLUSTER, NAMES, NODES, READ, Bench, group, url
from tests.simulation import world

POST, DEL = Method.CREATE, Method.DELETE
SETTLE = Policy().settle


def foreign(*groups: Any, dialect: Dialect, **more: Any) -> Bench:
    """A bench whose nodes all speak this dialect."""
    bench = Bench(*groups, **more)
    bench.file = replace(bench.file, nodes=tuple(replace(node, dialect=dialect) for node in NODES))
    return bench


# A status that says 'exists', and may be an error after its effect as well.

EXISTS_500 = Dialect(exists=(400, 500))


@pytest.fixture
def _500_is_no_reason_to_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client does not retry what the dialect gives a meaning; its model, `World`, knows no dialect."""
    monkeypatch.setattr(world, "RETRY_STATUSES", world.RETRY_STATUSES - {500})


def somebody_was_faster(bench: Bench, name: str) -> None:
    """Right before our create, somebody else creates `a`; the node answers 500."""

    def meddle() -> int:
        bench.world.nodes[name].add("a")
        return 500

    bench.on(POST, "a", name, meddle)


def note(bench: Bench, cell: str) -> str:
    record = bench.store.record(CLUSTER, 1)
    assert record is not None
    (number,) = (step.number for step in record.intent.steps if str(step.cell) == cell)
    return next(mark.note for mark in record.marks if mark.number == number)


def adopted(bench: Bench) -> dict[str, bool]:
    managed = bench.store.knowledge(CLUSTER).managed
    return {name: managed["a", url(name)].adopted for name in NAMES if ("a", url(name)) in managed}


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
@pytest.mark.parametrize("happening", ["somebody was faster", "error_after"])
def test_an_ambiguous_exists_is_read_back_and_settled_and_the_group_is_adopted(happening: str) -> None:
    """Whose it is cannot be told: it stays, and it is not deleted because it leaves the file."""
    bench = foreign("a", dialect=EXISTS_500)
    if happening == "error_after":
        bench.on(POST, "a", "node02", happening)
    else:
        somebody_was_faster(bench, "node02")
    applied = bench.apply()
    assert applied.not_ours == ()
    assert bench.marks()["a on node02"] is StepState.DONE
    assert note(bench, "a on node02") == "origin uncertain"
    assert bench.writes.count("create a on node02") == 1
    sent = bench.times(POST, "a", "node02")[0]
    assert max(bench.times(READ, "a", "node02")) > sent + SETTLE
    assert adopted(bench) == {"node01": False, "node02": True, "node03": False}

    bench.file = replace(bench.file, groups=())
    bench.apply()
    assert bench.holders("a") == {"node02"}


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_an_ambiguous_exists_that_is_not_true_is_written_again_and_is_ours() -> None:
    bench = foreign("a", dialect=EXISTS_500)
    bench.on(POST, "a", "node02", "error_before", "error_before")
    bench.apply()
    assert bench.writes.count("create a on node02") == 3
    assert adopted(bench) == dict.fromkeys(NAMES, False)
    requests = bench.requests("a", "node02")
    assert requests[1:6] == ["create", "read", "read", "create", "read"]  # read back before every further try


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_an_ambiguous_exists_after_a_try_of_ours_is_created_as_ever() -> None:
    """502 with its effect, tried again by the client; then 500: the group may well be ours."""
    bench = foreign("a", dialect=EXISTS_500)

    def effect() -> int:
        bench.world.nodes["node02"].add("a")
        return 502

    bench.on(POST, "a", "node02", effect, 500)
    bench.apply()
    assert note(bench, "a on node02") == "origin uncertain"
    assert adopted(bench) == dict.fromkeys(NAMES, False)


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_an_ambiguous_exists_that_vanishes_and_is_written_again_is_ours() -> None:
    """It was there at the read-back, and gone one settle time later: what is there now is our doing."""
    bench = foreign("a", dialect=EXISTS_500)
    somebody_was_faster(bench, "node02")
    plan = bench.plan()
    bench.world.at(bench.world.time + SETTLE / 2, lambda: bench.world.nodes["node02"].discard("a"))
    bench.apply(plan)
    assert bench.writes.count("create a on node02") == 2
    assert adopted(bench) == dict.fromkeys(NAMES, False)


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_an_ambiguous_exists_to_the_end_of_the_tries_reverses() -> None:
    bench = foreign("a", dialect=EXISTS_500, tries=3)
    bench.always(POST, "a", "node02", "error_before")
    with pytest.raises(Reversed) as caught:
        bench.apply()
    assert "step 2 (create a on node02): 500" in caught.value.what
    assert bench.writes.count("create a on node02") == 3
    assert bench.as_before


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_in_a_reverse_the_before_image_wins_over_an_ambiguous_exists() -> None:
    bench = foreign("a", "b", dialect=EXISTS_500, parallelism=1)
    bench.on(POST, "a", "node01", "error_after")
    bench.on(POST, "b", "node03", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.as_before


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_what_was_managed_stays_created_after_an_ambiguous_exists() -> None:
    bench = foreign("a", dialect=EXISTS_500).manage("a")
    somebody_was_faster(bench, "node02")
    bench.apply()
    assert adopted(bench) == dict.fromkeys(NAMES, False)


@pytest.mark.usefixtures("_500_is_no_reason_to_retry")
def test_an_ambiguous_missing_is_read_back_likewise() -> None:
    old = group("old", state=ABSENT)
    bench = foreign(old, dialect=Dialect(missing=(500,)), holds={"old": NAMES})

    def meddle() -> int:
        bench.world.nodes["node02"].discard("old")
        return 500

    bench.on(DEL, "old", "node01", "error_before")
    bench.on(DEL, "old", "node02", meddle)
    bench.apply()
    assert bench.holders("old") == set()
    assert [bench.writes.count(f"delete old on {name}") for name in NAMES] == [2, 1, 1]
    assert note(bench, "old on node02") == "origin uncertain"


# Failures name the key that would help.


def test_a_delete_that_the_node_calls_met_and_that_is_not_names_the_style() -> None:
    bench = Bench(group("old", state=ABSENT), holds={"old": NAMES}, parallelism=1)
    bench.always(DEL, "old", "node02", 404)
    with pytest.raises(Reversed) as caught:
        bench.apply()
    why = "404, and it is still present; if this node wants the id elsewhere, set cluster.api.delete_style"
    assert f"(delete old on node02): {why}." in caught.value.what
    assert bench.as_before


def test_a_create_that_the_node_calls_met_and_that_is_not_names_what_may_differ() -> None:
    bench = Bench("a")
    bench.always(POST, "a", "node02", 400)
    with pytest.raises(
        Reversed, match=r"400; if this node wants other bodies or headers, set cluster\.api\.id_field or"
    ):
        bench.apply()


def test_a_group_that_seems_to_come_and_go_names_confirm_absent() -> None:
    bench = Bench(group("a", "node01"))
    plan = bench.plan()

    def vanish() -> None:
        bench.world.nodes["node01"].discard("a")

    bench.always(READ, "a", "node01", vanish)
    with pytest.raises(Reversed, match=r"not to be believed, set cluster\.api\.confirm_absent"):
        bench.apply(plan)


def test_a_create_that_was_met_by_500s_only_notes_exists() -> None:
    """Without the setting the group counts as ours: a hint is all that tells."""
    bench = Bench("a")
    bench.on(POST, "a", "node02", *["error_after"] * 5)
    bench.apply()
    assert (
        note(bench, "a on node02") == "500 after 5 tries; if that means 'exists' here, set cluster.api.exists"
    )
    assert adopted(bench) == dict.fromkeys(NAMES, False)


# What cannot be read.


@pytest.mark.parametrize(("missing", "why"), [((404,), "set cluster.api.missing"), ((410,), "")])
def test_a_read_that_says_gone_is_absent_where_it_is_set(missing: tuple[int, ...], why: str) -> None:
    bench = foreign("a", dialect=Dialect(missing=missing))
    bench.always(READ, "b", "node02", 410)
    bench.file = replace(bench.file, groups=(group("b"),))
    if why:
        with pytest.raises(NodesUnreadable) as caught:
            bench.plan()
        assert why in caught.value.details[0]
    else:
        assert len(bench.plan().steps) == 3
