"""A copy of a whole store: equal, all or nothing, under the locks, and with no number used again."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text, update

from planner.errors import Locked, PlannerError, StoreFailed, WrongUsage
from planner.model import Action, Cell, Step
from planner.ports import Closing, Wave
from planner.results import Copied, CopiedTable
from planner.store import contents, copying, open_store, retiring
from planner.store.copying import Watcher, copy_store
from planner.store.sqlstore import SqlStore
from planner.store.tables import cluster as clusters
from tests.store.bench import intent
from tests.store.child import HOLD, child
from tests.store.released import fill
from tests.store.server import Server

NOW = 0.0
WAYS = ("sqlite > postgresql", "postgresql > sqlite")
ALL_WAYS = (*WAYS, "sqlite > sqlite", "postgresql > postgresql")
Places = Callable[[str], str]


@pytest.fixture
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Places:
    """Makes URLs of places that are empty."""
    numbers = itertools.count(1)

    def place(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{next(numbers)}/planner.db"
        server: Server = request.getfixturevalue("server")
        return server.place()

    return place


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, places: Places) -> tuple[str, str]:
    """URLs of a store with everything in it, and of an empty place."""
    source, target = (places(kind) for kind in request.param.split(" > "))
    fill(source)
    return source, target


@contextmanager
def raw(url: str) -> Iterator[Connection]:
    """The database itself."""
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def content(url: str) -> tuple[tuple[CopiedTable, ...], dict[str, list[tuple[object, ...]]]]:
    with raw(url) as connection:
        rows = {
            table.name: sorted(tuple(row) for row in connection.execute(table.select()))
            for table in contents.TABLES
        }
        return contents.summary(connection, lambda _rows: None), rows


def copied(source: str, target: str, *, move: bool = False) -> Copied:
    with open_store(source, create=False) as store:
        return copy_store(store, target, move=move)


def is_empty(url: str) -> bool:
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        return True
    with raw(url) as connection:
        return not set(inspect(connection).get_table_names()) & {table.name for table in contents.TABLES}


@pytest.mark.parametrize("way", ALL_WAYS, indirect=True)
def test_a_copy_is_equal_and_goes_on(way: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "BATCH", 2)  # every table takes several
    source, target = way
    seen: list[object] = []
    watcher = Watcher(lambda *phase: seen.append(phase), seen.append)
    with open_store(source) as store:
        result = copy_store(store, target, watcher=watcher)
    assert content(source) == content(target)
    tables, rows = content(target)
    assert result.tables == tables
    assert (result.clusters, result.transactions, result.unfinished) == (("c",), 4, (("c", 4),))
    assert (result.moved, result.already) == (False, False)
    total = sum(len(each) for each in rows.values())
    phases = [one for one in seen if isinstance(one, tuple)]
    assert phases == [("copy", total), ("compare", total)]
    assert sum(one for one in seen if isinstance(one, int)) == 2 * total
    with open_store(source) as old, open_store(target, create=False) as new:
        assert result.store == old.knowledge("c").store == new.knowledge("c").store
        assert new.knowledge("c") == old.knowledge("c")
        assert new.history("c") == old.history("c")
        assert new.record("c", 4) == old.record("c", 4)
        assert (new.watched("c"), new.set_aside("c")) == (old.watched("c"), old.set_aside("c"))


def test_no_number_is_used_again(way: tuple[str, str]) -> None:
    source, target = way
    with raw(source) as connection:
        number = "SELECT setval(pg_get_serial_sequence('planner_transaction', 'number'), 40)"
        if connection.dialect.name == "sqlite":
            number = "UPDATE sqlite_sequence SET seq = 40"  # as after forty that were rolled back
        connection.execute(text(number))
    copied(source, target)
    with open_store(target) as store, store.lock("d", "apply", NOW) as lease:
        assert lease.begin(intent()) == 41


def test_there_and_back(places: Places) -> None:
    first, there, back = places("sqlite"), places("postgresql"), places("sqlite")
    fill(first)
    copied(first, there)
    with open_store(there) as store, store.lock("c", "recover", NOW) as lease:
        lease.unwatch("9999")
    copied(there, back)
    assert content(there) == content(back)
    with open_store(back) as store:
        assert store.knowledge("c").unfinished == 4
        assert store.watched("c") == ()


def test_an_empty_store_is_copied_too(places: Places) -> None:
    source, target = places("sqlite"), places("sqlite")
    open_store(source).close()
    copied(source, target)
    assert content(source) == content(target)


def test_a_run_that_holds_a_lock_is_named(way: tuple[str, str]) -> None:
    source, target = way
    with child(source, HOLD) as other:
        assert other.hear().startswith("held")
        with pytest.raises(Locked) as caught:
            copied(source, target)
        assert f"pid {other.pid} (apply" in caught.value.where
    assert is_empty(target)


def test_nobody_gets_a_lock_meanwhile_and_is_told_who_has_it(way: tuple[str, str]) -> None:
    source, target = way

    def look(_phase: str, _rows: int) -> None:
        with open_store(source) as other, pytest.raises(Locked) as caught, other.lock("c", "apply", NOW):
            pass
        assert f"pid {os.getpid()} (store copy" in caught.value.where
        looked.append(1)

    looked: list[int] = []
    with open_store(source) as store:
        copy_store(store, target, watcher=Watcher(look))
    assert looked == [1, 1]


def test_a_cluster_that_comes_while_the_locks_are_taken_is_locked_too(places: Places) -> None:
    source, target = places("sqlite"), places("sqlite")
    fill(source)
    with open_store(source) as store, open_store(source) as other:
        lock = store.lock

        def with_another(name: str, command: str, timeout: float) -> object:
            if name == "c":
                with other.lock("new", "apply", NOW):
                    pass
            return lock(name, command, timeout)

        store.lock = with_another  # type: ignore[method-assign, assignment]
        assert copy_store(store, target).clusters == ("c", "new")


FILL = """
from planner.store.copying import Watcher, copy_store

