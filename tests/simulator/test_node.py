"""One node without its sockets: contract, paths, bodies, luck; and the journal."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.simulator.faults import FaultPlan, parse_faults
from planner.simulator.journal import Journal
from planner.simulator.node import Call, Node, group_of_body, group_of_path


def faults(spec: str) -> FaultPlan:
    return parse_faults(spec, ["node01"])


def luck(spec: str, seed: int, name: str = "node01", count: int = 200) -> list[str | None]:
    node = Node(name, seed, ["a"])
    node.set_faults(parse_faults(spec, [name]))
    met = [node.meet(Call("POST", "a")) for _ in range(count)]
    return [strike.fault.name if strike else None for strike in met]


def test_the_contract() -> None:
    node = Node("node01", 0)
    assert node.perform(Call("GET", "a")).status == 404
    assert (node.perform(Call("POST", "a")).status, node.groups()) == (201, ("a",))
    assert (node.perform(Call("POST", "a")).status, node.groups()) == (400, ("a",))
    found = node.perform(Call("GET", "a"))
    assert (found.status, json.loads(found.body)) == (200, {"groupId": "a"})
    assert (node.perform(Call("DELETE", "a")).status, node.groups()) == (200, ())
    assert node.perform(Call("DELETE", "a")).status == 404
    assert node.perform(Call("POST", None)).status == 400
    assert node.perform(Call("DELETE", None)).status == 400


def test_a_write_says_what_it_did() -> None:
    node = Node("node01", 0)
    calls = [("POST", "a"), ("POST", "a"), ("DELETE", "a"), ("DELETE", "a"), ("POST", None)]
    effects = [node.perform(Call(method, group)).effect for method, group in calls]
    assert effects == ["created", "none", "deleted", "none", "none"]


@given(st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text))
def test_every_encoded_id_is_found_in_its_path(group: str) -> None:
    assert group_of_path(f"/v1/group/{quote(group, safe='')}/".encode()) == group


@pytest.mark.parametrize(
    "path",
    ["/v1/group/a", "/v1/group/a/b/", "/v1/group//", "/v1/group/%FF/", "/v1/groups/a/", "/", "/v1/group/"],
)
def test_other_paths_are_no_group(path: str) -> None:
    assert group_of_path(path.encode()) is None


def test_a_plus_is_a_plus() -> None:
    assert group_of_path(b"/v1/group/a+b%2Bc/") == "a+b+c"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"groupId": 3}',
        b'{"groupId": ""}',
        b'{"groupId": "\\ud800"}',
        b"\xff",
    ],
)
def test_a_body_without_an_id_makes_no_sense(body: bytes) -> None:
    assert group_of_body(body) is None


def test_a_deeply_nested_body_makes_no_sense() -> None:
    assert group_of_body(b"[" * 100_000) is None


def test_luck_belongs_to_seed_and_node() -> None:
    spec = "error-before=0.2,late=0.2"
    assert luck(spec, 7) == luck(spec, 7)
    assert luck(spec, 7) != luck(spec, 8)
    assert luck(spec, 7) != luck(spec, 7, name="node02")


def test_luck_keeps_to_the_rate() -> None:
    met = luck("error-before=0.2,late=0.05", 1, count=20_000)
    assert 0.18 < met.count("error-before") / len(met) < 0.22
    assert 0.04 < met.count("late") / len(met) < 0.06


def test_every_request_draws_once_with_or_without_faults() -> None:
    calm, struck = Node("node01", 3), Node("node01", 3)
    struck.set_faults(faults("error-before=1"))
    for _ in range(10):
        calm.meet(Call("POST", "a"))
        struck.meet(Call("GET", "a"))
    for node in (calm, struck):
        node.set_faults(faults("error-before=0.5"))
    assert [calm.meet(Call("POST", "a")) for _ in range(50)] == [
        struck.meet(Call("POST", "a")) for _ in range(50)
    ]


def test_there_is_no_false_404_for_what_is_missing() -> None:
    node = Node("node01", 0, ["a"])
    node.set_faults(faults("false-404=1"))
    assert node.meet(Call("GET", "a")) is not None
    assert node.meet(Call("GET", "b")) is None


def test_content_can_be_changed_without_a_request() -> None:
    node = Node("node01", 0, ["b"])
    node.change(add=["a", "b"], remove=["c"])
    assert node.groups() == ("a", "b")
    node.change(remove=["b"])
    assert node.groups() == ("a",)
    node.replace(["x"])
    assert node.groups() == ("x",)


def test_the_journal_keeps_the_newest_writes_and_counts_all() -> None:
    journal = Journal(kept=2)
    assert journal.record("node01", Call("GET", "a"), 200, None, "none") == 0
    for group in "abc":
        journal.record("node01", Call("POST", group), 201, None, "created")
    log = journal.snapshot()
    assert [(write.sequence, write.group) for write in log.writes] == [(2, "b"), (3, "c")]
    assert log.forgotten == 1
    assert (log.total(), log.total(method="POST"), log.total(status=404)) == (4, 3, 0)


def test_a_late_effect_is_written_to_its_own_line() -> None:
    journal = Journal(kept=2)
    first, second, third = (journal.record("n", Call("POST", g), 500, "late", "pending") for g in "abc")
    journal.landed(first, "created")  # no longer kept
    journal.landed(second, "created")
    assert [write.effect for write in journal.snapshot().writes] == ["created", "pending"]
    journal.reset()
    journal.landed(third, "created")
    assert journal.snapshot().writes == ()
    assert journal.record("n", Call("POST", "d"), 201, None, "created") == third + 1
