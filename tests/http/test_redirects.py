"""307 and 308 on the same host are followed with method and body; nothing else is."""

from __future__ import annotations

import pytest

from planner.model import Dialect, Presence
from planner.nodes.wire import follow
from planner.verdict import Effect, Method, TryEnd, judge_read, judge_write
from tests.http.conftest import Start, ends
from tests.http.server import Action, after, answer, close, group, hang


@pytest.mark.parametrize("status", [307, 308])
def test_a_write_is_followed_with_its_body(start: Start, status: int) -> None:
    run = start(answer(status, b"elsewhere", "Location: /v1/group"), answer(201))
    told = run.create("ü")
    assert ends(told) == [201]
    assert run.server.targets() == ["POST /v1/group/", "POST /v1/group"]
    assert [r.body for r in run.server.received] == ['{"groupId":"ü"}'.encode()] * 2
    assert run.server.received[1].headers["content-type"] == "application/json"
    assert judge_write(told, run.dialect).effect is Effect.APPLIED
    assert run.server.connections == 1


def test_a_read_is_followed_without_decoding_its_id(start: Start) -> None:
    run = start(answer(307, b"", "Location: /v1/group/a%2Fb%2e"), group("a/b."))
    assert judge_read(run.read("a/b."), run.dialect).presence is Presence.PRESENT
    assert run.server.targets()[1] == "GET /v1/group/a%2Fb%2E"  # the same by RFC 3986, 6.2.2.1


def test_relative_and_absolute_locations(start: Start) -> None:
    run = start()
    run.server.add(
        answer(307, b"", "Location: ../foo?x=y z"),
        answer(308, b"", f"Location: {run.server.url}/v1/foo#part"),
        group("foo"),
    )
    assert ends(run.read()) == [200]
    assert run.server.targets()[1:] == ["GET /v1/group/foo?x=y%20z", "GET /v1/foo"]


def test_the_same_try_goes_on(start: Start) -> None:
    """A redirect is no try of its own, and a retry goes on where it led."""
    run = start(answer(307, b"", "Location: /v1/group"), answer(500), answer(201))
    assert ends(run.create()) == [500, 201]
    assert run.server.targets() == ["POST /v1/group/", "POST /v1/group", "POST /v1/group"]


@pytest.mark.parametrize("then", [hang, close])
def test_a_write_that_is_lost_behind_a_redirect_is_unanswered(start: Start, then: Action) -> None:
    run = start(answer(307, b"", "Location: /v1/group"), then, answer(201), read_timeout=0.2)
    assert ends(run.create()) == [TryEnd.UNANSWERED]


def test_redirects_end(start: Start) -> None:
    loop = answer(307, b"", "Location: /v1/group/foo/")
    run = start(*[loop] * 9)
    told = run.read()
    assert ends(told) == [307]
    assert len(run.server.received) == 4
    assert told.body is not None
    assert told.body.fault == "a redirect (307) to '/v1/group/foo/'"
    assert ends(run.create()) == [307]


def test_the_permit_is_asked_before_a_redirect_is_followed(start: Start) -> None:
    run = start()
    run.server.add(after(run.permit.withdraw, answer(307, b"", "Location: /v1/group")), answer(201))
    told = run.create()
    assert ends(told) == [307, TryEnd.STOPPED]
    assert judge_write(told, run.dialect).effect is Effect.UNKNOWN
    assert len(run.server.received) == 1


def test_another_host_is_refused(start: Start) -> None:
    other = start(answer(404))
    run = start(answer(307, b"", f"Location: {other.server.url}/v1/group/foo/"))
    told = run.read()
    assert judge_read(told, run.dialect).presence is None
    assert told.body is not None
    assert told.body.fault.startswith("a redirect (307) to 'http://")
    assert other.server.connections == 0
    run.server.add(answer(308, b"", f"Location: {other.server.url}/v1/group/"))
    assert ends(run.create()) == [308]
    assert other.server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", list(Method))
def test_other_redirects_are_never_followed(start: Start, method: Method, status: int) -> None:
    run = start(answer(status, b"", "Location: /v1/group/foo/"), answer(404))
    told = run.call(method)
    assert ends(told) == [status]
    assert len(run.server.received) == 1
    if method is Method.READ:
        assert judge_read(told, run.dialect).presence is None
        assert told.body is not None
        assert told.body.fault == f"a redirect ({status}) to '/v1/group/foo/'"
    else:
        assert judge_write(told, run.dialect).effect is Effect.REFUSED


@pytest.mark.parametrize("location", ["http://[", "//[::1", "", "http://h:99999999/", "\x1b[2J"])
def test_a_malformed_location_does_not_lose_the_call(start: Start, location: str) -> None:
    """requests parses it even when it must not follow it."""
    run = start(answer(301, b"", f"Location: {location}"))
    told = run.read()
    assert ends(told) == [301]
    assert told.body is not None
    assert told.body.fault.isprintable()


