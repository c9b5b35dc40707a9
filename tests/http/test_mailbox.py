"""Answers on their way from many threads to one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from planner.nodes.mailbox import Mailbox


def test_what_was_put_in_first_is_taken_first() -> None:
    box: Mailbox[int] = Mailbox()
    for number in range(3):
        box.put(number)
    assert [box.take(0.0) for _ in range(4)] == [0, 1, 2, None]


@pytest.mark.timeout(20)
def test_a_wait_ends_in_its_time_whatever_was_taken_before() -> None:
    """A queue of CPython 3.11 waits for ever here: it is woken for an item that was taken already."""
    box: Mailbox[int] = Mailbox()
    for number in range(2000):
        assert box.take(1e-6) is None
        box.put(number)
        assert box.take(1.0) == number
        assert box.take(1e-7) is None


def test_one_that_waits_is_woken_by_another_thread() -> None:
    box: Mailbox[str] = Mailbox()
    thread = threading.Timer(0.05, box.put, ("answer",))
    thread.start()
    assert box.take(60.0) == "answer"
    thread.join()


def test_one_that_waits_is_woken_by_a_signal_handler() -> None:
    box: Mailbox[str] = Mailbox()
    with handled(lambda: box.put("signal")):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert box.take(60.0) == "signal"


def test_more_than_the_pipe_holds_is_neither_lost_nor_waited_for() -> None:
    box: Mailbox[int] = Mailbox()
    for number in range(70_000):
        box.put(number)
    assert [box.take(1.0) for _ in range(70_000)] == list(range(70_000))
    assert box.take(0.001) is None


@contextmanager
def handled(act: object) -> Iterator[None]:
    old = signal.signal(signal.SIGALRM, lambda *_: act())  # type: ignore[operator]
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, old)
