"""Credentials on the wire: what is sent to whom, what is never sent, and what is never told."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from planner import references
from planner.access import Credential, Scheme
from planner.model import Dialect
from planner.verdict import Body, Method, TryEnd
from tests.http.conftest import Start, ends
from tests.http.server import ScriptedServer, answer, group, raw

PLANTED = 'plánted\'s "tøken" 7f3a'
TOKEN = Credential(Scheme.BEARER, "env:NODE_TOKEN")


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_TOKEN", PLANTED)
    monkeypatch.setattr(references, "_KNOWN", set())


def sent(server: ScriptedServer, header: str = "authorization") -> list[str]:
    return [request.headers.get(header, "").encode("latin-1").decode() for request in server.received]


@pytest.mark.parametrize("method", list(Method))
def test_every_call_shows_a_bearer_token(start: Start, method: Method) -> None:
    run = start(answer(500), answer(404), answer(404), dialect=Dialect(list_path="/all"), credential=TOKEN)
    run.call(method, tries=2)
    assert sent(run.server) == [f"Bearer {PLANTED}"] * len(run.server.received)
    assert run.server.received


def test_user_and_password(start: Start) -> None:
    run = start(answer(201), credential=Credential(Scheme.BASIC, "env:NODE_TOKEN", "planner"))
    run.create()
    kind, _, pair = sent(run.server)[0].partition(" ")
    assert (kind, base64.b64decode(pair).decode()) == ("Basic", f"planner:{PLANTED}")


def test_a_header_of_another_name_replaces_that_of_the_dialect(start: Start) -> None:
    run = start(
        answer(201),
        dialect=Dialect(headers=(("x-api-key", "none"),)),
        credential=Credential(Scheme.HEADER, "env:NODE_TOKEN", "X-API-Key"),
    )
    run.create()
    assert sent(run.server, "x-api-key") == [PLANTED]
    assert sent(run.server) == [""]


def test_a_file_with_a_line_end(start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    run = start(answer(201), credential=Credential(Scheme.HEADER, f"file:{tmp_path}/token", "X-Key"))
    assert ends(run.create()) == [201]
    assert sent(run.server, "x-key") == ["abc"]


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("value", [None, "", "a\r\nX-Evil: 1"], ids=["unset", "empty", "another header"])
def test_what_is_no_secret_is_sent_as_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, method: Method, value: str | None
) -> None:
    monkeypatch.delenv("NODE_TOKEN")
    if value is not None:
        monkeypatch.setenv("NODE_TOKEN", value)
    run = start(answer(200), dialect=Dialect(list_path="/all"), credential=TOKEN)
    told = run.call(method)
    assert ends(told) == [TryEnd.NOT_SENT]
    assert "Cannot get the bearer token of node01: env:NODE_TOKEN: " in told.tries[0].detail
    assert "Evil" not in str(told)
    assert run.server.connections == 0


def test_no_setting_of_planner_is_shown_to_a_node(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was checked; the journal may have been written by somebody else."""
    monkeypatch.setenv("PLANNER_STORE", PLANTED)
    run = start(answer(200), credential=Credential(Scheme.BEARER, "env:PLANNER_STORE"))
    told = run.read()
    assert ends(told) == [TryEnd.NOT_SENT]
    assert "a setting of planner's own" in told.tries[0].detail
    assert run.server.connections == 0


def test_a_redirect_on_the_same_host_is_shown_it_and_another_host_is_not(
    start: Start, serve: Callable[..., ScriptedServer]
) -> None:
    elsewhere = serve(answer(201))
    run = start(
        answer(307, b"", "Location: /v1/group"),
        answer(201),
        answer(307, b"", f"Location: {elsewhere.url}/v1/group/"),
        credential=TOKEN,
    )
    assert ends(run.create()) == [201]
    assert ends(run.create()) == [307]
    assert sent(run.server) == [f"Bearer {PLANTED}"] * 3
    assert elsewhere.connections == 0


