"""The engine over nodes whose `cluster.api` differs from the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from planner.app import recover, what_to_recover, with_api_of
from planner.errors import Incomplete, NodesUnreadable, Reversed, WrongUsage
from planner.model import Dialect, Node, Policy, StepState
from planner.verdict import Method
from tests.builders import ABSENT, CLUSTER, NAMES, NODES, READ, Bench, group, url
from tests.simulation import world

if TYPE_CHECKING:
    from planner.results import Recovered

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
    # Absence is confirmed before every try, also before the first one.
    assert requests[1:9] == ["read", "read", "create"] * 2 + ["read", "read"]


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
def test_a_lie_about_a_group_is_seen_through_before_its_ambiguous_create() -> None:
    """One 404 in the plan, one in its check: afterwards the node's 500 could not tell whose `a` is."""
    bench = foreign("a", "b", dialect=EXISTS_500, holds={"a": ["node02"]}, parallelism=1)
    bench.world.faults.lies = 2
    bench.on(READ, "a", "node02", "false_404", "false_404")
    bench.on(POST, "a", "node02", 500)  # which would mean 'exists'
    bench.on(POST, "b", "node03", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.marks()["a on node02"] is StepState.NOT_OURS
    assert bench.as_before
    assert bench.holders("a") == {"node02"}


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


# A reverse that the nodes do not understand.


def turned_down(*happenings: Any, **policy: Any) -> Bench:
    """Two creates of which the second fails, on a node that answers the undo of the first like this."""
    bench = Bench("a", "b", parallelism=1, reverse_timeout=60.0, **policy)
    bench.on(POST, "b", "node03", 403)
    bench.on(DEL, "a", "node02", *happenings)
    return bench


def incomplete(run: Callable[[], object]) -> Incomplete:
    with pytest.raises(Incomplete) as caught:
        run()
    return caught.value


@pytest.mark.parametrize("status", [405, 411, 415, 422, 501])
def test_an_undo_that_is_not_understood_is_not_tried_for_long(status: int) -> None:
    bench = turned_down(*[status] * 9)
    before = bench.world.time
    error = incomplete(bench.apply)
    assert bench.world.time - before < 5.0
    assert bench.writes.count("delete a on node02") == 2
    assert error.details[0].startswith(
        f"a on node02 should be absent: {status}; if this node wants the id elsewhere"
    )
    assert "set cluster.api.delete_style" in error.details[0]
    assert error.why == "the undo was turned down; everything else is as it was"
    assert "`planner recover --api-from-file`" in error.next
    assert bench.holders("a") == {"node02"}
    assert "--api-from-file" in incomplete(bench.apply).next  # a later apply says so as well


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_undo_that_is_refused_otherwise_is_tried_with_patience(status: int) -> None:
    bench = turned_down(*[status] * 5)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.as_before
    bench = turned_down()
    bench.always(DEL, "a", "node02", status)
    before = bench.world.time
    error = incomplete(bench.apply)
    assert bench.world.time - before > 60.0
    assert ("--api-from-file" in error.next) is (status in (400, 404))


@pytest.mark.parametrize("between", ["error_before", "hang_before", 403])
def test_an_undo_is_given_up_only_when_it_is_not_understood_twice_in_a_row(between: str | int) -> None:
    bench = turned_down(405, between, 405)
    with pytest.raises(Reversed):
        bench.apply()
    assert bench.as_before


def test_an_undo_that_is_turned_down_by_one_node_and_not_reached_on_another() -> None:
    bench = turned_down(405, 405)
    bench.always(DEL, "a", "node01", "hang_before")
    error = incomplete(bench.apply)
    assert error.why == "they could not be brought back in time; everything else is as it was"
    assert "--api-from-file" in error.next


# Recover with the `api` of the file.


def recover_with_file(bench: Bench) -> tuple[Recovered, tuple[str, ...]]:
    with bench._leased("recover") as lease:
        record = what_to_recover(bench.store, CLUSTER)
        assert record is not None
        record, remarks = with_api_of(bench.file, record)
        return recover(record, lease, bench.policy, bench.ports), remarks


def with_dialect(bench: Bench, dialect: Dialect, *nodes: Node) -> None:
    bench.file = replace(bench.file, nodes=tuple(replace(node, dialect=dialect) for node in nodes or NODES))


@pytest.fixture
def gone() -> Bench:
    """A transaction that could not be reversed, since its nodes now say 410 of what is absent."""
    bench = Bench("a", "b", parallelism=1, reverse_timeout=30.0)

    def read(name: str) -> int | None:
        return None if "a" in bench.world.nodes[name] else 410

    def fail() -> int:
        for name in NAMES:
            bench.always(READ, "a", name, partial(read, name))
        return 403

    bench.on(POST, "b", "node03", fail)
    incomplete(bench.apply)
    return bench


def test_recover_speaks_as_the_journal_says_unless_it_is_told_to_speak_as_the_file(gone: Bench) -> None:
    with_dialect(gone, Dialect(missing=(410,)))
    assert "cluster.api.missing" in incomplete(gone.recover).details[0]
    result, remarks = recover_with_file(gone)
    assert {cell.node for cell in result.undone} == set(NAMES)
    assert remarks == ()
    record = gone.store.record(CLUSTER, 1)
    assert record is not None
    assert record.intent.nodes == NODES  # the journal keeps what was


def test_a_node_that_the_file_does_not_name_is_spoken_to_as_before(gone: Bench) -> None:
    with_dialect(gone, Dialect(missing=(410,)), replace(NODES[0], name="other"), NODES[1])
    error = incomplete(partial(recover_with_file, gone))
    assert error.where == "node03"


def test_remarks_tell_what_the_file_does_not_change(gone: Bench) -> None:
    record = what_to_recover(gone.store, CLUSTER)
    assert record is not None
    assert with_api_of(gone.file, record) == (
        record,
        ("the `api` in groups.yaml is still the one that the transaction used",),
    )
    with_dialect(gone, Dialect(missing=(410,)), *NODES[:2])
    assert with_api_of(gone.file, record)[1] == ("not in groups.yaml, and spoken to as before: node03",)


def test_a_file_about_something_else_is_refused(gone: Bench) -> None:
    record = what_to_recover(gone.store, CLUSTER)
    assert record is not None
    for other, why in (
        (replace(gone.file, cluster="another"), "it is about cluster 'another'"),
        (
            replace(gone.file, nodes=(Node("node01", "http://elsewhere"),)),
            "none of their URLs: http://node01",
        ),
    ):
        with pytest.raises(WrongUsage) as caught:
            with_api_of(other, record)
        assert why in caught.value.why
