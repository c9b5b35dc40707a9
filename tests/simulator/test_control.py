"""The control endpoint, and the hold."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from starlette.routing import Mount, Route

from planner.simulator import ContentError, FaultSpecError, HoldError, SimulatedCluster, UnknownNodeError
from planner.simulator.control import control_app
from tests.simulator.wire import PATIENCE, Client, OpenRequest, eventually, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.simulator.server import ClusterServer


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as workers:
        yield workers


def test_the_cookbook_has_every_request(cluster: SimulatedCluster) -> None:
    (mount,) = control_app(cast("ClusterServer", cluster)).routes
    assert isinstance(mount, Mount)
    routes = [route for route in mount.routes if isinstance(route, Route)]
    known = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    cookbook = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text("utf-8")
    listed = re.findall(r"^\| `(GET|PUT|POST|DELETE) ([^`]+)` \|", cookbook, re.MULTILINE)
    assert {(method, "/" + path.replace("NODE", "{node}")) for method, path in listed} == known


def test_nodes(client: Client) -> None:
    client.cluster.kill("node03")
    told = client.control("nodes").json
    assert [node["state"] for node in told["nodes"]] == ["listening", "listening", "dead"]
    assert {node["name"]: node["url"] for node in told["nodes"]} == client.cluster.urls
    assert (told["seed"], told["faults"]) == (7, "none")


def test_faults_are_changed_on_any_port_for_all_nodes(cluster: SimulatedCluster) -> None:
    assert (
        Client(cluster, "node03").control("faults", "PUT", b" POST:error-before=1 ").body
        == b"POST:error-before=1"
    )
    assert [Client(cluster, node).create("new") for node in cluster.names] == [500] * 3
    assert send(f"{cluster.control_url}/faults").body == b"POST:error-before=1"
    assert cluster.faults() == "POST:error-before=1"


def test_control_is_beyond_all_faults(client: Client) -> None:
    client.cluster.set_faults("error-before=1")
    assert client.control("faults").status == 200
    assert client.control("groups").status == 200
    assert client.cluster.requests().total() == 0  # and not counted


def test_a_bad_specification_changes_nothing(client: Client) -> None:
    client.cluster.set_faults("late=0.5")
    refused = client.control("faults", "PUT", b"lat=1,late=2")
    assert refused.status == 400
    assert "did you mean 'late'?" in refused.json["error"]
    assert len(refused.json["problems"]) == 2
    with pytest.raises(FaultSpecError):
        client.cluster.set_faults("late=2")
    assert client.cluster.faults() == "late=0.5"


def test_groups_are_dumped_and_changed_without_a_request(client: Client) -> None:
    assert client.control("groups").json == {"node01": ["old"], "node02": ["old"], "node03": ["old"]}
    change = {"node02": {"add": ["b/ü", "a"], "remove": ["old", "missing"]}, "node03": []}
    assert client.control("groups", "PUT", change).json == {
        "node01": ["old"],
        "node02": ["a", "b/ü"],
        "node03": [],
    }
    assert Client(client.cluster, "node02").get("b/ü").status == 200
    client.cluster.change_groups("node03", add=["x"])
    client.cluster.set_groups({"node01": ["y", "x"]})
    assert client.cluster.groups() == {"node01": ("x", "y"), "node02": ("a", "b/ü"), "node03": ("x",)}
    assert client.cluster.requests().total(method="POST") == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ([], 400),
        ({"node01": 3}, 400),
        ({"node01": {"ad": []}}, 400),
        ({"node01": {"add": "abc"}}, 400),
        ({"node01": [], "node02": [""]}, 400),
        ({"node01": [3]}, 400),
        ({"node01": [], "node09": []}, 404),
    ],
)
def test_a_bad_change_of_groups_changes_nothing(client: Client, body: object, status: int) -> None:
    refused = client.control("groups", "PUT", body)
    assert (refused.status, bool(refused.json["error"])) == (status, True)
    assert set(client.cluster.groups().values()) == {("old",)}


def test_a_bad_change_from_python_changes_nothing(cluster: SimulatedCluster) -> None:
    with pytest.raises(UnknownNodeError):
        cluster.set_groups({"node01": [], "node09": []})
    with pytest.raises(ContentError):
        cluster.change_groups("node01", add=["a", ""])
    assert set(cluster.groups().values()) == {("old",)}


def test_requests_are_told_and_forgotten(client: Client) -> None:
    client.create("new")
    told = client.control("requests").json
    assert told["counts"] == [{"node": "node01", "method": "POST", "status": 201, "fault": None, "count": 1}]
    assert told["writes"] == [
        {
            "sequence": 1,
            "node": "node01",
            "method": "POST",
            "group": "new",
            "status": 201,
            "fault": None,
            "effect": "created",
        }
    ]
    assert client.control("requests", "DELETE").status == 204
    assert client.control("requests").json == {"counts": [], "writes": [], "forgotten": 0}


def test_groups_can_wait_for_the_last_late_effect(client: Client) -> None:
    client.control("faults", "PUT", b"late-error=1@0.05")
    assert client.create("new") == 500
    assert client.control("groups?settled=true").json["node01"] == ["new", "old"]


def test_unknown_things_are_not_found(client: Client) -> None:
    assert client.control("kill/node9", "POST").status == 404
    assert client.control("nothing").status == 404
    assert client.control("faults", "DELETE").status == 405


@pytest.mark.parametrize(
    ("effect", "while_held", "afterwards", "status"),
    [("before", True, True, 201), ("after", False, True, 201), ("never", False, False, 500)],
)
def test_the_nth_write_is_held(
    client: Client, effect: str, status: int, *, while_held: bool, afterwards: bool
) -> None:
    armed = client.control("hold", "PUT", {"nth_write": 3, "effect": effect})
    assert armed.json == {"armed": 3, "held": []}
    assert client.create("one") == 201
    assert client.get("one").status == 200  # a read does not count
    assert Client(client.cluster, "node02").create("one") == 201  # a write to another node does
    with OpenRequest(client, "POST", "two") as request:
        told = client.control("hold").json
        (write,) = told["held"]
        assert write == {"sequence": 3, "node": "node01", "method": "POST", "group": "two", "effect": effect}
        assert not request.answered
        assert ("two" in client.cluster.groups()["node01"]) is while_held
        assert client.create("three") == 201  # only the one is held
        assert client.control("hold", "DELETE").json == {"armed": 0, "held": [write]}
        assert request.status() == status
    assert ("two" in client.cluster.groups()["node01"]) is afterwards
    log = client.cluster.requests()
    assert (log.total(fault="hold"), log.writes[2].fault) == (1, "hold")
    assert log.writes[2].effect == ("created" if afterwards else "none")


@pytest.mark.parametrize(
    ("effect", "status"), [("before", 404), ("after", 200), ("never", 500)], ids=["before", "after", "never"]
)
def test_the_nth_read_is_held(client: Client, effect: str, status: int) -> None:
    """It looks before it is held, or when it is released."""
    armed = client.control("hold", "PUT", {"nth_read": 2, "effect": effect})
    assert armed.json == {"armed": 2, "held": []}
    assert client.get("new").status == 404
    assert client.create("one") == 201  # a write does not count
    with OpenRequest(client, "GET", "new") as request:
        told = client.control("hold").json
        (read,) = told["held"]
        assert read == {"sequence": 0, "node": "node01", "method": "GET", "group": "new", "effect": effect}
        assert client.create("new") == 201
        assert client.get("new").status == 200  # only the one is held
        assert not request.answered
        client.cluster.release()
        assert request.status() == status
    log = client.cluster.requests()
    assert log.total(method="GET", fault="hold") == log.total(fault="hold") == 1
    assert [(write.group, write.effect) for write in log.writes] == [("one", "created"), ("new", "created")]


@pytest.mark.parametrize(("number", "method"), [(1, "GET"), (2, "POST"), (3, "GET"), (4, "DELETE")])
def test_the_nth_request_of_any_kind_is_held(client: Client, number: int, method: str) -> None:
    """Over all nodes; what is no request of the node API does not count."""
    client.cluster.hold(number, kind="request")
    other = Client(client.cluster, "node02")
    asked = [(client, "GET"), (other, "POST"), (other, "GET"), (client, "DELETE")]
    for sender, each in asked[: number - 1]:
        with OpenRequest(sender, each, "old") as request:
            assert request.status() in {200, 400}
        assert send(f"{client.base}/v2/").status == 404
        assert client.control("faults").status == 200
    with OpenRequest(asked[number - 1][0], method, "old"):
        (held,) = client.cluster.wait_held(PATIENCE)
    assert (held.method, held.node) == (method, asked[number - 1][0].node)


def test_a_hold_counts_only_what_it_was_armed_for_last(client: Client) -> None:
    client.cluster.hold(1, kind="read")
    client.cluster.hold(1)
    assert client.get("old").status == 200
    with OpenRequest(client, "POST", "new"):
        assert [held.method for held in client.cluster.wait_held(PATIENCE)] == ["POST"]


def test_a_held_read_outlives_its_client(client: Client) -> None:
    client.cluster.hold(1, "after", kind="read")
    with OpenRequest(client, "GET", "old"):
        client.cluster.wait_held(PATIENCE)
    assert [held.method for held in client.cluster.release()] == ["GET"]
    assert client.get("old").status == 200


def test_a_held_write_outlives_its_client(client: Client) -> None:
    client.cluster.hold(1, effect="after")
    with OpenRequest(client, "POST", "new"):
        client.cluster.wait_held(PATIENCE)
    assert client.cluster.groups()["node01"] == ("old",)
    client.cluster.release()
    eventually(lambda: client.cluster.groups()["node01"] == ("new", "old"))


def test_no_fault_strikes_a_held_write(client: Client) -> None:
    client.cluster.set_faults("error-before=1")
    client.cluster.hold(1)
    with OpenRequest(client, "DELETE", "old") as request:
        (held,) = client.cluster.wait_held(PATIENCE)
        assert (held.method, held.group) == ("DELETE", "old")
        client.cluster.release()
        assert request.status() == 200


def test_waiting_wakes_up_when_it_happens(client: Client, pool: ThreadPoolExecutor) -> None:
    client.cluster.hold(1)
    over_http = pool.submit(client.control, "hold")
    in_python = pool.submit(client.cluster.wait_held, PATIENCE)
    write = pool.submit(client.create, "new")
    assert [held.group for held in in_python.result()] == ["new"]
    assert over_http.result().json["held"][0]["group"] == "new"
    assert not write.done()
    client.cluster.release()
    assert write.result() == 201


def test_disarming_wakes_those_who_wait(client: Client, pool: ThreadPoolExecutor) -> None:
    client.cluster.hold(1)
    waiting = pool.submit(client.cluster.wait_held, PATIENCE)
    assert client.control("hold", "DELETE").json == {"armed": 0, "held": []}
    assert waiting.result() == ()
    assert client.create("new") == 201


def test_waiting_can_have_an_end(client: Client) -> None:
    client.cluster.hold(1)
    assert client.control("hold?timeout=0.01").status == 408
    with pytest.raises(TimeoutError):
        client.cluster.wait_held(0.01)
    assert client.control("hold?timeout=soon").status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"nth_write": "3"},
        {"nth_write": True},
        {"nth_write": 1, "effect": "x"},
        {"nth_write": 1, "effect": []},
        {"nth_write": 1, "n": 1},
        {"nth_write": 1, "nth_read": 1},
        {"nth_reads": 1},
        3,
    ],
)
def test_a_bad_hold_is_refused(client: Client, body: object) -> None:
    assert client.control("hold", "PUT", body).status == 400


def test_one_write_is_held_at_a_time(client: Client) -> None:
    assert client.control("hold", "PUT", {"nth_write": 0}).status == 409
    client.cluster.hold(1)
    with OpenRequest(client, "POST", "new"):
        client.cluster.wait_held(PATIENCE)
        with pytest.raises(HoldError, match="release it first"):
            client.cluster.hold(1)
        assert client.control("hold", "PUT", {"nth_write": 1}).status == 409
    with pytest.raises(ValueError, match="sometimes"):
        client.cluster.hold(1, "sometimes")
    with pytest.raises(ValueError, match="answer"):
        client.cluster.hold(1, kind="answer")
