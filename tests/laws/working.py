"""Laws 6.6 and 7.8: workers, which hold no lock and may outlive their coordinator for a moment."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from planner.app import recovering
from planner.clock import SystemClock
from planner.model import Node
from planner.nodes.caller import Manner
from planner.nodes.client import HttpNodes
from planner.nodes.lanes import Order
from planner.nodes.worker import NotHere, Worker
from planner.ports import PROOF_LIFE
from planner.simulator import SimulatedCluster
from planner.verdict import Answer, Call, Effect, Method, TryEnd, judge_write
from tests.laws.book import law, wrapped
from tests.laws.crashing import left_by_a_dead_run

POST = Method.CREATE
MANNER = Manner(5.0, 5.0, frozenset(), 0.01, 0.01, connections=1, nodes=1)


def _forgetful(patience: Any) -> Any:
    return lambda record, policy: patience(
        replace(record, intent=replace(record.intent, policy=replace(record.intent.policy, linger=0.0))),
        policy,
    )


@law("6.6", wrapped(recovering, "patience", _forgetful))
def what_a_worker_of_the_dead_run_began_after_its_death_is_undone() -> None:
    bench = left_by_a_dead_run(linger=PROOF_LIFE)
    last_moment = bench.world.time + PROOF_LIFE + bench.policy.settle - 1
    bench.world.at(last_moment, lambda: bench.world.nodes["node03"].add("a"))
    bench.recover()
    bench.world.pass_time(100.0)
    assert bench.as_before


def _endless(carry_out: Any) -> Any:
    return lambda self, order: carry_out(self, order._replace(until=float("inf")))


def _again(carry_out: Any) -> Any:
    def as_if_for_the_first_time(self: Any, order: Any) -> Any:
        self._had.clear()
        return carry_out(self, order)

    return as_if_for_the_first_time


@law("7.8", wrapped(Worker, "carry_out", _endless), wrapped(Worker, "carry_out", _again))
def an_order_expires_and_is_carried_out_once() -> None:
    clock, worker = SystemClock(), Worker()
    with SimulatedCluster(1) as cluster:
        node = Node("node01", cluster.urls["node01"])
        order = Order("one", worker.id, MANNER, node, (Call(1, POST, "a", "node01", 1),), clock.now() - 0.001)
        (late,) = worker.carry_out(order).answers
        assert [each.end for each in late.tries] == [TryEnd.STOPPED]
        fresh = order._replace(id="two", until=clock.now() + 5)
        worker.carry_out(fresh)
        cluster.change_groups("node01", remove=["a"])
        with pytest.raises(NotHere):
            worker.carry_out(fresh)
        assert "a" not in cluster.groups()["node01"]


class _Dying:
    """A lane, and its crew, whose worker dies with what it is given."""

    alone, writes, patience, slots, trouble = True, True, None, 1, ""

    def recruit(self, _manner: Manner, lanes: Any) -> list[Future[Any]]:
        ready: Future[Any] = Future()
        ready.set_result(self)
        return [] if lanes else [ready]

    def submit(self, *_batch: Any) -> Future[Any]:
        lost: Future[Any] = Future()
        lost.set_exception(RuntimeError("it is gone"))
        return lost

    def alive(self) -> bool:
        return True

    def received(self, _result: Any) -> Any:
        raise AssertionError("nothing came back")

    def nothing(self) -> None:
        """Whatever it is told."""

    revoke = renew = close = nothing


def _as_not_sent(lose: Any) -> Any:
    def taken_for_never_sent(self: Any, batch: Any) -> Any:
        done = lose(self, batch)
        return done._replace(answers=tuple(_unsent(answer) for answer in done.answers))

    return taken_for_never_sent


def _unsent(answer: Answer) -> Answer:
    return answer._replace(tries=tuple(each._replace(end=TryEnd.NOT_SENT) for each in answer.tries))


@law("7.8", wrapped(HttpNodes, "_lose", _as_not_sent))
def the_write_of_a_worker_that_dies_is_unknown() -> None:
    clock, node = SystemClock(), Node("node01", "http://127.0.0.1:9")
    dying: Any = _Dying()
    with HttpNodes(
        [node],
        connect_timeout=5.0,
        read_timeout=5.0,
        retry_statuses=(),
        backoff=0.01,
        backoff_max=0.01,
        parallelism=1,
        clock=clock,
        permit=lambda: True,
        crew=dying,
    ) as nodes:
        nodes.submit(Call(1, POST, "a", "node01", 1))
        answer = nodes.wait(clock.now() + 5)
        assert answer is not None
        assert judge_write(answer, node.dialect).effect is Effect.UNKNOWN