def pause(phase, rows):
    if phase == "compare":
        say("copied")
        hear()

with open_store(url) as store:
    copy_store(store, {target!r}, move={move}, watcher=Watcher(pause))
"""


@pytest.mark.parametrize(("way", "move"), [(WAYS[0], False), (WAYS[1], True)], indirect=["way"])
def test_killed_in_the_middle(way: tuple[str, str], move: bool) -> None:
    """The target is empty, the source as it was; the same command copies."""
    source, target = way
    with child(source, FILL.format(target=target, move=move)) as other:
        assert other.hear() == "copied"
        other.kill()
    assert is_empty(target)
    with open_store(source, create=False) as store:
        assert store.moved() is None
        result = copy_store(store, target, move=move, timeout=30.0)  # the server has yet to see the death
    assert not result.already
    assert content(source)[1]["planner_step"] == content(target)[1]["planner_step"]


def test_whatever_fails_leaves_the_target_empty(way: tuple[str, str]) -> None:
    source, target = way

    def fail(rows: int) -> None:
        raise PlannerError(f"after {rows}")

    with open_store(source) as store:
        with pytest.raises(PlannerError, match="after"):
            copy_store(store, target, move=True, watcher=Watcher(rows=fail))
        assert is_empty(target)
        store.check_here()


def test_a_copy_that_reads_back_different_is_thrown_away(
    way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = way
    write = contents.write

    def one_note_less(connection: Connection, table: object, rows: list[tuple[object, ...]]) -> None:
        write(connection, table, rows[:-1] if "step" in str(table) else rows)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "write", one_note_less)
    with pytest.raises(StoreFailed) as caught:
        copied(source, target)
    assert caught.value.why == "what was read back differs: planner_step"
    assert is_empty(target)


def test_a_copy_whose_lock_was_lost_is_thrown_away(way: tuple[str, str]) -> None:
    source, target = way

    def grant(phase: str, _rows: int) -> None:
        with raw(source) as connection:
            connection.execute(text("UPDATE planner_cluster SET epoch = epoch + 1"))
        assert phase

    with open_store(source) as store, pytest.raises(StoreFailed) as caught:
        copy_store(store, target, watcher=Watcher(grant))
    assert "another run was granted it" in caught.value.why
    assert is_empty(target)


@pytest.mark.parametrize("way", ALL_WAYS, indirect=True)
def test_a_target_that_holds_something_is_refused(way: tuple[str, str]) -> None:
    source, target = way
    fill(target)
    before = content(target)
    for move in (False, True):
        with pytest.raises(StoreFailed, match="not empty") as caught:
            copied(source, target, move=move)
        assert "with 1 cluster and 4 transactions" in caught.value.why
    assert content(target) == before
    with open_store(source) as store:
        store.check_here()


def test_tables_without_rows_are_empty(way: tuple[str, str]) -> None:
    source, target = way
    open_store(target).close()
    with raw(target) as connection:
        connection.execute(text("DELETE FROM planner_meta"))
    copied(source, target)
    assert content(source) == content(target)


def test_another_program_s_database_is_refused(places: Places) -> None:
    source, target = places("sqlite"), places("sqlite")
    fill(source)
    Path(target.removeprefix("sqlite:///")).parent.mkdir()
    with raw(target) as connection:
        connection.execute(text("CREATE TABLE theirs (x)"))
    with pytest.raises(StoreFailed, match="cannot be opened") as caught:
        copied(source, target)
    assert "theirs" in caught.value.why
    with raw(target) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "delete"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_is_not_copied_to_itself(places: Places, kind: str) -> None:
    source = places(kind)
    fill(source)
    other = source + ("?mode=rw" if kind == "sqlite" else "&application_name=x")
    for move in (False, True):
        with pytest.raises(WrongUsage, match="itself"):
            copied(source, other, move=move)
    with open_store(source) as store:
        store.check_here()


def test_a_source_that_can_only_be_read_is_refused(places: Places) -> None:
    source, target = places("sqlite"), places("sqlite")
    fill(source)
    with pytest.raises(StoreFailed, match="cannot be written"):
        copied(f"{source}?mode=ro", target)
    assert not Path(target.removeprefix("sqlite:///")).exists()


def test_a_target_that_can_only_be_read_is_refused(places: Places) -> None:
    source, target = places("sqlite"), places("sqlite")
    fill(source)
    fill(target)
    with pytest.raises(StoreFailed, match="cannot be written"):
        copied(source, f"{target}?mode=ro")


def test_a_moved_store_refuses_and_can_be_read(way: tuple[str, str]) -> None:
    source, target = way
    with open_store(source) as before:
        assert copied(source, target, move=True).moved
        mark = before.moved()
        assert mark is not None
        assert f"pid {os.getpid()}" in mark.who
        with pytest.raises(StoreFailed) as caught, before.lock("c", "apply", NOW):
            pass  # one that was open before
        assert caught.value.what == f"This store was moved to {mark.target}."
        assert "PLANNER_STORE" in caught.value.next
        assert before.knowledge("c").unfinished == 4
        assert len(before.history("c")) == 4
        with pytest.raises(StoreFailed, match="was moved"), before.lock("never seen", "apply", NOW):
            pass
        with pytest.raises(StoreFailed, match="was moved"):
            copy_store(before, target)
    with open_store(target) as after, after.lock("c", "recover", NOW):
        after.check_here()


def test_a_move_never_names_a_password(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = places("sqlite"), places("postgresql")
    fill(source)
    target = target.replace("postgres@", "postgres:geheim@") + "&password=geheim&sslpassword=geheim"
    copied(source, target, move=True)
    with open_store(source) as store:
        mark = store.moved()
    assert mark is not None
    assert "geheim" not in repr(mark)
    assert "postgres:***@" in mark.target


def test_a_move_that_died_between_the_commits_is_finished(
    way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = way
    retire = retiring.retire

    def then_fail(connection: Connection, *rest: object) -> None:
        retire(connection, *rest)  # type: ignore[arg-type]
        commit = connection.exec_driver_sql

        def fail(statement: str) -> object:
            if statement == "COMMIT":
                commit("ROLLBACK")
                raise OSError("the disk is gone")
            return commit(statement)

        monkeypatch.setattr(connection, "exec_driver_sql", fail)

    with open_store(source) as store:
        monkeypatch.setattr(retiring, "retire", then_fail)
        with pytest.raises(StoreFailed, match="the move has not ended") as caught:
            copy_store(store, target, move=True)
        assert "the disk is gone" in caught.value.why
        assert store.moved() is None
        refuses(target, "that has not ended")
        monkeypatch.setattr(retiring, "retire", retire)
        with store.lock("c", "recover", NOW) as lease:
            lease.unwatch("9999")  # a run comes in between: what is there is an old copy
        result = copy_store(store, target, move=True)
        assert (result.moved, result.already) == (True, False)
        assert store.moved() is not None
    assert content(source)[1]["planner_watch"] == content(target)[1]["planner_watch"]
    with open_store(target) as store, store.lock("c", "recover", NOW):
        assert store.moved() is None


def test_a_move_that_died_when_its_source_was_marked_is_finished(
    way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = way
    mark_new = retiring.mark_new

    def die(connection: Connection, mark: retiring.Moved | None) -> None:
        if mark is None:
            raise StoreFailed("the machine is gone")
        mark_new(connection, mark)

    monkeypatch.setattr(retiring, "mark_new", die)
    with pytest.raises(StoreFailed, match="the move has not ended"):
        copied(source, target, move=True)
    refuses(source, "was moved")
    refuses(target, "that has not ended")
    monkeypatch.setattr(retiring, "mark_new", mark_new)
    with pytest.raises(StoreFailed, match="was moved"):
        copied(source, target)
    result = copied(source, target, move=True)
    assert (result.moved, result.already) == (True, True)
    refuses(source, "was moved")
    with open_store(target) as store, store.lock("c", "recover", NOW):
        pass
    with pytest.raises(StoreFailed, match="was moved"):
        copied(source, target, move=True)


def refuses(url: str, why: str) -> None:
    """Nobody may use this store."""
    with open_store(url) as store, pytest.raises(StoreFailed, match=why), store.lock("c", "apply", NOW):
        pytest.fail("it can be used")


def test_a_copy_that_was_used_since_does_not_finish_a_move(way: tuple[str, str]) -> None:
    source, target = way
    copied(source, target)
    with open_store(target) as store, store.lock("c", "recover", NOW) as lease:
        lease.unwatch("9999")
    with pytest.raises(StoreFailed, match="not empty") as caught:
        copied(source, target, move=True)
    assert "another state of this very store" in caught.value.why
    assert "name an empty database" not in caught.value.next, "a third one would make it worse"


def lose_a_lock(copy: copying._Copying, _source: str) -> None:
    with copy.source.database.own("x") as other, copy.source.database.writing(other):
        other.execute(update(clusters).values(epoch=clusters.c.epoch + 1))


def begin_another(_copy: copying._Copying, source: str) -> None:
    with open_store(source) as other, other.lock("new", "apply", NOW):
        pass


@pytest.mark.parametrize(
    ("happens", "why"), [(lose_a_lock, "another run was granted it"), (begin_another, "did not know before")]
)
def test_what_comes_before_the_mark_stops_the_move(
    way: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[copying._Copying, str], None],
    why: str,
) -> None:
    source, target = way
    monkeypatch.setattr(copying._Copying, "_prove", lambda copy: happens(copy, source))
    with pytest.raises(StoreFailed) as caught:
        copied(source, target, move=True)
    assert why in caught.value.why
    assert "cluster '" in caught.value.where
    assert is_empty(target)
    with open_store(source) as store:
        store.check_here()


def test_a_grant_that_comes_after_the_mark_is_refused(
    way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has asked before the mark was there, and asks once more with its row."""
    source, target = way
    copied(source, target, move=True)
    monkeypatch.setattr(SqlStore, "check_here", lambda self: None)
    with (
        open_store(source) as store,
        pytest.raises(StoreFailed, match="was moved"),
        store.lock("new", "apply", NOW),
    ):
        pass
    assert "new" not in [row[0] for row in content(source)[1]["planner_cluster"]]


def test_what_the_books_say_of_a_hundred_thousand_steps_never_is_in_memory_at_once(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places("sqlite"), places("sqlite")
    steps = tuple(Step(n, Action.CREATE, Cell(f"g{n}", "n1"), "declared") for n in range(1, 1001))
    with open_store(source) as store, store.lock("c", "apply", NOW) as lease:
        for digest in ("a", "b", "c"):
            lease.close(lease.begin(intent(digest, steps)), Wave(()), Closing())
    sizes: list[tuple[str, int]] = []
    write = contents.write

    def measured(connection: Connection, table: object, rows: list[tuple[object, ...]]) -> None:
        sizes.append((str(table), len(rows)))
        write(connection, table, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "write", measured)
    monkeypatch.setattr(contents, "BATCH", 700)
    copied(source, target)
    assert content(source) == content(target)
    assert [size for name, size in sizes if name == "planner_step"] == [700, 700, 700, 700, 200]
    assert [size for name, size in sizes if name == "planner_transaction"] == [1, 1, 1]