def test_404_behind_a_redirect_to_something_else_is_not_absent(start: Start) -> None:
    run = start(answer(307, b"", "Location: /maintenance"), answer(404))
    told = run.read()
    assert judge_read(told, run.dialect).presence is None
    assert judge_read(told, run.dialect).why == "404 after a redirect to another resource"


def test_404_behind_a_missing_slash_is_absent(start: Start) -> None:
    run = start(answer(307, b"", "Location: /v1/group/foo"), answer(404))
    assert judge_read(run.read(), run.dialect).presence is Presence.ABSENT


@pytest.mark.parametrize(
    ("slash", "location", "hint"),
    [
        (True, "/v1/group/foo", "if the paths end without a slash here, set cluster.api.trailing_slash"),
        (True, "{url}/v1/group/foo", "if the paths end without a slash here, set cluster.api.trailing_slash"),
        (False, "/v1/group/foo/", "if the paths end with a slash here, set cluster.api.trailing_slash"),
        (False, "/v1/group/foo", ""),
        (True, "/v1/group/", ""),
        (True, "/v1/group/foo?x=1", ""),
        (True, "http://other.test/v1/group/foo", ""),
        (True, "http://[", ""),
        (True, "", ""),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_only_changes_the_slash_names_the_setting(
    start: Start, status: int, slash: bool, location: str, hint: str
) -> None:
    run = start(dialect=Dialect(trailing_slash=slash, delete_style="path"))
    there = location.format(url=run.server.url)
    run.server.add(*[answer(status, b"", f"Location: {there}")] * 2)
    words = f"a redirect ({status}) to {there!r}" + (f"; {hint}" if hint else "")
    assert judge_read(run.read(), run.dialect).why == words
    assert judge_write(run.delete(), run.dialect).failure == words


def test_redirects_to_and_fro_name_no_setting(start: Start) -> None:
    script = [answer(307, b"", f"Location: /v1/group/foo{slash}") for slash in ("", "/") * 2]
    run = start(*script)
    assert judge_read(run.read(), run.dialect).why == "a redirect (307) to '/v1/group/foo/'"


HERE = "http://node.test/pre/v1/group/"
LED = {
    "/x": "http://node.test/x",
    "x": "http://node.test/pre/v1/group/x",
    "http://node.test:80/x": "http://node.test/x",
    "HTTP://NODE.test/x": "http://node.test/x",
    "//node.test/x?y=%2F": "http://node.test/x?y=%2F",
    "http://me:secret@node.test/x": "http://node.test/x",
    "http://node.test": "http://node.test/",
    "/\xc3\xbc": "http://node.test/%C3%BC",  # UTF-8 as http.client reads it
    "http://node.test:81/x": None,
    "https://node.test/x": None,
    "https://node.test:80/x": None,
    "http://node.test@evil.test/x": None,
    "//evil.test/x": None,
    "http://evil.test\\@node.test/x": "http://node.test/x",  # only path and query are taken over
    "javascript:x": None,
    "http://node.test:port/": None,
}


@pytest.mark.parametrize(("location", "led"), LED.items())
def test_where_a_location_leads(location: str, led: str | None) -> None:
    assert follow(HERE, location) == led


NEIGHBOURS = [
    "/b/v1/group/foo/",
    "/ab/v1/group/foo/",
    "/a/../b/v1/group/foo/",
    "/a/%2e%2E/b/v1/group/foo/",
    "/a/..%2Fb/v1/group/foo/",
    "/a/..\\b/v1/group/foo/",
    "../../../../b/v1/group/foo/",
    "{origin}/b/v1/group/foo/",
    "{origin}/a/../b/v1/group/foo/",
]


@pytest.mark.parametrize("location", NEIGHBOURS)
@pytest.mark.parametrize("method", [Method.READ, Method.CREATE, Method.DELETE])
def test_another_node_behind_the_same_gateway_gets_nothing(
    start: Start, location: str, method: Method
) -> None:
    """It would be shown this one's credential, and be written to without a plan, a mark or a word."""
    run = start(prefix="/a", dialect=Dialect(delete_style="path"))
    run.server.add(answer(307, b"", "Location: " + location.format(origin=run.server.url)), group("foo"))
    told = run.call(method, tries=1)
    assert ends(told) == [307]
    assert len(run.server.received) == 1


@pytest.mark.parametrize(
    "location",
    ["/v1/group/other/", "/v1/", "/", "/v2/group/foo/", "/v1/group/foo/?x=y", "/v1/group/foo/more"],
)
@pytest.mark.parametrize("method", [Method.CREATE, Method.DELETE])
def test_a_write_goes_to_no_other_resource(start: Start, location: str, method: Method) -> None:
    run = start(answer(307, b"", f"Location: {location}"), answer(200), dialect=Dialect(delete_style="path"))
    assert ends(run.call(method)) == [307]
    assert len(run.server.received) == 1
