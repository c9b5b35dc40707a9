"""The lock between processes: it dies with its owner, and with nobody else."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import text

from planner.errors import Incomplete, Locked
from planner.model import StepState, TransactionState
from planner.ports import Wave
from tests.store.bench import Bench, intent, mark
from tests.store.child import HOLD, child

NOW = 0.0
RACE = """
with open_store(url) as store:
    say("ready")
    hear()
    try:
        with store.lock("c", "apply", 0) as lease:
            say("held")
            hear()
    except Locked as error:
        say("locked")
"""


@pytest.fixture(autouse=True)
def _processes(bench: Bench) -> None:
    if not bench.url:
        pytest.fail("only for implementations that other processes can open")


def test_of_two_that_race_one_wins(bench: Bench) -> None:
    bench.open()
    with child(bench.url, RACE) as one, child(bench.url, RACE) as other:
        assert {one.hear(), other.hear()} == {"ready"}
        one.say()
        other.say()
        assert sorted((one.hear(), other.hear())) == ["held", "locked"]


def test_many_make_one_store(bench: Bench) -> None:
    code = """
    say("ready")
    hear()
    with open_store(url) as store:
        say(store.knowledge("c").store)
    """
    with child(bench.url, code) as a, child(bench.url, code) as b, child(bench.url, code) as c:
        racers = (a, b, c)
        assert {racer.hear() for racer in racers} == {"ready"}
        for racer in racers:
            racer.say()
        found = {racer.hear() for racer in racers}
    assert found == {bench.open().knowledge("c").store}


def test_sigkill_frees_it(bench: Bench) -> None:
    store = bench.open()
    with child(bench.url, HOLD) as holder:
        epoch = int(holder.hear().removeprefix("held "))
        with pytest.raises(Locked) as caught, store.lock("c", "recover", NOW):
            pass
        assert f"pid {holder.pid} " in caught.value.where
        shown = store.holder("c")
        assert shown is not None
        assert shown.who.endswith(f"pid {holder.pid}")
        holder.kill()
    # A server notices the end of a session by itself: waited for with the lock's own patience.
    bench.moments.while_pausing = lambda: store.holder("c") and None
    with store.lock("c", "recover", 1e9) as lease:
        assert lease.epoch == epoch + 1
    assert store.holder("c") is None


def test_a_dead_run_leaves_its_journal(bench: Bench) -> None:
    code = """
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        number = lease.begin(intent())
        lease.commit(number, Wave((mark(1, StepState.STARTED, suspect=True),)))
        say(number)
        hear()
    """
    with child(bench.url, code) as dying:
        number = int(dying.hear())
        dying.kill()
    store = bench.open()
    with store.lock("c", "apply", 1e9) as lease, pytest.raises(Incomplete):
        lease.begin(intent())
    found = store.record("c", number)
    assert found is not None
    assert (found.state, found.marks[0]) == (
        TransactionState.OPEN,
        mark(1, StepState.STARTED, suspect=True),
    )


def test_a_started_program_does_not_keep_it(bench: Bench) -> None:
    code = """
    import subprocess
    with open_store(url) as store, store.lock("c", "apply", 0):
        other = subprocess.Popen(["sleep", "600"], close_fds=False)
        say(other.pid)
        hear()
    """
    with child(bench.url, code) as holder:
        started = int(holder.hear())
        try:
            holder.kill()
            with bench.open().lock("c", "recover", 1e9):
                os.kill(started, 0)  # it is alive, and does not hold the lock
        finally:
            os.kill(started, signal.SIGKILL)


def test_a_forked_child_does_not_keep_it(bench: Bench) -> None:
    code = """
    import os, signal
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        pid = os.fork()
        if not pid:
            say("forked", os.getpid())
            signal.pause()
        hear()
        lease.prove()
        say("proved")
        hear()
    """
    with child(bench.url, code) as holder:
        forked = int(holder.hear().removeprefix("forked "))
        try:
            holder.say()
            assert holder.hear() == "proved"  # the child has closed its copy, not the lock
            with pytest.raises(Locked), bench.open().lock("c", "recover", NOW):
                pass
            holder.kill()
            with bench.open().lock("c", "recover", 1e9):
                os.kill(forked, 0)
        finally:
            os.kill(forked, signal.SIGKILL)


def test_reading_while_another_run_writes(bench: Bench) -> None:
    store = bench.open()
    code = """
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        with lease._fenced() as connection:
            connection.exec_driver_sql("UPDATE planner_cluster SET serial = 9")
            say("writing")
            hear()
        say("written")
        hear()
    """
    with child(bench.url, code) as writer:
        assert writer.hear() == "writing"
        assert store.knowledge("c").serial == 0
        writer.say()
        assert writer.hear() == "written"
        assert store.knowledge("c").serial == 9


def test_one_reading_shows_one_moment(bench: Bench) -> None:
    """The serial and the cells of one answer belong together."""
    store = bench.open()
    with store.lock("c", "apply", NOW):
        pass
    count = text("SELECT epoch FROM planner_cluster WHERE name = 'c'")
    with store._database.reading() as connection:  # type: ignore[attr-defined]
        before = connection.execute(count).scalar()
        bench.raise_epoch("c")
        assert connection.execute(count).scalar() == before


def test_a_paused_run_is_fenced_off(bench: Bench) -> None:
    """A run that was stopped, and whose lock was granted to another one, writes nothing when it goes on."""
    code = """
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        number = lease.begin(intent())
        say(number)
        hear()
        for use in (lease.prove, lambda: lease.commit(number, Wave((mark(1, StepState.STARTED),)))):
            try:
                use()
                say("allowed")
            except LockLost:
                say("lost")
    """
    with child(bench.url, code) as paused:
        number = int(paused.hear())
        bench.raise_epoch("c")
        paused.say()
        assert (paused.hear(), paused.hear()) == ("lost", "lost")
    found = bench.open().record("c", number)
    assert found is not None
    assert found.marks[0].state is StepState.PENDING


def test_a_commit_is_durable_when_it_returns(bench: Bench) -> None:
    store = bench.open()
    code = """
    import os, signal
    with open_store(url) as store, store.lock("c", "apply", 0) as lease:
        number = lease.begin(intent())
        for wave in range(20):
            lease.commit(number, Wave((), message=str(wave)))
            say(wave)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with child(bench.url, code) as dying:
        last = dying.end().splitlines()[-1]
    with store.lock("c", "recover", 1e9):
        assert store.history("c")[0].message == last
        assert Wave(()).state is None
