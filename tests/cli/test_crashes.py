"""SIGKILL, SIGSTOP and SIGTERM at exact points and at random ones, and a store that goes in the middle."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.machines import kill_after, wait_until

FILE = ("a", "b", "{id: old, state: absent}")
WRITES = 9  # two groups created and one deleted, on three nodes each

DOOMED = ("{id: a, nodes: [node01, node02]}", "{id: b, nodes: [node01, node02]}", "c")
"""With a node03 that creates nothing: six creates and a failure, then the reverse, one after the other."""
DOOMED_CREATES = 7
DOOMED_UNDOS = 6
ONE_AT_A_TIME = {"PLANNER_PARALLELISM": "1", "PLANNER_RETRIES": "0"}

PATIENT = {"PLANNER_READ_TIMEOUT": "30s", "PLANNER_SETTLE": "300ms"}
"""A request that is held does not time out."""


def held(cluster: SimulatedCluster) -> None:
    """Wait until the write that was armed is in flight."""
    assert cluster.wait_held(60), "the write never came"


def kill_held(shop: Shop, cluster: SimulatedCluster, number: int, effect: str, command: str) -> bool:
    """Kill a command while its n-th write is in flight, which is then released.

    Returns:
        False when it ended before that write.
    """
    cluster.hold(number, effect)
    process = shop.start(command, *(["--yes"] if command == "apply" else []))
    came = False
    with process:
        while not came and process.poll() is None:
            with suppress(TimeoutError):
                came = bool(cluster.wait_held(0.2))
        process.kill()
    cluster.release()
    return came


def recovered(shop: Shop, cluster: SimulatedCluster, before: Mapping[str, object]) -> Ended:
    """Recover, and see that every node is as it was and that nothing is left to do."""
    ended = shop.run("recover")
    assert ended.code == 0, ended.err
    cluster.wait_settled(60)
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0
    return ended


# kill -9


@pytest.mark.parametrize(
    ("number", "effect"),
    [
        (DOOMED_CREATES + 1, "after"),
        pytest.param(DOOMED_CREATES + 4, "before", marks=pytest.mark.slow),
        pytest.param(DOOMED_CREATES + DOOMED_UNDOS, "after", marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_reverse(shop: Shop, cluster: SimulatedCluster, number: int, effect: str) -> None:
    before = cluster.groups()
    cluster.set_faults("node03:POST:error-before=1")
    shop.settings |= ONE_AT_A_TIME
    shop.file(*DOOMED)
    assert kill_held(shop, cluster, number, effect, "apply")
    assert shop.run("status", "--check").code == 4
    recovered(shop, cluster, before)


@pytest.mark.parametrize(
    ("number", "effect"), [(3, "before"), pytest.param(1, "after", marks=pytest.mark.slow)]
)
def test_killed_in_recover_once_and_again(
    shop: Shop, cluster: SimulatedCluster, number: int, effect: str
) -> None:
    before = cluster.groups()
    shop.settings |= ONE_AT_A_TIME
    shop.file(*FILE)
    assert kill_held(shop, cluster, WRITES, "after", "apply")
    for _ in range(2):
        assert kill_held(shop, cluster, number, effect, "recover")
        assert shop.run("status", "--check").code == 4
    recovered(shop, cluster, before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_random_writes_of_apply_and_of_each_recover(
    shop: Shop, cluster: SimulatedCluster, seed: int
) -> None:
    dice = random.Random(seed)
    before = cluster.groups()
    shop.file(*FILE)
    for command in ("apply", "recover", "recover", "recover"):
        effect = dice.choice(["before", "after", "never"])
        came = kill_held(shop, cluster, dice.randint(1, WRITES), effect, command)
        assert came or command == "recover"
    recovered(shop, cluster, before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_killed_at_a_random_time(shop: Shop, seed: int) -> None:
    """200 groups and faults on every write. Whatever the store says of the run, all nodes say too."""
    dice = random.Random(seed)
    faults = "POST:error-after=0.1,POST:hang-after=0.05,DELETE:error-after=0.1,DELETE:hang-after=0.05"
    with SimulatedCluster(3, seed=seed, groups=["old"], faults=faults) as cluster:
        shop.nodes = cluster.urls
        before = cluster.groups()
        groups = [f"group-{number}" for number in range(200)]
        shop.file("{id: old, state: absent}", *groups, more="limits: {max_delete_percent: 100}\n")
        cluster.hold(dice.randint(1, 50), "before")
        process = shop.start("apply", "--yes")
        held(cluster)
        cluster.release()
        kill_after(process, dice.uniform(0.0, 4.0))
        if shop.run("status", "--check").code == 0:  # it came to its end: just before, it may be killed too
            last = shop.run("status", "--format", "json").json["last"]
            assert last["state"] == "applied"
            assert cluster.groups() == dict.fromkeys(cluster.names, tuple(sorted(groups)))
            return
        assert process.returncode == -signal.SIGKILL
        if dice.random() < 0.5:
            kill_after(shop.start("recover"), dice.uniform(0.5, 3.0))
        recovered(shop, cluster, before)


def test_a_recover_that_starts_before_the_dead_runs_request_lands(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    """It sees the cell absent at first; the create lands while it settles; it is undone all the same."""
    before = cluster.groups()
    shop.file("a", "kept", "old")
    cluster.hold(1, "after")
    with shop.start("apply", "--yes") as process:
        held(cluster)
        process.kill()
    [late] = cluster.wait_held(1)
    cells = 3
    cluster.reset_requests()
    process = shop.start("recover", PLANNER_SETTLE="4s")
    # Each cell is read, and its absence confirmed: then it waits for the settle time.
    wait_until(lambda: cluster.requests().total(method="GET") >= 2 * cells, process)
    assert process.poll() is None
    cluster.release()
    assert late.group == "a"
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert cluster.groups() == before
    assert ("DELETE", late.node) in {(write.method, write.node) for write in cluster.requests().writes}


# Others at the same time


def test_a_second_recover_at_the_same_time_is_told_so(shop: Shop, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    shop.file(*FILE)
    assert kill_held(shop, cluster, 4, "before", "apply")
    cluster.hold(1, "before")
    shop.settings |= PATIENT | ONE_AT_A_TIME
    first = shop.start("recover")
    held(cluster)
    sent = len(cluster.requests().writes)
    assert shop.run("recover").code == 5
    assert shop.run("apply", "--yes").code == 5
    assert len(cluster.requests().writes) == sent
    cluster.release()
    ended = shop.end(first)
    assert ended.code == 0, ended.err
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0


@pytest.mark.parametrize(
    "pause", [0.0, pytest.param(6.0, marks=pytest.mark.slow)], ids=["short", "proof too old"]
)
def test_a_paused_run_keeps_its_lock_and_goes_on(shop: Shop, cluster: SimulatedCluster, pause: float) -> None:
    """A pause beyond five seconds makes the proof of the lock too old: it is proved anew first."""
    shop.settings |= PATIENT | {"PLANNER_PARALLELISM": "1"}
    shop.file(*FILE, "kept")
    cluster.hold(3, "before")
    process = shop.start("apply", "--yes")
    held(cluster)
    process.send_signal(signal.SIGSTOP)
    sent = len(cluster.requests().writes)
    assert shop.run("recover").code == 5
    assert shop.run("apply", "--yes").code == 5
    assert shop.run("status", "--check").code == 0  # alive, as far as anybody can tell
    if pause:
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
    cluster.release()
    assert len(cluster.requests().writes) == sent
    process.send_signal(signal.SIGCONT)
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert cluster.groups() == dict.fromkeys(cluster.names, ("a", "b", "kept"))


def test_terminated_and_then_killed_as_a_pod_is(shop: Shop, cluster: SimulatedCluster) -> None:
    """SIGTERM asks it to stop; it waits for what is in flight; the grace period ends with SIGKILL."""
    before = cluster.groups()
    shop.settings |= PATIENT
    shop.file(*FILE)
    cluster.hold(4, "after")
    with shop.start("apply", "--yes") as process:
        held(cluster)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
    cluster.release()
    assert process.returncode == -signal.SIGKILL
    assert shop.run("status", "--check").code == 4
    recovered(shop, cluster, before)


# The store goes in the middle


def store_of(shop: Shop) -> Path:
    """The store's file."""
    [path] = (shop.folder / "state").rglob("*.db")
    return path


