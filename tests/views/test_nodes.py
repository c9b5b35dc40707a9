"""How nodes answered, and what an import found: in text at every width, and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from planner.model import Dialect, Node
from planner.results import Imported, Probe, Probed
from planner.views.words import width_of
from tests.views.samples import WILD, WILD_SHOWN, Screen

LISTING = Dialect(list_path="/v1/group/")
OK = Probe(
    Node("node01", "http://one:8001", (("rack", "1"), ("zone", "a")), LISTING),
    (0.0042, 0.009, 0.0051),
    (),
    1234,
)
UNSTEADY = Probe(Node("node02", "http://two", dialect=LISTING), (1.5,), ("500", "500"), 7)
DEAD = Probe(Node("node03", "http://three"), (), ("connection refused; is it up?", "503", "503"))
PROBED = Probed("production", 3, (OK, UNSTEADY, DEAD))

TABLE = """\
NODE    STATE       MEDIAN  MAX     GROUPS   URL              LABELS
node01  ok          5.1 ms  9.0 ms  1,234    http://one:8001  rack=1 zone=a
node02  unsteady    1.50 s  1.50 s  7        http://two
  2 of 3 requests failed: 500
node03  unreadable  -       -       no list  http://three
  1 of 3 requests failed: connection refused; is it up?
  2 of 3 requests failed: 503

3 nodes: 1 ok, 1 unsteady, 1 unreadable (3 requests each).
"""


def test_a_table_of_the_nodes() -> None:
    screen = Screen()
    screen.view.nodes(PROBED)
    assert screen.stdout == TABLE
    assert screen.stderr == ""


def test_there_is_no_column_of_labels_where_nobody_has_any() -> None:
    screen = Screen()
    screen.view.nodes(Probed("c", 1, (replace(OK, node=Node("n", "http://n"), listed=None),)))
    assert screen.stdout.splitlines()[0] == "NODE  STATE  MEDIAN  MAX     GROUPS   URL"


@pytest.mark.parametrize("columns", [20, 40, 74, 75, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    screen = Screen(tty=True, environ={"COLUMNS": str(columns), "TERM": "xterm"}, color="never")
    screen.view.nodes(PROBED)
    lines = screen.stdout.splitlines()
    assert max(map(width_of, lines)) <= columns
    assert (lines[0].startswith("NODE")) is (columns >= 75)
    said = " ".join(screen.stdout.split())
    for text in ("node02", "unsteady", "http://two", "rack=1", "1,234", "503"):
        assert text in said


def test_nothing_that_a_terminal_obeys_is_sent() -> None:
    wild = Node("node01", f"http://{WILD}", ((WILD, WILD),))
    screen = Screen()
    screen.view.nodes(Probed(WILD, 1, (Probe(wild, (), (WILD,)),)))
    screen.view.imported(Imported(WILD, (wild,)), "", WILD)
    assert screen.stdout.count(WILD_SHOWN) == 6
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", screen.stdout)


def test_the_nodes_as_json() -> None:
    screen = Screen("json")
    screen.view.nodes(PROBED)
    shown = json.loads(screen.stdout)
    nodes = shown.pop("nodes")
    assert shown == {"format": "planner.nodes", "version": 1, "cluster": "production", "tries": 3}
    assert nodes[0] == {
        "name": "node01",
        "url": "http://one:8001",
        "labels": {"rack": "1", "zone": "a"},
        "state": "ok",
        "median_ms": 5.1,
        "max_ms": 9.0,
        "failures": [],
        "can_list": True,
        "groups": 1234,
    }
    assert {key: nodes[2][key] for key in ("state", "median_ms", "max_ms", "can_list", "groups")} == {
        "state": "unreadable",
        "median_ms": None,
        "max_ms": None,
        "can_list": False,
        "groups": None,
    }
    assert nodes[1]["failures"] == ["500", "500"]


FOUND = Imported(
    "production",
    (OK.node, DEAD.node),
    (("a", ("node01", "node03")), ("b", ("node03",))),
    absent=("c",),
    unnamed=("..",),
)


def test_an_import_prints_the_file_as_it_is() -> None:
    text = "groups:\n\t# a tab\n  - a\n"
    piped, shown = Screen(), Screen(tty=True)
    piped.view.imported(FOUND, text)
    assert piped.stdout == text
    shown.view.imported(FOUND, text + "# \x1b[31m\n")
    assert shown.stdout == "groups:\n        # a tab\n  - a\n# \\x1b[31m\n"


def test_an_import_says_where_it_wrote_to() -> None:
    screen = Screen()
    screen.view.imported(FOUND, "text", "groups.yaml")
    assert screen.stdout == "Wrote groups.yaml: 2 groups on 2 nodes of cluster production.\n"


def test_an_import_as_json() -> None:
    screen = Screen("json")
    screen.view.imported(FOUND, "text", "groups.yaml")
    assert json.loads(screen.stdout) == {
        "format": "planner.import",
        "version": 1,
        "cluster": "production",
        "nodes": [{"name": "node01", "url": "http://one:8001"}, {"name": "node03", "url": "http://three"}],
        "groups": [{"group": "a", "nodes": ["node01", "node03"]}, {"group": "b", "nodes": ["node03"]}],
        "partial": ["b"],
        "absent": ["c"],
        "unnamed": [".."],
        "saved": "groups.yaml",
    }


def test_in_json_lines_they_are_events() -> None:
    screen = Screen("json", events=True)
    screen.view.nodes(PROBED)
    screen.view.imported(FOUND, "text")
    assert [json.loads(line)["type"] for line in screen.stdout.splitlines()] == ["version", "nodes", "import"]
