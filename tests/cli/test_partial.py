"""Partial plans through the real command: a node that is down is left out, and the next plan fills it."""

from __future__ import annotations

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.forks import Forks

FILE = ("kept", "a", "b", "{id: old, state: absent}")
WITHOUT = ("--exclude-node", "node03")
QUICKLY = ("--retries", "0")


def test_a_node_that_is_down_is_left_out_and_the_next_whole_plan_does_the_rest(
    shop: Shop, forks: Forks, cluster: SimulatedCluster
) -> None:
    shop.file("kept")
    assert forks.run(shop, "apply", "--yes").code == 0
    cluster.kill("node03")
    shop.file(*FILE)
    ended = forks.run(shop, "plan", *QUICKLY)
    assert ended.code == 1
    assert "or plan and apply without them: --exclude-node node03" in ended.err

    ended = forks.run(
        shop, "plan", *WITHOUT, "--exclude-group", "b", "--out", "part.json", "--detailed-exitcode"
    )
    assert ended.code == 2, ended.err
    assert "  + create  a    on all 2 nodes of the plan\n" in ended.out
    assert (
        "Plan: 1 to create, 1 to delete, on 2 nodes (4 requests).\n"
        "Partial plan: without group b, without node03: 1 of 4 groups and 1 of 3 nodes are left out.\n"
    ) in ended.out
    assert "left the file" not in ended.out
    ended = forks.run(shop, "apply", "part.json")
    assert ended.code == 0, ended.err
    assert "Partial plan: without group b, without node03" in ended.out
    assert cluster.groups()["node01"] == cluster.groups()["node02"] == ("a", "kept")
    ended = forks.run(shop, "plan", *WITHOUT, "--group", "[ak]*")
    assert "No changes in the part that was looked at: it matches groups.yaml." in ended.out
    assert "apply (partial)" in forks.run(shop, "history").out

    cluster.revive("node03")
    ended = forks.run(shop, "plan")
    assert ended.code == 0
    assert "  ~ repair  a    on node03\n" in ended.out
    assert "  + create  b    on all 3 nodes\n" in ended.out
    assert "  - delete  old  on node03" in ended.out
    assert "adopt" not in ended.out, "what it knew of node03 is not forgotten"
    assert forks.run(shop, "apply", "--yes").code == 0
    assert cluster.groups() == dict.fromkeys(cluster.names, ("a", "b", "kept"))
    assert "No changes. Every node matches groups.yaml." in forks.run(shop, "plan").out


def test_a_partial_apply_is_undone_while_the_node_is_still_down(
    shop: Shop, forks: Forks, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    cluster.kill("node03")
    shop.file(*FILE)
    assert forks.run(shop, "apply", "--yes", *WITHOUT, "--group", "a", "--group", "old").code == 0
    ended = forks.run(shop, "undo", "1", "--out", "undo.json")
    assert ended.code == 0, ended.err
    assert "Partial plan: only node01, node02: 1 of 3 nodes is left out." in ended.out
    assert forks.run(shop, "apply", "undo.json").code == 0
    for name in ("node01", "node02"):
        assert cluster.groups()[name] == before[name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--node", "nod03"), "--node `nod03` matches no node of the file (did you mean `node03`?)"),
        (("plan", "--group", "A"), "--group `A` matches no group that is declared, managed or watched"),
        (("plan", "--exclude-node", "*"), "The options leave no node to look at"),
        (("apply", "plan.json", "--group", "a"), "A plan file says itself what it is about"),
        (("apply", "plan.json", "--allow-deletes", "3"), "A plan file says itself what it allows"),
        (
            ("apply", "--yes", "--canary", "node03", *WITHOUT),
            "--canary names a node that the plan leaves out",
        ),
        (("apply", "part.json", "--canary", "node03"), "--canary names a node that the plan leaves out"),
    ],
)
def test_wrong_usage_sends_nothing(
    shop: Shop, forks: Forks, cluster: SimulatedCluster, arguments: tuple[str, ...], said: str
) -> None:
    shop.file(*FILE)
    if "part.json" in arguments:
        assert forks.run(shop, "plan", *WITHOUT, "--out", "part.json").code == 0
    seen = cluster.requests()
    ended = forks.run(shop, *arguments)
    assert ended.code == 64
    assert said in ended.err
    assert "nothing was" in ended.err or "plan" in ended.err
    assert cluster.requests() == seen
