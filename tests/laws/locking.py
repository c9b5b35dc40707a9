"""Law 7: one writer. The lock, the epoch and the permit, over real files, processes and a real server."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from planner import control
from planner.control import RunControl
from planner.errors import Incomplete, Locked, LockLost, StoreFailed
from planner.model import StepState, TransactionState
from planner.ports import Wave
from planner.store import open_store
from planner.store.filelock import FileLock
from planner.store.lease import SqlLease
from planner.store.postgres import SessionHold
from planner.store.sqlstore import SqlStore
from planner.transaction import World as Ports
from planner.transaction import scheduler
from planner.transaction.run import Journal
from planner.transaction.scheduler import StepFailed
from planner.verdict import Method
from tests.builders import Bench, group
from tests.laws.book import law, replaced, wrapped
from tests.simulation import mutations
from tests.store.bench import intent, mark
from tests.store.child import HOLD, child
from tests.store.server import running

POST, DEL = Method.CREATE, Method.DELETE
WITHOUT_POSTGRESQL = "PLANNER_TEST_WITHOUT_POSTGRESQL"


@contextmanager
def place() -> Iterator[str]:
    """A SQLite store's URL, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/planner.db"
        open_store(url).close()
        yield url


def _by_existence(self: FileLock) -> bool:
    """How many tools lock: whoever can make the file has the lock. It outlives its owner."""
    try:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    return True


@law("7.1", replaced(FileLock, "attempt", _by_existence))
def a_lock_whose_owner_was_killed_is_free() -> None:
    with place() as url, open_store(url) as store:
        with child(url, HOLD) as owner:
            assert owner.hear().startswith("held")
            with pytest.raises(Locked), store.lock("c", "recover", 0):
                pass
            owner.kill()
        with store.lock("c", "recover", 0) as lease:
            lease.prove()


FORKED = """
import os, signal
{breach}
with open_store(url) as store, store.lock("c", "apply", 0):
    if not os.fork():
        say(os.getpid())
        signal.pause()
    hear()
"""
BREACH = ""
"""What takes the law out of the child's program."""
KEEPS_IT = "from planner.store import forking; forking.register = lambda thing: None"


@law("7.2", replaced(sys.modules[__name__], "BREACH", KEEPS_IT))
def a_forked_child_that_lives_on_does_not_hold_its_parents_lock() -> None:
    with place() as url, open_store(url) as store, child(url, FORKED.format(breach=BREACH)) as owner:
        forked = int(owner.hear())
        try:
            owner.kill()
            os.kill(forked, 0)
            with store.lock("c", "recover", 0) as lease:
                lease.prove()
        finally:
            os.kill(forked, signal.SIGKILL)


@law("7.3", replaced(SqlLease, "_compare", lambda self, found: None))
def a_commit_after_somebody_elses_grant_is_refused() -> None:
    """The lock file is taken away, so that two runs believe that they hold the lock: the epoch decides."""
    with place() as url, open_store(url) as store, store.lock("c", "apply", 0) as lease:
        number = lease.begin(intent())
        _raise_epoch(store)
        with pytest.raises(LockLost):
            lease.commit(number, Wave((mark(1, StepState.STARTED),)))
        with pytest.raises(LockLost):
            lease.prove()
        record = store.record("c", number)
        assert record is not None
        assert record.marks[0].state is StepState.PENDING


def _raise_epoch(store: SqlStore) -> None:
    database = store._database
    connection = database.own("test")
    with database.writing(connection):
        connection.exec_driver_sql("UPDATE planner_cluster SET epoch = epoch + 1")
    connection.close()


def _always_one(grant: Any) -> Any:
    return lambda *args: min(grant(*args), 1)


@law("7.3", wrapped(SqlStore, "_grant", _always_one))
def every_grant_raises_the_epoch() -> None:
    with place() as url, open_store(url) as store:
        epochs = []
        for _ in range(3):
            with store.lock("c", "apply", 0) as lease:
                epochs.append(lease.epoch)
    assert epochs == sorted(set(epochs))


