"""A loop like the CronJob's, while drift, faults and kills come at random."""

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

MINUTE = 60.0


def spend_a_night(
    folder: Path, forks: Forks, seed: int, seconds: float = 0, runs: int = 0, pause: str = "0"
) -> None:
    """See `Night.live`. The cluster begins with some groups of the file's, and with foreign ones."""
    witness = Witness()
    place = f"sqlite:///{folder}/planner.db"
    file = folder / "groups.yaml"
    with (
        witness.watching(),
        SimulatedCluster(3, seed=seed, groups=[*POOL[:2], FOREIGN[0]]) as cluster,
    ):
        here, there = (
            machine(folder / name, cluster, place, PLANNER_FILE=str(file), **SETTINGS)
            for name in ("here", "there")
        )
        oracle = Oracle(cluster, forks, here, witness, frozenset(FOREIGN))
        dice = random.Random(seed)
        Night(cluster, forks, witness, here, there, file, dice, pause, oracle).live(seconds, runs)


@pytest.mark.parametrize("pause", ["0", "200ms"])
def test_a_short_night(tmp_path: Path, forks: Forks, pause: str) -> None:
    spend_a_night(tmp_path, forks, seed=1, runs=5, pause=pause)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 5))
def test_a_minute(tmp_path: Path, forks: Forks, number: int) -> None:
    seed = random.randrange(1_000_000)
    try:
        spend_a_night(tmp_path, forks, seed, seconds=MINUTE, pause="200ms" if number % 2 else "0")
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
