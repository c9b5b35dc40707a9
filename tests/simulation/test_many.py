"""The count at the end of many lives, and what is told of a life that fails."""

from __future__ import annotations

import gc

from tests.simulation.many import Tally, chunk
from tests.simulation.mutations import undo_without_reading


def test_a_chunk_counts_lives_runs_and_its_own_cpu_time() -> None:
    tally = chunk(("within", 0, 40))
    assert tally.lives == 40
    assert tally.runs >= tally.lives
    assert tally.failed == []
    assert tally.seconds > 0
    assert gc.isenabled()


def test_workers_are_added_up_and_the_rate_is_that_of_one_core() -> None:
    total = Tally()
    total.add(Tally(lives=250, runs=300, seconds=0.25))
    total.add(Tally(lives=250, runs=310, failed=[("within", 7, "story")], seconds=0.25))
    assert str(total) == (
        "500 lives, 610 transactions (applies and recoveries), 1 violations; "
        "per second of CPU time on one core: 1000 lives, 1220 transactions"
    )


def test_a_life_that_fails_is_lived_again_and_told() -> None:
    with undo_without_reading():
        kind, seed, story = chunk(("within", 0, 40)).failed[0]
    assert kind == "within"
    assert f"seed {seed}" in story
    assert "undone" in story
