"""What reaches the node, byte for byte."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from planner import __version__
from planner.model import Dialect
from planner.verdict import Effect, Method, TryEnd, judge_write
from tests.http.conftest import Start, ends
from tests.http.server import answer, group

IDS = [
    "foo.bar",
    "a/b",
    "50%",
    "..x",
    "...",
    "ü",
    "a b",
    "%2e",
    "%2e%2e",
    "%2F",
    "a;b?c#d",
    "日本",
    "a+b",
    "~",
    "\\",
]


@pytest.mark.parametrize("id", IDS)
def test_an_id_reaches_its_resource(start: Start, id: str) -> None:
    run = start(group(id), prefix="/pre")
    assert run.read(id).tries[0].status == 200
    target = run.server.received[0].target
    assert target.startswith("/pre/v1/group/")
    encoded = target.removeprefix("/pre/v1/group/").removesuffix("/")
    assert "/" not in encoded
    assert unquote(encoded) == id


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("style", ["path", "query"])
def test_an_id_to_delete_reaches_its_resource(start: Start, style: str, id: str) -> None:
    run = start(answer(200), dialect=Dialect(delete_style=style))
    run.delete(id)
    request = run.server.received[0]
    start_, end = ("/v1/group/", "/") if style == "path" else ("/v1/group/?groupId=", "")
    assert unquote(request.target.removeprefix(start_).removesuffix(end)) == id
    assert request.body == b""


def test_a_header_of_the_dialect_may_change_the_type_of_a_body(start: Start) -> None:
    dialect = Dialect(headers=(("content-type", "application/vnd.group+json"),))
    run = start(answer(201), dialect=dialect)
    run.create()
    assert run.server.received[0].headers["content-type"] == "application/vnd.group+json"


@pytest.mark.parametrize("id", [".", "..", ""])
def test_an_id_that_would_be_resolved_away_is_never_sent(start: Start, id: str) -> None:
    run = start(answer(404))
    assert ends(run.read(id)) == [TryEnd.NOT_SENT]
    assert run.server.received == []


def test_an_id_that_cannot_be_encoded_is_never_sent(start: Start) -> None:
    run = start(answer(404))
    assert ends(run.read("\ud800")) == [TryEnd.NOT_SENT]
    assert judge_write(run.create("\ud800"), run.dialect).effect is Effect.NOT_APPLIED
    assert run.server.received == []


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("method", [Method.CREATE, Method.DELETE])
def test_a_body_with_an_id(start: Start, method: Method, id: str) -> None:
    run = start(answer(201))
    run.call(method, id)
    request = run.server.received[0]
    assert request.target == "/v1/group/"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"groupId": id}
    assert request.body == f'{{"groupId":{json.dumps(id, ensure_ascii=False)}}}'.encode()


DIALECTS = {
    "contract": (Dialect(), ["POST /v1/group/", "DELETE /v1/group/", "GET /v1/group/foo/"]),
    "no slash": (
        Dialect(trailing_slash=False),
        ["POST /v1/group", "DELETE /v1/group", "GET /v1/group/foo"],
    ),
    "path": (
        Dialect(path="/api/v2/groups/", delete_style="path"),
        ["POST /api/v2/groups/", "DELETE /api/v2/groups/foo/", "GET /api/v2/groups/foo/"],
    ),
    "query": (
        Dialect(path="/groups", delete_style="query", trailing_slash=False, id_field="the id"),
        ["POST /groups", "DELETE /groups?the%20id=foo", "GET /groups/foo"],
    ),
    "root": (
        Dialect(path="/", delete_style="path"),
        ["POST /", "DELETE /foo/", "GET /foo/"],
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("prefix", ["", "/pre/fix"])
def test_dialects(start: Start, name: str, prefix: str) -> None:
    dialect, expected = DIALECTS[name]
    run = start(answer(201), answer(200), answer(404), dialect=dialect, prefix=prefix)
    run.create()
    run.delete()
    run.read()
    assert run.server.targets() == [line.replace(" /", f" {prefix}/", 1) for line in expected]


def test_a_prefix_with_a_slash_at_its_end(start: Start) -> None:
    run = start(answer(404), prefix="/pre/")
    run.read()
    assert run.server.targets() == ["GET /pre/v1/group/foo/"]


def test_headers(start: Start) -> None:
    dialect = Dialect(headers=(("node", "n1"), ("X-Näme".encode().decode("ascii", "ignore"), "schön")))
    run = start(answer(201), dialect=dialect)
    run.create()
    headers = run.server.received[0].headers
    assert headers["user-agent"] == f"planner/{__version__}"
    assert headers["node"] == "n1"
    assert "authorization" not in headers
    assert headers["x-nme"].encode("latin-1").decode() == "schön"
    assert "cookie" not in headers


def test_a_header_that_cannot_be_sent_is_no_suspicion(start: Start) -> None:
    run = start(answer(201), dialect=Dialect(headers=(("node", "a\r\nb: c"),)))
    assert ends(run.create()) == [TryEnd.NOT_SENT]
    assert run.server.received == []


def test_an_unknown_node_is_answered(start: Start) -> None:
    assert ends(start().call(Method.CREATE, node="node99")) == [TryEnd.NOT_SENT]
