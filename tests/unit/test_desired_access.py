"""Credentials and TLS in groups.yaml: who gets what, what is refused, and no misplaced secret is repeated."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from planner.access import Credential, Scheme, Tls, leaves_machine
from planner.desired import parse
from planner.errors import FileInvalid
from planner.model import Desired
from planner.references import PATTERN

REFERENCE = "must be `env:NAME` (a variable of the environment) or `file:/path`, never the secret itself"
LIBRARY = "is set by the HTTP library"
PLANTED = "planted-7f3a"
TOKEN = "env:TOKEN"


def text(*nodes: dict[str, Any], **cluster: Any) -> str:
    """A file of one line; a node without a URL has https."""
    listed = [{"name": f"n{i}", "url": f"https://n{i}", **node} for i, node in enumerate(nodes)]
    return json.dumps({"version": 1, "cluster": {"name": "c", "nodes": listed, **cluster}, "groups": []})


def found(*nodes: dict[str, Any], **cluster: Any) -> list[str]:
    """The problems, without their places."""
    return said_of(text(*nodes, **cluster))


def said_of(file: str, override: str | None = None) -> list[str]:
    try:
        parse(file, origin="f", nodes_override=override)
    except FileInvalid as error:
        return [each.sentence for each in error.problems]
    return []


def desired(*nodes: dict[str, Any], **cluster: Any) -> Desired:
    return parse(text(*nodes, **cluster), origin="groups.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (TOKEN, Credential(Scheme.BEARER, TOKEN)),
        ({"bearer": "file:/t"}, Credential(Scheme.BEARER, "file:/t")),
        ({"basic": {"user": "u", "password": TOKEN}}, Credential(Scheme.BASIC, TOKEN, "u")),
        ({"header": {"name": "X-Key", "value": TOKEN}}, Credential(Scheme.HEADER, TOKEN, "X-Key")),
        (None, None),
    ],
)
def test_a_credential_of_a_node_takes_the_place_of_the_clusters(
    written: Any, meant: Credential | None
) -> None:
    nodes = desired({"credential": written}, {}, credential="file:/all").nodes
    assert [node.credential for node in nodes] == [meant, Credential(Scheme.BEARER, "file:/all")]


def test_tls_of_a_node_overlays_the_clusters_key_by_key() -> None:
    nodes = desired(
        {"tls": {"verify": False}},
        {"tls": {"certificate": "env:C"}},
        {},
        tls={"ca": "file:/a", "certificate": "env:B"},
    ).nodes
    assert [node.tls for node in nodes] == [
        Tls("file:/a", "env:B", verify=False),
        Tls("file:/a", "env:C"),
        Tls("file:/a", "env:B"),
    ]


@pytest.mark.parametrize(
    ("url", "leaves"),
    [
        ("http://node01", True),
        ("http://10.0.0.1:8080/x", True),
        ("http://localhost.evil.example", True),
        ("http://127.0.0.1.evil.example", True),
        ("http://128.0.0.1", True),
        ("http://[::2]", True),
        ("http://[::ffff:8.8.8.8]", True),
        ("http://localhost:1", False),
        ("http://127.0.0.1", False),
        ("http://127.9.9.9:80", False),
        ("http://[::1]:8080", False),
        ("https://node01", False),
    ],
)
def test_plain_http_to_another_machine_needs_leave_by_name(url: str, leaves: bool) -> None:
    assert leaves_machine(url) is leaves
    cure = "write https://, or name the node in `cluster.credential_over_http`"
    refused = [f"`n0` would get its credential over plain http, where others can read it: {cure}"]
    assert found({"url": url}, credential=TOKEN) == refused * leaves
    assert found({"url": url, "credential": {"bearer": TOKEN}}) == refused * leaves
    assert found({"url": url}, credential=TOKEN, credential_over_http=["n0"]) == []
    assert found({"url": url}, {}, credential=TOKEN, credential_over_http=["n1"]) == refused * leaves
    assert found({"url": url, "credential": None}, credential=TOKEN) == []


def test_leave_by_name_is_of_this_node_alone() -> None:
    nodes = desired({}, {}, credential=TOKEN, credential_over_http=["n1"]).nodes
    assert [node.credential and node.credential.over_http for node in nodes] == [False, True]
    assert found({}, credential_over_http=["zzz"]) == ["there is no node `zzz`"]


def test_nodes_of_the_environment_need_it_too() -> None:
    file = json.dumps({"version": 1, "cluster": {"name": "c", "credential": TOKEN}, "groups": []})
    outside = "a=http://a,b=https://b,c=http://127.0.0.1"
    assert ["`a` would get" in each for each in said_of(file, outside)] == [True]
    assert said_of(file, "b=https://b") == []


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"credential": {}}, "`credential` must not be empty"),
        (
            {"credential": {"bearer": TOKEN, "header": {"name": "a", "value": TOKEN}}},
            "`credential` must have only one of its keys",
        ),
        ({"credential": {"basic": {"password": TOKEN}}}, "the key `user` is missing in `basic`"),
        (
            {"credential": {"basic": {"user": "a:b", "password": TOKEN}}},
            "`user` must not hold a colon or control characters",
        ),
        ({"credential": {"header": {"name": "a b", "value": TOKEN}}}, "`name` is no name of a header"),
        (
            {"credential": {"header": {"name": "Content-Length", "value": TOKEN}}},
            f"the header `Content-Length` {LIBRARY}",
        ),
        ({"credential": {"header": {"name": "host", "value": TOKEN}}}, f"the header `host` {LIBRARY}"),
        (
            {"credential": {"header": {"name": "X", "value": "env:PLANNER_STORE"}}},
            "`env:PLANNER_STORE` cannot be used: it is a setting of planner's own, which no node is shown",
        ),
        (
            {"tls": {"certificate": "env:PLANNER_STORE"}},
            "`env:PLANNER_STORE` cannot be used: it is a setting of planner's own, which no node is shown",
        ),
        (
            {"credential": "file:/run/../etc/x"},
            "`file:/run/../etc/x` cannot be used: a path with `..` leads out of every folder",
        ),
        ({"tls": {"key": TOKEN}}, "`key` is of no use without `certificate`"),
        (
            {"tls": {"ca": TOKEN}, "url": "http://a"},
            "`tls` is of no use with http://: write https://, or take it out",
        ),
        ({"tls": {"verify": "no"}}, "`verify` must be true or false, not `no`"),
        ({"tls": {"ca": "/etc/ca.pem"}}, f"`ca` {REFERENCE}"),
        ({"credential": "file:relative"}, f"`credential` {REFERENCE}"),
    ],
)
def test_what_is_wrong(node: dict[str, Any], expected: str) -> None:
    assert found(node) == [expected]


def test_verification_is_turned_off_for_no_cluster() -> None:
    (said,) = found({}, tls={"verify": False})
    assert said.startswith("unknown key `verify` in `tls`")


@pytest.mark.parametrize(
    "node",
    [
        {"credential": PLANTED},
        {"credential": f"env:{PLANTED}"},
        {"credential": {"bearer": PLANTED}},
        {"credential": {"basic": {"user": "me", "password": PLANTED}}},
        {"credential": {"header": {"name": "X", "value": PLANTED}}},
        {"credential": {"header": {"name": "X", "value": [PLANTED]}}},
        {"credential": {"token": PLANTED}},
        {"credential": [PLANTED]},
        {"tls": {"key": PLANTED}},
        {"tls": {"key": f"-----BEGIN PRIVATE KEY----- {PLANTED}"}},
        {"url": f"https://me:{PLANTED}@n0"},
        {"api": {"headers": {"Authorization": f"Bearer {PLANTED}"}}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(node: dict[str, Any]) -> None:
    for file in (text(node), text(node).replace(PLANTED, PLANTED + "\\u001b[31m")):
        with pytest.raises(FileInvalid) as caught:
            parse(file, origin="groups.yaml")
        said = repr(vars(caught.value)) + "".join(each.source for each in caught.value.problems)
        assert "•••" in said
        assert PLANTED not in said


def test_a_number_for_a_secret_is_not_repeated_either() -> None:
    with pytest.raises(FileInvalid) as caught:
        desired({"credential": 73519284})
    assert "73519284" not in repr(vars(caught.value)) + caught.value.problems[0].source


@pytest.mark.parametrize(
    "reference", ["env:A", "env:_a1", "file:/a b", "env:", "env:1", "file:a", "x", "file:/\n"]
)
def test_the_file_and_the_resolver_agree_about_references(reference: str) -> None:
    assert (found({"credential": reference}) == []) is (re.fullmatch(PATTERN, reference) is not None)


BROKEN = """
credential: @PLANTED
credential: PLANTED: x
credential: {bearer: %PLANTED}
credential: {PLANTED}
credential: &PLANTED env:A
credential: *PLANTED
credential: 'PLANTED
credential: !PLANTED x
credentials: PLANTED
credentail: PLANTED
token: PLANTED
credential: {basic: {user: me, password: PLANTED, x: [}}
credential: {header: {name: X, value: PLANTED}}, x: y
tls: {key: PLANTED}
tls: {key: "-----BEGIN PRIVATE KEY-----\\nPLANTED\\n-----END PRIVATE KEY-----"}
api: {headers: {X-API-Key: PLANTED}}
api: {headers: {X-Vault-Token: PLANTED}}
api: {headers: {My-Secret: PLANTED}}
"""


@pytest.mark.parametrize("line", [*BROKEN.strip().splitlines(), "credential: env:A\n  credential: PLANTED"])
def test_a_secret_in_a_broken_line_is_not_repeated(line: str) -> None:
    """YAML that cannot be read has no places, and a mistyped key no meaning."""
    text = f"version: 1\ncluster:\n  name: c\n  {line.replace('PLANTED', PLANTED)}\ngroups: []\n"
    with pytest.raises(FileInvalid) as caught:
        parse(text, origin="groups.yaml")
    assert PLANTED not in repr(vars(caught.value)) + "".join(each.source for each in caught.value.problems)


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    line = "cluster: {name: c, credential: env:TOKEN, nodes: [{nme: x, url: oops}]}"
    with pytest.raises(FileInvalid) as caught:
        parse(f"version: 1\n{line}\n", origin="f")
    assert line in {each.source for each in caught.value.problems}


def test_names_of_nodes_are_no_secrets() -> None:
    (said,) = found({"name": "web01"}, credential_over_http=["web1"])
    assert said == "there is no node `web1` (did you mean `web01`?)"
