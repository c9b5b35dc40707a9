"""The contract of `planner.ports.Store` and `Lease`, for every implementation."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from planner.errors import Incomplete, Locked, LockLost, StoreFailed
from planner.model import Cell, IllegalMove, Managed, Policy, Presence, Step, StepState, TransactionState
from planner.ports import CellMark, Closing, Knowledge, Lease, Store, Unfinished, Watched, Wave
from planner.store.sqlstore import owner
from planner.store.writing import NOTES_KEPT
from tests.store.bench import NODES, STEPS, WALL, Bench, intent, mark

S, T = StepState, TransactionState
NOW = 0.0


def run_one(lease: Lease, *managed: Managed, steps: tuple[Step, ...] = STEPS, **closing: object) -> int:
    """Apply a transaction whole."""
    number = lease.begin(intent(steps=steps))
    lease.close(number, Wave(()), Closing(managed, **closing))  # type: ignore[arg-type]
    return number


def reverse(lease: Lease, number: int, *marks: CellMark) -> None:
    lease.commit(number, Wave(marks, T.REVERSING))
    lease.commit(number, Wave((), T.REVERSED))


class TestKnowledge:
    def test_an_unknown_cluster_is_empty(self, store: Store) -> None:
        found = store.knowledge("c")
        assert found == Knowledge(found.store)
        assert found.store
        assert store.history("c") == ()
        assert store.watched("c") == ()
        assert store.set_aside("c") == ()
        assert store.record("c", 1) is None
        assert store.applied("c", "d") is None
        assert store.holder("c") is None

    def test_the_id_stays(self, bench: Bench) -> None:
        assert bench.open().knowledge("a").store == bench.open().knowledge("b").store

    def test_the_names_of_the_clusters(self, store: Store) -> None:
        assert store.clusters() == ()
        for name in ("b", "a/1", "B"):
            with store.lock(name, "apply", NOW):
                pass
        assert sorted(store.clusters()) == ["B", "a/1", "b"]


class TestBegin:
    def test_the_whole_intent_is_held(self, bench: Bench) -> None:
        wanted = intent()
        with bench.open().lock("c", "apply", NOW) as lease:
            number = lease.begin(wanted)
        found = bench.open().record("c", number)
        assert found is not None
        assert found.intent == wanted
        assert found.intent.policy == Policy(parallelism=3, settle=1.5)
        assert found.state is T.OPEN
        assert found.marks == tuple(CellMark(n, S.PENDING) for n in (1, 2, 3))
        assert (found.number, found.cluster, found.started, found.finished) == (number, "c", WALL, "")
        assert "pid" in found.holder
        assert bench.open().knowledge("c").unfinished == number

    def test_an_intent_without_steps(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent(steps=()))
            lease.close(number, Wave(()), Closing((Managed("g", "http://n1", adopted=True),), (), NODES))
        assert store.knowledge("c").managed == {("g", "http://n1"): Managed("g", "http://n1", True, 1)}

    def test_an_unfinished_transaction_is_in_the_way(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((mark(2, S.STARTED),)))
            with pytest.raises(Incomplete) as caught:
                lease.begin(intent())
        assert caught.value.exit_code == 4
        assert caught.value.details == ("g on n2: started",)
        assert len(store.history("c")) == 1

    def test_clusters_do_not_see_each_other(self, store: Store) -> None:
        with store.lock("a", "apply", NOW) as a, store.lock("b", "apply", NOW) as b:
            first, second = a.begin(intent()), b.begin(intent())
            assert first != second
            with pytest.raises(StoreFailed):
                a.commit(second, Wave((), T.REVERSING))
        assert store.record("a", second) is None
        assert store.knowledge("a").unfinished == first
        assert [record.number for record in store.history("b")] == [second]


class TestCommit:
    def test_marks(self, bench: Bench) -> None:
        done = mark(1, S.DONE, tried=True)
        unknown = mark(2, S.UNKNOWN, suspect=True, tried=True, unanswered=True, note="timed out")
        with bench.open().lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((mark(1, S.STARTED), mark(2, S.STARTED))))
            lease.commit(number, Wave((unknown, done)))
        found = bench.open().record("c", number)
        assert found is not None
        assert found.marks == (done, unknown, mark(3, S.PENDING))

    def test_a_note_may_hold_whatever_a_node_says(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((mark(1, S.STARTED, note="a\x00b\udcffc é"),), message="\x00\udc80"))
        found = store.record("c", number)
        assert found is not None
        assert found.marks[0].note == "a\ufffdb?c é"

    def test_a_message_stays_until_there_is_another(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.OPEN, "first"))
            lease.commit(number, Wave((mark(1, S.STARTED),)))
        found = store.record("c", number)
        assert found is not None
        assert (found.message, found.state) == ("first", T.OPEN)

    def test_notes_are_kept_beside_the_message_with_who_and_when(self, bench: Bench) -> None:
        with bench.open().lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.REVERSING, "why\nand where", "first\n\x00note"))
            bench.moments.wall = "2026-02-03T04:05:06Z"
            lease.commit(number, Wave((), T.REVERSED, "", "second"))
            lease.commit(number, Wave((), None, "another why"))
            lease.commit(number, Wave((), note="of a finished one"))
        found = bench.open().record("c", number)
        assert found is not None
        assert found.message == "another why"
        assert [(note.at, note.text) for note in found.notes] == [
            (WALL, "first\n\ufffdnote"),
            ("2026-02-03T04:05:06Z", "second"),
            ("2026-02-03T04:05:06Z", "of a finished one"),
        ]
        assert {note.who for note in found.notes} == {owner()}
        assert bench.open().history("c")[0].notes == found.notes

    def test_the_last_notes_are_kept(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), message="why"))
            for each in range(NOTES_KEPT + 2):
                lease.commit(number, Wave((), note=str(each)))
        found = store.record("c", number)
        assert found is not None
        assert [note.text for note in found.notes] == [str(each) for each in range(2, NOTES_KEPT + 2)]
        assert found.message == "why"

    def test_what_is_unfinished_in_other_clusters(self, store: Store) -> None:
        with store.lock("a", "apply", NOW) as a, store.lock("b", "apply", NOW) as b:
            first, second = a.begin(intent()), b.begin(intent())
            urls = frozenset(node.url for node in NODES)
            assert store.unfinished_besides("a") == (Unfinished("b", second, urls),)
            assert store.unfinished_besides("c") == (
                Unfinished("a", first, urls),
                Unfinished("b", second, urls),
            )
            reverse(b, second)
        assert store.unfinished_besides("a") == ()

    def test_an_illegal_move_writes_nothing(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            with pytest.raises(IllegalMove):
                lease.commit(number, Wave((mark(1, S.DONE),), T.REVERSED, "no"))
            found = store.record("c", number)
            assert found is not None
            assert (found.state, found.message, found.marks[0].state) == (T.OPEN, "", S.PENDING)
            reverse(lease, number)
            with pytest.raises(IllegalMove):
                lease.commit(number, Wave((mark(1, S.DONE),)))

    def test_a_mark_without_a_step_writes_nothing(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            with pytest.raises(StoreFailed):
                lease.commit(number, Wave((mark(1, S.DONE), mark(9, S.DONE)), T.REVERSING))
        found = store.record("c", number)
        assert found is not None
        assert (found.state, found.marks[0].state) == (T.OPEN, S.PENDING)

    def test_a_reversed_transaction_is_finished(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            bench.moments.wall = "2026-01-02T04:00:00Z"
            reverse(lease, number)
        found = store.record("c", number)
        assert found is not None
        assert (found.state, found.finished) == (T.REVERSED, "2026-01-02T04:00:00Z")
        assert store.knowledge("c").unfinished is None
        assert store.knowledge("c").serial == 0

    def test_an_incomplete_reverse_goes_on_with_a_later_lease(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.REVERSE_INCOMPLETE))
        found = store.record("c", number)
        assert found is not None
        assert found.finished == ""
        assert store.knowledge("c").unfinished == number
        with store.lock("c", "recover", NOW) as lease:
            with pytest.raises(Incomplete):
                lease.begin(intent())
            reverse(lease, number)
            assert lease.begin(intent()) > number

    def test_a_transaction_that_does_not_exist(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease, pytest.raises(StoreFailed):
            lease.commit(77, Wave((), T.REVERSING))


class TestClose:
    def test_what_is_managed_becomes_known(self, bench: Bench) -> None:
        a, b = Managed("g", "http://n1"), Managed("g", "http://n2:81", adopted=True)
        with bench.open().lock("c", "apply", NOW) as lease:
            number = run_one(lease, a, b, nodes=NODES)
        found = bench.open().knowledge("c")
        assert found.managed == {
            ("g", "http://n1"): a._replace(order=1),
            ("g", "http://n2:81"): b._replace(order=2),
        }
        assert found.nodes == (("n1", "http://n1"), ("n2", "http://n2:81"))
        assert (found.serial, found.unfinished) == (1, None)
        record = bench.open().record("c", number)
        assert record is not None
        assert (record.state, record.finished) == (T.APPLIED, WALL)

    def test_order_is_kept_and_grows(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, Managed("a", "u"), Managed("b", "u"))
            run_one(lease, Managed("c", "u"), Managed("b", "u", adopted=True))
        cells = store.knowledge("c").managed
        assert [(cell.group, cell.order) for cell in cells.values()] == [("a", 1), ("b", 2), ("c", 3)]
        assert cells["b", "u"].adopted
        assert store.knowledge("c").serial == 2

    def test_new_cells_follow_the_order_that_they_bring(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, Managed("z", "u", order=7), Managed("y", "u", order=5))
        assert [cell.group for cell in store.knowledge("c").managed.values()] == ["y", "z"]

    def test_forgotten_cells(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, Managed("a", "u"), Managed("b", "u"))
            run_one(lease, Managed("a", "u"), forgotten=(("a", "u"), ("b", "u"), ("never", "u")))
        assert store.knowledge("c").managed == {("a", "u"): Managed("a", "u", False, 3)}

    def test_a_node_that_left_is_forgotten_with_its_cells(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, Managed("g", "http://n1"), Managed("g", "http://n2:81"), nodes=NODES)
            run_one(lease, nodes=NODES[1:])
        found = store.knowledge("c")
        assert found.nodes == (("n2", "http://n2:81"),)
        assert list(found.managed) == [("g", "http://n2:81")]

    def test_no_nodes_are_an_omission(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, Managed("g", "http://n1"), nodes=NODES)
            run_one(lease)
        found = store.knowledge("c")
        assert (len(found.nodes), len(found.managed), found.serial) == (2, 1, 2)

    def test_what_is_protected_is_remembered_until_it_is_said_to_be_so_no_longer(self, bench: Bench) -> None:
        store = bench.open()
        assert store.knowledge("c").protected == frozenset()
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, protected=("a", "b", "a"))
            run_one(lease, Managed("x", "u"), nodes=NODES)
            run_one(lease, protected=("a", "c"), unprotected=("b", "never"))
        with store.lock("d", "apply", NOW) as lease:
            run_one(lease, protected=("a",), unprotected=("c",))
        assert bench.open().knowledge("c").protected == {"a", "c"}
        assert bench.open().knowledge("d").protected == {"a"}

    def test_the_file_last_applied(self, bench: Bench) -> None:
        store = bench.open()
        assert store.knowledge("c").source == ""
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, source="f1")
            assert bench.open().knowledge("c").source == "f1"
            run_one(lease)  # an undo leads to what no file asks for
            assert bench.open().knowledge("c").source == ""
            assert bench.open().knowledge("c").serial == 2
            lease.apply_file("f2")
            assert bench.open().knowledge("c").source == "f2"
            assert bench.open().knowledge("c").serial == 3, "a plan from before is stale"
            run_one(lease, source="f3", whole=False)
            assert bench.open().knowledge("c").source == "", "a part makes the cluster equal to no file"
            lease.apply_file("f2")
        assert bench.open().knowledge("c").source == "f2"
        assert bench.open().knowledge("d").source == ""

    def test_which_files_are_older_than_the_last(self, bench: Bench) -> None:
        def older() -> list[str]:
            return [name for name in ("f1", "f2", "f3", "f4", "f5") if bench.open().superseded("c", name)]

        with bench.open().lock("c", "apply", NOW) as lease:
            assert older() == []
            run_one(lease, source="f1")
            lease.apply_file("f2")  # without a transaction
            assert older() == ["f1"]
            run_one(lease, source="f1")
            assert older() == ["f2"]
            run_one(lease, source="f3", whole=False)
            run_one(lease, source="f3", whole=False)
            assert older() == ["f1", "f2"]
            run_one(lease, source="")
            number = lease.begin(replace(intent("reversed"), source="f4"))
            reverse(lease, number)
            assert older() == ["f1", "f2", "f3"]
            lease.apply_file("f3")
            assert older() == ["f1", "f2"]
        assert not bench.open().superseded("d", "f1")

    def test_how_many_transactions_ended_how(self, store: Store) -> None:
        assert store.tally("c") == {}
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease)
            run_one(lease)
            reverse(lease, lease.begin(intent("reversed")))
            lease.begin(intent("open"))
            found = {TransactionState.APPLIED: 2, TransactionState.REVERSED: 1, TransactionState.OPEN: 1}
            assert store.tally("c") == found
        with store.lock("d", "apply", NOW) as lease:
            run_one(lease)
        assert store.tally("c") == found

    def test_what_other_names_manage(self, store: Store) -> None:
        for name, cell in (("c", Managed("x", "u")), ("d", Managed("x", "v")), ("e", Managed("y", "u"))):
            with store.lock(name, "apply", NOW) as lease:
                run_one(lease, cell)
        assert store.managed_besides("c") == {("x", "v"): "d", ("y", "u"): "e"}
        assert store.managed_besides("new").keys() == {("x", "u"), ("x", "v"), ("y", "u")}

    def test_of_protected_and_not_protected_wins(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            run_one(lease, protected=("a",))
            run_one(lease, protected=("a",), unprotected=("a",))
        assert store.knowledge("c").protected == {"a"}

    def test_protection_is_recorded_with_an_apply_only(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            with pytest.raises(IllegalMove):
                lease.close(number, Wave((), T.REVERSED), Closing(protected=("a",)))
            reverse(lease, number)
        assert store.knowledge("c").protected == frozenset()

    def test_only_an_open_transaction_and_only_as_applied(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            with pytest.raises(IllegalMove):
                lease.close(number, Wave((), T.REVERSED), Closing())
            lease.close(number, Wave((mark(1, S.DONE),), T.APPLIED, "ok"), Closing())
            with pytest.raises(IllegalMove):
                lease.close(number, Wave(()), Closing((Managed("x", "u"),)))
        found = store.record("c", number)
        assert found is not None
        assert (found.message, found.marks[0].state) == ("ok", S.DONE)
        assert store.knowledge("c").managed == {}
        assert store.knowledge("c").serial == 1


class TestWatch:
    UNANSWERED = (mark(1, S.DONE, unanswered=True), mark(3, S.DONE, unanswered=True))

    def test_applied(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.close(number, Wave(self.UNANSWERED), Closing())
        assert store.watched("c") == (
            Watched("g", "http://n1", number, Presence.PRESENT, WALL),
            Watched("old", "http://n1", number, Presence.ABSENT, WALL),
        )
        assert store.watched("other") == ()

    def test_reversed(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave(self.UNANSWERED))
            assert store.watched("c") == ()
            reverse(lease, number)
        assert [(cell.group, cell.outcome) for cell in store.watched("c")] == [
            ("g", Presence.ABSENT),
            ("old", Presence.PRESENT),
        ]

    def test_what_somebody_else_did_is_not_undone(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            reverse(lease, lease.begin(intent()), mark(1, S.NOT_OURS, unanswered=True))
        assert [cell.outcome for cell in store.watched("c")] == [Presence.PRESENT]

    @pytest.mark.parametrize("end", [T.REVERSE_INCOMPLETE, T.CLOSED_WITH_EXCEPTIONS])
    def test_incomplete_and_closed_with_exceptions(self, store: Store, end: TransactionState) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.REVERSE_INCOMPLETE))
            late = mark(1, S.UNDO_FAILED, unanswered=True)
            lease.commit(number, Wave((late,), T.REVERSING))
            assert store.watched("c") == ()
            lease.commit(number, Wave((), T.REVERSE_INCOMPLETE))
            if end is T.CLOSED_WITH_EXCEPTIONS:
                lease.unwatch("9")
                lease.commit(number, Wave((), end))
        assert [cell.outcome for cell in store.watched("c")] == [Presence.ABSENT]
        found = store.record("c", number)
        assert found is not None
        assert bool(found.finished) is (end is T.CLOSED_WITH_EXCEPTIONS)

    def test_a_later_unanswered_write_takes_the_place(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            reverse(lease, lease.begin(intent()), mark(1, S.UNDONE, unanswered=True))
            bench.moments.wall = "2026-01-03T00:00:00Z"
            number = lease.begin(intent())
            lease.close(number, Wave((mark(1, S.DONE, unanswered=True),)), Closing())
        assert store.watched("c") == (
            Watched("g", "http://n1", number, Presence.PRESENT, "2026-01-03T00:00:00Z"),
        )

    def test_a_later_answered_write_moves_the_outcome_only(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            first = lease.begin(intent())
            reverse(lease, first, mark(1, S.UNDONE, unanswered=True))
            bench.moments.wall = "2026-01-03T00:00:00Z"
            run_one(lease)
        assert store.watched("c") == (Watched("g", "http://n1", first, Presence.PRESENT, WALL),)

    def test_a_message_afterwards_does_not_begin_it_again(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            reverse(lease, number, mark(1, S.UNDONE, unanswered=True))
            bench.moments.wall = "2026-01-03T00:00:00Z"
            lease.commit(number, Wave((), T.REVERSED, "a last word"))
        assert [cell.since for cell in store.watched("c")] == [WALL]

    def test_unwatch(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            reverse(lease, lease.begin(intent()), mark(1, S.UNDONE, unanswered=True))
            lease.unwatch(WALL)
            assert len(store.watched("c")) == 1
            lease.unwatch("2026-01-02T03:04:06Z")
            assert store.watched("c") == ()


class TestSetAside:
    def test_listed_until_cleared(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.REVERSE_INCOMPLETE))
            aside = (mark(1, S.SET_ASIDE), mark(2, S.SET_ASIDE), mark(3, S.UNDONE))
            lease.commit(number, Wave(aside, T.CLOSED_WITH_EXCEPTIONS))
            assert store.set_aside("c") == ((number, Cell("g", "n1")), (number, Cell("g", "n2")))
            assert store.set_aside("other") == ()
            with store.lock("other", "apply", NOW) as other:
                other.clear_set_aside([("g", "http://n1")])
            assert len(store.set_aside("c")) == 2
            lease.clear_set_aside([("g", "http://n1"), ("never", "http://n1")])
            lease.clear_set_aside([])
        assert store.set_aside("c") == ((number, Cell("g", "n2")),)

    def test_an_apply_has_verified_what_it_wrote_or_decided_on(self, store: Store) -> None:
        """By URL, in the commit that closes it; what is on another machine stays on the list."""
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease.commit(number, Wave((), T.REVERSE_INCOMPLETE))
            aside = (mark(1, S.SET_ASIDE), mark(2, S.SET_ASIDE), mark(3, S.SET_ASIDE))
            lease.commit(number, Wave(aside, T.CLOSED_WITH_EXCEPTIONS))
            run_one(lease, steps=STEPS[:1], left=(("old", "http://n1", Presence.ABSENT),))
        assert store.set_aside("c") == ((number, Cell("g", "n2")),)

    def test_what_is_decided_on_is_watched_for_being_so(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            reverse(lease, number, mark(1, S.UNDONE, unanswered=True))
            assert [each.outcome for each in store.watched("c")] == [Presence.ABSENT]
            left = (("g", "http://n1", Presence.PRESENT), ("never", "http://n1", Presence.PRESENT))
            run_one(lease, steps=(), left=left)
        assert [(each.transaction, each.outcome) for each in store.watched("c")] == [
            (number, Presence.PRESENT)
        ]


class TestHistory:
    def test_newest_first_and_limited(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            numbers = [run_one(lease) for _ in range(3)]
        found = store.history("c")
        assert [record.number for record in found] == numbers[::-1]
        assert [record.number for record in store.history("c", 2)] == numbers[:0:-1]
        assert found[0].intent == intent()
        assert found[0].marks == ()

    def test_applied(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            reverse(lease, lease.begin(intent("a")))
            assert store.applied("c", "a") is None
            first = lease.begin(intent("a"))
            lease.close(first, Wave(()), Closing())
            lease.begin(intent("b"))
        assert store.applied("c", "a") == first
        assert store.applied("c", "b") is None
        assert store.applied("other", "a") is None

    def test_an_empty_digest_is_no_plan(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            lease.close(lease.begin(intent("")), Wave(()), Closing())
        assert store.applied("c", "") is None


class TestLock:
    def test_one_at_a_time(self, bench: Bench) -> None:
        one, other = bench.open(), bench.open()
        with one.lock("c", "apply", NOW) as lease:
            lease.prove()
            with pytest.raises(Locked) as caught, other.lock("c", "recover", NOW):
                pass
            assert caught.value.exit_code == 5
            assert "pid" in caught.value.where
            assert "apply" in caught.value.where
            holder = other.holder("c")
            assert holder is not None
            assert (holder.command, holder.since) == ("apply", WALL)
            lease.prove()
        assert other.holder("c") is None
        with other.lock("c", "recover", NOW):
            assert one.holder("c") is not None

    def test_the_same_store_twice(self, store: Store) -> None:
        with store.lock("c", "apply", NOW), pytest.raises(Locked), store.lock("c", "apply", NOW):
            pass

    def test_a_lock_per_cluster(self, store: Store) -> None:
        with store.lock("a/1", "apply", NOW), store.lock("a", "apply", NOW):
            assert store.holder("a/2") is None

    def test_every_grant_raises_the_epoch(self, bench: Bench) -> None:
        epochs = []
        for _ in range(3):
            with bench.open().lock("c", "apply", NOW) as lease:
                epochs.append(lease.epoch)
        assert epochs == sorted(set(epochs))

    def test_it_waits_for_the_time_given(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW), pytest.raises(Locked), store.lock("c", "apply", 2.0):
            pass
        assert bench.moments.at == pytest.approx(2.0)

    def test_it_is_taken_as_soon_as_it_is_free(self, bench: Bench) -> None:
        with ExitStack() as first:
            first.enter_context(bench.open().lock("c", "apply", NOW))
            bench.moments.while_pausing = first.close
            with bench.open().lock("c", "recover", 60.0) as lease:
                lease.prove()
        assert len(bench.moments.pauses) == 1

    def test_a_lease_ends_with_its_block(self, store: Store) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
        for use in (lease.prove, lambda: lease.commit(number, Wave(())), lambda: lease.begin(intent())):
            with pytest.raises(LockLost):
                use()

    def test_an_error_gives_it_back(self, store: Store) -> None:
        with pytest.raises(KeyError), store.lock("c", "apply", NOW):
            raise KeyError
        assert store.holder("c") is None


class TestFence:
    def test_an_old_lease_neither_proves_nor_writes(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            before = store.record("c", number), store.knowledge("c")
            bench.raise_epoch("c")
            writes = (
                lambda: lease.begin(intent()),
                lambda: lease.commit(number, Wave((mark(1, S.STARTED),))),
                lambda: lease.close(number, Wave(()), Closing((Managed("g", "u"),))),
                lambda: lease.clear_set_aside([("g", "http://n1")]),
                lambda: lease.unwatch("9"),
                lease.prove,
            )
            for write in writes:
                with pytest.raises(LockLost) as caught:
                    write()
                assert caught.value.exit_code == 4
            assert (store.record("c", number), store.knowledge("c")) == before

    def test_another_clusters_grants_do_not_matter(self, bench: Bench) -> None:
        store = bench.open()
        with store.lock("d", "apply", NOW):
            pass
        with store.lock("c", "apply", NOW) as lease:
            bench.raise_epoch("d")
            lease.prove()
            lease.begin(intent())
