"""Every fault, as a client on the other end of the socket sees it, and what it leaves on the node."""

from __future__ import annotations

import pytest

from planner.simulator import FAULTS, SimulatedCluster
from planner.simulator.faults import Answer, Effect
from tests.simulator.wire import PATIENCE, Client, OpenRequest, eventually, send

ALL_AT_ONCE = [name for name in FAULTS if name not in ("refuse", "false-404")]


def held(client: Client) -> tuple[str, ...]:
    return client.cluster.groups()["node01"]


def seen(client: Client, fault: str) -> bool:
    return client.cluster.requests().total(fault=fault) == 1


@pytest.mark.parametrize(
    ("spec", "status", "created"),
    [
        ("error-before=1", 500, False),
        ("error-before=1@502", 502, False),
        ("error-after=1", 500, True),
        ("error-after=1@504", 504, True),
        ("rate-limit=1", 429, False),
        ("unavailable=1", 503, False),
        ("slow=1@0.01", 201, True),
    ],
)
def test_answers(client: Client, spec: str, status: int, *, created: bool) -> None:
    client.cluster.set_faults(spec)
    assert client.create("new") == status
    assert ("new" in held(client)) is created
    (write,) = client.cluster.requests().writes
    assert (write.status, write.fault) == (status, spec.partition("=")[0])
    assert write.effect == ("created" if created else "none")


@pytest.mark.parametrize(
    ("spec", "header"),
    [("rate-limit=1", "1"), ("rate-limit=1@7", "7"), ("unavailable=1@3", "3"), ("unavailable=1", None)],
)
def test_retry_after(client: Client, spec: str, header: str | None) -> None:
    client.cluster.set_faults(spec)
    assert client.get("old").headers.get("retry-after") == header


def test_a_404_can_lie(client: Client) -> None:
    client.cluster.set_faults("false-404=1")
    assert client.get("old").status == 404
    assert client.get("missing").status == 404
    assert client.create("old") == 400
    log = client.cluster.requests()
    assert log.total(fault="false-404") == 1
    assert held(client) == ("old",)


@pytest.mark.parametrize(("fault", "method", "left"), [
    ("hang-before", "POST", ("old",)),
    ("hang-after", "POST", ("new", "old")),
    ("hang-after", "GET", ("old",)),
    ("slow", "POST", ("new", "old")),
])  # fmt: skip
def test_no_answer_as_long_as_the_client_waits(
    client: Client, fault: str, method: str, left: tuple[str, ...]
) -> None:
    client.cluster.set_faults(f"{fault}=1" + ("@3600" if fault == "slow" else ""))
    with OpenRequest(client, method, "new") as request:
        eventually(lambda: seen(client, fault))
        client.cluster.set_faults("")
        assert client.get("old").status == 200  # the node goes on for others
        assert not request.answered
        assert held(client) == left
    assert held(client) == left


def test_a_late_effect_comes_after_the_client_has_left(client: Client) -> None:
    client.cluster.set_faults("late=1@0.01")
    with OpenRequest(client, "POST", "new") as request:
        eventually(lambda: seen(client, "late"))
        client.cluster.set_faults("")
        assert not request.answered
        assert held(client) == ("old",)
        assert client.cluster.requests().writes[0].effect == "pending"
    client.cluster.wait_settled(PATIENCE)
    assert held(client) == ("new", "old")
    assert client.cluster.requests().writes[0].effect == "created"


def test_a_late_effect_is_overtaken(client: Client) -> None:
    client.cluster.set_faults("POST:late=1@0.01")
    with OpenRequest(client, "POST", "new"):
        eventually(lambda: seen(client, "late"))
        client.cluster.set_faults("")
        assert client.create("new") == 201
        assert client.delete("new") == 200
    client.cluster.wait_settled(PATIENCE)
    assert held(client) == ("new", "old")


def test_a_late_effect_outlives_its_node(client: Client) -> None:
    client.cluster.set_faults("late=1@0.01")
    with OpenRequest(client, "DELETE", "old"):
        eventually(lambda: seen(client, "late"))
        client.cluster.kill("node01")
        client.cluster.wait_settled(PATIENCE)
    assert held(client) == ()


