"""`history`, `show` and `undo`, through the real command."""

from __future__ import annotations

import json
import sqlite3

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

pytestmark = pytest.mark.usefixtures("forked")

FILE = ("kept", "a", "{id: old, state: absent}")


@pytest.fixture
def applied(shop: Shop) -> Shop:
    """A shop after its first apply: `a` created, `old` deleted, `kept` adopted, on every node."""
    shop.file(*FILE)
    assert shop.run("apply", "--yes").code == 0
    return shop


def test_history_and_show_of_an_apply_and_a_reverse(applied: Shop, cluster: SimulatedCluster) -> None:
    cluster.set_faults("node03:POST:error-before=1")
    applied.file(*FILE, "b")
    assert applied.run("apply", "--yes").code == 3
    lines = applied.run("history").out.splitlines()
    assert lines[0].split() == [
        "TX",
        "result",
        "steps",
        "started",
        "(UTC)",
        "took",
        "command",
        "who:",
        "message",
    ]
    assert lines[1].split()[:3] == ["2", "reversed", "+3"]
    assert lines[2].split()[:4] == ["1", "applied", "+3", "-3"]
    assert "create b on node03" in lines[1]
    assert len(applied.run("history", "--limit", "1").out.splitlines()) == 2

    shown = applied.run("show", "1")
    assert shown.code == 0
    assert "Transaction 1 (apply) is applied." in shown.out
    assert "  1-3  + create  a     on all 3 nodes  done\n" in shown.out
    assert "       = adopt   kept  on all 3 nodes  adopted\n" in shown.out
    assert "6 steps: 6 done.\n" in shown.out
    reversed_ = applied.run("show", "2").out
    assert "(on the way: 500 after 5 tries)" in reversed_
    assert "undone: 500" not in reversed_


def test_history_and_show_need_neither_the_file_nor_the_nodes(
    applied: Shop, cluster: SimulatedCluster
) -> None:
    (applied.folder / "groups.yaml").unlink()
    for name in cluster.names:
        cluster.kill(name)
    rows = applied.run("history", "--format", "json").json["transactions"]
    assert [(row["number"], row["creates"], row["deletes"]) for row in rows] == [(1, 3, 3)]
    shown = applied.run("show", "1", "--cluster", "test", "--format", "json").json
    assert {step["state"] for step in shown["steps"]} == {"done"}
    assert {cell["group"] for cell in shown["adopts"]} == {"kept"}


@pytest.mark.parametrize("command", ["show", "undo"])
def test_an_unknown_transaction_is_answered_with_the_last_ones(applied: Shop, command: str) -> None:
    ended = applied.run(command, "9")
    assert ended.code == 1
    assert "Cluster 'test' has no transaction 9." in ended.err
    assert "the last ones are 1 (apply, applied)" in ended.err
    assert applied.run(command, "nine").code == 64
    assert applied.run(command, "99999999999999999999").code == 64
    assert applied.run(command).code == 64


def test_an_undo_is_reviewed_and_applied_like_any_plan(applied: Shop, cluster: SimulatedCluster) -> None:
    planned = applied.run("undo", "1", "--out", "undo.json", "--detailed-exitcode")
    assert planned.code == 2
    assert planned.out == (
        "  + create  old   on all 3 nodes  undo of TX 1\n"
        "  - delete  a     on all 3 nodes  undo of TX 1\n"
        "    forget  kept  on all 3 nodes  stays, no longer managed\n"
        "\n"
        "Plan: 1 to create, 1 to delete, on 3 nodes (6 requests).\n"
        "Warning: groups.yaml still declares a: the next plan would bring it back.\n"
        "Warning: groups.yaml still declares kept: the next plan would adopt it again.\n"
        "Warning: groups.yaml still has `state: absent` for old: the next plan would delete it again.\n"
        "Saved to undo.json. Apply exactly this: planner apply undo.json\n"
    )
    assert cluster.groups() == dict.fromkeys(cluster.names, ("a", "kept"))
    assert applied.run("apply", "undo.json").code == 0
    assert cluster.groups() == dict.fromkeys(cluster.names, ("kept", "old"))
    assert applied.run("apply", "undo.json").code == 0, "already applied"

    again = applied.run("undo", "1", "--detailed-exitcode")
    assert again.code == 0
    assert "Nothing of TX 1 is left to undo." in again.out
    assert "Already" not in again.out
    assert "Plan: 1 to create, 1 to delete, 1 to adopt" in applied.run("plan").out
    assert applied.run("status", "--format", "json").json["managed"] == 3, "`old`, re-created"


