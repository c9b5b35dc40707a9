"""The text of a groups.yaml that is made from what a cluster holds."""

from __future__ import annotations

from textwrap import dedent

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planner.desired import id_problem, parse
from planner.desired.writing import Holders, new_file, scalar, with_groups, with_more_groups
from planner.errors import FileInvalid
from planner.model import Presence
from tests.builders import NAMES

OUTSIDE = ",".join(f"{name}=http://{name}" for name in NAMES)
FOUND: tuple[Holders, ...] = (("a", NAMES), ("b", ("node01", "node03")), ("c", NAMES))


def written(text: str, *groups: Holders, more: bool = False) -> str:
    raw = dedent(text).encode()
    outside = None if b"nodes: [{" in raw else OUTSIDE
    desired = parse(raw, origin="groups.yaml", nodes_override=outside)
    return (with_more_groups if more else with_groups)(raw, desired, groups, nodes_override=outside)


def test_a_new_file() -> None:
    text = new_file("production", ("/v1/group/", "data.ids"))
    assert written(text, *FOUND) == dedent("""\
        version: 1

        cluster:
          name: production
          # nodes:                              # they come from PLANNER_NODES
          api:
            list: {path: /v1/group/, field: data.ids}

        groups:
          - a
          - id: b
            nodes: [node01, node03]
          - c
        """)
    bare = written(new_file("8", ("/x", "")))
    assert '  name: "8"\n' in bare
    assert bare.endswith("  api:\n    list: /x\n\ngroups: []\n")
    assert "api" not in new_file("production")


MINE = """\
    # What is mine.
    version: 1
    prune: true      # all of it
    cluster:
      name: production
      nodes: [{name: node01, url: "http://one", labels: {zone: a}}, {name: node02, url: "http://two"}]
    groups:
      - id: zoned
        nodes: {zone: a}
      - plain        # nobody knows why
      - {id: kept, protect: true}
      - id: gone
        state: absent

    # The limits.
    limits: {max_deletes: 5}
    """
BOTH = ("node01", "node02")


def test_all_but_the_groups_stays_as_it_is() -> None:
    text = written(MINE, ("zoned", ("node01",)), ("new", ("node02",)), ("kept", BOTH), ("gone", BOTH))
    assert text == dedent("""\
        # What is mine.
        version: 1
        prune: true      # all of it
        cluster:
          name: production
          nodes: [{name: node01, url: "http://one", labels: {zone: a}}, {name: node02, url: "http://two"}]
        groups:
          - id: zoned
            nodes: {zone: a}
          - id: kept
            protect: true
          - gone
          - id: new
            nodes: [node02]

        # The limits.
        limits: {max_deletes: 5}
        """)


def test_a_selector_that_chooses_other_nodes_than_those_that_hold_the_group_is_replaced() -> None:
    assert "  - zoned\n" in written(MINE, ("zoned", BOTH))
    assert "  - id: zoned\n    nodes: [node02]\n" in written(MINE, ("zoned", ("node02",)))


def test_more_groups_come_behind_those_that_are_there() -> None:
    text = written(MINE, ("new", BOTH), ("plain", ("node01",)), ("some", ("node02",)), more=True)
    assert text == dedent(MINE).replace(
        "    state: absent\n", "    state: absent\n  - new\n  - id: some\n    nodes: [node02]\n"
    )
    assert written(MINE, ("plain", BOTH), more=True) == dedent(MINE)


TOP, LIMITS = "version: 1\ncluster: {name: x}\n", "limits: {max_deletes: 3}\n"
ITEMS = "- a\n- id: b\n  nodes: [node01]\n"
FLOW = "[a, {id: b, nodes: [node01]}]"
OTHER_SHAPES = {
    "flow": f"{{version: 1, cluster: {{name: x}}, groups: {FLOW}, limits: {{max_deletes: 3}}}}",
    "flow groups": f"{TOP}groups: {FLOW}\n{LIMITS}",
    "flow over lines": f"groups: [a,\n  {{id: b, nodes: [node01]}}]\n{TOP}{LIMITS}",
    "no indent": f"{TOP}{LIMITS}groups:\n{ITEMS}",
    "no line break at the end": f"{TOP}{LIMITS}groups:\n{ITEMS}".rstrip(),
    "crlf": f"{TOP}{LIMITS}groups:\n{ITEMS}".replace("\n", "\r\n"),
    "bom": f"\ufeff{TOP}{LIMITS}groups:\n    - a\n    - {{id: b, nodes: [node01]}}\n",
    "anchors": f"{TOP}{LIMITS}groups:\n- a\n- id: b\n  nodes: &one [node01]\n",
    "anchor used later": f"version: 1\ngroups:\n{ITEMS}- &n x\n{LIMITS}cluster: {{name: *n}}\n",
    "end marks": f"---\n{TOP}{LIMITS}groups:\n{ITEMS}...\n",
    "quoted key": f'{TOP}"groups":\n{ITEMS}# end\n{LIMITS}',
}


