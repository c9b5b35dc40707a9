"""Real servers of this API differ: each deviation of `cluster.api`, with its setting and without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from planner.clock import SystemClock
from planner.desired import parse
from planner.model import Node
from planner.nodes import HttpNodes
from planner.verdict import Call, Listing, Method, judge_list
from tests.cli.conftest import Shop
from tests.cli.foreign import GONE, HELD, Deviation, ForeignNode, State, two

WANTED = ("kept", "a", "b/c", GONE)
DELETES = ("kept", GONE)


class Case(NamedTuple):
    """A deviation, its setting, and how a run for `groups` ends without the setting: exit code and words."""

    deviation: Deviation
    api: Mapping[str, Any]
    code: int = 3
    says: str = ""
    groups: tuple[object, ...] = WANTED


STYLE, HEADERS = "cluster.api.delete_style", "cluster.api.headers"
SLASH = "cluster.api.trailing_slash"

CASES = {
    "path": Case(Deviation(path="/api/v2/groups/"), {"path": "/api/v2/groups"}, 3, "cluster.api.path"),
    "trailing slash": Case(Deviation(slash=False), {"trailing_slash": False}, 3, SLASH),
    "trailing slash 301": Case(
        Deviation(slash=False, redirect="slash", moved=301), {"trailing_slash": False}, 1, f"set {SLASH}"
    ),
    "id field": Case(Deviation(id_field="name"), {"id_field": "name"}, 1, "cluster.api.id_field"),
    "delete in the path": Case(Deviation(delete_style="path"), {"delete_style": "path"}, 3, STYLE, DELETES),
    "delete in the path 404": Case(
        Deviation(delete_style="path", misplaced=404), {"delete_style": "path"}, 3, STYLE, DELETES
    ),
    "delete in the query": Case(
        Deviation(delete_style="query", misplaced=422), {"delete_style": "query"}, 3, STYLE, DELETES
    ),
    "delete in the query 400": Case(
        Deviation(delete_style="query", misplaced=400), {"delete_style": "query"}, 3, STYLE, DELETES
    ),
    "delete in the query 501": Case(
        Deviation(delete_style="query", misplaced=501), {"delete_style": "query"}, 3, STYLE, DELETES
    ),
    "created 200": Case(Deviation(created=200), {"created": [200]}, 3, "cluster.api.created"),
    "created 204": Case(Deviation(created=204), {"created": [201, 204]}, 3, "cluster.api.created"),
    "deleted 204": Case(Deviation(deleted=204), {"deleted": [204]}, 3, "cluster.api.deleted"),
    "gone 410": Case(Deviation(gone=410, missing=410), {"missing": [410]}, 1, "cluster.api.missing"),
    "a header": Case(Deviation(header=("node", "east")), {"headers": {"Node": "east"}}, 1, HEADERS),
    "a header 403": Case(Deviation(header=("X-A", "b"), unheard=403), {"headers": {"x-a": "b"}}, 1, HEADERS),
    "a header 406": Case(
        Deviation(header=("Accept", "a/b"), unheard=406), {"headers": {"accept": "a/b"}}, 1, HEADERS
    ),
    "several": Case(
        Deviation(path="/g/", slash=False, id_field="id", delete_style="path", created=200, deleted=204),
        {"path": "/g", "trailing_slash": False, "id_field": "id", "delete_style": "path", "created": [200],
         "deleted": [204]},
    ),
    "several others": Case(
        Deviation(id_field="ü", delete_style="query", created=204, exists=500, missing=400, gone=410,
                  header=("node", "w")),
        {"id_field": "ü", "delete_style": "query", "created": [204], "exists": [500], "missing": [400, 410],
         "headers": {"node": "w"}, "confirm_absent": 3},
    ),
}  # fmt: skip

NEEDS_NO_SETTING = {
    "the contract": Deviation(),
    "307 adds a slash": Deviation(redirect="slash"),
    "307 drops a slash": Deviation(redirect="slash", slash=False),
    "exists 409": Deviation(exists=409, surprise=frozenset({"a"})),
    "exists 500": Deviation(exists=500, surprise=frozenset({"a"})),
    "missing 400": Deviation(missing=400, vanishing=frozenset({"old"})),
    "a list that nobody asks for": Deviation(listing="groups"),
}

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each_case
def test_with_its_setting_a_deviation_works_end_to_end(tmp_path: Path, case: Case) -> None:
    with two(tmp_path, case.deviation, case.deviation) as cluster:
        cluster.file(case.api, *WANTED)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")
        for node in cluster.nodes.values():  # each write once: nothing was guessed and tried again
            assert node.writes == {("POST", "a"): 1, ("POST", "b/c"): 1, ("DELETE", "old"): 1}

        cluster.file(case.api, "kept")
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert "Plan: 2 to delete, on 2 nodes (4 requests)." in ended.out  # the rest was seen as it should be
        assert cluster.all_hold("kept")


@each_case
def test_without_its_setting_nothing_is_changed_and_the_setting_is_named(tmp_path: Path, case: Case) -> None:
    with two(tmp_path, case.deviation, case.deviation) as cluster:
        cluster.file({}, *case.groups)
        ended = cluster.apply()
        assert ended.code == case.code or (not case.says and ended.code in {1, 3}), ended.err
        assert case.says in ended.err
        assert "Traceback" not in ended.err
        assert cluster.all_hold(*HELD)
        if ended.code == 1:
            assert "next: correct `cluster.api` in the file, or `api` of these nodes alone" in ended.err
        else:
            assert "Reversed: every node is as it was" in ended.err


@pytest.mark.parametrize("deviation", NEEDS_NO_SETTING.values(), ids=NEEDS_NO_SETTING)
def test_a_deviation_that_the_defaults_bear(tmp_path: Path, deviation: Deviation) -> None:
    with two(tmp_path, deviation, Deviation()) as cluster:
        cluster.file({}, *WANTED)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")


@pytest.mark.parametrize(
    ("deviation", "api"),
    [
        (Deviation(exists=500, surprise=frozenset({"a"})), {"exists": [500]}),
        (Deviation(exists=409, surprise=frozenset({"a"})), {"exists": [409]}),
        (Deviation(missing=400, vanishing=frozenset({"old"})), {"missing": [404, 400]}),
        (Deviation(missing=400, vanishing=frozenset({"old"})), {"missing": [400]}),
        (Deviation(missing=410, vanishing=frozenset({"old"})), {"missing": [410]}),
        (Deviation(exists=422, surprise=frozenset({"a"})), {"exists": [422]}),
        (Deviation(missing=500, vanishing=frozenset({"old"})), {"missing": [500]}),
    ],
    ids=[
        "exists 500",
        "exists 409",
        "missing 404 400",
        "missing 400",
        "missing 410",
        "exists 422",
        "missing 500",
    ],
)
def test_somebody_else_was_faster_on_a_node_with_other_statuses(
    tmp_path: Path, deviation: Deviation, api: Mapping[str, Any]
) -> None:
    """A create that meets 'exists', a delete that meets 'missing': asked once, read back, and met."""
    with two(tmp_path, deviation, deviation) as cluster:
        cluster.file(api, *WANTED)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")
        for node in cluster.nodes.values():
            assert node.writes == {("POST", "a"): 1, ("POST", "b/c"): 1, ("DELETE", "old"): 1}

        cluster.file(api)  # nothing is declared any more: what is, or may be, somebody else's stays
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", *deviation.surprise)


@pytest.mark.parametrize(
    ("deviation", "key"),
    [
        (Deviation(missing=410, vanishing=frozenset({"old"})), "cluster.api.missing"),
        (Deviation(exists=422, surprise=frozenset({"a"})), "cluster.api.exists"),
    ],
    ids=["missing", "exists"],
)
def test_what_says_met_by_an_unknown_status_is_a_refusal(
    tmp_path: Path, deviation: Deviation, key: str
) -> None:
    """And nothing is undone that was not ours."""
    with two(tmp_path, deviation, Deviation()) as cluster:
        cluster.file({}, *WANTED)
        ended = cluster.apply()
        assert ended.code == 3
        assert key in ended.err
        assert cluster.nodes["east"].groups == {*HELD, *deviation.surprise} - deviation.vanishing
        assert cluster.nodes["west"].groups == set(HELD)


def test_a_wrong_id_field_on_nodes_that_hold_nothing_is_named(tmp_path: Path) -> None:
    """No read shows the field: only the create is turned down."""
    for status in (400, 422):
        with two(tmp_path, Deviation(id_field="name", misnamed=status), Deviation()) as cluster:
            cluster.file({}, "a")
            ended = cluster.apply()
            assert ended.code == 3
            assert f"(create a on east): {status}; if this node wants other bodies" in ended.err
            assert "cluster.api.id_field" in ended.err
            assert cluster.all_hold(*HELD)


@pytest.mark.parametrize("listing", ["", "groups"])
def test_the_list_of_all_ids_as_the_file_says(tmp_path: Path, listing: str) -> None:
    path = "/api/groups"
    with two(tmp_path, *[Deviation(path=path, slash=False, listing=listing)] * 2) as cluster:
        api = {"list": {"path": path, "field": listing} if listing else path, "id_field": "id"}
        cluster.file(api, "a")
        desired = parse((tmp_path / "groups.yaml").read_text(encoding="utf-8"), origin="groups.yaml")
        assert [listed(node) for node in desired.nodes] == [Listing(HELD)] * 2
        east = desired.nodes[0]
        other_field = replace(east.dialect, list_field="" if listing else "items")
        for wrong in (other_field, replace(east.dialect, list_path="/v1/group/")):
            assert "set cluster.api.list" in listed(replace(east, dialect=wrong)).why


def listed(node: Node) -> Listing:
    """What a node lists, over HTTP."""
    with client(node) as nodes:
        nodes.submit(Call(1, Method.LIST, "", node.name, 1))
        answer = nodes.wait(SystemClock().now() + 10.0)
        assert answer is not None
        return judge_list(answer)


def client(*nodes: Node) -> HttpNodes:
    """What a run speaks to its nodes with."""
    return HttpNodes(
        nodes,
        connect_timeout=2.0,
        read_timeout=10.0,
        retry_statuses=(),
        backoff=0.01,
        backoff_max=0.01,
        parallelism=1,
        clock=SystemClock(),
        permit=lambda: True,
    )


def test_a_redirect_to_another_host_is_never_followed(tmp_path: Path) -> None:
    with ForeignNode(Deviation(), HELD) as elsewhere:
        away = Deviation(redirect="away", other=elsewhere.url)
        with two(tmp_path, away, Deviation()) as cluster:
            cluster.file({}, *WANTED)
            ended = cluster.apply()
            assert ended.code == 1
            assert "a redirect (307)" in ended.err
            assert elsewhere.url in ended.err
            assert cluster.all_hold(*HELD)
            assert elsewhere.groups == set(HELD)
            assert not elsewhere.writes


@pytest.mark.parametrize(("confirm", "posts"), [(3, 1), (2, 2)], ids=["enough", "too few"])
def test_absence_is_confirmed_as_often_as_the_node_lies(tmp_path: Path, confirm: int, posts: int) -> None:
    """After a create, two reads of the group are answered with 404."""
    with two(tmp_path, Deviation(lies=2), Deviation(lies=2)) as cluster:
        for node in cluster.nodes.values():
            assert node.groups == set(HELD)
        cluster.file({"confirm_absent": confirm}, "a", "b/c")
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("a", "b/c", *HELD)
        for node in cluster.nodes.values():
            assert node.writes == {("POST", "a"): posts, ("POST", "b/c"): posts}


def test_a_lie_about_a_group_that_exists_is_seen_through(tmp_path: Path) -> None:
    """`kept` reads absent in the plan and in its check; the create then meets it, and leaves it alone."""
    with two(tmp_path, Deviation(lies=2), Deviation()) as cluster:
        cluster.file({"confirm_absent": 3}, "kept")
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.nodes["east"].writes == {("POST", "kept"): 1}
        assert cluster.all_hold(*HELD)
        cluster.file({"confirm_absent": 3})
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold(*HELD), "somebody else's group was deleted"


@each_case
def test_with_its_setting_a_deviation_is_reversed_in_its_own_way(tmp_path: Path, case: Case) -> None:
    """The last delete fails on one node: what was deleted is created again, what was created is deleted."""
    with two(tmp_path, replace(case.deviation, stubborn=frozenset({"old"})), case.deviation) as cluster:
        cluster.file(case.api, *WANTED, {"id": "kept2", "state": "absent"})
        for node in cluster.nodes.values():
            node.add("kept2")
        cluster.shop.settings["PLANNER_PARALLELISM"] = "1"
        ended = cluster.apply()
        assert ended.code == 3, ended.err
        assert "(delete old on east): 403; the node does not accept these credentials." in ended.err
        assert cluster.all_hold(*HELD, "kept2")
        for name, node in cluster.nodes.items():
            reversed_too = {("DELETE", "a"): 1, ("DELETE", "b/c"): 1, ("POST", "kept2"): 1}
            old = {("DELETE", "old"): 1, ("POST", "old"): 1} if name == "west" else {}
            once = {("POST", "a"): 1, ("POST", "b/c"): 1, ("DELETE", "kept2"): 1}
            assert node.writes == once | reversed_too | old


@each_case
def test_one_node_deviates_and_the_other_keeps_the_contract(tmp_path: Path, case: Case) -> None:
    with two(tmp_path, Deviation(), case.deviation) as cluster:
        cluster.file({}, *WANTED, west=case.api)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")


def test_a_nodes_own_setting_goes_before_the_clusters(tmp_path: Path) -> None:
    east = Deviation(created=200, header=("node", "east"), id_field="name")
    west = Deviation(created=204, header=("node", "west"), id_field="name")
    with two(tmp_path, east, west) as cluster:
        cluster.file(
            {"created": [200], "headers": {"node": "east"}, "id_field": "name"},
            *WANTED,
            west={"created": [204], "headers": {"NODE": "west"}},
        )
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")


def test_a_failure_on_one_foreign_node_reverses_the_other_in_its_own_way(tmp_path: Path) -> None:
    """The reverse speaks each node's dialect too: created by 204, deleted by a query."""
    east = Deviation(path="/g/", created=204, delete_style="query", id_field="id", missing=400)
    with two(tmp_path, east, Deviation(created=204)) as cluster:
        api = {"path": "/g", "created": [204], "delete_style": "query", "id_field": "id"}
        cluster.file({}, "a", "b/c", east=api)
        ended = cluster.apply()
        assert ended.code == 3
        assert "cluster.api.created" in ended.err
        assert cluster.all_hold(*HELD)
        writes = cluster.nodes["east"].writes
        assert writes["POST", "a"] == writes["DELETE", "a"] == 1
        # The other one may not have begun when the west failed.
        assert writes["POST", "b/c"] == writes["DELETE", "b/c"] <= 1
        assert writes.total() in (2, 4)


@pytest.mark.parametrize("moved", [307, 308])
def test_a_node_leads_no_write_to_its_neighbour(tmp_path: Path, moved: int) -> None:
    """Two nodes behind one gateway: the same host and port, and another path."""
    leading = Deviation(redirect="away", moved=moved, other="/b")
    with ForeignNode(Deviation(path="/b/v1/group/", delete_style="path"), ["victim"]) as gateway:
        gateway.at("/a/", State(leading, {"old"}))
        shop = Shop(tmp_path, {})
        nodes = [{"name": name, "url": f"{gateway.url}/{name}"} for name in ("a", "b")]
        cluster = {"name": "c", "nodes": nodes, "api": {"delete_style": "path"}}
        groups = [{"id": "new", "nodes": ["a"]}, {"id": "old", "nodes": ["a"], "state": "absent"}]
        file = {"version": 1, "cluster": cluster, "groups": groups}
        (tmp_path / "groups.yaml").write_text(json.dumps(file), encoding="utf-8")
        ended = shop.run("apply", "--yes")
        assert ended.code == 1, ended.err
        assert "a redirect" in ended.err
        assert gateway.groups == {"victim"}
        assert not gateway.writes