def test_the_store_is_taken_away_in_the_middle(shop: Shop, cluster: SimulatedCluster) -> None:
    """Not one more request; when the file is back, `recover` finishes."""
    before = cluster.groups()
    shop.settings |= PATIENT | {"PLANNER_PARALLELISM": "1"}
    shop.file(*FILE)
    cluster.hold(3, "before")
    process = shop.start("apply", "--yes")
    held(cluster)
    store = store_of(shop)
    away = store.with_suffix(".away")
    store.rename(away)
    try:
        ended = shop.end(process)
    finally:
        cluster.release()
        away.rename(store)
    assert ended.code == 4, ended.err
    assert "the lock is not provably held any more" in ended.err
    assert "the store's file was deleted or replaced" in ended.err
    assert len(cluster.requests().writes) == 3
    assert cluster.groups() != before
    recovered(shop, cluster, before)


def test_the_lock_file_is_deleted_in_the_middle(shop: Shop, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    shop.settings |= PATIENT | {"PLANNER_PARALLELISM": "1"}
    shop.file(*FILE)
    cluster.hold(2, "after")
    process = shop.start("apply", "--yes")
    held(cluster)
    [lock] = [path for path in store_of(shop).parent.glob("*.lock-*") if "schema" not in path.name]
    lock.unlink()
    ended = shop.end(process)
    cluster.release()
    assert ended.code == 4, ended.err
    assert "its lock file was deleted or replaced" in ended.err
    assert len(cluster.requests().writes) == 2
    recovered(shop, cluster, before)


@pytest.mark.slow  # a commit waits ten seconds for another process
@pytest.mark.timeout(300)
def test_a_store_that_can_only_be_read_from_the_middle_on(shop: Shop, cluster: SimulatedCluster) -> None:
    """No new step; reversed from the durable before-images; 4, since the store still says open."""
    before = cluster.groups()
    shop.settings |= PATIENT | {"PLANNER_PARALLELISM": "1"}
    shop.file(*FILE)
    cluster.hold(6, "before")  # the last create: the deletes need another wave of marks
    process = shop.start("apply", "--yes")
    held(cluster)
    with closing(sqlite3.connect(store_of(shop), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write until it ends
        cluster.release()
        ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "store cannot be written" in ended.err
    assert "the store could not be told" in ended.err
    assert cluster.groups() == before
    assert not [write for write in cluster.requests().writes if write.group == "old"]
    assert shop.run("status", "--check").code == 4
    recovered(shop, cluster, before)
