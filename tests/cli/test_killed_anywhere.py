"""Death at every request, at every statement of the store and in the middle of its writing to a file.

Of an apply, of one that fails and reverses, of a recovery, and of a recovery after a dead recovery. Each walk
goes on until the command comes to its end alive. The slow tests walk along all numbers, the others along an
evenly spread part of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.deaths import BEFORE, Story, parts
from tests.cli.forks import Forks
from tests.cli.machines import ONE_BY_ONE, PATIENT
from tests.store.server import Server
from tests.store.server import running as running_server

SETTINGS = PATIENT | ONE_BY_ONE | {"PLANNER_RETRIES": "0", "PLANNER_SETTLE": "100ms"}
"""What is in flight at a death lands, if ever, before the recovery begins: there is not much to wait for."""
STEP = 1999
"""Bytes; a page of the store's log has 4,120."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def settings() -> dict[str, str]:
    return SETTINGS


@pytest.fixture
def story(
    request: pytest.FixtureRequest, tmp_path: Path, forks: Forks, store: str, settings: dict[str, str]
) -> Iterator[Story]:
    """`store` is the parameter of the test."""
    numbers = count(1)

    def new() -> str:
        if store == "sqlite":
            return f"sqlite:///{tmp_path}/store-{next(numbers)}.db"
        server: Server = request.getfixturevalue("server")
        return server.place()

    with SimulatedCluster(3, seed=7, groups=BEFORE) as cluster:
        yield Story(cluster, forks, tmp_path, new, settings)


def walk_along_requests(story: Story, command: str, numbers: Sequence[int]) -> None:
    """A write on the wire takes effect before its sender is dead, and in another life after it."""
    for number in numbers:
        held = story.killed_at_request(command, number, "before")
        if held is None:
            break
        story.see_it_recovered()
        if held.method != "GET" and story.killed_at_request(command, number, "after"):
            story.see_it_recovered()
    assert number > numbers[0], "not one death"


@pytest.mark.parametrize(("command", "store", "numbers"), parts(8))
def test_killed_at_any_request(story: Story, command: str, numbers: Sequence[int]) -> None:
    """Reads included: of the plan, of the staleness check, before a delete, and of all that is read back."""
    walk_along_requests(story, command, numbers)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SETTINGS | {"PLANNER_PARALLELISM": "16"}], ids=["many"])
@pytest.mark.parametrize(("command", "store", "numbers"), parts(3))
def test_killed_at_any_request_of_many_in_flight(story: Story, command: str, numbers: Sequence[int]) -> None:
    walk_along_requests(story, command, numbers)


@pytest.mark.parametrize(("command", "store", "numbers"), parts(12))
def test_killed_at_any_statement_of_the_store(story: Story, command: str, numbers: Sequence[int]) -> None:
    """Before each statement of each durable commit, BEGIN and COMMIT included, and right after the COMMIT."""
    for number in numbers:
        point = story.killed_at_point(command, number)
        if not point:
            break
        story.see_it_recovered()
    assert number > numbers[0], "not one death"


@pytest.mark.parametrize(("command", "store", "numbers"), parts(12, ["sqlite"]))
def test_killed_in_the_middle_of_a_write_to_the_stores_file(
    story: Story, command: str, numbers: Sequence[int]
) -> None:
    """A commit is many bytes; the file holds the first ones, and nobody writes the others."""
    for number in numbers:
        died = story.killed_at_byte(command, number * STEP)
        if not died:
            break
        story.see_it_recovered()
    assert number > numbers[0], "not one death"
