"""A store of one's own: what a stranger may have made is refused, what is open to everybody is said."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.errors import StoreFailed
from planner.store import open_store
from planner.store.copying import copy_store
from planner.store.filelock import FileLock, is_held
from planner.store.owners import SIDES, tightened
from tests.strangers import needs_root, sticky, strangers

NOW = 0.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "planner.db"


def make(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()


def refusal(path: Path) -> StoreFailed:
    with pytest.raises(StoreFailed, match="cannot be opened") as caught:
        make(path)
    assert caught.value.next
    return caught.value


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Who may read it.


@pytest.mark.parametrize("mask", [0, 0o22, 0o77])
def test_a_store_and_a_copy_of_it_are_their_owners(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        with open_store(f"sqlite:///{tmp_path}/a/b/p.db") as store, store.lock("c", "apply", NOW):
            found = {each: mode_of(each) for each in (tmp_path / "a").rglob("*")}
        with open_store(f"sqlite:///{tmp_path}/a/b/p.db") as store:
            copy_store(store, f"sqlite:///{tmp_path}/c/copy.db")
    finally:
        os.umask(before)
    found |= {each: mode_of(each) for each in (tmp_path / "c", *(tmp_path / "c").rglob("*"))}
    assert {"p.db", "p.db-wal", "p.db-shm", "copy.db"} <= {each.name for each in found}
    assert {mode for each, mode in found.items() if each.is_dir()} == {0o700}
    assert {mode for each, mode in found.items() if not each.is_dir()} == {0o600}


@pytest.mark.parametrize(
    ("mode", "after", "said"),
    [
        (0o600, 0o600, []),
        (0o660, 0o660, []),
        (0o640, 0o640, []),
        (0o644, 0o644, ["everybody can read"]),
        (0o662, 0o660, ["everybody could write"]),
        (0o666, 0o664, ["everybody could write", "everybody can read"]),
    ],
    ids=lambda each: f"{each:o}" if isinstance(each, int) else "",
)
def test_what_others_may_is_said_or_taken_back(path: Path, mode: int, after: int, said: list[str]) -> None:
    make(path)
    path.chmod(mode)
    with open_store(f"sqlite:///{path}") as store, store.lock("c", "apply", NOW):
        assert [
            each.partition(" the store")[0].partition(" to")[0] for each in store.database.remarks
        ] == said
        files = [each for each in path.parent.iterdir() if not each.name.endswith("schema")]
        assert {mode_of(each) for each in files} == {after}, "the log and the lock, too"
    with open_store(f"sqlite:///{path}") as store:
        assert not any("could write" in each for each in store.database.remarks), "once is enough"


def test_a_log_that_others_may_write_is_taken_back_with_its_file(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store, store.lock("c", "apply", NOW):
        for each in (path, *(path.with_name(path.name + side) for side in ("-wal", "-shm"))):
            each.chmod(0o602)
        assert tightened(path) == (f"everybody could write to the store {path}: that was taken back",)
        assert {mode_of(path.with_name(path.name + side)) for side in ("", "-wal", "-shm")} == {0o600}


def test_what_cannot_be_taken_back_is_left_to_its_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path)
    path.chmod(0o602)

    def chmod(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "chmod", chmod)
        with open_store(f"sqlite:///{path}") as store:
            (said,) = store.database.remarks
    assert said.endswith("its owner must take that back (chmod o-w)")


def test_a_folder_where_everybody_can_replace_the_store_is_said(tmp_path: Path, path: Path) -> None:
    make(path)
    for mode, said in ((0o777, 1), (0o1777, 0), (0o775, 0), (0o700, 0)):
        tmp_path.chmod(mode)
        with open_store(f"sqlite:///{path}") as store:
            assert len(store.database.remarks) == said, oct(mode)
            assert all(
                f"its folder {tmp_path} is writable for all" in each for each in store.database.remarks
            )


# What a stranger has put there.


@needs_root
@pytest.mark.parametrize("what", ["file", "link", "link to nowhere", "folder", "linked folder", "log"])
def test_what_a_stranger_made_is_refused_and_not_touched(what: str, tmp_path: Path) -> None:
    shared, mine = sticky(tmp_path / "shared"), tmp_path / "mine"
    make(mine / "planner.db")
    path = shared / "planner.db"
    if what == "file":
        path.write_bytes((mine / "planner.db").read_bytes())
        strangers(path).chmod(0o666)
    elif what.startswith("link t") or what == "link":
        path.symlink_to(mine / ("planner.db" if what == "link" else "new.db"))
        strangers(path)
    elif what == "folder":
        (shared / "folder").mkdir()
        path = strangers(shared / "folder") / "planner.db"
    elif what == "linked folder":
        (shared / "folder").symlink_to(mine)
        path = strangers(shared / "folder") / "planner.db"
    else:
        make(path)
        path.with_name("planner.db-wal").touch()
        strangers(path.with_name("planner.db-wal"))
    before = sorted(tmp_path.rglob("*")), (mine / "planner.db").read_bytes()
    error = refusal(path)
    assert "was made by another user (uid 4242)" in error.why
    assert (sorted(tmp_path.rglob("*")), (mine / "planner.db").read_bytes()) == before
    with open_store(f"sqlite:///{mine}/planner.db") as store, pytest.raises(StoreFailed, match="cannot be"):
        copy_store(store, f"sqlite:///{path}")


def test_in_a_shared_folder_ones_own_store_is_used(tmp_path: Path) -> None:
    path = sticky(tmp_path / "shared") / "planner.db"
    for _ in range(2):
        with open_store(f"sqlite:///{path}") as store, store.lock("c", "apply", NOW):
            assert store.database.remarks == ()


# What is beside the file: its log, and its locks.


def links(precious: Path) -> dict[str, Callable[[Path], None]]:
    return {
        "symlink": lambda path: path.symlink_to(precious),
        "hard link": lambda path: path.hardlink_to(precious),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
    }


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["symlink", "hard link", "pipe", "folder"])
def test_a_log_that_is_a_link_is_refused(kind: str, side: str, tmp_path: Path, path: Path) -> None:
    make(path)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    links(precious)[kind](path.with_name(path.name + side))
    assert f"planner.db{side} is a link, or no file" in refusal(path).why
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("kind", ["symlink", "hard link", "pipe", "folder"])
def test_a_lock_file_that_is_a_link_is_refused_and_not_written_to(
    kind: str, tmp_path: Path, path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    precious.chmod(0o640)
    lock = tmp_path / "lock"
    links(precious)[kind](lock)
    for attempt in (FileLock(lock).attempt, lambda: is_held(lock)):
        with pytest.raises((StoreFailed, OSError)):
            attempt()
    assert (precious.read_text(), mode_of(precious)) == ("precious", 0o640)
    make(path)
    with open_store(f"sqlite:///{path}") as store, store.lock("c", "apply", NOW):
        (lock,) = (each for each in tmp_path.glob("*.lock-*") if not each.name.endswith("schema"))
    lock.unlink()
    links(precious)[kind](lock)
    with open_store(f"sqlite:///{path}") as store:
        for use in (lambda: store.lock("c", "apply", NOW).__enter__(), lambda: store.holder("c")):
            with pytest.raises(StoreFailed) as caught:
                use()
            assert caught.value.next
    assert (precious.read_text(), mode_of(precious)) == ("precious", 0o640)


def test_a_refused_lock_file_is_closed(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    (tmp_path / "lock").hardlink_to(tmp_path / "precious")
    free = os.dup(0)
    os.close(free)
    for attempt in (FileLock(tmp_path / "lock").attempt, lambda: is_held(tmp_path / "lock")):
        with pytest.raises(StoreFailed):
            attempt()
    again = os.dup(0)
    os.close(again)
    assert again == free, "the next descriptor is the one that was free before"
