"""A store that is full, read-only, damaged, or taken away in the middle: the real command on SQLite."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.machines import (
    FILE,
    ONE_BY_ONE,
    PATIENT,
    held_write,
    machine,
    run_limited,
    running,
    writes,
)

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
FULL = (0, resource.RLIM_INFINITY)
"""No file can grow, or be written at all."""
CREATES = 6
"""Writes of FILE before its deletes, whose marks are the second durable commit of the journal."""
GARBAGE = b"this is no database " * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "planner.db"


@pytest.fixture
def shop(tmp_path: Path, file: Path, cluster: SimulatedCluster) -> Shop:
    shop = machine(tmp_path / "here", cluster, f"sqlite:///{file}", **PATIENT, **ONE_BY_ONE)
    shop.file(*FILE)
    return shop


def clear(ended: Ended, *words: str) -> None:
    """An error before anything was changed: what failed, and no traceback."""
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


# Full before the first write.


def test_full_before_the_store_is_made(shop: Shop, cluster: SimulatedCluster) -> None:
    clear(run_limited(shop, 0, "apply", "--yes"), "The store cannot", "planner.db")
    assert writes(cluster) == 0
    assert shop.run("apply", "--yes").code == 0


def test_full_at_the_grant_of_the_lock(shop: Shop, cluster: SimulatedCluster) -> None:
    assert shop.run("plan").code == 0
    clear(run_limited(shop, 0, "apply", "--yes"), "The store cannot", "planner.db")
    assert writes(cluster) == 0
    assert shop.run("status", "--check").code == 0


def test_full_at_the_intent(shop: Shop, file: Path, cluster: SimulatedCluster) -> None:
    """The lock's grant still fits; the transaction with its steps does not."""
    assert shop.run("plan").code == 0
    shop.settings |= {"PLANNER_PARALLELISM": "16"}
    shop.file(*(f"{number:03}-{'x' * 180}" for number in range(60)))
    clear(run_limited(shop, file.stat().st_size, "apply", "--yes"), "The store cannot be written")
    assert writes(cluster) == 0
    ended = shop.run("status", "--check")
    assert ended.code == 0
    assert "Nothing is unfinished." in ended.out


# Full in the middle.


def test_full_in_the_middle_reverses_and_the_store_is_told_later(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    cluster.hold(CREATES, "before")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FULL)
        cluster.release()
        ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "Every node is as it was, but the store could not be told" in ended.err
    assert "planner recover" in ended.err
    assert cluster.groups() == before
    assert writes(cluster) == 2 * CREATES  # no delete was begun
    assert shop.run("status", "--check").code == 4
    ended = shop.run("recover")
    assert ended.code == 0, ended.err
    assert cluster.groups() == before
    assert writes(cluster) == 2 * CREATES
    assert shop.run("status", "--check").code == 0


def test_full_in_the_middle_and_writable_again_in_the_reverse(shop: Shop, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    cluster.hold(CREATES, "before")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FULL)
        cluster.release()
        cluster.hold(1, "before")
        assert held_write(cluster).startswith("DELETE b ")  # the reverse has begun
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
        cluster.release()
        ended = shop.end(process)
    assert ended.code == 3, ended.err
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0


def test_full_at_the_very_end_reverses_what_was_all_done(shop: Shop, cluster: SimulatedCluster) -> None:
    """Every node is as planned, but that cannot be made durable: it is not applied."""
    before = cluster.groups()
    cluster.hold(9, "before")
    with running(shop, "apply", "--yes") as process:
        assert held_write(cluster).startswith("DELETE old ")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FULL)
        cluster.release()
        ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert cluster.groups() == before
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


def test_killed_while_it_reverses_with_a_full_store(shop: Shop, cluster: SimulatedCluster) -> None:
    """The journal says less than what was done: every touched cell is in doubt for `recover`."""
    before = cluster.groups()
    cluster.hold(CREATES, "before")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FULL)
        cluster.release()
        cluster.hold(2, "after")
        held_write(cluster)
        process.kill()
    cluster.release()
    assert shop.run("recover").code == 0
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0


# A store that cannot be used.


