"""A SQLite file that came from somewhere: whatever it holds, a clear error or a fine answer; no traceback."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from planner.errors import PlannerError, StoreFailed
from planner.model import Managed, StepState, TransactionState
from planner.ports import Closing, Lease, Wave
from planner.store import open_store
from planner.store.sqlstore import SqlStore
from planner.store.tables import metadata, version_metadata
from tests.store.bench import NODES, STEPS, intent, mark

NOW = 0.0
ODD = {
    "bytes": "X'ff00'",
    "a word": "'nonsense'",
    "nothing": "NULL",
    "a fraction": "1.25",
    "negative": "-5",
    "deep": f"'{'[' * 100_000}'",
}
TABLES = [table for tables in (metadata, version_metadata) for table in tables.sorted_tables]
COLUMNS = [(table.name, column.name) for table in TABLES for column in table.columns]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with something in every table: an applied and an open transaction, of two clusters."""
    path = tmp_path / "planner.db"
    with open_store(f"sqlite:///{path}") as store:
        for cluster in ("c", "other"):
            with store.lock(cluster, "apply", NOW) as lease:
                fill(lease)
    return path


def fill(lease: Lease) -> None:
    first = lease.begin(intent())
    lease.commit(first, Wave(tuple(mark(step.number, StepState.STARTED) for step in STEPS), note="seen"))
    marks = tuple(mark(step.number, StepState.DONE, unanswered=True) for step in STEPS)
    managed = tuple(Managed(f"g{n}", node.url) for n, node in enumerate(NODES))
    closing_with = Closing(managed, nodes=NODES, protected=("g",), source="s")
    lease.close(first, Wave(marks, TransactionState.APPLIED), closing_with)
    second = lease.begin(intent("d2"))
    lease.commit(second, Wave(tuple(mark(step.number, StepState.SET_ASIDE) for step in STEPS)))


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[sqlite3.Connection]:
    """The file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        yield connection


def take_off_types(connection: sqlite3.Connection) -> None:
    """Let every column take a value of any type, and none, and the same twice."""
    for table in TABLES:
        names = ", ".join(column.name for column in table.columns)
        connection.execute(f"CREATE TABLE free ({names})")
        connection.execute(f"INSERT INTO free SELECT {names} FROM {table.name}")
        connection.execute(f"DROP TABLE {table.name}")
        connection.execute(f"ALTER TABLE free RENAME TO {table.name}")


QUESTIONS: dict[str, Callable[[SqlStore], object]] = {
    "moved": lambda store: store.moved(),
    "knowledge": lambda store: store.knowledge("c"),
    "clusters": lambda store: store.clusters(),
    "record": lambda store: [store.record("c", number) for number in (1, 2)],
    "history": lambda store: store.history("c"),
    "applied": lambda store: store.applied("c", "d1"),
    "tally": lambda store: store.tally("c"),
    "superseded": lambda store: store.superseded("c", "s"),
    "set aside": lambda store: store.set_aside("c"),
    "managed besides": lambda store: store.managed_besides("c"),
    "unfinished besides": lambda store: store.unfinished_besides("c"),
    "watched": lambda store: store.watched("c"),
}


def ask(store: SqlStore) -> int:
    """Ask every question: each is answered in the types of the model, or refused by an error of ours."""
    refusals = 0
    for name, question in QUESTIONS.items():
        failed: StoreFailed | None = None
        answer: object = None
        try:
            answer = question(store)
        except StoreFailed as error:
            failed = error
        assert not list(strange(answer)), name
        assert failed is None or (failed.why and failed.next), name
        refusals += failed is not None
    return refusals


def strange(value: object) -> Iterator[object]:
    """What no planner has written, wherever it is in a value."""
    inner: Iterable[object] = ()
    if is_dataclass(value):
        inner = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (tuple, list, frozenset)):
        inner = value
    if isinstance(value, bytes) or value in (1.25, -5):
        yield value
    for each in inner:
        yield from strange(each)


@pytest.mark.parametrize("odd", ODD)
def test_any_value_at_any_place(path: Path, odd: str) -> None:
    refusals = 0
    with open_file(path) as connection, open_store(f"sqlite:///{path}") as store:
        take_off_types(connection)
        assert ask(store) == 0
        for table, column in COLUMNS:
            rows = connection.execute(f"SELECT {column}, rowid FROM {table}").fetchall()
            assert rows, f"{table} is empty: nothing of it is tested"
            connection.execute(f"UPDATE {table} SET {column} = {ODD[odd]}")
            refusals += ask(store)
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", rows)
        assert ask(store) == 0
    assert refusals > 20


@pytest.mark.parametrize("odd", ["X'ff00'", "'nonsense'", "NULL", "5", "''"])
@pytest.mark.parametrize(("table", "column"), [("planner_version", "version_num"), ("planner_meta", "id")])
def test_what_is_looked_at_when_it_is_opened(path: Path, table: str, column: str, odd: str) -> None:
    with open_file(path) as connection:
        take_off_types(connection)
        connection.execute(f"UPDATE {table} SET {column} = {odd}")
    if (column, odd) in {("id", "''"), ("id", "'nonsense'")}:
        open_store(f"sqlite:///{path}").close()  # text is an id
        return
    with pytest.raises(StoreFailed):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("odd", ["'nonsense'", "X'ff'", str(2**63 - 1)])
def test_an_epoch_that_is_none_grants_no_lock(path: Path, odd: str) -> None:
    with open_file(path) as connection, open_store(f"sqlite:///{path}") as store:
        take_off_types(connection)
        connection.execute(f"UPDATE planner_cluster SET epoch = {odd}")
        with pytest.raises(StoreFailed), store.lock("c", "apply", NOW):
            pass


@pytest.mark.parametrize("odd", ["'nonsense'", "X'ff'", str(2**63 - 1)])
def test_a_counter_that_is_none_ends_no_apply_as_applied(path: Path, odd: str) -> None:
    """What is applied last has a position that is one more than the highest."""
    with open_file(path) as connection, open_store(f"sqlite:///{path}") as store:
        with store.lock("new", "apply", NOW) as lease:
            fill(lease)
        take_off_types(connection)
        connection.execute(f"UPDATE planner_applied_file SET position = {odd}")
        with store.lock("new", "apply", NOW) as lease, pytest.raises(StoreFailed):
            lease.close(6, Wave((), TransactionState.APPLIED), Closing(source="t"))
        assert connection.execute("SELECT state FROM planner_transaction WHERE number = 6").fetchone() == (
            "open",
        )


@pytest.mark.parametrize("odd", ["'nonsense'", "X'ff'", "NULL"])
def test_a_holder_that_is_none(path: Path, odd: str) -> None:
    with open_file(path) as connection, open_store(f"sqlite:///{path}") as store:
        take_off_types(connection)
        with store.lock("c", "apply", NOW):
            connection.execute(f"UPDATE planner_cluster SET holder = {odd}")
            if odd == "'nonsense'":
                assert store.holder("c") is not None
                return
            with pytest.raises(StoreFailed):
                store.holder("c")


@pytest.mark.parametrize(
    "program",
    [
        "CREATE TRIGGER forget AFTER INSERT ON planner_step BEGIN DELETE FROM planner_step; END",
        "CREATE VIEW other AS SELECT * FROM planner_step",
    ],
)
def test_a_file_with_programs_is_refused(path: Path, program: str) -> None:
    with open_file(path) as connection:
        connection.execute(program)
    with pytest.raises(StoreFailed) as caught:
        open_store(f"sqlite:///{path}")
    assert "it holds the" in caught.value.why
    assert caught.value.next


def test_the_schema_of_a_file_is_not_trusted(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store, store.database.reading() as connection:
        for pragma, value in (("trusted_schema", 0), ("cell_size_check", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_any_damage_to_the_bytes(path: Path) -> None:
    """Of the header, of the tree of tables, and of rows; pages that are gone, and more than there are."""
    whole, chance = path.read_bytes(), random.Random(7)
    refused = 0
    for number in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 4, 40])):
            place = chance.randrange(16, 120) if number % 3 == 0 else chance.randrange(len(whole))
            damaged[place] = chance.randrange(256)
        if number % 5 == 1:
            del damaged[chance.randrange(len(damaged)) :]
        for log in path.parent.glob("planner.db-*"):
            log.unlink()
        path.write_bytes(damaged)
        try:
            with open_store(f"sqlite:///{path}") as store:
                refused += ask(store) > 0
        except PlannerError:
            refused += 1
    assert 10 < refused < 60


def test_a_huge_page_count(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[28:32] = b"\xff\xff\xff\xff"  # pages, as the header has them
    whole[36:40] = b"\x7f\xff\xff\xff"  # of which free
    path.write_bytes(whole)
    with contextlib.suppress(StoreFailed), open_store(f"sqlite:///{path}") as store:
        ask(store)
        with store.lock("new", "apply", NOW) as lease:
            fill(lease)
    assert path.stat().st_size < 10 * len(whole)


@pytest.mark.parametrize("size", [15, 99, 100, 512, 4096, 65536])
def test_random_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "planner.db"
    for head in (b"", b"SQLite format 3\x00"):
        path.write_bytes(head + random.Random(size).randbytes(size))
        with pytest.raises(StoreFailed):
            open_store(f"sqlite:///{path}")


@pytest.mark.parametrize(
    "damage",
    ["UPDATE planner_step SET node = 'other'", "UPDATE planner_step SET number = 1"],
    ids=["a step on a node that its transaction does not have", "a step twice"],
)
def test_steps_that_do_not_fit_together(path: Path, damage: str) -> None:
    """Each value is of the right type: what reads a record looks its nodes up by name."""
    with open_file(path) as connection, open_store(f"sqlite:///{path}") as store:
        take_off_types(connection)
        connection.execute(damage)
        for question in ("record", "history"):
            with pytest.raises(StoreFailed, match="damaged") as caught:
                QUESTIONS[question](store)
            assert "has a step" in caught.value.why
