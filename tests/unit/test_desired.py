"""groups.yaml -> Desired."""

from __future__ import annotations

import hashlib
from textwrap import dedent
from uuid import UUID

import pytest

from planner.access import Credential, Scheme, Tls
from planner.desired import parse, parse_nodes
from planner.errors import WrongUsage
from planner.model import Dialect, Group, Limits, Presence
from tests.unit.desired_texts import HEAD, NAME, ROOT, USER, groups, parsed, problem, problems


def test_the_example_of_the_repository_shows_every_kind_of_group() -> None:
    text = (ROOT / "groups.yaml").read_bytes()
    desired = parse(text, origin="groups.yaml")
    assert [node.url for node in desired.nodes] == [f"http://127.0.0.1:800{n}" for n in (1, 2, 3)]
    assert [(g.id, g.nodes, g.state, g.protect) for g in desired.groups] == [
        ("foo.bar", ("node01", "node02", "node03"), Presence.PRESENT, False),
        ("payments", ("node02", "node03"), Presence.PRESENT, True),
        ("legacy", ("node01", "node02", "node03"), Presence.ABSENT, False),
    ]
    assert desired.limits == Limits()
    assert desired.digest == hashlib.sha256(text).hexdigest()
    assert text.startswith(b"# yaml-language-server: $schema=./planner/schemas/groups.schema.json\n")


def test_nodes_from_the_environment_are_part_of_what_is_applied() -> None:
    """Another node is a change that somebody has to review, although the file's text is the same."""
    text = "version: 1\ncluster: {name: c}\ngroups: [a]\n"
    first, same, more, moved = (
        parsed(text, nodes).digest
        for nodes in ("n1=http://a", " n1 = http://A:80/ ", "n1=http://a,n2=http://b", "n1=http://b")
    )
    assert first == same
    assert len({first, more, moved, hashlib.sha256(text.encode()).hexdigest()}) == 4


def test_what_is_commented_out_in_the_example_is_valid_too() -> None:
    lines = (ROOT / "groups.yaml").read_text().splitlines()
    inside = ["# api:", "#   delete_style", "#   created", "#   headers", "# store"]
    opened = [line.replace("# ", "", 1) if line.strip().startswith(tuple(inside)) else line for line in lines]
    desired = parsed("\n".join(opened))
    assert str(UUID(desired.store)) == desired.store, "a part of an id is refused"
    assert desired.nodes[0].dialect == Dialect(
        delete_style="path", created=(200, 201), headers=(("node", "node01"),)
    )


def test_everything_is_taken_over() -> None:
    desired = parsed(
        dedent("""\
        version: 1
        cluster:
          name: production
          store: abc
          credential: env:SHARED
          credential_over_http: [two]
          tls: {ca: "file:/ca.pem", certificate: "file:/cert.pem", key: "file:/key.pem"}
          api: {path: /v2/group, trailing_slash: false, headers: {Node: all, x: "1"}, missing: [404, 410]}
          nodes:
            - name: one
              url: HTTPS://One.Example:443/base/
              labels: {zone: a, rack: r1}
              tls: {certificate: env:OWN}
              api: {headers: {node: one}, list: {path: /v2/all, field: groups}, confirm_absent: 3}
            - {name: two, url: "http://two", api: {list: /v2/list, path: /x/},
               credential: {header: {name: X-Key, value: "file:/run/token"}}}
        limits: {max_deletes: null, max_delete_percent: 100, max_creates: 7}
        prune: true
        groups:
        - a
        - {id: b, nodes: [two, one]}
        - {id: c, nodes: {rack: r1, zone: a}, state: absent}
        """)
    )
    one, two = desired.nodes
    assert (one.name, one.url, one.labels) == (
        "one",
        "https://one.example/base",
        (("rack", "r1"), ("zone", "a")),
    )
    assert one.dialect == Dialect(
        path="/v2/group",
        trailing_slash=False,
        missing=(404, 410),
        headers=(("node", "one"), ("x", "1")),
        list_path="/v2/all",
        list_field="groups",
        confirm_absent=3,
    )
    assert one.credential == Credential(Scheme.BEARER, "env:SHARED")
    assert one.tls == Tls(ca="file:/ca.pem", certificate="env:OWN", key="file:/key.pem")
    assert (two.dialect.path, two.dialect.list_path, two.dialect.list_field) == ("/x/", "/v2/list", "")
    assert two.dialect.headers == (("Node", "all"), ("x", "1"))
    assert two.credential == Credential(Scheme.HEADER, "file:/run/token", "X-Key", over_http=True)
    assert two.tls == Tls(ca="file:/ca.pem", certificate="file:/cert.pem", key="file:/key.pem")
    assert desired.groups == (
        Group("a", ("one", "two"), line=20),
        Group("b", ("one", "two"), line=21),
        Group("c", ("one",), Presence.ABSENT, line=22),
    )
    assert desired.limits == Limits(max_deletes=None, max_delete_percent=100, max_creates=7)
    assert (desired.cluster, desired.prune, desired.store, desired.origin) == ("production", True, "abc", "f")


