"""Connections: used again, never full, without cookies, .netrc and surprises of the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from planner.verdict import Body, Effect, Method, TryEnd, judge_write
from tests.http.conftest import Start, ends
from tests.http.server import (
    PATIENCE,
    ScriptedServer,
    after,
    answer,
    close,
    group,
    last,
    raw,
)


def test_a_connection_is_used_again(start: Start) -> None:
    run = start(
        answer(201),
        answer(500, b"x" * 9999),
        answer(201, b"made"),
        answer(404, b"none"),
        group("foo"),
        answer(200),
    )
    run.create()
    run.create()
    run.read()
    run.read()
    run.delete()
    assert len(run.server.received) == 6
    assert run.server.connections == 1


def test_a_large_irrelevant_body_costs_the_connection(start: Start) -> None:
    run = start(answer(201, b"x" * 200_000), answer(201))
    run.create()
    run.create()
    assert run.server.connections == 2


@pytest.mark.parametrize("method", list(Method))
def test_a_connection_that_the_node_closed_meanwhile(start: Start, method: Method) -> None:
    """Noticed before anything is written: no suspicion."""
    run = start(last(answer(201)), answer(201))
    run.create()
    assert run.server.closed_by_client.acquire(timeout=PATIENCE)  # the server's thread has closed its side
    assert ends(run.call(method)) == [201]
    assert run.server.connections == 2


def test_a_kept_connection_that_closes_on_the_next_request(start: Start) -> None:
    """The node may have read it: a write is not sent again, a read is."""
    run = start(answer(201), close, answer(201), close, group("foo"))
    run.create()
    told = run.create()
    assert ends(told) == [TryEnd.UNANSWERED]
    assert judge_write(told, run.dialect).effect is Effect.UNKNOWN
    run.create()
    assert ends(run.read()) == [TryEnd.UNANSWERED, 200]


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_is_not_the_answer(start: Start, status: int) -> None:
    """http.client takes a 103 for the answer, and the next request gets the answer of this one."""
    hints = f"HTTP/1.1 {status} Wait\r\nLink: </x>\r\n\r\n".encode() * 2
    run = start(raw(hints + b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", keep=True), answer(201))
    assert ends(run.create()) == [400]
    assert ends(run.create()) == [201]
    assert run.server.connections == 1


def test_an_interim_answer_alone_is_no_answer(start: Start) -> None:
    run = start(raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"), answer(201))
    assert ends(run.create()) == [TryEnd.UNANSWERED]


def test_many_at_once_and_no_pool_is_full(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    run = start(*[answer(201)] * 200, parallelism=16)
    for n in range(200):
        run.submit(Method.CREATE, f"g{n}")
    assert {tuple(ends(run.wait())) for _ in range(200)} == {(201,)}
    assert run.server.connections <= 16
    assert "pool is full" not in caplog.text


def test_no_cookie_is_kept_or_sent_back(start: Start) -> None:
    run = start(
        answer(201, b"", "Set-Cookie: a=b; Path=/"), answer(500, b"", "Set-Cookie: c=d"), group("foo")
    )
    run.create()
    run.read()
    assert all("cookie" not in r.headers for r in run.server.received)


def test_netrc_adds_no_credentials(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    run = start(answer(307, b"", "Location: /v1/group"), answer(201))
    run.create()
    assert all("authorization" not in r.headers for r in run.server.received)


def test_a_proxy_of_the_environment(
    start: Start, serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(answer(201), group("a/b"))
    monkeypatch.setenv("HTTP_PROXY", "")
    monkeypatch.setenv("http_proxy", proxy.url)
    run = start(url="http://node.invalid/pre")
    assert ends(run.create()) == [201]
    assert run.read("a/b").body == Body("a/b")
    assert proxy.targets() == [
        "POST http://node.invalid/pre/v1/group/",
        "GET http://node.invalid/pre/v1/group/a%2Fb/",
    ]


def test_no_proxy(
    start: Start, serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(answer(500))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ends(start(answer(201)).create()) == [201]
    assert proxy.connections == 0


def test_a_proxy_that_refuses_was_not_sent(
    start: Start, serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", serve(listen=False).url)
    told = start(url="http://node.invalid").create()
    assert ends(told) == [TryEnd.NOT_SENT] * 3
    assert str(told.tries[0]) == "the proxy could not be used: connection refused"


def test_a_tunnel_that_is_refused_was_not_sent(
    start: Start, serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CONNECT was answered, the request itself never left."""
    proxy = serve(*[answer(503)] * 3)
    monkeypatch.setenv("https_proxy", proxy.url)
    assert set(ends(start(url="https://node.invalid").create())) == {TryEnd.NOT_SENT}
    assert proxy.targets()[0] == "CONNECT node.invalid:443"


def test_a_tls_handshake_that_fails_was_not_sent(start: Start) -> None:
    run = start()
    run.server.greeting = b"HTTP/1.1 400 This is not TLS\r\n\r\n"
    told = start(url=run.server.url.replace("http", "https")).create()
    assert set(ends(told)) == {TryEnd.NOT_SENT}
    assert judge_write(told, run.dialect).effect is Effect.NOT_APPLIED


def test_certificates_that_are_missing_were_not_sent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle")
    assert set(ends(start(url="https://node.invalid").create())) == {TryEnd.NOT_SENT}


def test_a_permit_lost_on_a_kept_connection(start: Start) -> None:
    run = start(answer(201), after(lambda: None, answer(201)))
    run.create()
    run.permit.withdraw()
    assert ends(run.create()) == [TryEnd.STOPPED]
    assert len(run.server.received) == 1
