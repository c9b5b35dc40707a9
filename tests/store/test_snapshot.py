"""A SQLite store that can only be read: looked at from a copy, and never written, not even beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.errors import StoreFailed
from planner.model import StepState
from planner.ports import Wave
from planner.store import open_store
from planner.store.snapshot import ATTEMPTS, Copy
from tests.store.bench import intent, mark
from tests.store.child import child
from tests.store.released import load

NOW = 0.0

READER = """
    import os, pathlib
    home = pathlib.Path(url.removeprefix("sqlite:///")).parent
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        lease.begin(intent())
    for file in (home / "planner.db", *home.glob("*lock-*")):
        os.chmod(file, {file})
    os.chmod(home, {folder})
    before = sorted(os.listdir(home))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with open_store(url, create=False) as store:
        known = store.knowledge("c").unfinished
        say(known, store.record("c", 1).state, len(store.history("c")), store.holder("c"))
        try:
            with store.lock("c", "recover", 0):
                say("taken")
        except StoreFailed as error:
            say(error.what, error.why)
    say(sorted(os.listdir(home)) == before)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that another user can reach, too."""
    home = Path(tempfile.mkdtemp(prefix="planner-test-"))
    home.chmod(0o755)
    yield home
    home.chmod(0o755)
    shutil.rmtree(home)


@pytest.mark.parametrize(("file", "folder"), [("0o444", "0o777"), ("0o444", "0o555"), ("0o666", "0o555")])
def test_without_the_right_to_write(home: Path, file: str, folder: str) -> None:
    with child(f"sqlite:///{home}/planner.db", READER.format(file=file, folder=folder)) as reader:
        told = reader.end().splitlines()
    assert told[0] == "1 open 1 None"
    assert told[1].startswith("The store cannot be written. it can only be read: ")
    assert told[2] == "True", "nothing is left beside it"


def test_beside_a_writer_at_work(tmp_path: Path) -> None:
    """What is in the log only is seen, and so is who holds the lock."""
    url = f"sqlite:///{tmp_path}/planner.db"
    with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
        number = lease.begin(intent())
        lease.commit(number, Wave((mark(1, StepState.STARTED),)))
        with open_store(f"{url}?mode=ro") as reader:
            record = reader.record("c", number)
            assert record is not None
            assert record.marks[0].state is StepState.STARTED
            holder = reader.holder("c")
            assert holder is not None
            assert holder.command == "apply"
            lease.commit(number, Wave((mark(1, StepState.DONE),)))
            assert reader.record("c", number) == record, "one moment, whatever is written since"


def test_a_copy_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that comes in between is noticed, and so is a log that begins anew."""
    source = tmp_path / "planner.db"
    source.write_bytes(b"old")
    log = tmp_path / "planner.db-wal"
    log.write_bytes(b"a" * 32 + b"frames")
    really = shutil.copyfile
    meanwhile: list[tuple[Path, bytes]] = [(source, b"new"), (log, b"b" * 32)]

    def copied(source: Path, target: Path) -> None:
        really(source, target)
        if target.name.endswith("-wal") and meanwhile:
            path, content = meanwhile.pop(0)
            path.write_bytes(content)

    monkeypatch.setattr(shutil, "copyfile", copied)
    pauses: list[float] = []
    copy = Copy(source, "here", pauses.append)
    assert len(pauses) == 2
    assert copy.path.read_bytes() == b"new"
    assert copy.path.with_name("copy.db-wal").read_bytes() == b"b" * 32
    copy.remove()
    assert not copy.path.parent.exists()


def test_a_file_that_never_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "planner.db"
    source.write_bytes(b"0")
    made: list[Path] = []

    def copied(source: Path, target: Path) -> None:
        if target.name == "copy.db":
            made.append(target)
            target.write_bytes(b"%d" % len(made))

    monkeypatch.setattr(shutil, "copyfile", copied)
    with pytest.raises(StoreFailed, match="cannot be read") as caught:
        Copy(source, "here", lambda seconds: None)
    assert "all the time" in caught.value.why
    assert len(made) == ATTEMPTS
    assert not made[0].parent.exists()


def test_an_older_store_is_migrated_in_the_copy_only(tmp_path: Path) -> None:
    path = tmp_path / "planner.db"
    load(f"sqlite:///{path}", "0001")
    before = path.read_bytes()
    with open_store(f"sqlite:///{path}?mode=ro", create=False) as store:
        assert store.knowledge("c").unfinished == 4
        assert store.knowledge("c").protected == frozenset()
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["planner.db"]