def test_no_groups_must_be_said() -> None:
    assert parsed(HEAD + "groups: []\n").groups == ()
    assert problem(HEAD) == "1:1: the key `groups` is missing in the file"
    assert problem(HEAD + "groups:\n") == "8:8: `groups` is empty: it must be a list"


@pytest.mark.parametrize(
    "line", ["{id: a, protect: false, state: absent}", "{id: a, protect: true, state: present}"]
)
def test_protect_contradicts_absent_only(line: str) -> None:
    assert parsed(groups(f"- {line}")).groups[0].id == "a"


def test_a_null_limit_is_no_limit_and_the_others_keep_their_default() -> None:
    assert parsed(HEAD + "limits: {max_deletes: ~}\ngroups: []\n").limits == Limits(max_deletes=None)


def test_a_later_null_list_takes_the_list_away() -> None:
    text = HEAD.replace('"http://a",', '"http://a", api: {list: null},') + "  api: {list: /all}\ngroups: []\n"
    assert [node.dialect.list_path for node in parsed(text).nodes] == [None, "/all", "/all"]


def test_anchors_aliases_and_merges() -> None:
    text = HEAD + dedent("""\
        groups:
        - &base {id: a, nodes: &zone {zone: b}, protect: true}
        - {<<: *base, id: b, protect: false}
        - {id: c, nodes: *zone}
        - {<<: [{protect: true}, *base], id: d}
        """)
    assert [(g.id, g.nodes, g.protect) for g in parsed(text).groups] == [
        ("a", ("node02", "node03"), True),
        ("b", ("node02", "node03"), False),
        ("c", ("node02", "node03"), False),
        ("d", ("node02", "node03"), True),
    ]


def test_text_and_bytes_mean_the_same() -> None:
    text = groups("- grün", "- '…'")
    assert parse(text, origin="f") == parse(text.encode(), origin="f")
    assert parse("\ufeff" + text, origin="f").groups == parsed(text).groups


def test_an_id_in_quotes_can_be_nearly_anything() -> None:
    ids = ["yes", "012", "1.0", "2024-01-01", "a/b c", "...", "ü", "%2E%2E", "=", "~", "<<"]
    assert [g.id for g in parsed(groups(*(f'- "{id_}"' for id_ in ids))).groups] == ids
    assert parsed(groups("- !!str 012")).groups[0].id == "012"


# Nodes from the environment.


def test_nodes_from_the_environment_take_api_and_credential_from_the_file() -> None:
    cluster = "{name: c, api: {path: /x/}, credential: env:T, credential_over_http: [one, two]}"
    text = f"version: 1\ncluster: {cluster}\ngroups: [a, {{id: b, nodes: [two]}}]\n"
    desired = parsed(text, " one = HTTP://One:80/p/ ,\n two=http://two, ")
    assert [(n.name, n.url, n.dialect.path, n.credential) for n in desired.nodes] == [
        ("one", "http://one/p", "/x/", Credential(Scheme.BEARER, "env:T", over_http=True)),
        ("two", "http://two", "/x/", Credential(Scheme.BEARER, "env:T", over_http=True)),
    ]
    assert [group.nodes for group in desired.groups] == [("one", "two"), ("two",)]


def test_selectors_are_checked_against_the_nodes_of_the_environment() -> None:
    text = "version: 1\ncluster: {name: c}\ngroups:\n- {id: a, nodes: [tow]}\n- {id: b, nodes: {zone: a}}\n"
    assert problems(text, override="one=http://one,two=http://two") == [
        "4:19: there is no node `tow` (did you mean `two`?)",
        "5:18: this chooses no node: none has a label `zone`",
    ]


def test_nodes_in_both_places_are_wrong_usage_even_if_the_file_has_other_problems() -> None:
    with pytest.raises(WrongUsage, match="given twice") as caught:
        parsed(HEAD + "nonsense: 1\n", "a=http://a")
    assert caught.value.where == "f:5:5, and PLANNER_NODES"
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("blank", [None, "", " \n"])
def test_a_blank_variable_is_not_set(blank: str | None) -> None:
    assert len(parsed(groups("- a"), blank).nodes) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (",", ["PLANNER_NODES names no node"]),
        ("a", ["PLANNER_NODES: entry 1 is not `name=url`"]),
        (
            "a=http://u:secret@h,a=http://b,c/d=http://c,=http://d,e=http://B",
            [
                f"PLANNER_NODES: entry 1: {USER}",
                "PLANNER_NODES: entry 2: a node `a` is there already",
                f"PLANNER_NODES: entry 3: the name `c/d` {NAME}",
                "PLANNER_NODES: entry 4: the name is missing",
                "PLANNER_NODES: entry 5: this is the node `a`: both are http://b",
            ],
        ),
    ],
)
def test_bad_nodes_in_the_environment(text: str, expected: list[str]) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse_nodes(text)
    assert list(caught.value.details) == expected
