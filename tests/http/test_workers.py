"""Worker processes: they carry out orders once, stop without their coordinator, and die with it."""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from planner.clock import SystemClock
from planner.model import Node, Presence
from planner.nodes import processes
from planner.nodes.caller import Manner
from planner.nodes.lanes import Done, Order, WorkerLane
from planner.nodes.processes import ProcessCrew, WorkerProcess
from planner.nodes.worker import NotHere, Worker, carry_out, hello
from planner.verdict import Answer, Call, Effect, Method, Try, TryEnd, judge_read, judge_write
from tests.http.conftest import STATUSES, Start, ends
from tests.http.server import PATIENCE, ScriptedServer, after, answer, group, hang, last

CLOCK = SystemClock()
MANNER = Manner(2.0, PATIENCE, frozenset(STATUSES), 0.001, 0.01, connections=4, nodes=1)
FOREVER = 1e12


def horizon() -> float:
    return CLOCK.now() + 5


def order_for(worker: Worker, url: str, *calls: Call, **changed: Any) -> Order:
    return Order("one", worker.id, MANNER, Node("node01", url), calls, FOREVER)._replace(**changed)


def a_read(number: int = 1, name: str = "foo", tries: int = 3) -> Call:
    return Call(number, Method.READ, name, "node01", tries)


def a_create(number: int = 1, name: str = "foo", tries: int = 3) -> Call:
    return Call(number, Method.CREATE, name, "node01", tries)


@contextmanager
def crew(*, alone: bool = True, number: int = 1) -> Iterator[ProcessCrew]:
    made = ProcessCrew(horizon, alone=alone, processes=number)
    try:
        yield made
    finally:
        made.close()


def pids(crew: ProcessCrew) -> list[int]:
    return [each._process.pid for each in crew._processes]


def wait_for_end(pid: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], PATIENCE)[0], "it lives"
    os.close(descriptor)


# An order.


def test_an_order_is_carried_out_once(serve: Any) -> None:
    server, worker = serve(answer(201), answer(201)), Worker()
    order = order_for(worker, server.url, a_create())
    assert [ends(each) for each in worker.carry_out(order).answers] == [[201]]
    with pytest.raises(NotHere, match="before"):
        worker.carry_out(order)
    assert len(server.received) == 1


def test_an_order_for_another_process_is_refused(serve: Any) -> None:
    server = serve(answer(201))
    with pytest.raises(NotHere, match="the order is for"):
        Worker().carry_out(order_for(Worker(), server.url, a_create()))
    assert not server.received


def test_after_its_expiry_nothing_is_sent(serve: Any) -> None:
    server, worker = serve(answer(201)), Worker()
    done = worker.carry_out(order_for(worker, server.url, a_create(), a_create(2), until=CLOCK.now() - 0.001))
    assert [ends(each) for each in done.answers] == [[TryEnd.STOPPED], [TryEnd.STOPPED]]
    assert all(judge_write(each, Node("", "").dialect).effect is Effect.NOT_APPLIED for each in done.answers)
    assert not server.connections


def test_the_expiry_is_looked_at_before_every_try_and_can_be_prolonged(serve: Any) -> None:
    server, worker = serve(), Worker()
    server.add(after(lambda: worker.renew(-FOREVER), answer(500)), answer(201))
    worker.renew(FOREVER)
    order = order_for(worker, server.url, a_create(), until=-FOREVER)
    assert ends(worker.carry_out(order).answers[0]) == [500, TryEnd.STOPPED]


def test_what_is_revoked_is_not_tried_again(serve: Any) -> None:
    server, worker = serve(), Worker()
    server.add(after(worker.revoke, answer(500)), answer(201), answer(201))
    assert ends(worker.carry_out(order_for(worker, server.url, a_create())).answers[0]) == [
        500,
        TryEnd.STOPPED,
    ]
    again = worker.carry_out(order_for(worker, server.url, a_create(), id="two"))
    assert ends(again.answers[0]) == [201]


def test_retries_are_told_with_the_end(serve: Any) -> None:
    server, worker = serve(answer(500), group("foo")), Worker()
    done = worker.carry_out(order_for(worker, server.url, a_read()))
    assert [(each.call, each.failed.status) for each in done.retried] == [(a_read(), 500)]


# A lane.


class Now:
    """An executor that does it at once."""

    def submit(self, work: Any, order: bytes) -> Any:
        self.order: Order = pickle.loads(order)
        return work(order)


def lane(executor: Any, work: Any, behind: float) -> WorkerLane:
    return WorkerLane(executor, work, "w", MANNER, lambda: 1000.0, 4, behind=behind)


@pytest.mark.parametrize("behind", [0.0, -500.0, 7.25])
def test_times_are_translated_between_clocks(behind: float) -> None:
    """The worker's clock shows `behind` seconds less than ours."""
    executor = Now()
    made = lane(executor, lambda _order: b"", behind)
    made.submit(Node("node01", "http://h"), (a_read(),))
    assert executor.order.until == 1000.0 - behind
    tried = Answer(a_read(), (Try(TryEnd.ANSWERED, 3.0, 200),))
    (received,) = made.received(pickle.dumps(Done((tried,)))).answers
    assert received.tries[0].at == 3.0 + behind


# Processes.


def test_processes_read_and_write(start: Start) -> None:
    with crew(number=2) as made:
        run = start(answer(201), group("foo"), answer(404), crew=made)
        assert judge_write(run.create(), run.dialect).effect is Effect.APPLIED
        assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
        assert judge_read(run.read(), run.dialect).presence is Presence.ABSENT
        assert run.permit.asked == 0, "nothing was sent from here"


