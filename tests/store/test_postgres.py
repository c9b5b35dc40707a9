"""PostgreSQL: the session that holds the lock, and what gets in between."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import planner.store.postgres as module
from planner.errors import LockLost, StoreFailed
from planner.model import StepState
from planner.ports import Wave
from planner.store import open_store
from planner.store.sqlstore import SqlStore
from tests.store.bench import intent, mark
from tests.store.server import Server

NOW = 0.0
KILL = "SELECT pg_terminate_backend({}, 10000)"  # milliseconds that it waits until the backend is gone


@pytest.fixture
def url(server: Server) -> str:
    return server.place()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with open_store(url) as store:
        yield store


class TestSession:
    def test_settings_of_a_weak_server(self, server: Server, url: str) -> None:
        weak = url + "%20-csynchronous_commit%3Doff%20-cidle_session_timeout%3D1000"
        with open_store(weak) as store, store.lock("c", "apply", NOW) as lease, lease._fenced() as connection:
            found = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("synchronous_commit", "lock_timeout", "idle_session_timeout")
            }
        assert found == {"synchronous_commit": "on", "lock_timeout": "10s", "idle_session_timeout": "0"}

    def test_a_stronger_setting_stays(self, url: str) -> None:
        strong = url + "%20-csynchronous_commit%3Dremote_apply"
        with (
            open_store(strong) as store,
            store.lock("c", "apply", NOW) as lease,
            lease._fenced() as connection,
        ):
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"

    def test_options_of_a_connection(self, url: str) -> None:
        database = module.open_postgres(make_url(url + "&keepalives_idle=7"))
        with database.engine.connect() as connection:
            found = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
        database.engine.dispose()
        assert (found["keepalives_idle"], found["keepalives_count"], found["tcp_user_timeout"]) == (
            "7",
            "3",
            "5000",
        )
        assert found["application_name"] == "planner"

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
    def test_schemes(self, url: str, scheme: str) -> None:
        open_store(url.replace("postgresql+psycopg", scheme)).close()


class TestLost:
    def test_a_session_that_the_server_ended(self, server: Server, store: SqlStore) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            server.sql(KILL.format(lease._hold.session))
            for _ in range(2):  # it is not reopened behind our back
                with pytest.raises(LockLost):
                    lease.prove()
                with pytest.raises(LockLost):
                    lease.commit(number, Wave((mark(1, StepState.STARTED),)))
            with store.lock("c", "recover", NOW) as other:
                other.prove()
        found = store.record("c", number)
        assert found is not None
        assert found.marks[0].state is StepState.PENDING

    def test_a_session_that_ends_during_a_commit(self, server: Server, store: SqlStore) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            with pytest.raises(LockLost), lease._fenced():
                server.sql(KILL.format(lease._hold.session))
            with pytest.raises(LockLost):
                lease.commit(number, Wave((), message="x"))

    def test_the_session_ends_with_the_lease(self, store: SqlStore) -> None:
        """It goes to no pool, where another part of the program would use it."""
        store.knowledge("c")
        pool = store._database.engine.pool
        before = pool.status()
        with store.lock("c", "apply", NOW):
            pass
        assert pool.status() == before

    def test_a_lock_that_was_given_back_behind_our_back(self, store: SqlStore) -> None:
        """A pooler's DISCARD ALL does so."""
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease._hold.connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            with pytest.raises(LockLost) as caught:
                lease.prove()
            assert "not show it as held" in caught.value.why
            with pytest.raises(LockLost):
                lease.commit(number, Wave((), message="x"))

    def test_a_session_that_changes(self, store: SqlStore) -> None:
        with store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
            lease._hold._pid += 1  # type: ignore[attr-defined]
            with pytest.raises(LockLost) as caught:
                lease.prove()
            assert "another session" in caught.value.why
            with pytest.raises(LockLost):
                lease.commit(number, Wave((), message="x"))

    def test_reads_survive_a_restart_of_their_sessions(self, server: Server, store: SqlStore) -> None:
        assert store.knowledge("c").serial == 0
        server.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'planner' AND pid <> pg_backend_pid()"
        )
        assert store.knowledge("c").serial == 0


