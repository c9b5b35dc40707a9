"""What a read's answer says, and everything that is wrong with it: never 'absent'."""

from __future__ import annotations

import gzip
import json

import pytest

from planner.access import Credential, Scheme
from planner.model import Dialect, Presence
from planner.nodes.body import LARGEST
from planner.verdict import Body, Listing, TryEnd, judge_list, judge_read
from tests.http.conftest import Start, ends
from tests.http.server import Action, answer, drip, group, raw


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> Action:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return raw(head + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + end, keep=True)


GOOD = {
    "contract": (answer(200, {"groupId": "foo"}), Body("foo")),
    "more": (answer(200, {"groupId": "foo", "members": []}), Body("foo", extra=True)),
    "other": (answer(200, {"groupId": "bar"}), Body("bar")),
    "chunked": (chunked(b'{"groupId"', b':"foo"}'), Body("foo")),
    "until close": (raw(b'HTTP/1.0 200 OK\r\n\r\n{"groupId":"foo"}'), Body("foo")),
    "gzip": (answer(200, gzip.compress(b'{"groupId":"foo"}'), "Content-Encoding: gzip"), Body("foo")),
    "utf-16": (answer(200, '{"groupId":"foo"}'.encode("utf-16")), Body("foo")),
    "large": (answer(200, {"groupId": "foo", "x": "y" * 60_000}), Body("foo", extra=True)),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_readable_answer(start: Start, name: str) -> None:
    action, body = GOOD[name]
    told = start(action).read()
    assert (ends(told), told.body) == ([200], body)


FAULTS = {
    "not JSON": (answer(200, b"<html>"), "the answer is not JSON: b'<html>'"),
    "empty": (answer(200), "the answer is not JSON: b''"),
    "list": (answer(200, ["foo"]), "the answer is not an object: ['foo']"),
    "text": (answer(200, "foo"), "the answer is not an object: 'foo'"),
    "null": (answer(200, None), "the answer is not an object: None"),
    "no id": (
        answer(200, {"id": "foo"}),
        (
            "the answer has no field 'groupId', only 'id'; "
            "if the id has another name here, set cluster.api.id_field"
        ),
    ),
    "number": (answer(200, {"groupId": 5}), "the field 'groupId' is not a string: 5"),
    "deep": (answer(200, b"[" * 60_000), "the answer is not JSON"),
    "huge number": (answer(200, b'{"groupId":' + b"9" * 5000 + b"}"), "the answer is not JSON"),
    "bad text": (answer(200, b'{"groupId":"\xff"}'), "the answer is not JSON"),
    "too large": (answer(200, b" " * (LARGEST + 1)), "the answer is larger than 64 KiB"),
    "endless": (drip(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, 0.0), "the answer is larger than 64 KiB"),
    "endless chunks": (
        drip(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n", 0.0
        ),
        "the answer is larger than 64 KiB",
    ),
    "bomb": (
        answer(200, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"),
        "the answer is larger than 64 KiB",
    ),
    "broken gzip": (
        answer(200, b"plain", "Content-Encoding: gzip"),
        "the answer's content encoding is broken",
    ),
    "escape": (answer(200, b"\x1b[2J\xe2\x80\xae"), r"the answer is not JSON: b'\x1b[2J\xe2\x80\xae'"),
    "escape in a name": (answer(200, {"\x1b[2J\u202e": 1}), r"no field 'groupId', only '\x1b[2J\u202e'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_useless_answer_is_a_fault(start: Start, name: str) -> None:
    action, fault = FAULTS[name]
    run = start(action)
    told = run.read()
    assert ends(told) == [200]
    assert told.body is not None
    assert fault in told.body.fault
    assert told.body.fault.isprintable()
    assert judge_read(told, run.dialect).presence is None


BROKEN = {
    "short": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"groupId":"foo"}'),
    "chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
    "no last chunk": chunked(b'{"groupId":"foo"}', end=b""),
    "bad chunk": chunked(b"{", end=b"zz\r\n"),
    "dripped": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    "dripped chunk size": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_tried_again(start: Start, fault: Action) -> None:
    run = start(fault, group("foo"), read_timeout=0.2)
    told = run.read()
    assert (ends(told), told.body) == ([TryEnd.UNANSWERED, 200], Body("foo"))
    assert judge_read(told, run.dialect).presence is Presence.PRESENT


def test_broken_bodies_and_statuses_share_the_tries(start: Start) -> None:
    half = BROKEN["short"]
    run = start(answer(500), half, answer(503), half, group("foo"))
    told = run.read(tries=4)
    assert ends(told) == [500, TryEnd.UNANSWERED, 503, TryEnd.UNANSWERED]
    assert len(run.server.received) == 4
    assert len(run.pauses) == 3
    assert judge_read(told, run.dialect).presence is None


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_the_body_of_a_writes_answer_does_not_matter(start: Start, body: Action) -> None:
    run = start(body, read_timeout=0.2, dialect=Dialect(created=(200,)))
    assert ends(run.create()) == [200]


LISTS = {
    "plain": (Dialect(list_path="/v1/group/"), ["a", "b"], ("a", "b")),
    "empty": (Dialect(list_path="/v1/group/"), [], ()),
    "objects": (Dialect(list_path="/v1/group/"), [{"groupId": "a"}, "b"], ("a", "b")),
    "field": (Dialect(list_path="/v1/group/", list_field="groups"), {"groups": ["a"]}, ("a",)),
    "deep": (Dialect(list_path="/v1/group/", list_field="data.groups"), {"data": {"groups": ["a"]}}, ("a",)),
    "long": (
        Dialect(list_path="/v1/group/"),
        [f"g{n}" for n in range(20_000)],
        tuple(f"g{n}" for n in range(20_000)),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list(start: Start, name: str) -> None:
    dialect, value, expected = LISTS[name]
    run = start(answer(500), answer(200, value), dialect=dialect, prefix="/pre")
    assert judge_list(run.list()) == Listing(expected)
    assert run.server.targets() == ["GET /pre/v1/group/"] * 2


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (answer(404), "404; if the ids are elsewhere, set cluster.api.list"),
        (
            answer(200, {"groups": []}),
            "the answer is not a list: {'groups': []}; if the ids are elsewhere, set cluster.api.list",
        ),
        (
            answer(200, ["a"], 'Link: </v1/group/?page=2>; rel="next"'),
            "the answer is one page of several, and the rest is not asked for",
        ),
        (answer(200, ["a", ""]), "the list has an entry without an id: ''"),
        (answer(200, ["a", 5]), "the list has an entry without an id: 5"),
        (answer(200, ["a", {"id": "b"}]), "the list has an entry without an id: {'id': 'b'}"),
        (answer(302, b"", "Location: /login"), "a redirect (302) to '/login'"),
        (answer(200, json.dumps(["a"]).encode(), length=999), "the answer broke off"),
    ],
)
def test_a_list_that_could_not_be_had_is_no_empty_list(start: Start, action: Action, why: str) -> None:
    dialect = Dialect(list_path="/v1/group/?all=1")
    run = start(
        action if "broke" not in why else raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]"),
        dialect=dialect,
    )
    assert judge_list(run.list(tries=1)) == Listing(None, why)
    assert run.server.targets() == ["GET /v1/group/?all=1"]


def test_a_list_that_could_not_even_be_asked_for(start: Start) -> None:
    missing = Credential(Scheme.BEARER, "env:UNSET_NODE_TOKEN")
    run = start(dialect=Dialect(list_path="/v1/group/"), credential=missing)
    listing = judge_list(run.list())
    assert listing.groups is None
    assert "the environment variable is not set" in listing.why
    assert run.server.received == []