def test_beside_threads_they_read_and_never_write(start: Start) -> None:
    with crew(alone=False) as made:
        run = start(last(answer(201)), crew=made)
        while len(run.nodes._lanes) == 1:
            run.nodes.wait(CLOCK.now() + 0.05)
        asked = run.permit.asked
        run.read()
        assert run.permit.asked == asked
        run.create()
        assert run.permit.asked > asked


def test_a_process_serves_the_next_client_too(start: Start) -> None:
    with crew() as made:
        start(last(group("foo")), crew=made).read()
        first = pids(made)
        start(last(group("foo")), crew=made).read()
        assert pids(made) == first


def test_what_was_written_by_a_process_that_dies_is_unknown(start: Start) -> None:
    with crew() as made:
        run = start(crew=made)

        def die() -> None:
            os.kill(pids(made)[0], signal.SIGKILL)

        run.server.add(after(die, hang))
        told = run.create()
        assert ends(told) == [TryEnd.UNANSWERED]
        verdict = judge_write(told, run.dialect)
        assert verdict.effect is Effect.UNKNOWN
        assert verdict.suspect_since is not None
        assert str(told.tries[0]) == "the worker that sent it is gone"


def test_what_a_process_that_dies_was_reading_is_read_again_by_another(start: Start) -> None:
    with crew() as made:
        run = start(crew=made)

        def die() -> None:
            os.kill(pids(made)[0], signal.SIGKILL)

        run.server.add(after(die, hang), group("foo"))
        assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
        assert len(pids(made)) == 2


def test_a_read_that_costs_every_process_its_life_is_given_up(start: Start) -> None:
    with crew() as made:
        run = start(crew=made)

        def die() -> None:
            os.kill(pids(made)[-1], signal.SIGKILL)

        run.server.add(*[after(die, hang)] * 3)
        told = run.read()
        assert judge_read(told, run.dialect).presence is None
        assert len(pids(made)) == 3, told


def test_a_revocation_reaches_what_a_process_tries_again(start: Start) -> None:
    with crew() as made:
        run = start(crew=made, backoff=60.0, backoff_max=60.0)
        run.server.add(last(answer(500)))
        run.submit(Method.CREATE)
        while not run.server.received:
            run.nodes.wait(CLOCK.now() + 0.02)
        run.nodes.revoke()
        assert ends(run.wait())[-1] is TryEnd.STOPPED


def test_a_process_that_cannot_start_is_no_endless_matter(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "BOOT", "raise SystemExit")
    monkeypatch.setattr("planner.nodes.client.TENDING", 0.01)
    with crew() as made:
        run = start(crew=made)
        run.submit(Method.CREATE)
        while not made.trouble:
            run.nodes.wait(CLOCK.now() + 0.02)
        monkeypatch.setattr("planner.nodes.client.LONELY", 0.0)
        told = run.wait()
        assert ends(told) == [TryEnd.NOT_SENT]
        assert str(told.tries[0]) == "there is no worker to send it: a worker process has ended"
        assert len(pids(made)) <= processes.MOST_LIVES


def test_where_no_process_can_be_started_threads_go_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with crew(alone=False) as made:
        run = start(group("foo"), crew=made)
        assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
        assert made.trouble.startswith("a worker process cannot be started: ")


def test_close_ends_what_is_in_flight(start: Start) -> None:
    with crew() as made:
        run = start(crew=made)
        run.server.add(hang)
        run.submit(Method.CREATE)
        while not run.server.received:
            run.nodes.wait(CLOCK.now() + 0.02)
        run.nodes.close()
        assert ends(run.wait()) == [TryEnd.UNANSWERED]


PARENT = """
import json, sys
from planner.nodes.processes import WorkerProcess
from planner.nodes.worker import hello
process = WorkerProcess(1)
process.submit(hello).result()
print(process._process.pid, flush=True)
sys.stdin.read()
"""


def test_a_process_dies_with_its_parent_and_holds_nothing_of_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    code = f"held = open({str(lock)!r})\n{PARENT}"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert lock not in [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    parent.kill()
    parent.communicate()
    wait_for_end(pid)


def test_a_stopped_process_sends_nothing_when_it_goes_on_without_its_parent(serve: Any) -> None:
    """Its orders have expired by then; here, the end of its input comes first."""
    server: ScriptedServer = serve(last(group("foo")))
    process = WorkerProcess(1)
    who = process.submit(hello).result(PATIENCE)
    os.kill(process._process.pid, signal.SIGSTOP)
    order = Order("x", who.worker, MANNER, Node("node01", server.url), (a_read(),), CLOCK.now() + 0.05)
    future = process.submit(carry_out, pickle.dumps(order))
    while CLOCK.now() < order.until:
        time.sleep(0.01)
    os.kill(process._process.pid, signal.SIGCONT)
    done: Done = pickle.loads(future.result(PATIENCE))
    assert ends(done.answers[0]) == [TryEnd.STOPPED]
    process.shutdown()


# How many.


@pytest.mark.parametrize(
    ("cpu", "memory", "number"),
    [
        ("max 100000", "max", 3),
        ("200000 100000", "max", 2),
        ("50000 100000", "max", 1),
        ("max 100000", str(256 * 2**20), 2),
        ("max 100000", str(64 * 2**20), 1),
        ("nonsense", "", 3),
        (None, None, 3),
    ],
)
def test_no_more_than_are_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: str | None, memory: str | None, number: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 5}, raising=False)
    monkeypatch.setattr(processes, "CONTAINER", tmp_path)
    if cpu is not None and memory is not None:
        (tmp_path / "cpu.max").write_text(cpu)
        (tmp_path / "memory.max").write_text(memory)
    assert processes.usable_processes() == number


def test_never_more_than_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    monkeypatch.setattr(processes, "CONTAINER", tmp_path)
    assert processes.usable_processes() == processes.MOST_PROCESSES
