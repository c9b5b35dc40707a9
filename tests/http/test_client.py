"""Every call is answered exactly once, whatever happens."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from planner.model import Presence
from planner.nodes import HttpNodes
from planner.nodes.exchange import Exchange
from planner.nodes.retry import NodeRetry
from planner.verdict import Effect, Method, TryEnd, judge_read, judge_write
from tests.http.conftest import Start, ends
from tests.http.server import PATIENCE, Action, Peer, after, answer, close, drip, group, hang, raw, reset


def test_wait_returns_none_at_its_time(start: Start) -> None:
    run = start()
    assert run.nodes.wait(run.clock.now() - 1) is None
    assert run.nodes.wait(run.clock.now()) is None


def test_wait_in_the_past_still_takes_an_answer(start: Start) -> None:
    run = start(answer(201))
    call = run.submit(Method.CREATE)
    end = run.clock.now() + PATIENCE
    while (told := run.nodes.wait(float("-inf"))) is None:
        assert run.clock.now() < end
    assert told.call == call


def test_wake_ends_a_wait(start: Start) -> None:
    run = start()
    run.nodes.wake()
    assert run.nodes.wait(float("inf")) is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_wake_in_a_signal_handler_ends_a_wait(start: Start) -> None:
    run = start()
    old = signal.signal(signal.SIGUSR1, lambda *_: run.nodes.wake())
    try:
        sender = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        sender.start()
        assert run.nodes.wait(run.clock.now() + PATIENCE) is None
        sender.join()
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_a_call_after_close_is_answered(start: Start) -> None:
    run = start(answer(201))
    run.nodes.close()
    run.nodes.close()
    assert ends(run.create()) == [TryEnd.STOPPED]
    assert run.server.connections == 0


def test_calls_that_queue_at_close_are_answered(start: Start) -> None:
    arrived = threading.Event()
    run = start(after(arrived.set, hang), parallelism=1)
    for n in range(4):
        run.submit(Method.CREATE, f"g{n}")
    assert arrived.wait(PATIENCE)
    run.nodes.close()
    told = Counter(tuple(ends(run.wait())) for _ in range(4))
    assert told == {(TryEnd.UNANSWERED,): 1, (TryEnd.STOPPED,): 3}


@pytest.mark.parametrize("method", list(Method))
def test_a_bug_before_anything_was_sent_is_answered(
    start: Start, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    run = start(answer(201))
    monkeypatch.setattr(Exchange, "run", bug)
    told = run.call(method)
    assert ends(told) == [TryEnd.NOT_SENT]
    assert str(told.tries[0]) == "ZeroDivisionError: a bug"


def test_a_bug_after_the_request_was_sent_is_unanswered(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    run = start(answer(201))
    monkeypatch.setattr("planner.nodes.exchange.Exchange._take", bug)
    told = run.create()
    assert ends(told) == [TryEnd.UNANSWERED]
    assert judge_write(told, run.dialect).effect is Effect.UNKNOWN


@pytest.mark.parametrize("method", list(Method))
def test_a_bug_in_the_retry_is_unanswered(
    start: Start, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    run = start(reset, answer(201))
    monkeypatch.setattr(NodeRetry, "increment", bug)
    assert ends(run.call(method)) == [TryEnd.UNANSWERED]


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, planner.nodes; sys.exit('requests' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert HttpNodes.__name__ == "HttpNodes"


ERRORS: list[Action] = [
    answer(500),
    answer(503, b"", "Retry-After: 1"),
    answer(429, b"x" * 5000),
    reset,
    close,
    raw(b"HTTP/1.1 20"),
    raw(b"nonsense\r\n\r\n"),
    drip(b"HTTP/1.1 500 No\r\nContent-Length: 500\r\n\r\n"),
    hang,
]
"""Before a write took effect or after it."""

REDIRECTS: list[Action] = [
    answer(307, b"", "Location: /v1/group/foo"),
    answer(308, b"", "Location: http://other.invalid/v1/group/"),
    answer(302, b"", "Location: /"),
]
"""Instead of taking effect."""

NONSENSE: list[Action] = [
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    answer(200, b"nonsense"),
    drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
]
"""To reads."""


class Node:
    """Groups, kept by a server that is often faulty, before and after it took effect."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.groups: set[str] = set()
        self.lock = threading.Lock()

    def __call__(self, peer: Peer) -> bool:
        with self.lock:
            action = self.choose(peer)
        return action(peer)

    def choose(self, peer: Peer) -> Action:
        if self.rng.random() > 0.3:
            return self.take(peer)
        if self.rng.random() < 0.5:
            self.take(peer)
            return self.rng.choice(ERRORS)
        return self.rng.choice(ERRORS + REDIRECTS + (NONSENSE if peer.request.method == "GET" else []))

    def take(self, peer: Peer) -> Action:
        request = peer.request
        name = request.body.decode()[12:-2] if request.body else request.target.rstrip("/").rpartition("/")[2]
        present = name in self.groups
        if request.method == "GET":
            return group(name) if present else answer(404)
        if request.method == "POST":
            self.groups.add(name)
            return answer(400 if present else 201)
        self.groups.discard(name)
        return answer(200 if present else 404)


@pytest.mark.parametrize("seed", range(3))
def test_a_storm(start: Start, seed: int) -> None:
    """500 calls to a faulty node: each is answered once, and no verdict claims what is not so."""
    node = Node(seed)
    run = start(*[node] * 10_000, read_timeout=0.15, parallelism=16)
    rng = random.Random(seed)
    methods = [Method.READ, Method.CREATE, Method.DELETE]
    # One call per group, so that the node's state at the end is what the verdict is about.
    node.groups.update(f"g{n}" for n in range(0, 500, 2))
    was = set(node.groups)
    calls = {run.submit(rng.choice(methods), f"g{n}") for n in range(500)}
    told = [run.wait() for _ in calls]
    assert {answer.call for answer in told} == calls
    assert run.nodes.wait(run.clock.now()) is None
    for got in told:
        name = got.call.group
        if got.call.method is Method.READ:
            seen = judge_read(got, run.dialect).presence
            assert seen in (None, Presence.PRESENT if name in was else Presence.ABSENT)
            continue
        verdict = judge_write(got, run.dialect)
        wanted = got.call.method is Method.CREATE
        is_so = (name in node.groups) is wanted
        if verdict.effect is Effect.APPLIED and verdict.suspect_since is None:
            assert is_so
        if not is_so:  # not as wanted: then nothing may say that it is
            assert verdict.effect in (Effect.UNKNOWN, Effect.REFUSED)
        if verdict.effect is Effect.CONFLICT and verdict.first:
            assert (name in was) is wanted  # somebody else's doing
