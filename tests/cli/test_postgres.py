"""A store that several machines share, through the real command: deaths, races, and the server's death."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.machines import (
    FILE,
    ONE_BY_ONE,
    PATIENT,
    WRITES,
    held_write,
    holding_backends,
    kill_after,
    kill_server,
    killed,
    machine,
    restarted,
    running,
    writes,
)
from tests.store.server import Server
from tests.store.server import running as running_server

RECOVER = ("recover", "--lock-timeout", "60s")
"""It waits: the server notices by itself that a lock's owner is dead, a moment later."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def place(server: Server) -> str:
    return server.place()


@pytest.fixture
def here(place: str, tmp_path: Path, cluster: SimulatedCluster) -> Shop:
    shop = machine(tmp_path / "here", cluster, place)
    shop.file(*FILE)
    return shop


@pytest.fixture
def there(place: str, tmp_path: Path, cluster: SimulatedCluster) -> Shop:
    """Another machine: it shares the store with `here`, and nothing else. It has no groups.yaml."""
    return machine(tmp_path / "there", cluster, place)


def test_what_one_machine_applied_the_other_knows(here: Shop, there: Shop, cluster: SimulatedCluster) -> None:
    ended = here.run("apply", "--yes")
    assert ended.code == 0, ended.err
    assert set(cluster.groups().values()) == {("a", "b", "kept")}
    assert "TX 1 (apply): applied" in there.run("status", "--check").out
    there.file("kept", "a")
    ended = there.run("apply", "--yes")  # `b` is managed, and no longer declared
    assert ended.code == 0, ended.err
    assert set(cluster.groups().values()) == {("a", "kept")}


@pytest.mark.parametrize(
    ("number", "effect"),
    [
        (1, "after"),
        (4, "before"),
        pytest.param(4, "after", marks=pytest.mark.slow),
        pytest.param(7, "before", marks=pytest.mark.slow),
        (WRITES, "after"),
    ],
)
def test_killed_at_a_write_another_machine_recovers(
    here: Shop, there: Shop, cluster: SimulatedCluster, number: int, effect: str
) -> None:
    before = cluster.groups()
    cluster.hold(number, effect)
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        killed(process)
    cluster.release()

    assert there.run("status", "--check").code == 4
    ended = there.run(*RECOVER)
    assert ended.code == 0, ended.err
    assert "every node is as it was" in ended.out
    assert cluster.groups() == before
    assert here.run("status", "--check").code == 0


def test_killed_while_it_recovers_a_third_run_goes_on(
    here: Shop, there: Shop, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    cluster.hold(WRITES, "before")
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        killed(process)
    cluster.release()
    cluster.hold(2, "after")
    with running(there, *RECOVER) as process:
        held_write(cluster)
        killed(process)
    cluster.release()
    ended = here.run(*RECOVER)
    assert ended.code == 0, ended.err
    assert cluster.groups() == before
    assert there.run("status", "--check").code == 0


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 13))]
)
def test_killed_at_a_random_time_and_so_is_its_recovery(place: str, tmp_path: Path, seed: int) -> None:
    """Faults on every write. Whatever the store says of the run, all nodes say too."""
    dice = random.Random(seed)
    faults = "POST:error-after=0.1,POST:hang-after=0.03,DELETE:error-after=0.1,DELETE:hang-after=0.03"
    with SimulatedCluster(3, seed=seed, groups=["old"], faults=faults) as cluster:
        here = machine(tmp_path / "here", cluster, place)
        there = machine(tmp_path / "there", cluster, place)
        groups = [f"group-{number}" for number in range(100)]
        here.file("{id: old, state: absent}", *groups, more="limits: {max_delete_percent: 100}\n")
        before = cluster.groups()
        cluster.hold(dice.randint(1, 50), "before")
        with running(here, "apply", "--yes") as process:
            held_write(cluster)
            cluster.release()
            kill_after(process, dice.uniform(0.0, 2.5))
        with running(there, *RECOVER) as process:
            kill_after(process, dice.uniform(0.4, 2.0))
        ended = here.run(*RECOVER)
        assert ended.code == 0, ended.err
        last = there.run("status", "--format", "json").json["last"]
        assert last["state"] in {"applied", "reversed"}
        planned = dict.fromkeys(cluster.names, tuple(sorted(groups)))
        assert cluster.groups() == (planned if last["state"] == "applied" else before)
        assert there.run("status", "--check").code == 0


