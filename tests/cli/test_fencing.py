"""Runs that are paused, fenced off or interrupted: what they still send, and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.machines import (
    FILE,
    ONE_BY_ONE,
    PATIENT,
    WRITES,
    end_backend,
    go_on,
    held_write,
    machine,
    running,
    stop,
    wait_until,
    writes,
)
from tests.store.server import Server
from tests.store.server import running as running_server

FORWARD = 3
"""Writes before node03 fails in `failing`: then there are two to undo."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def shared(server: Server) -> str:
    return server.place()


def slow_machine(folder: Path, cluster: SimulatedCluster, store: str) -> Shop:
    """A machine that sends one write after the other, and waits for a held one."""
    shop = machine(folder, cluster, store, **PATIENT, **ONE_BY_ONE)
    shop.file(*FILE)
    return shop


# A run that lost its lock while it stood still (PostgreSQL).


@pytest.mark.parametrize("effect", ["before", "after"])
def test_paused_fenced_off_and_resumed_an_apply_sends_nothing_more(
    shared: str, server: Server, tmp_path: Path, cluster: SimulatedCluster, effect: str
) -> None:
    """Its answer waits for it when it goes on, and the next write would be due."""
    here = slow_machine(tmp_path / "here", cluster, shared)
    # Longer than the proof of the lock is renewed for: the paused run has to prove it before anything else.
    there = machine(tmp_path / "there", cluster, shared, PLANNER_SETTLE="1500ms")
    before = cluster.groups()
    cluster.hold(3, effect)
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        stop(process)
        cluster.release()
        end_backend(server)
        recovered = there.run("recover")
        assert recovered.code == 0, recovered.err
        assert cluster.groups() == before
        seen = cluster.requests()
        go_on(process)
        ended = here.end(process)
    assert ended.code == 4, ended.err
    assert "the lock is not provably held any more" in ended.err
    assert cluster.requests() == seen  # not even a read
    assert cluster.groups() == before
    assert there.run("status", "--check").code == 0


def test_paused_fenced_off_and_resumed_a_reverse_sends_nothing_more(
    shared: str, server: Server, tmp_path: Path, cluster: SimulatedCluster
) -> None:
    here = slow_machine(tmp_path / "here", cluster, shared)
    there = machine(tmp_path / "there", cluster, shared, PLANNER_SETTLE="1500ms")
    before = cluster.groups()
    with failing(here, cluster, hold=FORWARD + 1) as process:
        stop(process)
        cluster.release()
        end_backend(server)
        cluster.set_faults("")
        assert there.run("recover").code == 0
        assert cluster.groups() == before
        seen = cluster.requests()
        go_on(process)
        ended = here.end(process)
    assert ended.code == 4, ended.err
    assert cluster.requests() == seen  # not even a read
    assert cluster.groups() == before


def test_a_run_whose_session_is_ended_stops_by_itself(
    shared: str, server: Server, tmp_path: Path, cluster: SimulatedCluster
) -> None:
    """Not paused: it finds out while it waits for an answer, and neither goes on nor reverses."""
    here = slow_machine(tmp_path / "here", cluster, shared)
    before = cluster.groups()
    cluster.hold(3, "after")
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        end_backend(server)
        ended = here.end(process)
    assert ended.code == 4, ended.err
    cluster.release()
    assert writes(cluster) == 3
    assert here.run("recover").code == 0
    assert cluster.groups() == before


# A run that stood still and kept its lock (SQLite).


def test_paused_and_resumed_it_keeps_its_lock_and_ends_well(
    tmp_path: Path, cluster: SimulatedCluster
) -> None:
    here = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    cluster.hold(3, "before")
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        stop(process)
        cluster.release()
        other = here.run("recover")
        assert other.code == 5, other.err
        assert f"pid {process.pid} (apply" in other.err
        assert writes(cluster) == 3
        go_on(process)
        ended = here.end(process)
    assert ended.code == 0, ended.err
    assert writes(cluster) == WRITES
    assert set(cluster.groups().values()) == {("a", "b", "kept")}


@pytest.mark.slow
def test_paused_for_longer_than_a_proof_lives_it_ends_well(tmp_path: Path, cluster: SimulatedCluster) -> None:
    here = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    cluster.hold(3, "never")  # answered with 500: the next try asks for a permit that is too old
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        stop(process)
        cluster.release()
        assert here.run("recover", "--lock-timeout", "6s").code == 5  # and 6 s have gone by
        go_on(process)
        ended = here.end(process)
    assert ended.code == 0, ended.err
    assert set(cluster.groups().values()) == {("a", "b", "kept")}


