"""How long to wait between tries."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from planner.nodes.retry import Patience
from planner.verdict import Method
from tests.http.conftest import Start, ends
from tests.http.server import answer, group, reset


@dataclass
class Fixed:
    """A clock that stands still."""

    stands: str = "2024-05-01T12:00:00Z"

    def now(self) -> float:
        return 0.0

    def wall(self, ago: float = 0.0) -> str:
        return self.stands


class Jitter(random.Random):
    """Always the same."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


def patience(jitter: float = 0.0, backoff: float = 1.0, longest: float = 10.0) -> Patience:
    return Patience(frozenset({500}), backoff, longest, Fixed(), Jitter(jitter))


@pytest.mark.parametrize(("jitter", "pauses"), [(0.0, [0.5, 1, 2, 4, 5, 5]), (1.0, [1, 2, 4, 8, 10, 10])])
def test_the_backoff_doubles_from_the_first_retry_on(jitter: float, pauses: list[float]) -> None:
    assert [patience(jitter).pause(n) for n in range(1, 7)] == pauses


def test_the_backoff_of_a_very_long_call_is_still_a_number() -> None:
    assert patience(1.0).pause(100_000) == 10


RETRY_AFTER = {
    "3": 3.0,
    " 3 ": 3.0,
    "11": 10.0,
    "9" * 6000: 10.0,  # int() refuses so many digits
    "Wed, 01 May 2024 12:00:07 GMT": 7.0,
    "Wednesday, 01-May-24 12:00:07 GMT": 7.0,
    "Wed May  1 12:00:07 2024": 7.0,
    "Wed, 01 May 2024 12:00:07 -0000": 7.0,
    "Wed, 01 May 2030 12:00:07 GMT": 10.0,
}
UNREADABLE = [
    "soon",
    "-3",
    "3.5",
    "²",
    "1e3",
    "Wed, 99 May 2024 99:00:07 GMT",
    "Mon, 1 May 99999 00:00:00 GMT",
    ",",
]
PAST = ["0", "Wed, 01 May 2024 11:59:59 GMT"]


@pytest.mark.parametrize(("header", "pause"), RETRY_AFTER.items(), ids=lambda v: str(v)[:20])
def test_retry_after_in_both_its_forms(header: str, pause: float) -> None:
    assert patience().pause(1, header) == pause


@pytest.mark.parametrize("header", UNREADABLE + PAST)
def test_a_retry_after_that_says_nothing_is_ignored(header: str) -> None:
    assert patience().pause(1, header) == 0.5


@pytest.mark.parametrize("method", list(Method))
def test_a_nodes_retry_after_decides_the_pause(start: Start, method: Method) -> None:
    run = start(answer(503, b"", "Retry-After: 3600"), backoff=0.0001, backoff_max=50.0)
    run.between.append(run.nodes.revoke)  # nobody waits for it here
    run.call(method)
    assert run.pauses == [50.0]


def test_an_unreadable_retry_after_does_not_lose_the_call(start: Start) -> None:
    """urllib3 raises InvalidHeader in the middle of its retries."""
    run = start(answer(503, b"", "Retry-After: soon"), answer(201))
    assert ends(run.create()) == [503, 201]


def test_every_retry_pauses_and_is_told(start: Start) -> None:
    run = start(answer(500), reset, group("foo"), rng=Jitter(1.0))
    run.read()
    assert run.pauses == [0.001, 0.002]


def test_no_pause_after_the_last_try(start: Start) -> None:
    run = start(answer(500), answer(500), answer(500))
    run.create(tries=3)
    assert len(run.pauses) == 2
