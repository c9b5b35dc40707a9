"""Laws 1, 5 and 6: intent first, a reverse that fails, and death at any instruction."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from planner.access import Credential, Scheme
from planner.app import applying, asides, check_finished, recovering, status
from planner.cli.commands import recover as recover_command
from planner.cli.main import invoke
from planner.clock import SystemClock
from planner.errors import Incomplete, PlannerError, Reversed
from planner.model import Action, Cell, Node, Policy, Step, StepState, TransactionState
from planner.nodes.caller import Caller
from planner.nodes.client import HttpNodes
from planner.ports import CellMark, Intent, Record, Wave
from planner.results import Status
from planner.simulator import SimulatedCluster
from planner.store import open_store, writing
from planner.transaction import machine
from planner.verdict import Call, Method, TryEnd
from tests.builders import ABSENT, CLUSTER, NAMES, Bench, desired, group, url
from tests.laws.book import law, nothing, replaced, when, wrapped
from tests.simulation import mutations
from tests.simulation.world import Crash
from tests.store.bench import intent

POST, DEL = Method.CREATE, Method.DELETE

# 1. Intent first.


@law("1.1", mutations.intent_after_request)
def every_write_finds_its_mark_in_the_store_also_backward() -> None:
    bench = Bench("a", "b", group("old", state=ABSENT), holds={"old": NAMES})
    ready = {StepState.STARTED, StepState.UNKNOWN, StepState.DONE, StepState.UNDOING}

    def marked(name: str, id: str) -> str:
        assert bench.marks()[f"{id} on {name}"] in ready
        return ""

    for id in ("a", "b", "old"):
        for name in NAMES:
            for method in (POST, DEL):
                bench.always(method, id, name, partial(marked, name, id))
    bench.on(DEL, "old", "node01", 403)
    with pytest.raises(Reversed):
        bench.apply()


def _poorer(text: Any) -> Any:
    return lambda nodes: text(tuple(Node(node.name, node.url) for node in nodes))


@law(
    "1.2",
    wrapped(writing, "nodes_text", _poorer),
    wrapped(writing, "policy_text", lambda text: lambda policy: text(Policy())),
)
def the_store_holds_all_that_a_recovery_needs() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/planner.db"
        with open_store(url) as store, store.lock(CLUSTER, "apply", 0) as lease:
            number = lease.begin(intent())
        with open_store(url) as store:
            record = store.record(CLUSTER, number)
    assert record is not None
    assert record.intent == intent()
    assert [step.before for step in record.intent.steps] == ["absent", "absent", "present"]


@law("1.3", replaced(machine, "WAVES_PER_FLIGHT", 1))
def marks_of_many_steps_are_one_commit() -> None:
    bench = Bench(*(group(f"g{n}", "node01") for n in range(100)), parallelism=1)
    commits: list[str] = []
    bench.store.on_commit = lambda moment: commits.append(moment) if "after" in moment else None
    bench.apply()
    assert len(commits) <= 100 / 8 + 3  # the intent, the waves, the end


# 5. The reverse can fail, and that has a name.


def left_incomplete(*names: str) -> Bench:
    """An apply that fails on node03 while these nodes die, so that they keep what was created."""
    bench = Bench("a")
    leave_incomplete(bench, *names)
    return bench


def leave_incomplete(bench: Bench, *names: str) -> None:
    """The same, with a bench whose file declares `a`."""
    bench.policy = replace(bench.policy, parallelism=1, reverse_timeout=5.0)
    bench.on(POST, "a", "node03", when(lambda: bench.kill(*names), 403))
    with pytest.raises(Incomplete) as caught:
        bench.apply()
    assert caught.value.exit_code == 4
    assert [line.split(" should be ")[0] for line in caught.value.details] == [
        f"a on {name}" for name in names
    ]


@law("5.1", mutations.failed_undo_is_forgotten)
def a_reverse_that_fails_names_its_cells_and_keeps_the_journal() -> None:
    bench = left_incomplete("node01")
    assert bench.state() is TransactionState.REVERSE_INCOMPLETE
    assert bench.store.knowledge(CLUSTER).unfinished == 1
    assert bench.marks()["a on node01"] is StepState.UNDO_FAILED


@law("5.2", replaced(applying, "check_finished", nothing))
def an_unfinished_transaction_blocks_every_apply() -> None:
    bench = left_incomplete("node01")
    bench.world.dead = {}
    plan = bench.plan()
    with pytest.raises(Incomplete):
        bench.apply(plan)
    assert bench.world.submitted == []  # it was not even looked at


def _forgetful(resume: Any) -> Any:
    def failures_are_forgotten(*args: Any) -> Any:
        runs = resume(*args)
        for run in runs:
            if run.state in (StepState.UNDO_FAILED, StepState.UNDOING):
                run.state = StepState.UNDONE
        return runs

    return failures_are_forgotten


@law("5.3", wrapped(recovering, "resume", _forgetful))
def a_recovery_goes_on_where_the_last_one_stopped() -> None:
    bench = left_incomplete("node01", "node02")
    for still_away in (("node01", "node02"), ("node01",)):
        bench.kill(*still_away)
        with pytest.raises(Incomplete) as caught:
            bench.recover()
        assert caught.value.where == ", ".join(still_away)
    bench.world.dead = {}
    assert bench.recover() is not None
    assert bench.as_before
    bench.forget_requests()
    assert bench.recover() is None
    assert bench.world.submitted == []


@law("5.4", replaced(machine.Transaction, "_end_of_reverse", lambda self: TransactionState.REVERSED))
def cells_that_are_set_aside_close_the_transaction_with_exceptions() -> None:
    bench = left_incomplete("node01", "node02")
    with pytest.raises(Incomplete):
        bench.recover(skip=["node01"])
    bench.world.dead = {}
    recovered = bench.recover()
    assert recovered is not None
    assert recovered.set_aside == (Cell("a", "node01"),)
    assert bench.state() is TransactionState.CLOSED_WITH_EXCEPTIONS
    check_finished(bench.store, CLUSTER)
    bench.apply()
    assert bench.holders("a") == set(NAMES)


def _status(bench: Bench) -> Status:
    return status(bench.store, CLUSTER, bench.policy, bench.world)


def _gullible(*_args: object) -> set[tuple[str, str]]:
    return {("a", url("node01"))}


@law("5.5", replaced(asides, "_verified", _gullible), replaced(applying, "tidy", nothing))
def a_cell_that_was_set_aside_is_named_until_it_was_verified() -> None:
    bench = Bench("b")
    plan_of_b = bench.plan()
    bench.file = desired("a")
    leave_incomplete(bench, "node01")
    assert bench.recover(skip=["node01"]) is not None
    bench.world.dead = {}
    # An apply that has nothing to do with the cell, and after whose end node01 cannot be read.
    bench.file = desired("a", "b")
    bench.store.on_commit = lambda moment: bench.kill("node01") if moment == "after close" else None
    bench.apply(plan_of_b)
    assert [each.cell for each in _status(bench).set_aside] == [Cell("a", "node01")]
    bench.mend_store()
    bench.world.dead = {}
    bench.world.nodes["node02"].add("a")
    bench.world.nodes["node03"].add("a")
    bench.manage("a")
    assert bench.apply().number is None  # there is nothing to do, and that was seen
    assert _status(bench).set_aside == ()


# 6. Death at any instruction is survivable.


def die_at(call: int, bench: Bench, run: Any) -> bool:
    """Run until the n-th call of any port, and die there; say whether it came to that."""
    bench.world.crash_in = call
    bench.store.on_commit = bench.world.port_call
    try:
        run()
    except Crash:
        return True
    except PlannerError:
        pass
    finally:
        bench.world.crash_in = None
        bench.mend_store()
        bench.world.lease = None
    return False


def doomed() -> Bench:
    """An apply that waits, settles, deletes, fails at its last step and reverses."""
    bench = Bench("a", group("old", state=ABSENT), holds={"old": NAMES}, parallelism=2)
    bench.on(POST, "a", "node01", "hang_after")
    bench.always(DEL, "old", "node01", 403)
    return bench


@law("6.1", mutations.recover_only_done, mutations.recover_at_once, mutations.intent_after_request)
def killed_at_any_call_of_any_port_a_recovery_brings_every_cell_back() -> None:
    call = 0
    died = True
    while died:
        call += 1
        bench = doomed()
        died = die_at(call, bench, bench.apply)
        _finish(bench)
    assert call > 50, "the walk ended too early to show anything"


@law("6.1", wrapped(recovering, "resume", _forgetful))
def killed_at_any_call_of_a_recovery_another_one_finishes() -> None:
    call = 0
    died = True
    while died:
        call += 1
        bench = doomed()
        bench.on(DEL, "old", "node01", partial(_die_soon, bench))
        assert die_at(10_000, bench, bench.apply)
        died = die_at(call, bench, bench.recover)
        _finish(bench)
    assert call > 20, "the walk ended too early to show anything"


def _die_soon(bench: Bench) -> None:
    bench.world.crash_in = 1


def _finish(bench: Bench) -> None:
    """Recover, let everything late land, and see that all is as it was."""
    bench.heal()
    bench.recover()
    bench.world.pass_time(100.0)
    assert bench.as_before
    assert bench.store.knowledge(CLUSTER).unfinished is None


def _nodes_of_the_file(record: Record, _moves: object) -> Record:
    nodes = tuple(replace(node, url="http://127.0.0.1:9") for node in record.intent.nodes)
    return replace(record, intent=replace(record.intent, nodes=nodes))


@law("6.2", replaced(recover_command, "_moved", _nodes_of_the_file))
def a_recovery_goes_to_the_nodes_of_the_journal() -> None:
    """The file names other nodes by now, and nobody answers there. The real command, over real sockets."""
    with ExitStack() as stack:
        cluster = stack.enter_context(SimulatedCluster(2, groups=["a"]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        nodes = tuple(Node(name, url) for name, url in cluster.urls.items())
        url = f"sqlite:///{folder}/planner.db"
        _leave_dead_run(url, nodes)
        elsewhere = ", ".join(f'{{name: {node.name}, url: "http://127.0.0.1:9"}}' for node in nodes)
        text = f"version: 1\ncluster: {{name: {CLUSTER}, nodes: [{elsewhere}]}}\ngroups: []\n"
        (folder / "groups.yaml").write_text(text, "utf-8")
        patch.chdir(folder)
        settings = {"STORE": url, "SETTLE": "10ms", "REVERSE_TIMEOUT": "10ms", "BACKOFF": "1ms"}
        for name, value in settings.items():
            patch.setenv(f"PLANNER_{name}", value)
        code, _ = invoke(["recover", "--quiet"])
        assert code == 0
        assert set(cluster.groups().values()) == {()}


def _leave_dead_run(url: str, nodes: tuple[Node, ...]) -> None:
    """A journal as a killed run leaves it: `a` was being created on every node."""
    steps = tuple(Step(n, Action.CREATE, Cell("a", node.name)) for n, node in enumerate(nodes, 1))
    with open_store(url) as store, store.lock(CLUSTER, "apply", 0) as lease:
        number = lease.begin(Intent("apply", nodes, steps, Policy(settle=0.01)))
        marks = tuple(CellMark(step.number, StepState.STARTED) for step in steps)
        lease.commit(number, Wave(marks))


def left_by_a_dead_run(linger: float = 0.0) -> Bench:
    """An apply that died at its second write, whose first one is done."""
    bench = Bench("a", parallelism=1, linger=linger)
    bench.on(POST, "a", "node02", bench.interrupt_twice)
    with pytest.raises(Incomplete):
        bench.apply()
    bench.world.die()
    bench.heal()
    return bench


@law("6.3", mutations.recover_at_once)
def a_request_of_the_dead_run_that_lands_in_the_middle_of_its_recovery_is_undone() -> None:
    bench = left_by_a_dead_run()
    bench.world.at(bench.world.time + 15, lambda: bench.world.nodes["node03"].add("a"))
    bench.recover()
    bench.world.pass_time(100.0)
    assert bench.as_before


def _by_stored_time(resume: Any) -> Any:
    return lambda record, policy, now: resume(record, policy, now - 3600.0)


@law("6.4", wrapped(recovering, "resume", _by_stored_time))
def a_run_that_died_an_hour_ago_is_settled_as_one_of_this_second() -> None:
    bench = left_by_a_dead_run()
    bench.world.pass_time(3600.0)
    bench.world.at(bench.world.time + 15, lambda: bench.world.nodes["node03"].add("a"))
    bench.recover()
    bench.world.pass_time(100.0)
    assert bench.as_before


def _all_or_nothing(route: Any) -> Any:
    def with_the_credential_of_another_one(self: Any, node: Node) -> Any:
        missing = Credential(Scheme.BEARER, "env:UNSET_NODE_TOKEN")
        return route(self, replace(node, credential=missing))

    return with_the_credential_of_another_one


@law("6.5", wrapped(Caller, "_route", _all_or_nothing))
def a_credential_that_cannot_be_had_fails_its_own_node_only() -> None:
    missing = Credential(Scheme.BEARER, "env:UNSET_NODE_TOKEN")
    with SimulatedCluster(2, groups=["a"]) as cluster:
        nodes = [Node(name, url) for name, url in cluster.urls.items()]
        nodes[0] = replace(nodes[0], credential=missing)
        clock = SystemClock()
        with HttpNodes(
            nodes,
            connect_timeout=5.0,
            read_timeout=5.0,
            retry_statuses=(),
            backoff=0.01,
            backoff_max=0.01,
            parallelism=2,
            clock=clock,
            permit=lambda: True,
        ) as client:
            for number, node in enumerate(nodes):
                client.submit(Call(number, Method.READ, "a", node.name, 1))
            ends: dict[str, TryEnd] = {}
            while len(ends) < len(nodes):
                answer = client.wait(clock.now() + 60.0)
                assert answer is not None
                ends[answer.call.node] = answer.tries[-1].end
    assert ends == {"node01": TryEnd.NOT_SENT, "node02": TryEnd.ANSWERED}