# Interrupts.


def test_an_interrupt_while_it_settles_reverses(tmp_path: Path, cluster: SimulatedCluster) -> None:
    shop = machine(
        tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db", PLANNER_SETTLE="4s", **ONE_BY_ONE
    )
    shop.file("kept", "a", "old")
    before = cluster.groups()
    cluster.hold(1, "before")  # never answered: the cell is suspect, and the run settles
    with running(shop, "apply", "--yes", "--format", "json") as process:
        wait_for_phase(process, "settle")
        assert len(set(cluster.groups().values())) == 1  # all was done
        assert cluster.groups() != before
        process.send_signal(signal.SIGTERM)
        ended = shop.end(process)
    cluster.release()
    assert ended.code == 3, ended.err
    assert "interrupted" in ended.err
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_during_the_reverse_does_not_stop_it(
    tmp_path: Path, cluster: SimulatedCluster, number: signal.Signals
) -> None:
    shop = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    before = cluster.groups()
    with failing(shop, cluster, hold=FORWARD + 1) as process:
        process.send_signal(number)
        cluster.release()
        ended = shop.end(process)
    assert ended.code == 3, ended.err
    assert cluster.groups() == before
    assert writes(cluster) > FORWARD + 1
    assert shop.run("status", "--check").code == 0


def test_a_second_interrupt_during_the_reverse_leaves_at_once(
    tmp_path: Path, cluster: SimulatedCluster
) -> None:
    shop = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    before = cluster.groups()
    with failing(shop, cluster, hold=FORWARD + 1) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        ended = shop.end(process)  # the write is still held
    assert ended.code == 4, ended.err
    assert "a second interrupt" in ended.err
    assert "planner recover" in ended.err
    cluster.release()
    assert writes(cluster) == FORWARD + 1
    cluster.set_faults("")
    assert shop.run("status", "--check").code == 4
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


@pytest.mark.parametrize("command", ["apply", "recover"])
def test_what_does_not_fit_into_the_grace_period_is_left_to_recover(
    tmp_path: Path, cluster: SimulatedCluster, command: str
) -> None:
    """Terminated while a node is away: it leaves by itself before it is killed, and says what is left."""
    shop = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    shop.settings["PLANNER_GRACE"] = "700ms"
    before = cluster.groups()
    cluster.hold(3, "before")  # a create on node03
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        cluster.kill("node03")
        process.send_signal(signal.SIGKILL if command == "recover" else signal.SIGTERM)
        ended = shop.end(process)
        cluster.release()
    if command == "recover":
        seen = cluster.requests().total()
        with running(shop, "recover") as process:
            wait_for_requests(cluster, seen + 2)
            process.send_signal(signal.SIGTERM)
            ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "the grace period after the interrupt is over" in ended.err
    assert "a on node03 should be absent" in ended.err
    assert "planner recover" in ended.err
    assert shop.run("status", "--check").code == 4
    cluster.revive("node03")
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


def test_recover_can_be_interrupted_twice_and_run_again(tmp_path: Path, cluster: SimulatedCluster) -> None:
    shop = slow_machine(tmp_path / "here", cluster, f"sqlite:///{tmp_path}/planner.db")
    before = cluster.groups()
    cluster.hold(3, "before")
    with running(shop, "apply", "--yes") as process:
        held_write(cluster)
        process.kill()
    cluster.release()
    cluster.hold(2, "after")
    with running(shop, "recover") as process:
        held_write(cluster)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "planner recover" in ended.err
    cluster.release()
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


@contextmanager
def failing(shop: Shop, cluster: SimulatedCluster, hold: int) -> Iterator[subprocess.Popen[str]]:
    """An apply whose third and last write fails for good, held at a write of its reverse."""
    shop.file("kept", "old", "a")
    cluster.set_faults("node03:POST:error-before=1")
    shop.settings["PLANNER_RETRIES"] = "0"
    cluster.hold(hold, "before")
    with running(shop, "apply", "--yes") as process:
        assert held_write(cluster).startswith("DELETE a ")
        yield process


def wait_for_requests(cluster: SimulatedCluster, number: int) -> None:
    """Wait until the nodes have seen so many requests."""
    wait_until(lambda: cluster.requests().total() >= number)


def wait_for_phase(process: subprocess.Popen[str], name: str) -> None:
    """Read the run's events until this phase begins."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        event = json.loads(line)
        seen.append(event)
        if event["type"] == "phase" and name in json.dumps(event):
            return
    pytest.fail(f"no phase {name!r} in {seen}")
