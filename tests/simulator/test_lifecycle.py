"""Starting and ending: of one node, of a cluster in a thread, of a command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from planner.simulator import ListenError, MissingExtraError, NotRunningError, SimulatedCluster
from tests.simulator.wire import PATIENCE, Client, OpenRequest, eventually, send

ROOT = Path(__file__).parents[2]
COMMAND = """
import json, sys
from planner.simulator import SimulatedCluster, serve
serve(
    SimulatedCluster(nodes=2, faults=sys.argv[1]),
    lambda cluster: print(json.dumps([cluster.urls, cluster.control_url]), flush=True),
)
"""


def port_of(url: str) -> int:
    return int(urlsplit(url).port or 0)


def free_ports(count: int) -> int:
    """Return the first of so many free consecutive ports, below those that the system hands out."""
    for first in range(20000 + os.getpid() % 5000, 32000, count):
        taken = []
        for port in range(first, first + count):
            with socket.socket() as probe:
                taken.append(probe.connect_ex(("127.0.0.1", port)) == 0)
        if not any(taken):
            return first
    raise AssertionError("no free ports")


def test_a_dead_node_refuses_and_comes_back_on_its_port(cluster: SimulatedCluster) -> None:
    node02 = Client(cluster, "node02")
    url = cluster.urls["node02"]
    node02.create("new")
    assert Client(cluster).control("kill/node02", "POST").json["node02"] == "dead"
    with pytest.raises(ConnectionRefusedError):
        node02.get("old")
    assert Client(cluster).get("old").status == 200
    assert Client(cluster).control("revive/node02", "POST").json["node02"] == "listening"
    assert cluster.urls["node02"] == url
    assert node02.get("new").status == 200


def test_death_resets_what_is_in_flight(client: Client) -> None:
    client.cluster.set_faults("hang-before=1")
    with OpenRequest(client, "GET", "old") as request:
        eventually(lambda: client.cluster.requests().total() == 1)
        client.cluster.kill("node01")
        with pytest.raises(ConnectionResetError):
            request.receive()


def test_a_node_can_be_killed_through_itself(client: Client) -> None:
    assert client.control("kill/node01", "POST").json["node01"] == "dead"
    with pytest.raises(ConnectionRefusedError):
        client.control("nodes")
    assert send(f"{client.cluster.control_url}/revive/node01", "POST").status == 200
    assert client.control("nodes").status == 200


def test_death_is_stronger_than_faults(client: Client) -> None:
    client.cluster.kill("node01")
    client.cluster.kill("node01")
    client.cluster.set_faults("refuse=1")
    client.cluster.set_faults("")
    assert client.cluster.states()["node01"] == "dead"
    client.cluster.revive("node01")
    client.cluster.revive("node01")
    assert client.get("old").status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port cannot be kept")
def test_a_dead_node_keeps_its_port(cluster: SimulatedCluster) -> None:
    cluster.kill("node01")
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port_of(cluster.urls["node01"])))


def test_ports_are_consecutive_and_free_afterwards() -> None:
    first = free_ports(3)
    for _ in range(2):  # the second time shows that the first left nothing behind
        with SimulatedCluster(nodes=2, port=first, control_port=first + 2) as cluster:
            assert [port_of(url) for url in cluster.urls.values()] == [first, first + 1]
            assert port_of(cluster.control_url) == first + 2
            assert Client(cluster, "node02").create("a") == 201


def test_a_taken_port_is_named_and_nothing_listens() -> None:
    first = free_ports(2)
    with socket.create_server(("127.0.0.1", first + 1)):
        with pytest.raises(ListenError, match=f"127.0.0.1:{first + 1}"):
            SimulatedCluster(nodes=2, port=first).start()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", first)) != 0


def test_two_clusters_do_not_share_a_port(cluster: SimulatedCluster) -> None:
    with pytest.raises(ListenError):
        SimulatedCluster(nodes=1, port=port_of(cluster.urls["node01"])).start()


def test_a_cluster_that_does_not_run_says_so() -> None:
    cluster = SimulatedCluster(nodes=1)
    cluster.stop()
    with pytest.raises(NotRunningError):
        cluster.groups()
    with cluster:
        with pytest.raises(NotRunningError, match="runs already"):
            cluster.start()
        assert Client(cluster).get("a").status == 404
    with pytest.raises(NotRunningError):
        _ = cluster.urls


def test_the_end_waits_for_nobody() -> None:
    with SimulatedCluster(nodes=1, faults="slow=1@3600", groups=["a"]) as cluster:
        client = Client(cluster)
        slow = OpenRequest(client, "GET", "a")
        eventually(lambda: cluster.requests().total(fault="slow") == 1)
        cluster.set_faults("late=1@3600")
        late = OpenRequest(client, "POST", "b")
        eventually(lambda: cluster.requests().total(fault="late") == 1)
        cluster.hold(1)
        held = OpenRequest(client, "POST", "c")
        cluster.wait_held(PATIENCE)
    for request in (slow, late, held):
        with request, pytest.raises(ConnectionResetError):
            request.receive()
    assert not [thread for thread in threading.enumerate() if thread.name == "simulator"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly_at_a_signal(number: signal.Signals) -> None:
    arguments = [sys.executable, "-X", "dev", "-W", "error", "-c", COMMAND, "hang-after=1"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        urls, control = json.loads(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port_of(urls["node01"]))) as hanging:
            hanging.sendall(b"GET /v1/group/a/ HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: bool(send(f"{control}/requests").json["counts"]))
            process.send_signal(number)
            assert process.wait(PATIENCE) == 0
        errors = [line for line in process.stderr.read().splitlines() if not line.startswith("Executing <")]
        assert errors == []  # "Executing …" is the debug mode's note about a slow first turn


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "httptools", "uvloop"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}: pip install 'planner\[simulator\]'"):
        SimulatedCluster(nodes=1)


def test_the_extra_is_imported_only_when_a_cluster_is_made() -> None:
    code = (
        "import sys, planner.simulator as s; s.parse_faults('late=1', ['node01'])\n"
        "assert not {'starlette', 'uvicorn', 'httptools', 'uvloop'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=PATIENCE)
