"""A loop like the CronJob's, while drift, faults and kills come at random: see `Night` and `Oracle`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.forks import Forks
from tests.cli.machines import machine
from tests.cli.oracle import Oracle
from tests.cli.unattended import FOREIGN, POOL, SETTINGS, Night
from tests.cli.witness import Witness
from tests.store.server import running as running_server

MINUTE = 60.0


def spend_a_night(
    folder: Path,
    forks: Forks,
    seed: int,
    store: str = "",
    *,
    pause: str = "0",
    executor: str = "auto",
    seconds: float = 0,
    runs: int = 0,
) -> None:
    """See `Night.live`. The cluster begins with some groups of the file's, and with a foreign one."""
    witness = Witness()
    place = store or f"sqlite:///{folder}/planner.db"
    file = folder / "groups.yaml"
    groups = [*POOL[:2], FOREIGN[0]]
    with witness.watching(), SimulatedCluster(3, seed=seed, groups=groups) as cluster:
        here, there = (
            machine(
                folder / name, cluster, place, PLANNER_FILE=str(file), PLANNER_EXECUTOR=executor, **SETTINGS
            )
            for name in ("here", "there")
        )
        oracle = Oracle(cluster, forks, here, witness, frozenset(FOREIGN))
        dice = random.Random(seed)
        Night(cluster, forks, witness, here, there, file, dice, pause, oracle).live(seconds, runs)


@pytest.mark.parametrize(("seed", "pause"), [(11, "0"), (8, "200ms")])
def test_a_short_night(tmp_path: Path, forks: Forks, seed: int, pause: str) -> None:
    spend_a_night(tmp_path, forks, seed, pause=pause, runs=3)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
@pytest.mark.parametrize("pause", ["0", "200ms"])
def test_a_minute(tmp_path: Path, forks: Forks, store: str, pause: str) -> None:
    """Another night each time; its seed is told when it fails."""
    seed = random.randrange(1_000_000)
    try:
        if store == "sqlite":
            spend_a_night(tmp_path, forks, seed, pause=pause, seconds=MINUTE)
            return
        with running_server() as server:
            spend_a_night(tmp_path, forks, seed, server.place(), pause=pause, seconds=MINUTE)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_with_processes(tmp_path: Path, forks: Forks) -> None:
    """Whoever is killed, coordinator or not, takes no worker's write with it into the next run."""
    seed = random.randrange(1_000_000)
    try:
        spend_a_night(tmp_path, forks, seed, executor="processes", seconds=MINUTE)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