def test_an_error_at_once_and_the_effect_later(client: Client) -> None:
    client.cluster.set_faults("late-error=1@3600")
    assert client.create("new") == 500
    assert held(client) == ("old",)
    with pytest.raises(TimeoutError):
        client.cluster.wait_settled(0.01)
    client.cluster.set_faults("late-error=1@0.01")
    assert client.create("newer") == 500
    eventually(lambda: held(client) == ("newer", "old"))
    with pytest.raises(TimeoutError):
        client.cluster.wait_settled(0.01)  # the first one is still to come


@pytest.mark.parametrize("fault", ["late", "late-error"])
def test_a_read_is_never_late(client: Client, fault: str) -> None:
    client.cluster.set_faults(f"{fault}=1@3600")
    with OpenRequest(client, "GET", "old"):
        eventually(lambda: seen(client, fault))
    client.cluster.wait_settled(PATIENCE)


@pytest.mark.parametrize(("fault", "left"), [("reset-before", ("old",)), ("reset-after", ("new", "old"))])
def test_a_reset_is_a_reset(client: Client, fault: str, left: tuple[str, ...]) -> None:
    client.cluster.set_faults(f"{fault}=1")
    with OpenRequest(client, "POST", "new") as request, pytest.raises(ConnectionResetError):
        request.receive()
    assert held(client) == left
    assert client.cluster.requests().total(fault=fault, method="POST") == 1


def test_resets_come_before_and_after(client: Client) -> None:
    client.cluster.set_faults("reset=1")
    for number in range(40):
        with OpenRequest(client, "POST", f"new{number}") as request, pytest.raises(ConnectionResetError):
            request.receive()
    log = client.cluster.requests()
    before, after = log.total(fault="reset-before"), log.total(fault="reset-after")
    assert before + after == 40
    assert min(before, after) > 5
    assert len(held(client)) == 1 + after


@pytest.mark.parametrize("fault", ALL_AT_ONCE)
def test_every_fault_does_what_its_table_says(client: Client, fault: str) -> None:
    client.cluster.set_faults(f"POST:{fault}=1" + ("@0.01" if "late" in fault or fault == "slow" else ""))
    kind = FAULTS[fault]
    with OpenRequest(client, "POST", "new") as request:
        eventually(lambda: bool(client.cluster.requests().writes))
        (write,) = client.cluster.requests().writes
        if kind.answer in (Answer.NOTHING, Answer.RESET):
            assert write.status is None
        else:
            assert request.status() == write.status
    client.cluster.wait_settled(PATIENCE)
    if fault != "reset":
        assert ("new" in held(client)) is (kind.effect is not Effect.NEVER)


def test_faults_keep_to_their_node_and_method(cluster: SimulatedCluster) -> None:
    cluster.set_faults("node02:POST:error-before=1")
    assert [Client(cluster, node).create("new") for node in cluster.names] == [201, 500, 201]
    assert Client(cluster, "node02").get("old").status == 200
    cluster.set_faults("")
    assert Client(cluster, "node02").create("new") == 201


def test_the_same_seed_meets_the_same_faults() -> None:
    def statuses(seed: int) -> list[int]:
        spec = "error-before=0.2,rate-limit=0.2,unavailable=0.2"
        with SimulatedCluster(nodes=2, seed=seed, faults=spec) as cluster:
            return [
                Client(cluster, node).create(f"g{number}") for number in range(15) for node in cluster.names
            ]

    assert statuses(1) == statuses(1)
    assert statuses(1) != statuses(2)


def test_a_refusing_node_does_not_listen(cluster: SimulatedCluster) -> None:
    cluster.set_faults("node02:refuse=1")
    with pytest.raises(ConnectionRefusedError):
        Client(cluster, "node02").create("new")
    assert cluster.states() == {"node01": "listening", "node02": "refusing", "node03": "listening"}
    cluster.set_faults("refuse=1")
    for node in cluster.names:
        with pytest.raises(ConnectionRefusedError):
            Client(cluster, node).get("old")
    assert send(f"{cluster.control_url}/faults", "PUT", b"").status == 200
    assert [Client(cluster, node).get("old").status for node in cluster.names] == [200] * 3


def test_a_request_in_flight_survives_a_refusal(client: Client) -> None:
    client.cluster.hold(1)
    with OpenRequest(client, "POST", "new") as request:
        client.cluster.wait_held(PATIENCE)
        client.cluster.set_faults("node01:refuse=1")
        assert not request.answered
        client.cluster.release()
        assert request.status() == 201