@law("7.4", replaced(SessionHold, "broken", property(lambda self: False)))
def a_session_that_was_ended_is_not_opened_again() -> None:
    if os.environ.get(WITHOUT_POSTGRESQL):
        pytest.skip(f"{WITHOUT_POSTGRESQL} is set")
    with running() as server, open_store(server.place()) as store, store.lock("c", "apply", 0) as lease:
        number = lease.begin(intent())
        ((pid,),) = server.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert server.sql(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]
        for _ in range(3):
            with pytest.raises(LockLost):
                lease.commit(number, Wave((mark(1, StepState.STARTED),)))
        record = store.record("c", number)
        assert record is not None
        assert record.marks[0].state is StepState.PENDING


@law("7.5", replaced(control, "PROOF_LIFE", float("inf")))
def a_run_that_was_paused_and_fenced_off_sends_nothing_more() -> None:
    """It stands still for six seconds while a try is in flight; meanwhile another run is granted the lock."""
    bench = Bench("a", parallelism=1)
    plan = bench.plan()
    run = RunControl(bench.world)
    bench.world.permit = run.permit
    world, ports = bench.world, Ports(bench.world, bench.world, run, bench.world)
    sent: list[int] = []

    def pause() -> str:
        world.time += 6.0
        bench.steal_lock()
        sent.append(len(world.arrivals))
        return "error_before"

    bench.on(POST, "a", "node01", pause)
    # The adapter's next try is due before the engine looks at its lock again.
    with replaced(scheduler, "HEARTBEAT", 60.0)(), pytest.raises(Incomplete) as caught:
        bench.apply(plan, ports=ports, attach=run.attach)
    assert caught.value.exit_code == 4
    world.pass_time(100.0)
    assert len(world.arrivals) == sent[0]


@law("7.6", mutations.keep_going_after_lock_loss)
def without_the_lock_not_one_more_request_is_sent() -> None:
    bench = Bench("a", "b", parallelism=1)
    lost: list[int] = []

    def lose() -> None:
        bench.steal_lock()
        lost.append(len(bench.world.submitted))

    bench.on(POST, "b", "node02", 403)
    bench.on(DEL, "b", "node01", lose)  # in the reverse; the store is not needed for a while
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.exit_code == 4
    assert len(bench.world.submitted) == lost[0]
    assert "a on node01 should be absent" in caught.value.details
    bench.world.die()
    bench.heal()
    assert bench.recover() is not None
    assert bench.as_before


def _unheard(start: Any) -> Any:
    def the_store_is_not_heeded(*args: Any) -> None:
        try:
            start(*args)
        except StepFailed:
            return

    return the_store_is_not_heeded


@law("7.7", wrapped(Journal, "start", _unheard))
def a_store_that_cannot_be_written_lets_no_step_start_and_the_run_reverses() -> None:
    bench = Bench(*(group(f"g{n:02}", "node01") for n in range(20)), parallelism=1)
    bench.on(POST, "g03", "node01", lambda: bench.break_store("before commit", "before close"))
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.exit_code == 4
    assert "the store could not be told" in caught.value.what
    assert (
        len([write for write in bench.writes if write.startswith("create")]) == 8
    )  # the wave that was marked
    assert bench.as_before
    assert bench.state() is TransactionState.OPEN
    bench.mend_store()
    assert bench.recover() is not None
    assert bench.as_before


@law("7.7", replaced(SqlLease, "begin", lambda self, intent: 1))
def a_store_that_cannot_take_the_intent_lets_nothing_be_sent() -> None:
    """On the real store, with a lock that is held and a file that can only be read."""
    with place() as url, open_store(url) as store, store.lock("c", "apply", 0) as lease:
        lease._hold.connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(StoreFailed):
            lease.begin(intent())
        lease._hold.connection.exec_driver_sql("PRAGMA query_only=OFF")
        assert store.knowledge("c").unfinished is None
