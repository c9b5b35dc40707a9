"""The groups file, and what a cluster may be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.simulator.config import cluster_config
from planner.simulator.content import load_groups, node_names, parse_groups
from planner.simulator.errors import ContentError, UnknownNodeError

if TYPE_CHECKING:
    from pathlib import Path

NODES = ("node01", "node02")


def test_names_count_from_one() -> None:
    assert node_names(2) == NODES
    assert node_names(100)[-1] == "node100"
    with pytest.raises(ValueError, match="at least one node, not 0"):
        node_names(0)


def test_lines_comments_scopes_and_quotes() -> None:
    text = "# who\n\nfoo.bar\r\na/b 50% #1 é \nnode02: only.here\n"
    text += '" node01: x\\t"\nnode02: "node01: y"\nfoo.bar\n'
    both = ("foo.bar", "a/b 50% #1 é", " node01: x\t")
    assert parse_groups(text, NODES) == {
        "node01": both,
        "node02": ("foo.bar", "a/b 50% #1 é", "only.here", " node01: x\t", "node01: y"),
    }


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "groups.txt"
    path.write_text('fine\nnode03: a\n"open\n""\n')
    with pytest.raises(ContentError) as caught:
        load_groups(path, NODES)
    first, second, third = caught.value.problems
    assert first.startswith(f"{path}:2: unknown node 'node03': did you mean 'node0")
    assert second.startswith(f"{path}:3: not a JSON string")
    assert third == f"{path}:4: an id cannot be empty"


def test_a_file_is_utf8(tmp_path: Path) -> None:
    path = tmp_path / "groups.txt"
    path.write_bytes(b"\xef\xbb\xbf\xc3\xa9\n")
    assert load_groups(path, ["node01"]) == {"node01": ("é",)}
    path.write_bytes(b"\xff")
    with pytest.raises(ContentError, match="not UTF-8"):
        load_groups(path, NODES)


def test_groups_for_all_or_by_node() -> None:
    assert cluster_config(2, groups=["a", "b"]).content == {"node01": ("a", "b"), "node02": ("a", "b")}
    assert cluster_config(2, groups={"node02": ["a"]}).content == {"node01": (), "node02": ("a",)}
    assert cluster_config(2, groups=(name for name in "ab")).content["node02"] == ("a", "b")


def test_impossible_clusters_are_refused() -> None:
    with pytest.raises(
        UnknownNodeError, match=r"unknown node 'node03': did you mean 'node0\d'\? Nodes: node01, node02"
    ):
        cluster_config(2, groups={"node03": ["a"]})
    with pytest.raises(ContentError, match="node01: an id cannot be empty"):
        cluster_config(2, groups={"node01": [""]})
    with pytest.raises(ContentError, match="not one text"):
        cluster_config(2, groups="foo")
    with pytest.raises(ValueError, match="no such ports"):
        cluster_config(3, port=65534)


def test_a_seed_is_chosen_where_none_is_given() -> None:
    assert cluster_config(1, seed=0).seed == 0
    assert cluster_config(1).seed != cluster_config(1).seed


@pytest.mark.parametrize(("given", "used"), [("", ""), ("/", ""), ("api", "/api"), ("/api/x/", "/api/x")])
def test_a_prefix_has_one_form(given: str, used: str) -> None:
    assert cluster_config(1, prefix=given).prefix == used


def test_what_has_no_end_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "groups.txt"
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no regular file"):
        load_groups(path, NODES)
