"""`planner nodes`, `planner import` and `prune: true`, through the real command against real servers."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from planner.cli.main import invoke
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop

pytestmark = pytest.mark.usefixtures("forked")

NEW = ("--name", "test", "--list-path", "/v1/group/", "--list-field", "groupIds")
API = "version: 1\ncluster: {name: test, api: {list: {path: /v1/group/, field: groupIds}}}\n"
HELD = {
    "node01": ["both", "kept", "yes", "a/b"],
    "node02": ["both", "kept", "yes", "a/b"],
    "node03": ["kept", "yes", "a/b"],
}


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    """Three nodes that list what they hold, and one group on two of them only."""
    with SimulatedCluster(3, seed=7, groups=HELD, listing=True) as simulated:
        yield simulated


@dataclass(slots=True)
class Inside(Shop):
    """A shop whose commands run in this process: the same command line, without its start."""

    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)
    caught: pytest.CaptureFixture[str] | None = None

    def run(self, *arguments: str, **environment: str) -> Ended:
        assert self.caught is not None
        with self.patch.context() as patch:
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            patch.delenv("COLUMNS", raising=False)
            patch.chdir(self.folder)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
            code, _ = invoke(list(arguments))
        out, err = self.caught.readouterr()
        return Ended(code, out, err)


@pytest.fixture
def inside(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    """The user's folder, quickly."""
    return Inside(shop.folder, shop.nodes, patch=monkeypatch, caught=capsys)


def test_an_import_leaves_a_plan_nothing_but_adoptions(shop: Shop, cluster: SimulatedCluster) -> None:
    ended = shop.run("import", *NEW, "--out", "groups.yaml")
    assert ended.code == 0, ended.err
    assert ended.out == "Wrote groups.yaml: 4 groups on 3 nodes of cluster test.\n"
    assert "Warning: on some nodes only, and written so: both; look whether that is drift" in ended.err
    file = shop.folder / "groups.yaml"
    assert file.read_text(encoding="utf-8").endswith(
        'groups:\n  - a/b\n  - id: both\n    nodes: [node01, node02]\n  - kept\n  - "yes"\n'
    )
    plan = shop.run("plan", "--format", "json")
    assert (plan.json["plan"]["steps"], plan.json["unmanaged"]) == ([], [])
    assert plan.json["summary"]["adopt"] == 4
    applied = shop.run("apply", "--yes")
    assert "Apply complete: 4 groups adopted." in applied.out
    assert shop.run("plan", "--detailed-exitcode").code == 0
    assert cluster.requests().writes == ()


def test_an_import_of_what_is_in_the_file_writes_the_same_file(inside: Inside) -> None:
    assert inside.run("import", *NEW, "--out", "groups.yaml").code == 0
    file = inside.folder / "groups.yaml"
    written = file.read_text(encoding="utf-8")
    file.chmod(0o640)
    again = inside.run("import", "--out", "groups.yaml")
    assert (again.code, "groups.yaml exists, and nothing was written" in again.err) == (1, True)
    assert inside.run("import").out == written, "on standard output"
    assert inside.run("import", "--out", "groups.yaml", "--force").code == 0
    assert (file.read_text(encoding="utf-8"), stat.S_IMODE(file.stat().st_mode)) == (written, 0o640)


def test_named_groups_are_added_where_the_api_cannot_list(inside: Inside, cluster: SimulatedCluster) -> None:
    inside.file("kept")
    ended = inside.run("import")
    assert (ended.code, ended.out) == (64, "")
    assert "planner import GROUP..." in ended.err
    ended = inside.run("import", "both", "nope", "kept", "--out", "new.yaml")
    assert ended.code == 0, ended.err
    assert "Warning: on no node, and not written: nope." in ended.err
    assert "Warning: in groups.yaml already, and left as they are: kept." in ended.err
    assert "planner plan --file new.yaml" in ended.err
    plan = inside.run("plan", "--file", "new.yaml")
    assert "Plan: 2 to adopt (no requests)." in plan.out
    shown = inside.run("import", "both", "--format", "json", "--quiet")
    assert shown.json["groups"] == [{"group": "both", "nodes": ["node01", "node02"]}]


def test_what_an_import_cannot_do_is_said(inside: Inside, cluster: SimulatedCluster) -> None:
    for arguments, says in (
        ((), "set PLANNER_NODES and start a new one with --name"),
        (("--list-path", "/x"), "start a new one with --name"),
        (("--name", "x", "--list-field", "f"), "--list-field needs --list-path"),
        (("--name", "a b"), "--name, --list-path or --list-field cannot be used"),
        (("--name", "x", ".."), "These are no ids of groups"),
        (("--name", "x", "-"), "Standard input names no group"),
    ):
        ended = inside.run("import", *arguments)
        assert ended.code == 64, arguments
        assert says in ended.err
    assert "PLANNER_NODES=name=url" in inside.run("import", "--name", "x", PLANNER_NODES="").err
    ended = inside.run("import", "--name", "x", "--list-path", "/v1/group/")
    assert ended.code == 1
    assert "say with --list-path and --list-field where the ids are" in ended.err


def test_nodes_are_reached_and_what_failed_is_shown(inside: Inside, cluster: SimulatedCluster) -> None:
    (inside.folder / "groups.yaml").write_text(f"{API}groups: [kept]\n", encoding="utf-8")
    ended = inside.run("nodes")
    assert ended.code == 0, ended.err
    assert "3 nodes: 3 ok (3 requests each)." in ended.out
    assert [line.split()[1] for line in ended.out.splitlines()[1:4]] == ["ok"] * 3
    cluster.set_faults("node03:GET:error-before=1")
    ended = inside.run("nodes", "--count", "2", "--format", "json")
    assert ended.code == 1
    nodes = ended.json["nodes"]
    assert [(node["state"], node["groups"], node["failures"]) for node in nodes] == [
        ("ok", 4, []),
        ("ok", 4, []),
        ("unreadable", None, ["500", "500"]),
    ]
    assert "1 of 3 nodes cannot be read" in ended.err
    assert cluster.requests().writes == ()
    assert not (inside.folder / "state").exists(), "no store is made"


def test_prune_deletes_what_nobody_declared(inside: Inside, cluster: SimulatedCluster) -> None:
    file = inside.folder / "groups.yaml"
    file.write_text(f"{API}limits: {{max_delete_percent: 50}}\ngroups: [kept, a/b]\n", encoding="utf-8")
    plan = inside.run("plan")
    assert "  ? unmanaged  both  on node01, node02\n  ? unmanaged  yes   on all 3 nodes\n" in plan.out
    file.write_text(file.read_text(encoding="utf-8") + "prune: true\n", encoding="utf-8")
    ended = inside.run("apply", "--yes")
    assert ended.code == 0, ended.err
    assert "  - delete  both  on node01, node02  unmanaged, prune: true\n" in ended.out
    assert cluster.groups() == dict.fromkeys(cluster.names, ("a/b", "kept"))
    undo = inside.run("undo", "1", "--out", "undo.json")
    assert undo.code == 0, undo.err
    assert inside.run("apply", "undo.json").code == 0
    assert set(cluster.groups()["node01"]) == set(HELD["node01"])
    plan = inside.run("plan", "--format", "json").json["plan"]
    assert {cell["group"] for cell in plan["kept"]} == {"both", "yes"}, "brought back, and adopted"


def test_prune_on_nodes_that_cannot_list_is_refused(inside: Inside) -> None:
    inside.file("kept", more="prune: true\n")
    ended = inside.run("plan")
    assert ended.code == 1
    assert "there is no `api.list` for node01, node02, node03" in ended.err