def test_of_two_machines_one_works_and_the_other_is_told_who(
    here: Shop, there: Shop, cluster: SimulatedCluster
) -> None:
    here.settings |= PATIENT
    there.file(*FILE)
    cluster.hold(1, "before")
    with running(here, "apply", "--yes") as process:
        held_write(cluster)
        for command in (("apply", "--yes"), ("recover",)):
            other = there.run(*command)
            assert other.code == 5, other.err
            assert f"pid {process.pid} (apply" in other.err
        status = there.run("status", "--check")
        assert status.code == 0  # it is running, not dead
        assert f"pid {process.pid} (apply)" in status.out
        assert "running now" in status.out
        cluster.release()
        assert here.end(process).code == 0
    assert writes(cluster) == WRITES
    assert there.run("apply", "--yes").code == 0
    assert writes(cluster) == WRITES


def test_two_machines_that_start_together(here: Shop, there: Shop, cluster: SimulatedCluster) -> None:
    """Whoever is second either is refused or has nothing to do; never do two runs write the same."""
    there.file(*FILE)
    with running(here, "apply", "--yes") as one, running(there, "apply", "--yes") as other:
        codes = sorted((here.end(one).code, there.end(other).code))
    assert codes in ([0, 0], [0, 5])
    assert set(cluster.groups().values()) == {("a", "b", "kept")}
    assert writes(cluster) == WRITES


def test_a_waiting_machine_gets_the_lock(
    server: Server, here: Shop, there: Shop, cluster: SimulatedCluster
) -> None:
    here.settings |= PATIENT
    there.file(*FILE)
    cluster.hold(1, "before")
    with running(here, "apply", "--yes") as one:
        held_write(cluster)
        assert len(holding_backends(server)) == 1
        with running(there, "apply", "--yes", "--lock-timeout", "60s") as other:
            cluster.release()
            assert here.end(one).code == 0
            assert there.end(other).code == 0
    assert writes(cluster) == WRITES
    assert holding_backends(server) == []


def test_the_server_is_killed_in_the_middle_of_an_apply(tmp_path: Path) -> None:
    with running_server() as server, SimulatedCluster(3, seed=7, groups=["old", "kept"]) as cluster:
        place = server.place()
        here = machine(tmp_path / "here", cluster, place, **PATIENT, **ONE_BY_ONE)
        there = machine(tmp_path / "there", cluster, place)
        here.file(*FILE)
        before = cluster.groups()
        cluster.hold(5, "after")
        with running(here, "apply", "--yes") as process:
            held_write(cluster)
            kill_server(server)
            ended = here.end(process)  # it sees by itself that its lock is gone
        assert ended.code == 4, ended.err
        assert "the lock is not provably held any more" in ended.err
        assert "planner recover" in ended.err
        assert "Traceback" not in ended.err
        cluster.release()
        assert writes(cluster) == 5  # neither went it on, nor did it reverse
        assert there.run("status", "--check").code == 1
        refused = here.run("apply", "--yes")
        assert refused.code == 1
        assert "the server cannot be reached" in refused.err
        with restarted(server):
            assert there.run("status", "--check").code == 4
            assert here.run("apply", "--yes").code == 4
            assert writes(cluster) == 5
            ended = there.run("recover")
            assert ended.code == 0, ended.err
            assert cluster.groups() == before
            assert here.run("apply", "--yes").code == 0


def test_an_unreachable_server_is_an_error_before_the_first_request(
    tmp_path: Path, cluster: SimulatedCluster
) -> None:
    shop = machine(tmp_path / "here", cluster, "postgresql+psycopg://me:geheim@127.0.0.1:1/nothing")
    shop.file(*FILE)
    ended = shop.run("apply", "--yes")
    assert ended.code == 1
    assert "the server cannot be reached" in ended.err
    assert "geheim" not in ended.err + ended.out
    assert cluster.requests().counts == ()
