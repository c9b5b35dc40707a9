"""The node API of a healthy cluster, over real sockets."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from planner.simulator import SimulatedCluster
from tests.simulator.wire import Client, send

if TYPE_CHECKING:
    from planner.simulator import RequestLog

ODD_IDS = ("a/b", "50%", "two words", "ünïcödé 日本", "a+b", "?q=1#x", "..a", "%2F", "a\\b", '"', "x" * 5000)


def test_create_read_delete(client: Client) -> None:
    assert client.get("foo.bar").status == 404
    assert client.create("foo.bar") == 201
    assert client.create("foo.bar") == 400
    found = client.get("foo.bar")
    assert (found.status, found.json) == (200, {"groupId": "foo.bar"})
    assert found.headers["content-type"] == "application/json"
    assert client.delete("foo.bar") == 200
    assert client.delete("foo.bar") == 404
    assert client.get("foo.bar").status == 404


def test_nodes_are_separate(cluster: SimulatedCluster) -> None:
    assert list(cluster.urls) == ["node01", "node02", "node03"]
    Client(cluster, "node02").create("new")
    assert cluster.groups() == {"node01": ("old",), "node02": ("new", "old"), "node03": ("old",)}


@pytest.mark.parametrize("group", ODD_IDS)
def test_odd_ids_reach_their_own_resource(client: Client, group: str) -> None:
    assert client.create(group) == 201
    found = client.get(group)
    assert (found.status, found.json) == (200, {"groupId": group})
    assert client.cluster.groups()["node01"] == tuple(sorted([group, "old"]))
    assert client.delete(group) == 200


def test_another_path_is_another_resource(client: Client) -> None:
    client.create("a/b")
    base = client.base
    for path in (
        "/v1/group/a/b/",
        "/v1/group/a%2Fb",
        "/v1/group/a%252Fb/",
        "/v1/group",
        "/",
        "/v1/group/old/x/",
    ):
        assert send(base + path).status == 404, path


def test_other_methods_are_refused(client: Client) -> None:
    base = client.base
    assert send(f"{base}/v1/group/").status == 405
    assert send(f"{base}/v1/group/", "PUT", {"groupId": "a"}).status == 405
    assert send(f"{base}/v1/group/old/", "DELETE").status == 405
    assert client.cluster.groups()["node01"] == ("old",)


@pytest.mark.parametrize(
    "body", [None, b"{", b'{"groupId": 7}', {"id": "a"}, b" " * 2_000_000 + b'{"groupId": "a"}']
)
def test_a_bad_body_changes_nothing(client: Client, body: object) -> None:
    for method in ("POST", "DELETE"):
        assert send(f"{client.base}/v1/group/", method, body).status == 400
    assert client.cluster.groups()["node01"] == ("old",)


def test_a_body_in_pieces_is_put_together(client: Client) -> None:
    def pieces() -> list[bytes]:
        return [bytes([byte]) for byte in json.dumps({"groupId": "in pieces"}).encode()]

    assert requests.post(f"{client.base}/v1/group/", data=iter(pieces()), timeout=20).status_code == 201
    assert client.get("in pieces").status == 200


def test_the_list_is_off_unless_asked_for() -> None:
    with SimulatedCluster(nodes=1, groups=["b", "a/b"], listing=True) as cluster:
        listed = send(f"{cluster.urls['node01']}/v1/group/")
        assert (listed.status, listed.json) == (200, {"groupIds": ["a/b", "b"]})


def test_a_prefix_stands_before_every_path() -> None:
    with SimulatedCluster(nodes=1, groups=["a"], prefix="api/x") as cluster:
        url = cluster.urls["node01"]
        assert url.endswith("/api/x")
        assert Client(cluster).get("a").status == 200
        assert send(url.removesuffix("/api/x") + "/v1/group/a/").status == 404
        assert Client(cluster).control("groups").json == {"node01": ["a"]}


def test_a_connection_is_kept(client: Client) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.base).netloc, timeout=20)
    connection.connect()
    first = connection.sock
    for status in (200, 200):
        connection.request("GET", "/v1/group/old/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, b'{"groupId": "old"}')
    assert connection.sock is first
    connection.close()


def test_the_log_tells_all(client: Client) -> None:
    client.create("a")
    client.create("a")
    client.get("a")
    client.delete("a")
    send(f"{client.base}/v1/group/", "POST", b"?")
    log: RequestLog = client.cluster.requests()
    assert [(w.node, w.method, w.group, w.status, w.fault, w.effect) for w in log.writes] == [
        ("node01", "POST", "a", 201, None, "created"),
        ("node01", "POST", "a", 400, None, "none"),
        ("node01", "DELETE", "a", 200, None, "deleted"),
        ("node01", "POST", None, 400, None, "none"),
    ]
    assert [write.sequence for write in log.writes] == [1, 2, 3, 4]
    assert (log.total(method="GET"), log.total(method="POST", status=400), log.total()) == (1, 2, 5)
    client.cluster.reset_requests()
    assert client.cluster.requests().total() == 0