@pytest.fixture
def proxy(serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    server = serve(answer(201))
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//me:proxy-word-5c@"))
    return server


@pytest.mark.parametrize("host", ["node.invalid", "127.0.0.1:1", "localhost:1"])
def test_a_proxy_is_not_shown_it_over_plain_http(start: Start, proxy: ScriptedServer, host: str) -> None:
    run = start(url=f"http://{host}", credential=TOKEN)
    told = run.create()
    assert ends(told) == [TryEnd.NOT_SENT]
    assert "is not sent over plain http" in told.tries[0].detail
    assert "through a proxy" in told.tries[0].detail
    assert proxy.connections == 0


def test_another_machine_is_not_shown_it_over_plain_http(start: Start) -> None:
    """The file was checked; `recover --node-url` may name another URL later."""
    told = start(url="http://192.0.2.1", credential=TOKEN).create()
    assert ends(told) == [TryEnd.NOT_SENT]
    assert "others on the way could read it" in told.tries[0].detail


def test_a_node_that_was_allowed_by_name_is_shown_it(start: Start, proxy: ScriptedServer) -> None:
    allowed = Credential(Scheme.BEARER, "env:NODE_TOKEN", over_http=True)
    assert ends(start(url="http://node.invalid", credential=allowed).create()) == [201]
    assert sent(proxy) == [f"Bearer {PLANTED}"]


def test_the_password_of_a_proxy_is_not_told(start: Start, proxy: ScriptedServer) -> None:
    proxy.script.clear()
    proxy.add(answer(200, b"<html>for me:proxy-word-5c@proxy</html>"))
    told = start(url="http://node.invalid").read(tries=1)
    assert told.body is not None
    assert "for me:•••@proxy" in told.body.fault


@pytest.mark.parametrize(
    "echo",
    [
        answer(200, b"<html>" + PLANTED.encode() + b"</html>"),
        answer(200, {"groupId": PLANTED}),
        answer(200, {"groupId": [PLANTED]}),
        answer(200, {PLANTED: "foo"}),
        answer(200, b"x" * 60 + b" Bearer " + PLANTED.encode()),  # cut in the middle of it
        answer(200, base64.b64encode(PLANTED.encode())),
        answer(301, b"", "Location: http://x/?t=" + PLANTED.encode().decode("latin-1")),
        answer(404, b"", "X-Echo: " + PLANTED.encode().decode("latin-1")),
        raw(f"HTTP/1.1 {PLANTED}\r\n\r\n".encode()),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + PLANTED.encode() + b"\r\n"),
    ],
    ids=["HTML", "id", "list", "key", "long", "base64", "Location", "header", "status line", "chunk"],
)
def test_what_a_node_repeats_of_it_is_not_told(start: Start, echo: Callable[..., bool]) -> None:
    run = start(echo, credential=TOKEN)
    told = repr(run.read(tries=1))
    assert run.server.received
    for part in (
        PLANTED,
        "plánted",
        "pl\\xe1nted",
        "tøken",
        "7f3a",
        base64.b64encode(PLANTED.encode()).decode(),
    ):
        assert part not in told
        assert repr(part)[1:-1] not in told


def test_a_list_that_repeats_a_credential_is_no_list(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ids are told to the user. A short secret may be a part of any of them, and is none then."""
    monkeypatch.setenv("NODE_TOKEN", "planted-7f3a-long-enough")
    listing = Dialect(list_path="/all")
    for ids, fault in (
        (["a", "planted-7f3a-long-enough"], True),
        (["x planted-7f3a-long-enough y"], True),
        (["planted"], False),
    ):
        told = start(answer(200, ids), dialect=listing, credential=TOKEN).list()
        assert told.body is not None
        assert ("repeats a credential" in told.body.fault) is fault
        assert "7f3a" not in repr(told)
    monkeypatch.setenv("NODE_TOKEN", "pay")
    told = start(answer(200, ["payments"]), dialect=listing, credential=TOKEN).list()
    assert told.body == Body(groups=("payments",))


def test_what_a_proxy_repeats_of_its_password_is_not_told(
    start: Start, serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = base64.b64encode(b"me:pr0xy w0rd").decode()
    proxy = serve(raw(f"HTTP/1.1 407 denied {pair} pr0xy w0rd pr0xy%20w0rd\r\n\r\n".encode()))
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:pr0xy%20w0rd@"))
    told = repr(start(url="https://node.invalid").read(tries=1))
    assert "407 denied ••• ••• •••" in told


def test_a_token_that_is_part_of_an_id_changes_no_id(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_TOKEN", "payments")
    run = start(group("payments"), credential=TOKEN)
    told = run.read("payments", tries=1)
    assert told.body is not None
    assert told.body.group == "payments"