@pytest.mark.parametrize("shape", OTHER_SHAPES)
def test_every_shape_of_a_file_is_read_back_as_it_should_be(shape: str) -> None:
    text = OTHER_SHAPES[shape]
    for more in (False, True):
        new = written(text, ("a", NAMES), ("b", ("node01",)), ("new", ("node02",)), more=more)
        read = parse(new, origin="f", nodes_override=OUTSIDE)
        assert (read.cluster, read.limits.max_deletes) == ("x", 3)
        said = [(group.id, group.nodes) for group in read.groups if group.id != "x"]
        assert said == [("a", NAMES), ("b", ("node01",)), ("new", ("node02",))]


def test_a_file_without_groups_gets_some() -> None:
    text = "version: 1\ncluster: {name: x}\ngroups: []\n"
    for more in (False, True):
        assert written(text, ("a", NAMES), more=more).endswith("groups:\n  - a\n")
    assert written(text).endswith("groups: []\n")


@pytest.mark.parametrize(
    ("text", "yaml_text"),
    [
        ("foo.bar", "foo.bar"),
        ("/v1/group/", "/v1/group/"),
        ("123", '"123"'),
        ("1.5", '"1.5"'),
        ("012", '"012"'),
        ("yes", '"yes"'),
        ("Null", '"Null"'),
        ("~", '"~"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("- a", '"- a"'),
        ("", '""'),
        ('say "hi" \\', '"say \\"hi\\" \\\\"'),
        ("ünï", '"ünï"'),
        ("right\u202eleft", '"right\\u202eleft"'),
        ("tag\U000e0041", '"tag\\U000e0041"'),
    ],
)
def test_quotes_only_where_they_are_needed(text: str, yaml_text: str) -> None:
    assert scalar(text) == yaml_text
    assert yaml.safe_load(scalar(text)) == text


@given(
    st.lists(st.text(min_size=1, max_size=20).filter(lambda id: not id_problem(id)), unique=True, max_size=8)
)
def test_ids_of_every_kind_come_back(ids: list[str]) -> None:
    text = written(new_file("x"), *((id, NAMES) for id in ids))
    assert [group.id for group in parse(text, origin="f", nodes_override=OUTSIDE).groups] == ids
    assert yaml.safe_load(text)["groups"] == ids


def test_what_is_written_never_changes_what_the_file_said() -> None:
    """A file that cannot be written anew is an error, and no other file."""
    text = b"version: 1\ncluster: {name: x}\ngroups: [a]\n"
    desired = parse(text, origin="f", nodes_override=OUTSIDE)
    with pytest.raises(FileInvalid, match="cannot be written anew"):
        with_groups(text, desired, [("not\nan id", NAMES)], nodes_override=OUTSIDE)


def test_protection_and_absence_stay_with_what_is_only_added_to() -> None:
    text = written(
        "version: 1\ncluster: {name: x}\ngroups: [{id: a, protect: true}, {id: b, state: absent}]\n",
        ("n", NAMES),
        more=True,
    )
    first, second, third = parse(text, origin="f", nodes_override=OUTSIDE).groups
    assert (first.protect, second.state, third.id) == (True, Presence.ABSENT, "n")


def test_an_id_problem_is_what_the_schema_says() -> None:
    assert id_problem("a") == id_problem("x" * 1024) == ""
    assert all(id_problem(id) for id in ("..", ".", "", "a\nb", "\udc80", "x" * 1025))