def _read_only(shop: Shop, file: Path) -> None:
    assert shop.run("plan").code == 0
    shop.settings["PLANNER_STORE"] += "?mode=ro"


def _read_only_and_missing(shop: Shop, file: Path) -> None:
    shop.settings["PLANNER_STORE"] += "?mode=ro"


def _garbage(shop: Shop, file: Path) -> None:
    file.write_bytes(GARBAGE)


def _damaged(shop: Shop, file: Path) -> None:
    assert shop.run("plan").code == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + GARBAGE[:4096] * (len(whole) // 4096 - 1))


def _cut_short(shop: Shop, file: Path) -> None:
    assert shop.run("plan").code == 0
    file.write_bytes(file.read_bytes()[: 4096 * 2 + 100])


def _directory(shop: Shop, file: Path) -> None:
    file.mkdir()


def _below_a_file(shop: Shop, file: Path) -> None:
    file.write_text("")
    shop.settings["PLANNER_STORE"] += "/planner.db"


def _newer(shop: Shop, file: Path) -> None:
    assert shop.run("plan").code == 0
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE planner_version SET version_num = '9999'")


def _of_somebody_else(shop: Shop, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE invoices (id int)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_read_only, "it can only be read"),
        (_read_only_and_missing, "The store does not exist"),
        (_garbage, "the file is no SQLite database"),
        (_damaged, "damaged"),
        (_cut_short, "damaged"),
        (_directory, "the path is a directory"),
        (_below_a_file, "The store cannot be opened"),
        (_newer, "The store was made by a newer planner"),
        (_of_somebody_else, "the database is not planner's"),
    ],
)
def test_a_store_that_cannot_be_used(
    shop: Shop, file: Path, cluster: SimulatedCluster, spoil: Callable[[Shop, Path], None], words: str
) -> None:
    spoil(shop, file)
    clear(shop.run("apply", "--yes"), words, "planner.db")
    assert writes(cluster) == 0
    clear_or_fine = shop.run("status")
    assert clear_or_fine.code in (0, 1)
    assert "Traceback" not in clear_or_fine.err


def test_a_missing_path_is_made_for_the_owner_alone(shop: Shop, tmp_path: Path) -> None:
    deep = tmp_path / "not" / "yet" / "planner.db"
    shop.settings["PLANNER_STORE"] = f"sqlite:///{deep}"
    clear(shop.run("status"), "The store does not exist")
    assert not deep.parent.exists()
    assert shop.run("apply", "--yes").code == 0
    assert (deep.stat().st_mode & 0o777, deep.parent.stat().st_mode & 0o777) == (0o600, 0o700)


# Taken away in the middle.


def lock_file(file: Path) -> Path:
    (found,) = (path for path in file.parent.glob("planner.db.lock-*") if not path.name.endswith("-schema"))
    return found


def test_the_lock_file_is_deleted_in_the_middle(shop: Shop, file: Path, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    cluster.hold(2, "after")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        lock_file(file).unlink()
        ended = shop.end(process)  # it sees it by itself
    assert ended.code == 4, ended.err
    assert "its lock file was deleted or replaced" in ended.err
    cluster.release()
    assert writes(cluster) == 2
    assert shop.run("status", "--check").code == 4
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


@pytest.mark.parametrize("put", ["nothing", "an empty file", "a copy"])
def test_the_database_is_taken_away_in_the_middle(
    shop: Shop, file: Path, cluster: SimulatedCluster, put: str
) -> None:
    before = cluster.groups()
    copy = file.with_name("copy.db")
    kept = file.with_name("kept.db")
    cluster.hold(2, "after")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        file.rename(kept)
        if put == "an empty file":
            file.touch()
        elif put == "a copy":
            copy.rename(file)
        ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "the store's file was deleted or replaced" in ended.err
    assert "Traceback" not in ended.err
    cluster.release()
    assert writes(cluster) == 2
    if put == "a copy":  # as from a backup: the log of the file that is gone does not belong to it
        for ending in ("-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
    else:
        kept.rename(file)
    assert shop.run("status", "--check").code == 4
    assert shop.run("recover").code == 0
    assert cluster.groups() == before
