"""Nothing is sent without the run's permit, and a revocation ends what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from planner.nodes import adapter
from planner.verdict import Effect, Method, TryEnd, judge_write
from tests.http.conftest import Run, Start, ends
from tests.http.server import PATIENCE, Action, after, answer, group, hang, last, raw, reset

STOPPED = TryEnd.STOPPED


def test_without_a_permit_nothing_is_sent(start: Start) -> None:
    run = start(answer(201))
    run.permit.withdraw()
    told = run.create()
    assert ends(told) == [STOPPED]
    assert judge_write(told, run.dialect).effect is Effect.NOT_APPLIED
    assert run.server.connections == 0


@pytest.mark.parametrize("method", list(Method))
def test_a_permit_withdrawn_between_tries_ends_the_call(start: Start, method: Method) -> None:
    run = start()
    run.server.add(after(run.permit.withdraw, answer(500)), answer(201))
    told = run.call(method)
    assert ends(told) == [500, STOPPED]
    assert len(run.server.received) == 1


def test_a_permit_withdrawn_during_the_pause_ends_the_call(start: Start) -> None:
    run = start(last(answer(500)), answer(201))
    run.between.append(run.permit.withdraw)
    assert ends(run.create()) == [500, STOPPED]
    assert len(run.server.received) == 1
    assert run.server.connections == 1


def test_a_permit_withdrawn_before_the_next_try_of_a_broken_body(start: Start) -> None:
    run = start()
    half = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    run.server.add(after(run.permit.withdraw, half), group("foo"))
    assert ends(run.read()) == [TryEnd.UNANSWERED, STOPPED]
    assert len(run.server.received) == 1


def test_a_permit_that_is_lost_while_connecting(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolving a name can take half a minute: nothing is written into a connection that came too late."""
    run = start(answer(201))
    connect = adapter.NodeHTTPConnection.connect

    def slow(self: adapter.NodeHTTPConnection) -> None:
        connect(self)
        run.permit.withdraw()

    monkeypatch.setattr(adapter.NodeHTTPConnection, "connect", slow)
    assert ends(run.create()) == [STOPPED]
    assert run.server.closed_by_client.acquire(timeout=PATIENCE)
    assert run.server.received == []


def test_a_permit_that_fails_is_none(start: Start) -> None:
    def broken() -> bool:
        raise RuntimeError("no proof")

    run = start(answer(201), permit=broken)
    assert ends(run.create()) == [STOPPED]


def test_the_permit_is_asked_before_every_try(start: Start) -> None:
    run = start()
    asked: list[int] = []
    note: Callable[[], None] = lambda: asked.append(run.permit.asked)  # noqa: E731
    run.server.add(after(note, answer(500)), after(note, reset), after(note, group("foo")))
    assert ends(run.read()) == [500, TryEnd.UNANSWERED, 200]
    assert 0 < asked[0] < asked[1] < asked[2]


def long_pauses(start: Start, *script: Action, **settings: Any) -> tuple[Run, threading.Event]:
    run = start(*script, backoff=600.0, backoff_max=600.0, **settings)
    pausing = threading.Event()
    run.between.append(pausing.set)
    return run, pausing


@pytest.mark.parametrize("method", list(Method))
def test_revoke_ends_a_pause_at_once(start: Start, method: Method) -> None:
    run, pausing = long_pauses(start, answer(500))
    run.submit(method)
    assert pausing.wait(PATIENCE)
    run.nodes.revoke()
    assert ends(run.wait()) == [500, STOPPED]


def test_calls_after_a_revoke_are_allowed_again(start: Start) -> None:
    run, pausing = long_pauses(start, answer(500), answer(201))
    run.submit(Method.CREATE, "old")
    assert pausing.wait(PATIENCE)
    run.nodes.revoke()
    assert ends(run.wait()) == [500, STOPPED]
    assert ends(run.create("new")) == [201]


def test_revoke_reaches_calls_that_still_queue(start: Start) -> None:
    run, pausing = long_pauses(start, answer(500), parallelism=1)
    calls = [run.submit(Method.CREATE, f"g{n}") for n in range(5)]
    assert pausing.wait(PATIENCE)
    run.nodes.revoke()
    told = [run.wait() for _ in calls]
    assert sorted(map(ends, told), key=len) == [[STOPPED]] * 4 + [[500, STOPPED]]
    assert len(run.server.received) == 1


def test_revoke_leaves_what_is_in_flight_to_be_answered(start: Start) -> None:
    arrived, go = threading.Event(), threading.Event()

    def slow() -> None:
        arrived.set()
        go.wait(PATIENCE)

    run = start(after(slow, answer(201)))
    run.submit(Method.CREATE)
    assert arrived.wait(PATIENCE)
    run.nodes.revoke()
    go.set()
    assert ends(run.wait()) == [201]


def test_close_cuts_off_what_is_in_flight(start: Start) -> None:
    arrived = threading.Event()
    run = start(after(arrived.set, hang), read_timeout=600.0)
    run.submit(Method.CREATE)
    assert arrived.wait(PATIENCE)
    run.nodes.close()
    assert ends(run.wait()) == [TryEnd.UNANSWERED]


def test_a_reporter_that_fails_is_not_the_calls_trouble(start: Start) -> None:
    def broken(*_told: object) -> None:
        raise RuntimeError("no screen")

    assert ends(start(answer(500), answer(201), on_retry=broken).create()) == [500, 201]
