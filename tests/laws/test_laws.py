"""Every sentence of docs/guarantees.md holds, and its scenario would fail without it."""

from __future__ import annotations

import pytest

from planner.errors import PlannerError
from planner.transaction.scheduler import StepFailed
from tests.laws import acting, crashing, guarding, locking, parting, reversing, watching, working
from tests.laws.book import BOOK, Breach, Law, sentences

SCENARIOS = (acting, reversing, crashing, locking, guarding, watching, parting, working)
BREACHES = [
    pytest.param(law, breach, id=f"{law.name}-{number}")
    for law in BOOK
    for number, breach in enumerate(law.breaches, 1)
]
FAILURES = (AssertionError, PlannerError, StepFailed, pytest.fail.Exception)
"""How a scenario fails: something is not as it should be, or the run ended otherwise (a TypeError, say, would
only show that the breach is badly written)."""


def test_every_sentence_has_a_scenario_and_every_scenario_a_sentence() -> None:
    assert {law.sentence for law in BOOK} == set(sentences())


@pytest.mark.parametrize("law", BOOK, ids=lambda law: law.name)
def test_the_law_holds(law: Law) -> None:
    law.scenario()


@pytest.mark.parametrize(("law", "breach"), BREACHES)
def test_without_the_law_its_scenario_fails(law: Law, breach: Breach) -> None:
    with breach(), pytest.raises(FAILURES):
        law.scenario()
