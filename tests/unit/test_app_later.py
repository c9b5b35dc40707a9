"""What is known after an unfinished transaction: status, the trace of a recovery, giving up, other names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.app import (
    apply_plan,
    check_elsewhere,
    give_up,
    in_doubt_of,
    recover,
    speaks_as_before,
    status,
    steps_to_set_aside,
    unfinished_elsewhere,
    what_to_recover,
    with_api_of,
)
from planner.errors import Incomplete, Reversed, WrongUsage
from planner.model import Cell, Desired, Dialect, Node, StepState, TransactionState
from planner.ports import Intent
from planner.results import Aside, Status
from planner.transaction import open_steps, states_of
from planner.undo import build, cells_to_read, past_of
from planner.verdict import Method
from tests.builders import (
    ABSENT,
    CLUSTER,
    DELETE,
    NAMES,
    NODES,
    PRESENT,
    READ,
    Bench,
    desired,
    group,
    refused,
    url,
)

POST, DEL = Method.CREATE, Method.DELETE


def known(bench: Bench) -> Status:
    return status(bench.store, CLUSTER, bench.policy, bench.world, bench.file.nodes)


def left_by_two_signals(bench: Bench) -> Incomplete:
    bench.on(POST, "b", "node02", bench.interrupt_twice)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    bench.heal()
    return caught.value


def incomplete_on(bench: Bench, *names: str) -> Incomplete:
    """`b` cannot be created, and these nodes stay away from then on."""

    def die() -> int:
        bench.kill(*names)
        return 403

    bench.on(POST, "b", "node01", die)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    return caught.value


def patient(*groups: str) -> Bench:
    return Bench(*groups, parallelism=1, reverse_timeout=1.0)


# One number everywhere.


def test_a_run_that_leaves_counts_what_the_journal_will_show() -> None:
    """What it knows and did not write down any more is open to everybody else: it must not say less."""
    bench = Bench("a", "b", parallelism=2)
    bench.on(POST, "b", "node03", 403)
    undone: list[str] = []

    def leave_when_some_are_undone() -> None:
        undone[:] = [str(each.step) for each in bench.world.events if each.kind == "undone"]
        if undone:
            bench.interrupt_twice()

    bench.always(READ, "a", "node01", leave_when_some_are_undone)
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    record = what_to_recover(bench.store, CLUSTER)
    assert record is not None
    steps = open_steps(states_of(record))
    assert undone, "some are undone by then, and only the run knows"
    assert f"{len(steps)} cells may be changed" in caught.value.what


# Status.


def test_the_open_cells_are_not_watched_as_well() -> None:
    bench = patient("a", "b")
    bench.on(POST, "a", "node01", "hang_before")
    bench.on(POST, "a", "node02", "hang_before")
    incomplete_on(bench, "node01")
    found = known(bench)
    assert found.needs_recover
    assert {each.url for each in found.watched} == {url("node02")}
    assert found.names[url("node02")] == "node02"
    assert "planner recover --skip node01" in found.next


def test_what_is_watched_long_enough_is_not_watched() -> None:
    bench = patient("a", "b")
    bench.on(POST, "a", "node02", "hang_before")
    bench.on(POST, "b", "node01", 403)
    with pytest.raises(Reversed):
        bench.apply()
    assert known(bench).watched
    bench.world.wall = lambda ago=0.0: "2026-01-09T00:00:00Z"  # type: ignore[method-assign]
    assert not known(bench).watched


def aside(bench: Bench) -> Bench:
    incomplete_on(bench, "node03")
    bench.recover(skip=["node03"])
    bench.kill()
    return bench


def test_what_is_set_aside_says_how_it_should_be_and_is_not_watched_as_well() -> None:
    bench = patient("a", "b")
    bench.on(POST, "a", "node03", "hang_after")
    found = known(aside(bench))
    assert [(each.transaction, each.cell, each.url, each.before) for each in found.set_aside] == [
        (1, Cell("a", "node03"), url("node03"), ABSENT)
    ]
    assert url("node03") not in {each.url for each in found.watched}
    assert "take out of the file, then: planner recover --forget node03/a" in found.next
    bench.file = desired("a", nodes=NODES[:2])
    gone = known(bench).next
    assert gone == (
        "node03 left the file: if it is gone for good, planner recover --forget node03/a; "
        "else put it back, and apply"
    )


def test_what_the_file_says_wrongly_is_to_be_corrected_there() -> None:
    bench = Bench("a", "b", parallelism=1, reverse_timeout=30.0)
    bench.on(POST, "b", "node01", 403)
    for name in NAMES:
        bench.always(DEL, "a", name, 405)
    with pytest.raises(Incomplete):
        bench.apply()
    assert "--api-from-file" in known(bench).next
    # The file is asked, and says the same.
    record = what_to_recover(bench.store, CLUSTER)
    assert record is not None
    spoken, _ = with_api_of(bench.file, record)
    assert speaks_as_before(record, spoken)
    with bench._leased("recover") as lease, pytest.raises(Incomplete) as caught:
        recover(record, lease, bench.policy, bench.ports, unchanged="groups.yaml")
    assert "`api` in groups.yaml is still the one that the transaction used" in caught.value.next
    other = replace(bench.file, nodes=tuple(replace(n, dialect=Dialect(delete_style="path")) for n in NODES))
    assert not speaks_as_before(record, with_api_of(other, record)[0])


# The trace of a recovery.


def test_every_recovery_leaves_a_note() -> None:
    bench = patient("a", "b")
    incomplete_on(bench, "node02", "node03")
    message = bench.store.history(CLUSTER)[0].message
    with pytest.raises(Incomplete):
        bench.recover()
    with bench._leased("recover") as lease:
        record = what_to_recover(bench.store, CLUSTER)
        assert record is not None
        numbers = steps_to_set_aside(record, ["node03"])
        bench.kill("node03")
        recover(record, lease, bench.policy, bench.ports, numbers, how=["--node-url node02=http://node02"])
    record = bench.store.record(CLUSTER, 1)
    assert record is not None
    assert record.state is TransactionState.CLOSED_WITH_EXCEPTIONS
    assert [note.text for note in record.notes] == [
        "recover: 2 cells to bring back",
        "recover: 1 cell to bring back; set aside by hand: a on node03; --node-url node02=http://node02",
    ]
    assert record.message == message, "why it had failed is not forgotten"
    aside = next(mark for mark in record.marks if mark.state is StepState.SET_ASIDE)
    assert "refused" in aside.note, "and neither is why the cell was set aside"


# Giving up.


def forget(bench: Bench, cells: list[Cell], file: Desired | None) -> tuple[Aside, ...]:
    with bench._leased("recover") as lease:
        return give_up(cells, CLUSTER, bench.store, lease, file)


def test_a_cell_whose_node_is_gone_is_given_up_and_that_is_kept() -> None:
    bench = aside(patient("a", "b"))
    cell = Cell("a", "node03")
    gone = desired("a", nodes=NODES[:2])
    assert [each.cell for each in forget(bench, [cell], gone)] == [cell]
    assert bench.store.set_aside(CLUSTER) == ()
    record = bench.store.record(CLUSTER, 1)
    assert record is not None
    assert record.notes[-1].text == "recover: given up for good: a on node03"
    assert not known(bench).next


def test_a_cell_that_an_apply_can_verify_is_given_up_only_when_the_cluster_is_named() -> None:
    bench = aside(patient("a", "b"))
    cell = Cell("a", "node03")
    renamed = desired("a", nodes=(*NODES[:2], replace(NODES[2], name="three")))
    for file in (bench.file, renamed):
        with pytest.raises(WrongUsage) as caught:
            forget(bench, [cell], file)
        assert f"--cluster {CLUSTER} --forget" in caught.value.next
    with pytest.raises(WrongUsage, match="b on node03"):
        forget(bench, [cell, Cell("b", "node03")], None)
    assert bench.store.set_aside(CLUSTER) == ((1, cell),)
    forget(bench, [cell], None)
    assert bench.store.set_aside(CLUSTER) == ()


# Another name.


def test_an_unfinished_transaction_under_another_name_stands_against_an_apply() -> None:
    bench = patient("a", "b")
    plan = replace(bench.plan(), cluster="new")
    incomplete_on(bench, "node02")
    bench.kill()
    file = desired("a", cluster="new", nodes=(*NODES[1:], Node("other", "http://other")))
    with bench.store.lock("new", "apply", 0) as lease, pytest.raises(Incomplete) as caught:
        apply_plan(plan, file, bench.store, lease, bench.policy, bench.ports)
    assert "planner recover --cluster test" in caught.value.next
    assert caught.value.where == "node02, node03"
    assert bench.store.history("new") == ()
    check_elsewhere(bench.store, desired("a", cluster="new", nodes=(Node("other", "http://other"),)))
    check_elsewhere(bench.store, bench.file)  # its own is the business of `check_finished`
    with bench._leased("recover"), pytest.raises(Incomplete) as caught:
        check_elsewhere(bench.store, file)
    assert caught.value.next == "wait until simulation has ended"
    bench.recover()
    check_elsewhere(bench.store, file)
    assert unfinished_elsewhere(bench.store, "new", {url("node02")}) is None


def test_one_that_begins_under_another_name_while_the_nodes_are_read_stands_against_it_too() -> None:
    """Each name has a lock of its own, and to read every cell of a big plan takes a while."""
    bench = Bench("a")
    plan = bench.plan()

    def begin_elsewhere() -> None:
        if not bench.store.history("new"):
            with bench.store.lock("new", "apply", 0) as lease:
                lease.begin(Intent("apply", NODES, plan.steps, bench.policy))

    bench.on(READ, "a", "node01", begin_elsewhere)
    error = refused(bench, Incomplete, lambda: bench.apply(plan), 4)
    assert "cluster 'new'" in error.what


def test_the_status_names_it_too() -> None:
    bench = patient("a", "b")
    incomplete_on(bench, "node02")
    found = status(bench.store, "new", bench.policy, bench.world, NODES[:1])
    assert [(each.cluster, each.number) for each in found.elsewhere] == [(CLUSTER, 1)]
    assert found.next == "run `planner recover --cluster test`"
    elsewhere = (Node("other", "http://other"),)
    assert not status(bench.store, "new", bench.policy, bench.world, elsewhere).elsewhere


def test_cells_in_doubt_have_the_names_of_the_file() -> None:
    bench = Bench("a", "b", parallelism=1)
    left_by_two_signals(bench)
    record = what_to_recover(bench.store, CLUSTER)
    assert record is not None
    file = desired("a", "b", nodes=(replace(NODES[0], name="one"), NODES[1]))
    doubts = in_doubt_of(record, file)
    assert doubts[Cell("a", "one")] == "in the middle of TX 1"
    assert Cell("a", "node03") not in doubts


# What was adopted.


def test_the_undo_of_a_delete_of_what_was_adopted_adopts_it_again() -> None:
    bench = Bench("a", holds={"a": NAMES, "b": NAMES}, parallelism=1)
    bench.manage("a", adopted=True).manage("b")
    bench.file = desired()
    number = bench.apply(bench.plan(delete_adopted=True)).number
    undo = undo_of(bench, number)
    reasons = {step.reason for step in undo.steps if step.cell.group == "a"}
    assert reasons == {f"undo of TX {number}, was adopted"}
    assert not any("a" in warning.split(": ")[0].split() for warning in undo.warnings), "it would stay"
    assert any("does not declare b" in warning for warning in undo.warnings)
    again = bench.apply(undo).number
    managed = bench.store.knowledge(CLUSTER).managed
    assert {managed["a", url(name)].adopted for name in NAMES} == {True}
    assert {managed["b", url(name)].adopted for name in NAMES} == {False}
    assert {step.action for step in undo_of(bench, again).steps} == {DELETE}, "brought back, so its own"
    assert [cell.group for cell in bench.plan().kept] == ["a"] * 3


def undo_of(bench: Bench, number: int | None):  # type: ignore[no-untyped-def]
    assert number is not None
    record = bench.store.record(CLUSTER, number)
    assert record is not None
    knowledge = bench.store.knowledge(CLUSTER)
    past = past_of(record, bench.file, knowledge)
    presences = {
        cell: PRESENT if cell.group in bench.world.nodes[cell.node] else ABSENT
        for cell, _ in cells_to_read(past, bench.file)
    }
    return build(past, bench.file, knowledge, presences)


# Words of a plan.


def test_a_set_aside_cell_that_is_adopted_is_named() -> None:
    bench = aside(patient("a", "b"))
    bench.file = desired("a")
    assert any(
        warning.startswith("set aside in TX 1, as declared now, and adopted: a on node03;")
        for warning in bench.plan().warnings
    )


def test_a_node_that_left_is_not_forgotten_while_a_cell_on_it_is_set_aside() -> None:
    bench = aside(patient("a", "b"))
    bench.file = desired("z", nodes=NODES[:2])
    assert any("1 cell on it stays set aside" in warning for warning in bench.plan().warnings)
    forget(bench, [Cell("a", "node03")], bench.file)
    left = "node node03 left the file: it is not written to, and the next apply of a change forgets it"
    assert left in bench.plan().warnings


def test_groups_and_cells_are_counted_properly() -> None:
    fresh = Bench("a", holds={"a": ["node01"]})
    assert any("1 declared cell exists already" in warning for warning in fresh.plan().warnings)
    kept = Bench(group("b"), holds={"a": NAMES}).manage("a", adopted=True)
    assert any("1 adopted group is no longer declared" in warning for warning in kept.plan().warnings)
