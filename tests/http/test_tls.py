"""TLS with real certificates: who is believed, what we show, and through which proxies."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization

from planner.access import NO_TLS, Credential, Scheme, Tls
from planner.nodes.adapter import Ways
from planner.verdict import Method, TryEnd
from tests.http.conftest import Run, Start, ends
from tests.http.server import ScriptedServer, answer, tunnel

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def client_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    """A reference to the authority's certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return f"file:{tmp_path}/ca.pem"


def serving(authority: trustme.CA, host: str = HOST) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def was_refused(run: Run, why: str) -> None:
    """Nothing of a request was sent, whatever it was, and the words say why."""
    for method in (Method.READ, Method.CREATE):
        told = run.call(method, tries=1)
        assert ends(told) == [TryEnd.NOT_SENT]
        assert why in told.tries[0].detail
    assert run.server.received == []


# Who is believed.


def test_an_authority_of_ones_own(start: Start, authority: trustme.CA, ca: str) -> None:
    run = start(answer(201), serving=serving(authority), tls=Tls(ca))
    assert ends(run.create()) == [201]


def test_an_authority_from_a_variable(
    start: Start, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_CA", authority.cert_pem.bytes().decode())
    assert ends(start(answer(201), serving=serving(authority), tls=Tls("env:NODE_CA")).create()) == [201]


def test_a_bundle_with_words_between_its_certificates(
    start: Start, authority: trustme.CA, client_authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    pems = [each.cert_pem.bytes().decode() for each in (client_authority, authority)]
    monkeypatch.setenv("NODE_CA", f"# Bündel: Zürich\n{pems[0]}\n# ours\n{pems[1]}")
    assert ends(start(answer(201), serving=serving(authority), tls=Tls("env:NODE_CA")).create()) == [201]


def test_an_unknown_authority_is_not_believed(start: Start, authority: trustme.CA) -> None:
    was_refused(start(serving=serving(authority)), "the certificate was refused")


def test_only_the_authorities_of_the_node_are_believed(
    start: Start,
    authority: trustme.CA,
    client_authority: trustme.CA,
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with client_authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        was_refused(start(serving=serving(client_authority), tls=Tls(ca)), "the certificate was refused")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_names_authorities_as_requests_has_it(
    start: Start, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv(variable, bundle)
        assert ends(start(answer(201), serving=serving(authority)).create()) == [201]


def test_a_bundle_of_the_environment_that_is_not_there(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert ends(start(url="https://127.0.0.1:1").create()) == [TryEnd.NOT_SENT]


@pytest.mark.parametrize("tls", ["own", "environment"])
def test_the_host_name_is_checked(
    start: Start, authority: trustme.CA, ca: str, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca.removeprefix("file:"))
    context = serving(authority, "another.example")
    was_refused(
        start(serving=context, tls=Tls(ca) if tls == "own" else NO_TLS), "the certificate was refused"
    )


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_nothing_older_than_tls_1_2(start: Start, authority: trustme.CA, ca: str, verify: bool) -> None:
    context = serving(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    was_refused(start(serving=context, tls=Tls(ca, verify=verify)), "TLS failed: ")


def test_tls_1_2_is_new_enough(start: Start, authority: trustme.CA, ca: str) -> None:
    context = serving(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ends(start(answer(201), serving=context, tls=Tls(ca)).create()) == [201]


def test_a_node_that_nobody_verifies(start: Start, client_authority: trustme.CA, ca: str) -> None:
    """No warning of urllib3's for each request (they are errors in tests): the run gives one of its own."""
    context = serving(client_authority, "another.example")
    assert ends(start(answer(201), serving=context, tls=Tls(ca, verify=False)).create()) == [201]


def test_one_unverified_node_leaves_the_others_verified(start: Start, authority: trustme.CA) -> None:
    run = start(answer(201), serving=serving(authority), tls=Tls(verify=False))
    assert ends(run.create()) == [201]
    was_refused(start(serving=serving(authority)), "the certificate was refused")


# What we show.


@pytest.fixture
def mutual(authority: trustme.CA, client_authority: trustme.CA) -> ssl.SSLContext:
    context = serving(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    client_authority.configure_trust(context)
    context.maximum_version = (
        ssl.TLSVersion.TLSv1_2
    )  # 1.3 tells of a missing certificate only after the request
    return context


@pytest.fixture
def ours(client_authority: trustme.CA, tmp_path: Path) -> Tls:
    """Certificate and key in files of their own."""
    leaf = client_authority.issue_cert("planner@example.com", common_name="planner")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "cert.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    encrypted = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"unknown"),
    )
    (tmp_path / "encrypted.pem").write_bytes(encrypted)
    (tmp_path / "other.pem").write_bytes(client_authority.issue_cert("x@example.com").private_key_pem.bytes())
    (tmp_path / "none.pem").write_text("no PEM at all\n")
    return Tls(certificate=f"file:{tmp_path}/cert.pem", key=f"file:{tmp_path}/key.pem")


def test_our_certificate_is_shown(start: Start, mutual: ssl.SSLContext, ca: str, ours: Tls) -> None:
    run = start(answer(201), serving=mutual, tls=replace(ours, ca=ca))
    assert ends(run.create()) == [201]
    assert run.server.shown == ["planner"]


def test_certificate_and_key_in_one(start: Start, mutual: ssl.SSLContext, ca: str, ours: Tls) -> None:
    both = ours.certificate.replace("cert.pem", "both.pem")
    assert ends(start(answer(201), serving=mutual, tls=Tls(ca, both)).create()) == [201]


@pytest.mark.parametrize("on_disk", [False, True])
def test_certificate_and_key_from_variables(
    start: Start,
    mutual: ssl.SSLContext,
    ca: str,
    ours: Tls,
    on_disk: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CERT", Path(ours.certificate.removeprefix("file:")).read_text())
    monkeypatch.setenv("KEY", Path(ours.key.removeprefix("file:")).read_text())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    if on_disk:
        monkeypatch.delattr("os.memfd_create")
    assert ends(start(answer(201), serving=mutual, tls=Tls(ca, "env:CERT", "env:KEY")).create()) == [201]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_our_certificate_the_node_refuses(start: Start, mutual: ssl.SSLContext, ca: str) -> None:
    was_refused(start(serving=mutual, tls=Tls(ca)), "TLS failed: ")


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("encrypted.pem", "the private key is encrypted, and nobody is there to type its password"),
        ("other.pem", "the key belongs to another certificate"),
        ("none.pem", "it is not PEM, or not whole"),
        ("missing.pem", "No such file or directory"),
    ],
)
def test_a_key_that_cannot_be_used(start: Start, ours: Tls, key: str, why: str) -> None:
    run = start(url="https://127.0.0.1:1", tls=replace(ours, key=ours.key.replace("key.pem", key)))
    told = run.create()
    assert ends(told) == [TryEnd.NOT_SENT]
    assert told.tries[0].detail.endswith(why)
    assert f"/{key}: " in told.tries[0].detail


def test_authorities_that_are_none(start: Start, ours: Tls) -> None:
    told = start(url="https://127.0.0.1:1", tls=Tls(ours.key.replace("key.pem", "none.pem"))).create()
    assert ends(told) == [TryEnd.NOT_SENT]
    assert "The certificates of `tls.ca` cannot be used" in told.tries[0].detail


def test_one_certificate_is_not_shown_to_the_nodes_of_another(ca: str, ours: Tls) -> None:
    """Two nodes behind one host and port have connections of their own where their TLS differs."""
    ways = Ways(3, 1)
    request = requests.Request("GET", "https://127.0.0.1:1/one").prepare()
    shown, hidden, again = (ways.find(request, tls).pool for tls in (replace(ours, ca=ca), Tls(ca), Tls(ca)))
    assert shown is not hidden
    assert hidden is again
    assert shown.conn_kw["ssl_context"] is not hidden.conn_kw["ssl_context"]
    ways.close()


# Proxies.


def test_a_proxy_passes_tls_through_and_sees_nothing(
    start: Start,
    serve: Callable[..., ScriptedServer],
    authority: trustme.CA,
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = serve(tunnel)
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:word@"))
    monkeypatch.setenv("NODE_TOKEN", "planted-7f3a")
    token = Credential(Scheme.BEARER, "env:NODE_TOKEN")
    run = start(answer(201), serving=serving(authority), tls=Tls(ca), credential=token)
    assert ends(run.create()) == [201]
    assert run.server.received[0].headers["authorization"] == "Bearer planted-7f3a"
    assert [(r.method, r.target) for r in proxy.received] == [("CONNECT", f"127.0.0.1:{run.server.port}")]
    assert "planted" not in str(proxy.received)


def test_the_certificate_is_looked_at_behind_a_proxy_too(
    start: Start, serve: Callable[..., ScriptedServer], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", serve(tunnel, tunnel, tunnel).url)
    was_refused(start(serving=serving(authority)), "the certificate was refused")


def test_no_proxy_is_respected(
    start: Start,
    serve: Callable[..., ScriptedServer],
    authority: trustme.CA,
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = serve(answer(500))
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert ends(start(answer(201), serving=serving(authority), tls=Tls(ca)).create()) == [201]
    assert proxy.connections == 0
