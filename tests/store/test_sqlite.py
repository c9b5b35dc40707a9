"""SQLite: its files, its lock, and what goes wrong on a disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

import planner.store.sqlite
from planner.errors import Locked, LockLost, StoreFailed, WrongUsage
from planner.model import StepState
from planner.ports import Wave
from planner.store import open_store
from planner.store.filelock import FileLock, is_held
from planner.store.opening import SCHEMA_WAIT, open_at
from tests.store.bench import Moments, intent, mark
from tests.store.child import child

NOW = 0.0
BAD_URLS = (
    "sqlite://",
    "sqlite:///:memory:",
    "sqlite:///file:x?uri=true",
    "sqlite:///x?cache=shared",
    "mysql://u:geheim@h/x",
    "no url",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "planner.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def make(url: str) -> None:
    open_store(url).close()


def lock_files(path: Path) -> list[Path]:
    return [file for file in path.parent.glob("planner.db.lock-*") if not file.name.endswith("schema")]


class TestFiles:
    def test_only_their_owner_reads_them(self, tmp_path: Path) -> None:
        old = os.umask(0)
        url = f"sqlite:///{tmp_path}/a/b/p.db"
        try:
            with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
                lease.begin(intent())
                modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "a").rglob("*")}
        finally:
            os.umask(old)
        assert modes.pop("b") == 0o700
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
        assert {"p.db", "p.db-wal", "p.db-shm"} < set(modes)
        assert set(modes.values()) == {0o600}

    def test_a_shared_database_has_shared_lock_files(self, path: Path, url: str) -> None:
        make(url)
        path.chmod(0o660)
        with open_store(url) as store, store.lock("c", "apply", NOW):
            assert {stat.S_IMODE(file.stat().st_mode) for file in lock_files(path)} == {0o660}

    def test_settings(self, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease, lease._fenced() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}

    def test_a_restored_copy_gets_its_log_back(self, path: Path, url: str) -> None:
        make(url)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        with open_store(url), sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()

    def test_two_paths_to_one_database_share_a_lock(self, tmp_path: Path, url: str) -> None:
        make(url)
        (tmp_path / "link.db").symlink_to(tmp_path / "planner.db")
        (tmp_path / "linked").symlink_to(tmp_path)
        with open_store(url) as store, store.lock("c", "apply", NOW):
            for other in ("link.db", "linked/planner.db"):
                with (
                    open_store(f"sqlite:///{tmp_path}/{other}") as second,
                    pytest.raises(Locked),
                    second.lock("c", "apply", NOW),
                ):
                    pass

    def test_a_hard_link_is_refused(self, tmp_path: Path, path: Path, url: str) -> None:
        make(url)
        (tmp_path / "second.db").hardlink_to(path)
        with pytest.raises(StoreFailed, match="cannot be opened") as caught:
            open_store(url)
        assert "hard link" in caught.value.why

    def test_without_create_nothing_is_made(self, tmp_path: Path) -> None:
        for query in ("", "?mode=ro"):
            with pytest.raises(StoreFailed, match="does not exist") as caught:
                open_store(f"sqlite:///{tmp_path}/a/p.db{query}", create=bool(query))
            assert caught.value.next
        assert list(tmp_path.iterdir()) == []

    def test_while_another_run_makes_the_tables(self, path: Path, url: str) -> None:
        moments = Moments()
        gate = FileLock(path.with_name("planner.db.lock-schema"))
        assert gate.attempt()
        with pytest.raises(StoreFailed) as caught:
            open_at(url, time=moments.time())
        assert "another run" in caught.value.why
        assert moments.at == pytest.approx(SCHEMA_WAIT)
        moments.while_pausing = gate.release
        open_at(url, time=moments.time()).close()

    def test_an_empty_file_is_no_store_without_create(self, path: Path, url: str) -> None:
        path.touch()
        with pytest.raises(StoreFailed, match="does not exist"):
            open_store(url, create=False)
        assert path.stat().st_size == 0
        make(url)
        make(url + "?mode=rw")

    @pytest.mark.parametrize("bad", BAD_URLS)
    def test_urls_that_make_no_sense(self, bad: str) -> None:
        with pytest.raises(WrongUsage) as caught:
            open_store(bad)
        assert "geheim" not in str(vars(caught.value))

    def test_a_network_file_system_is_refused(
        self, path: Path, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kinds = {path: "nfs4"}
        monkeypatch.setattr(planner.store.sqlite, "network_type", kinds.__getitem__)
        with pytest.raises(StoreFailed, match="network file system") as caught:
            open_store(url)
        assert "nfs4" in caught.value.why
        assert "postgresql" in caught.value.next
        assert not path.exists()


class TestDamage:
    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StoreFailed) as caught:
            open_store(f"sqlite:///{tmp_path}")
        assert "directory" in caught.value.why

    def test_a_file_where_a_directory_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreFailed):
            open_store(f"sqlite:///{tmp_path}/file/planner.db")

    def test_no_database(self, path: Path, url: str) -> None:
        path.write_bytes(b"not a database" * 1000)
        with pytest.raises(StoreFailed) as caught:
            open_store(url)
        assert "no SQLite database" in caught.value.why
        assert path.read_bytes().startswith(b"not a")

    def test_a_damaged_page(self, path: Path, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            lease.begin(intent())
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        with pytest.raises(StoreFailed) as caught, open_store(url) as store:
            store.record("c", 1)
        assert caught.value.next
        assert caught.value.where == url

    def test_somebody_elses_database(self, path: Path, url: str) -> None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE invoices (id)")
        connection.close()
        with pytest.raises(StoreFailed) as caught:
            open_store(url)
        assert "invoices" in caught.value.why

    def test_read_only_by_url(self, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
        with open_store(url + "?mode=ro") as store:
            assert store.knowledge("c").unfinished == number
            with pytest.raises(StoreFailed) as caught, store.lock("c", "recover", NOW):
                pass
            assert "only be read" in caught.value.why
            assert store.holder("c") is None

    def test_read_only_by_permission(self, tmp_path: Path) -> None:
        code = """
        import os, pathlib
        home = pathlib.Path(url.removeprefix("sqlite:///")).parent
        with open_store(url) as store, store.lock("c", "apply", 0):
            pass
        os.chmod(home / "planner.db", 0o444)
        for file in home.glob("*lock-*"):
            os.chmod(file, 0o444)
        os.chmod(home, 0o555)
        os.chdir(home)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            with open_store("sqlite:///planner.db") as store, store.lock("c", "apply", 0):
                say("taken")
        except StoreFailed as error:
            say("refused", error.what, error.why)
        """
        with child(f"sqlite:///{tmp_path}/planner.db", code) as reader:
            assert reader.end().startswith("refused")
        tmp_path.chmod(0o755)

    def test_a_full_disk(self, url: str) -> None:
        """Writing fails and says so, the lock can still be proved, and there is room again later."""
        code = """
        import resource
        with open_store(url) as store, store.lock("c", "apply", 0) as lease:
            number = lease.begin(intent())
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            try:
                lease.commit(number, Wave((mark(1, StepState.STARTED),)))
            except StoreFailed as error:
                say("failed:", error.why, "/", error.next)
            lease.prove()
            say(store.record("c", number).marks[0].state)
            try:
                store.lock("other", "apply", 0).__enter__()
            except StoreFailed:
                say("no grant")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            lease.commit(number, Wave((mark(1, StepState.STARTED),)))
            say(store.record("c", number).marks[0].state)
        """
        with child(url, code) as writer:
            first, *rest = writer.end().splitlines()
        assert first.startswith("failed: the disk")
        assert "free space" in first
        assert rest == ["pending", "no grant", "started"]

    def test_no_page_left(self, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            lease._hold.connection.exec_driver_sql("PRAGMA max_page_count = 1")
            with pytest.raises(StoreFailed) as caught:
                lease.begin(intent("x" * 1_000_000))
            assert "disk is full" in caught.value.why
            lease.prove()

    def test_a_writer_that_does_not_end(self, path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(planner.store.sqlite, "WRITE_WAIT", 0.0)
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFailed) as caught:
                lease.commit(number, Wave((), message="x"))
            assert "busy" in caught.value.why
            lease.prove()
            other.close()
            lease.commit(number, Wave((), message="x"))


class TestLock:
    def test_a_deleted_lock_file(self, path: Path, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            for file in lock_files(path):
                file.unlink()
            with pytest.raises(LockLost):
                lease.prove()
            with store.lock("c", "recover", NOW) as other:
                other.prove()
                with pytest.raises(LockLost):
                    lease.prove()
                with pytest.raises(LockLost):
                    lease.commit(number, Wave((mark(1, StepState.STARTED),)))
                other.commit(number, Wave((), message="mine"))

    def test_a_replaced_database(self, path: Path, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            shutil.copy(path, path.with_suffix(".copy"))
            path.with_suffix(".copy").rename(path)
            with pytest.raises(LockLost):
                lease.prove()
            with pytest.raises(LockLost):
                lease.commit(number, Wave((), message="x"))

    @pytest.mark.parametrize("how", ["the file is deleted", "its directory is moved away"])
    def test_a_database_that_is_gone(self, path: Path, url: str, how: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            if how == "the file is deleted":
                path.unlink()
            else:
                path.parent.rename(path.parent.with_name("away"))
            with pytest.raises(LockLost) as proving:
                lease.prove()
            with pytest.raises(LockLost) as writing:
                lease.commit(number, Wave((), message="x"))
            for caught in (proving, writing):
                assert caught.value.why == "the store's file was deleted or replaced"

    def test_no_proof_is_no_lock(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            monkeypatch.setattr(lease._hold, "prove", lambda: 1 / 0)
            with pytest.raises(LockLost):
                lease.prove()

    def test_lock_files_stay(self, path: Path, url: str) -> None:
        with open_store(url) as store:
            with store.lock("c/ü", "apply", NOW):
                first = [file.stat().st_ino for file in lock_files(path)]
            assert len(first) == 1
            assert [file.stat().st_ino for file in lock_files(path)] == first

    def test_asking_for_the_holder_makes_no_attempt_fail(self, url: str) -> None:
        ending = threading.Event()

        def ask() -> None:
            with open_store(url) as store:
                while not ending.is_set():
                    store.holder("c")

        with open_store(url) as store:
            with store.lock("c", "apply", NOW):
                pass
            asker = threading.Thread(target=ask)
            asker.start()
            try:
                for _ in range(100):
                    with store.lock("c", "apply", NOW) as lease:
                        lease.prove()
            finally:
                ending.set()
                asker.join()

    def test_a_probe_in_the_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An attempt that meets a probe is made again; one that meets a holder is not."""
        import fcntl

        import planner.store.filelock as module

        path, tries = tmp_path / "lock", []
        probe = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(probe, fcntl.LOCK_SH)
        real = module._flock

        def counted(fd: int, kind: int) -> bool:
            tries.append(kind)
            if len(tries) == 5:
                fcntl.flock(probe, fcntl.LOCK_UN)
            return real(fd, kind)

        monkeypatch.setattr(module, "_flock", counted)
        pauses: list[float] = []
        lock = FileLock(path, pause=pauses.append)
        assert lock.attempt()
        assert (len(tries), len(pauses)) == (5, 2)
        assert not FileLock(path).attempt()
        assert len(tries) == 7
        lock.release()
        os.close(probe)

    def test_a_lock_file_that_is_deleted_while_it_is_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import planner.store.filelock as module

        path, real = tmp_path / "lock", module._flock

        def unlucky(fd: int, kind: int) -> bool:
            monkeypatch.undo()
            path.unlink()
            return real(fd, kind)

        monkeypatch.setattr(module, "_flock", unlucky)
        lock = FileLock(path, pause=lambda seconds: None)
        assert lock.attempt()
        assert lock.is_intact()
        assert not FileLock(path).attempt()
        lock.release()

    def test_a_write_has_the_database_from_its_first_word(self, path: Path, url: str) -> None:
        """So the epoch that it compared cannot be raised before it commits."""
        other = sqlite3.connect(path, isolation_level=None, timeout=0)
        with (
            open_store(url) as store,
            store.lock("c", "apply", NOW) as lease,
            lease._fenced(),
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("UPDATE planner_cluster SET epoch = epoch + 1")
        other.close()

    def test_a_run_that_is_just_starting(self, url: str) -> None:
        """Between the lock and the grant the row still names an earlier run: it must not be shown."""
        with open_store(url) as store:
            with store.lock("c", "first", NOW):
                pass
            hold = store._locking.contend("c")
            assert hold.attempt()
            found = store.holder("c")
            assert found is not None
            assert "starting" in found.who
            hold.release()

    def test_what_the_holder_said(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        assert is_held(path) is None
        lock = FileLock(path)
        assert lock.attempt()
        lock.say("12")
        assert is_held(path) == "12"
        lock.release()
        assert is_held(path) is None
        assert lock.attempt()
        assert is_held(path) == ""
        lock.release()
        assert not lock.is_intact()

    def test_proofs_while_another_thread_commits(self, url: str) -> None:
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            failed: list[Exception] = []

            def prove() -> None:
                try:
                    for _ in range(200):
                        lease.prove()
                except LockLost as error:
                    failed.append(error)

            prover = threading.Thread(target=prove)
            prover.start()
            for wave in range(50):
                lease.commit(number, Wave((), message=str(wave)))
            prover.join()
        assert failed == []
