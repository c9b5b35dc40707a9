"""SIGKILL while nothing is in flight: a run waits until a request that went unanswered can do no harm."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.machines import LONG, killed, machine, running, wait_until
from tests.store.server import Server
from tests.store.server import running as running_server

SETTLE = {"PLANNER_SETTLE": "2500ms"}
CREATE = ("kept", "old", "a")
DELETE = ("kept", "{id: old, state: absent}")
FAILS = "node03:POST:error-before=1"
RECOVER = ("recover", "--lock-timeout", "60s")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


def wait_for_phase(process: subprocess.Popen[str], name: str) -> None:
    """Wait until a run says that a phase begins."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "phase" and event["phase"] == name:
            return
    raise AssertionError(f"it never came to {name!r}")


def reads(cluster: SimulatedCluster, node: str, status: int) -> int:
    """How many reads a node has answered in this way."""
    return cluster.requests().total(node=node, method="GET", status=status)


def has_seen(cluster: SimulatedCluster, node: str, status: int, number: int) -> bool:
    """Whether the node has answered so many reads with this status."""
    return reads(cluster, node, status) >= number


@pytest.mark.parametrize(
    ("store", "file", "faults"),
    [
        pytest.param("sqlite", CREATE, "", id="create-sqlite"),
        pytest.param("sqlite", CREATE, FAILS, id="create-reversed-sqlite"),
        pytest.param("postgresql", DELETE, "", id="delete-postgresql"),
        pytest.param("sqlite", DELETE, "", id="delete-sqlite", marks=pytest.mark.slow),
        pytest.param("postgresql", CREATE, "", id="create-postgresql", marks=pytest.mark.slow),
        pytest.param("postgresql", CREATE, FAILS, id="create-reversed-postgresql", marks=pytest.mark.slow),
    ],
)
def test_killed_while_it_settles_and_again_while_the_recovery_settles(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cluster: SimulatedCluster,
    store: str,
    file: tuple[str, ...],
    faults: str,
) -> None:
    """The unanswered write lands in the last life, after the cell was seen to be as it was before."""
    if store == "postgresql":
        server: Server = request.getfixturevalue("server")
        place = server.place()
    else:
        place = f"sqlite:///{tmp_path}/planner.db"
    here = machine(tmp_path / "here", cluster, place, **SETTLE)
    there = machine(tmp_path / "there", cluster, place, **SETTLE)
    here.file(*file)
    before = cluster.groups()
    cluster.set_faults(faults)
    retries = ("--retries", "0") if faults else ()
    status, needed = (404, 2) if file is CREATE else (200, 1)  # an absence is confirmed

    cluster.hold(1, "after")
    with running(here, "apply", "--yes", "--format", "json", *retries) as process:
        (late,) = cluster.wait_held(LONG)
        seen = reads(cluster, late.node, status)
        wait_for_phase(process, "reverse" if faults else "settle")
        if faults:
            wait_until(partial(has_seen, cluster, late.node, status, seen + needed), process)
        killed(process)
    cluster.set_faults("")

    for life in ("killed", "last"):
        seen = reads(cluster, late.node, status)
        with running(there, *RECOVER) as process:
            wait_until(partial(has_seen, cluster, late.node, status, seen + needed), process)
            assert cluster.groups()[late.node] == before[late.node]
            if life == "killed":
                killed(process)
                continue
            cluster.release()
            assert cluster.groups()[late.node] != before[late.node]
            ended = there.end(process)
        assert ended.code == 0, ended.err
        assert "every node is as it was" in ended.out
    assert cluster.groups() == before
    assert here.run("status", "--check").code == 0
    watched = here.run("status", "--format", "json").json["watched"]
    assert (late.group, cluster.urls[late.node]) in {(cell["group"], cell["url"]) for cell in watched}
