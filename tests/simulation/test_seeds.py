"""Random lives of a cluster, thousands of them: either all as planned, or all as before, or named.

A failing seed prints its timeline. More of them: ``make simulate N=50000``.
"""

from __future__ import annotations

import re

import pytest

from tests.simulation.life import live, live_outside
from tests.simulation.mutations import MUTATIONS, Mutation, undo_not_settled
from tests.simulation.scenarios import scenario_of, scenario_outside
from tests.simulation.story import Violation

CHUNK = 500


@pytest.mark.parametrize("start", range(0, 4000, CHUNK))
def test_every_life_within_the_assumptions_keeps_the_invariant(start: int) -> None:
    for seed in range(start, start + CHUNK):
        try:
            live(scenario_of(seed))
        except Violation:
            live(scenario_of(seed), keep_timeline=True)  # the same again, to be read
            raise


@pytest.mark.parametrize("start", range(0, 2000, CHUNK))
def test_outside_the_assumptions_the_next_apply_makes_it_good(start: int) -> None:
    for seed in range(start, start + CHUNK):
        try:
            live_outside(scenario_outside(seed))
        except Violation:
            live_outside(scenario_outside(seed), keep_timeline=True)
            raise


def test_a_life_is_the_same_when_it_is_lived_again() -> None:
    first, second = (live(scenario_of(11), keep_timeline=True).world.timeline for _ in range(2))
    assert first
    assert first == second


def test_a_life_that_breaks_the_invariant_is_told_for_people() -> None:
    """What was asked for and there, the plan, every request with its answer, every mark, and the end."""
    with undo_not_settled(), pytest.raises(Violation) as caught:
        _live_many(keep_timeline=True)
    (story,) = caught.value.__notes__
    for part in (
        "seed ",
        "before:\n  node01: ",
        "plan:\n  1: ",
        "timeline",
        "after:\n",
        "journal: ",
        "  1: ",
    ):
        assert part in story
    for line in (
        r"(create|delete) g\d on node\d\d -> (\d\d\d|no)",
        r"store: 1=started",
        r"event undone step",
    ):
        assert re.search(line, story), line


ENOUGH = 4000


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mistake_in_the_engine_is_caught(mutation: Mutation) -> None:
    with mutation(), pytest.raises((Violation, AssertionError, RuntimeError)):
        _live_many()


def _live_many(*, keep_timeline: bool = False) -> None:
    for seed in range(ENOUGH):
        live(scenario_of(seed), keep_timeline=keep_timeline)
