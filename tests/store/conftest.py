"""One bench per implementation. Another one is plugged in by an entry in `IMPLEMENTATIONS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from planner.ports import Store
from planner.store.opening import open_at
from tests.store.bench import Bench, Moments
from tests.store.server import Server, running

WITHOUT_POSTGRESQL = "PLANNER_TEST_WITHOUT_POSTGRESQL"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if os.environ.get(WITHOUT_POSTGRESQL):
        pytest.skip(f"{WITHOUT_POSTGRESQL} is set")
    with running() as server:
        yield server


@contextmanager
def sql_bench(kind: str, url: str) -> Iterator[Bench]:
    """A bench over a URL; every store that it opened is closed at the end."""
    moments = Moments()
    with ExitStack() as stack:

        def open_() -> Store:
            return stack.enter_context(open_at(url, time=moments.time()))

        def raise_epoch(cluster: str) -> None:
            engine = create_engine(url)
            with engine.begin() as connection:
                changed = connection.execute(
                    text("UPDATE planner_cluster SET epoch = epoch + 1 WHERE name = :name"), {"name": cluster}
                )
                assert changed.rowcount == 1
            engine.dispose()

        yield Bench(kind, open_, raise_epoch, moments, url)


@contextmanager
def sqlite_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    path: Path = request.getfixturevalue("tmp_path")
    with sql_bench("sqlite", f"sqlite:///{path}/planner.db") as bench:
        yield bench


@contextmanager
def postgresql_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    server: Server = request.getfixturevalue("server")
    with sql_bench("postgresql", server.place()) as bench:
        yield bench


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], object]] = {
    "sqlite": sqlite_bench,
    "postgresql": postgresql_bench,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with IMPLEMENTATIONS[request.param](request) as bench:  # type: ignore[attr-defined]
        yield bench


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.open()