class TestPooler:
    """A pooler in transaction mode, as its clients see it: the backend's pid is not always the same."""

    @pytest.mark.parametrize("pids", ["7", "(random() * 1e9)::int"])
    def test_it_is_noticed_before_the_lock(
        self, store: SqlStore, monkeypatch: pytest.MonkeyPatch, pids: str
    ) -> None:
        """Two clients have one session, or one client has another session each time."""
        monkeypatch.setattr(module, "BACKEND", text(f"SELECT {pids}"))
        hold = store._locking.contend("c")
        connection = store._database.own("test")
        with pytest.raises(StoreFailed) as caught:
            hold._pinned(connection)  # type: ignore[attr-defined]
        connection.close()
        assert "pooler" in caught.value.why
        with pytest.raises(StoreFailed), store.lock("c", "apply", NOW):
            pass
        assert store.holder("c") is None

    def test_it_changes_at_the_lock(self, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
        def pinned(self: module.SessionHold, connection: Connection) -> int:
            return 7

        monkeypatch.setattr(module.SessionHold, "_pinned", pinned)
        with pytest.raises(StoreFailed) as caught, store.lock("c", "apply", NOW):
            pass
        assert "pooler" in caught.value.why


class TestPlace:
    def test_two_stores_in_one_database_have_different_locks(self, server: Server) -> None:
        with (
            open_store(server.place()) as one,
            open_store(server.place()) as other,
            one.lock("c", "apply", NOW),
            other.lock("c", "apply", NOW),
        ):
            assert one.knowledge("c").store != other.knowledge("c").store

    def test_without_create_nothing_is_made(self, server: Server, url: str) -> None:
        with pytest.raises(StoreFailed, match="does not exist"):
            open_store(url, create=False)
        open_store(url).close()
        open_store(url, create=False).close()

    def test_a_session_that_has_the_lock_and_not_the_grant_yet(self, store: SqlStore) -> None:
        """The row still names an earlier run: it must not be shown."""
        with store.lock("c", "first", NOW):
            pass
        hold = store._locking.contend("c")
        assert hold.attempt()
        found = store.holder("c")
        assert found is not None
        assert "starting" in found.who
        hold.release()

    def test_other_tables_are_no_matter_but_ours_without_a_version_are(
        self, server: Server, url: str
    ) -> None:
        name = url.rpartition("%3D")[2]
        server.sql(f"CREATE TABLE {name}.invoices (id int)")
        open_store(url).close()
        server.sql(f"DROP TABLE {name}.planner_version")
        with pytest.raises(StoreFailed) as caught:
            open_store(url)
        assert "not planner's" in caught.value.why

    def test_while_another_run_makes_the_tables(
        self, server: Server, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_prepare", _impatient)
        with open_store(server.place()) as elsewhere:
            other = elsewhere._database.own("test")
            other.exec_driver_sql("BEGIN")
            module.keep_others_out(other)
            with pytest.raises(StoreFailed) as caught:
                open_store(url)
            assert "locked" in caught.value.why
            other.exec_driver_sql("ROLLBACK")
            other.close()
        open_store(url).close()

    def test_a_read_only_server(self, url: str) -> None:
        open_store(url).close()
        with (
            open_store(url + "%20-cdefault_transaction_read_only%3Don") as store,
            store.lock("c", "apply", NOW) as lease,
        ):
            lease.prove()  # a default only; a standby is refused by its own error

    def test_a_role_that_may_only_read(self, server: Server, url: str) -> None:
        """It looks at the store, and is told what it lacks when it wants the lock."""
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            number = lease.begin(intent())
        place = url.rpartition("%3D")[2]
        server.sql(f"CREATE ROLE reader_{place} LOGIN")
        server.sql(f"GRANT USAGE ON SCHEMA {place} TO reader_{place}")
        server.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO reader_{place}")
        with open_store(url.replace("postgres@", f"reader_{place}@"), create=False) as store:
            assert store.knowledge("c").unfinished == number
            assert store.record("c", number) is not None
            assert len(store.history("c")) == 1
            assert store.holder("c") is None
            with (
                pytest.raises(StoreFailed, match="cannot be written") as caught,
                store.lock("c", "apply", NOW),
            ):
                pass
            assert "lacks a privilege" in caught.value.why

    def test_a_standby(self, store: SqlStore) -> None:
        with store.lock("c", "apply", NOW) as lease:
            with pytest.raises(StoreFailed) as caught, lease._fenced() as connection:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY; UPDATE planner_cluster SET serial = 9")
            assert "only be read" in caught.value.why
            lease.prove()

    def test_a_row_that_another_session_keeps(
        self, server: Server, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "WRITE_WAIT", 0.0)
        monkeypatch.setattr(module, "_prepare", _impatient)
        with open_store(url) as store, store.lock("c", "apply", NOW) as lease:
            other = store._database.own("other")
            other.exec_driver_sql("BEGIN")
            other.exec_driver_sql("UPDATE planner_cluster SET serial = 9")
            with pytest.raises(StoreFailed) as caught:
                lease.begin(intent())
            assert "locked" in caught.value.why
            other.exec_driver_sql("ROLLBACK")
            other.close()
            lease.begin(intent())


class TestErrors:
    @pytest.mark.parametrize("create", [True, False])
    def test_unreachable_and_the_password_is_not_told(self, create: bool) -> None:
        with pytest.raises(StoreFailed) as caught:
            open_store("postgresql+psycopg://me:geheim@127.0.0.1:1/geheimnis", create=create)
        assert "cannot be reached" in caught.value.why
        assert "me:***@" in caught.value.where
        assert ":geheim" not in str(vars(caught.value))

    def test_no_such_database(self, url: str) -> None:
        with pytest.raises(StoreFailed) as caught:
            open_store(url.replace("/postgres?", "/nothing?"))
        assert "nothing" in caught.value.why

    def test_without_the_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(StoreFailed) as caught:
            open_store("postgresql://h/n")
        assert "pip install" in caught.value.next


def _impatient(connection: object, _record: object) -> None:
    connection.execute("SET lock_timeout = '1ms'")  # type: ignore[attr-defined]
