"""How many requests a node gets at once, and in which batches. Pure: times are given."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest

from planner.nodes import traffic
from planner.nodes.traffic import LARGEST_BATCH, Traffic
from planner.verdict import Answer, Call, Method, Try, TryEnd

FINE = Try(TryEnd.ANSWERED, 0.0, 200)
NUMBERS = count(1)


def call(node: str = "a", method: Method = Method.READ) -> Call:
    return Call(next(NUMBERS), method, "g", node, 1)


class Desk:
    """A traffic, and a time at which its batches end."""

    def __init__(self, slots: int = 16) -> None:
        self.traffic = Traffic(slots)
        self.time = 0.0

    def give(self, *nodes: str, calls: int = 1000) -> None:
        for _ in range(calls):
            for node in nodes:
                self.traffic.add(call(node))

    def take(self) -> list[tuple[Call, ...]]:
        """All batches that may go now."""
        return list(iter(self.traffic.next, ()))

    def end(self, batches: Iterable[tuple[Call, ...]], seconds: float, last: Try = FINE) -> None:
        """Let batches that have begun now be over after so many seconds per call."""
        began = self.time
        for batch in batches:
            self.time = began + seconds * len(batch)
            self.traffic.ended(batch, [Answer(each, (last,)) for each in batch], began, self.time)

    def rounds(self, number: int, seconds: float, last: Try = FINE) -> int:
        """Rounds in which every batch ends; how many batches the last one had."""
        batches: list[tuple[Call, ...]] = []
        for _ in range(number):
            batches = self.take()
            self.end(batches, seconds, last)
        return len(batches)


def test_the_window_grows_while_a_node_answers_fast() -> None:
    desk = Desk()
    desk.give("a")
    assert len(desk.take()) == traffic.FIRST_WINDOW
    desk = Desk()
    desk.give("a")
    assert desk.rounds(10, 0.02) == 16


@pytest.mark.parametrize(
    "trouble",
    [
        Try(TryEnd.ANSWERED, 0.0, 429),
        Try(TryEnd.ANSWERED, 0.0, 503),
        Try(TryEnd.UNANSWERED, 0.0),
        Try(TryEnd.NOT_SENT, 0.0),
    ],
    ids=str,
)
def test_trouble_halves_it_once_per_round_and_never_to_nothing(trouble: Try) -> None:
    desk = Desk()
    desk.give("a")
    assert desk.rounds(10, 0.02) == 16
    desk.rounds(1, 0.02, trouble)  # all sixteen at once
    assert desk.rounds(1, 0.02, trouble) == 8
    desk.rounds(10, 0.02, trouble)
    assert desk.rounds(1, 0.02, trouble) == 1


def test_what_is_no_trouble_does_not() -> None:
    desk = Desk()
    desk.give("a")
    desk.rounds(10, 0.02)
    assert desk.rounds(3, 0.02, Try(TryEnd.ANSWERED, 0.0, 500)) == 16


def test_it_shrinks_where_more_at_once_only_takes_longer() -> None:
    """Like a node, or a client, that does one thing at a time."""
    desk = Desk()
    desk.give("a", calls=40_000)
    many = traffic.FIRST_WINDOW
    for _ in range(200):
        batches = desk.take()
        many = len(batches)
        desk.end(batches, 0.001 * many)
    assert many <= 5


def test_a_node_that_became_slower_for_good_is_not_starved() -> None:
    desk = Desk()
    desk.give("a", calls=40_000)
    desk.rounds(10, 0.01)
    assert desk.rounds(200, 0.03) == 16


def test_batches_grow_with_speed_and_are_short_in_time() -> None:
    desk = Desk()
    desk.give("a", calls=5000)
    assert {len(batch) for batch in desk.take()} == {1}
    for seconds, size in ((0.001, LARGEST_BATCH), (0.02, 5), (0.5, 1)):
        desk = Desk()
        desk.give("a", calls=5000)
        desk.rounds(3, seconds)
        assert {len(batch) for batch in desk.take()} == {size}


def test_what_is_left_is_shared_among_the_slots() -> None:
    desk = Desk()
    desk.give("a", calls=400)
    desk.rounds(4, 0.001)
    desk.traffic.withdraw()
    desk.give("a", calls=16)
    assert [len(batch) for batch in desk.take()][:2] == [1, 1]


def test_a_slow_node_does_not_take_the_slots_of_the_others() -> None:
    desk = Desk(slots=16)
    desk.give("fast", "slow", calls=9000)
    for _ in range(20):  # what goes to the slow one never ends
        desk.end([batch for batch in desk.take() if batch[0].node == "fast"], 0.001)
    under_way = 0
    while batch := desk.traffic.next():
        under_way += batch[0].node == "fast"
    assert under_way == 8


def test_alone_it_has_all_of_them() -> None:
    desk = Desk(slots=6)
    desk.give("a")
    assert desk.rounds(10, 0.02) == 6


def test_nodes_take_turns_and_calls_keep_their_order() -> None:
    desk = Desk(slots=4)
    calls = [call(node) for _ in range(2) for node in "abc"]
    for each in calls:
        desk.traffic.add(each)
    assert [each for batch in desk.take() for each in batch] == calls


def test_room_is_for_what_is_under_way_and_the_next_of_each() -> None:
    desk = Desk()
    assert desk.traffic.room("a") == 2 * traffic.FIRST_WINDOW
    desk.give("a", calls=2 * traffic.FIRST_WINDOW)
    assert desk.traffic.room("a") == 0
    batches = desk.take()
    assert desk.traffic.room("a") == 0
    desk.end(batches, 10.0)  # slow: no larger batches
    assert desk.traffic.room("a") > 0


def test_a_node_that_does_not_answer_has_little_room() -> None:
    desk = Desk()
    desk.give("a", calls=100)
    desk.rounds(6, 0.001, Try(TryEnd.UNANSWERED, 0.0))
    desk.traffic.withdraw()
    assert desk.traffic.room("a") <= 2 * LARGEST_BATCH
    desk.give("a", calls=5)
    desk.rounds(3, 10.0, Try(TryEnd.UNANSWERED, 0.0))
    desk.traffic.withdraw()
    assert desk.traffic.room("a") == 2


def test_what_is_not_wanted_is_left_and_nothing_overtakes_it() -> None:
    desk = Desk()
    read, write, later = call(), call(method=Method.CREATE), call()
    for each in (read, write, later):
        desk.traffic.add(each)

    def reads(each: Call) -> bool:
        return not each.method.is_write

    assert desk.traffic.next(reads) == (read,)
    assert desk.traffic.next(reads) == ()
    assert desk.traffic.next() == (write,)


def test_what_is_withdrawn_is_all_that_was_queued() -> None:
    desk = Desk()
    desk.give("a", "b", calls=20)
    gone = {each.id for batch in desk.take() for each in batch}
    back = {each.id for each in desk.traffic.withdraw()}
    assert len(gone) + len(back) == 40
    assert not gone & back
    assert not desk.traffic.queued