def test_what_has_moved_is_left_out_and_named(applied: Shop, cluster: SimulatedCluster) -> None:
    cluster.change_groups("node02", remove=["a"])
    ended = applied.run("undo", "1")
    assert "  - delete  a     on node01, node03  undo of TX 1\n" in ended.out
    assert "moved since TX 1, and left as they are: a on node02." in ended.out


def test_limits_stand_against_an_undo_and_are_raised_knowingly(
    applied: Shop, cluster: SimulatedCluster
) -> None:
    applied.file(*FILE, more="limits: {max_deletes: 0}\n")
    assert applied.run("undo", "1", "--detailed-exitcode", "--out", "undo.json").code == 7
    ended = applied.run("apply", "undo.json")
    assert ended.code == 7
    assert "1 of 2 groups (50 %) would be deleted; max_deletes is 0" in ended.err
    assert "`planner undo 1 --allow-deletes 1 --out plan.json`" in ended.err
    assert applied.run("undo", "1", "--allow-deletes", "1", "--out", "undo.json").code == 0
    assert applied.run("apply", "undo.json").code == 0
    assert cluster.groups() == dict.fromkeys(cluster.names, ("kept", "old"))


def test_an_undo_as_json_can_be_applied(applied: Shop, cluster: SimulatedCluster) -> None:
    ended = applied.run("undo", "1", "--format", "json", "--report", "undo.html", "--report", "undo.md")
    assert ended.json["summary"]["delete"] == 1
    assert "the others were not read" in (applied.folder / "undo.html").read_text()
    assert (applied.folder / "undo.md").read_text().startswith("<!-- planner:undo:test -->\n")
    (applied.folder / "undo.json").write_text(ended.out)
    assert applied.run("apply", "undo.json").code == 0
    assert cluster.groups() == dict.fromkeys(cluster.names, ("kept", "old"))


def test_a_node_that_left_the_file_is_named(applied: Shop) -> None:
    applied.nodes = {name: url for name, url in applied.nodes.items() if name != "node03"}
    ended = applied.run("undo", "1")
    assert ended.code == 6
    assert "where: node03" in ended.err


def test_another_clusters_transaction_is_refused(applied: Shop) -> None:
    applied.file("a", name="other")
    assert applied.run("undo", "1").code == 6
    ended = applied.run("show", "1")
    assert ended.code == 1
    assert "that number belongs to cluster 'test'" in ended.err


def test_beside_an_unfinished_transaction_no_undo_is_saved(applied: Shop, cluster: SimulatedCluster) -> None:
    applied.file(*FILE, "b")
    cluster.hold(1, "after")
    process = applied.start("apply", "--yes")
    with process:
        assert cluster.wait_held(60)
        process.kill()
    cluster.release()
    assert applied.run("undo", "1", "--out", "undo.json").code == 4
    assert not (applied.folder / "undo.json").exists()
    ended = applied.run("undo", "1")
    assert ended.code == 0
    assert "transaction 2 is unfinished: run `planner recover`" in ended.err
    assert applied.run("undo", "2").code == 1
    assert applied.run("recover").code == 0
    assert applied.run("undo", "2").code == 1


def test_without_a_store_or_a_transaction(shop: Shop) -> None:
    shop.file("a")
    assert shop.run("history").code == 1
    assert shop.run("plan").code == 0
    assert shop.run("history").out == "No transactions yet.\n"
    assert shop.run("history", "--format", "json").json["transactions"] == []
    assert "nothing was applied yet" in shop.run("show", "1").err


def test_what_a_terminal_would_obey_is_written_out(applied: Shop) -> None:
    store = applied.folder / "state" / "planner" / "planner.db"
    with sqlite3.connect(store) as connection:
        connection.execute("update planner_transaction set message = ?, holder = ?", ("\x1b[2J", "a\nb"))
    connection.close()
    for arguments in (["history"], ["show", "1"]):
        out = applied.run(*arguments).out
        assert "\x1b" not in out
        assert r"\x1b[2J" in out
        assert r"a\nb" in out
    assert json.loads(applied.run("show", "1", "--format", "json").out)["message"] == "\x1b[2J"
