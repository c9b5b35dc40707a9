"""The promises of the product, each through the real command, real sockets and a real store."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

FILE = ("kept", "a", "b", "{id: old, state: absent}")


def writes(cluster: SimulatedCluster) -> int:
    """How many writes the nodes saw."""
    return len(cluster.requests().writes)


def holds(cluster: SimulatedCluster, *groups: str) -> bool:
    """Whether every node holds just these groups."""
    return cluster.groups() == dict.fromkeys(cluster.names, tuple(sorted(groups)))


def test_plan_shows_the_diff_and_sends_no_write(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    ended = shop.run("plan")
    assert ended.code == 0
    assert "Plan: 2 to create, 1 to delete, 1 to adopt, on 3 nodes (9 requests)." in ended.out
    assert shop.run("plan", "--detailed-exitcode").code == 2
    assert writes(cluster) == 0


def test_apply_makes_every_node_equal_to_the_file(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    ended = shop.run("apply", "--yes")
    assert ended.code == 0, ended.err
    assert "Apply complete: 2 groups created, 1 deleted" in ended.out
    assert holds(cluster, "a", "b", "kept")
    again = shop.run("plan", "--detailed-exitcode")
    assert again.code == 0
    assert "No changes. Every node matches groups.yaml." in again.out


def test_ids_of_every_kind_reach_the_right_resource(shop: Shop, cluster: SimulatedCluster) -> None:
    ids = ["a/b", "50%", "with space", "ünï", "x%2Fy", "a?b#c", "..x"]
    shop.file("kept", "old", *(json.dumps(each, ensure_ascii=False) for each in ids))
    assert shop.run("apply", "--yes").code == 0
    assert holds(cluster, "kept", "old", *ids)


@pytest.mark.parametrize("seed", [1, 2])
def test_under_faults_the_nodes_end_identical(shop: Shop, seed: int) -> None:
    """200 groups on 3 nodes, with 10 % '500 after effect' and 5 % 'time-out after effect' on every POST."""
    with SimulatedCluster(3, seed=seed, faults="POST:error-after=0.1,POST:hang-after=0.05") as faulty:
        shop.nodes = faulty.urls
        shop.file(*(f"group-{number}" for number in range(200)))
        ended = shop.run("apply", "--yes")
        assert ended.code in (0, 3), ended.err
        held = set(faulty.groups().values())
        assert len(held) == 1
        assert len(held.pop()) == (200 if ended.code == 0 else 0)


def test_a_failing_node_reverses_all_and_is_named(shop: Shop, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    cluster.set_faults("node03:POST:error-before=1")
    shop.file(*FILE)
    ended = shop.run("apply", "--yes")
    assert ended.code == 3
    assert cluster.groups() == before
    assert "on node03): 500 after 5 tries" in ended.err
    assert "Apply failed at step" in ended.err
    assert "Reversed: every node is as it was." in ended.err
    assert shop.run("status", "--check").code == 0


def test_a_stale_plan_is_refused_without_a_write(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    assert shop.run("plan", "--out", "plan.json").code == 0
    cluster.change_groups("node02", add=["b"])
    ended = shop.run("apply", "plan.json")
    assert ended.code == 6
    assert "b on node02" in ended.err
    assert writes(cluster) == 0


def test_an_altered_plan_is_refused_without_a_write(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    assert shop.run("plan", "--out", "plan.json").code == 0
    file = shop.folder / "plan.json"
    file.write_text(file.read_text().replace('"group": "a"', '"group": "z"'))
    assert shop.run("apply", "plan.json").code == 6
    file.write_text(file.read_text()[:-200])
    assert shop.run("apply", "plan.json").code == 6
    assert writes(cluster) == 0


def test_a_plan_file_is_applied_once(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    assert shop.run("plan", "--out", "plan.json").code == 0
    assert (shop.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    assert shop.run("apply", "plan.json").code == 0
    seen = writes(cluster)
    again = shop.run("apply", "plan.json")
    assert again.code == 0
    assert "Already applied by TX 1" in again.out + again.err
    assert writes(cluster) == seen


def test_an_unreadable_node_fails_the_plan_and_is_named(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    cluster.kill("node02")
    ended = shop.run("plan")
    assert ended.code == 1
    assert "node02" in ended.err
    assert "node01 (" not in ended.err
    assert shop.run("apply", "--yes").code == 1
    assert writes(cluster) == 0


def test_drift_is_repaired_on_the_node_that_drifted(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "a")
    assert shop.run("apply", "--yes").code == 0
    cluster.change_groups("node02", remove=["a"])
    ended = shop.run("apply", "--yes")
    assert ended.code == 0
    assert "1 group repaired" in ended.out
    assert holds(cluster, "a", "kept", "old")


def test_a_group_that_is_no_longer_declared_is_deleted(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "a")
    assert shop.run("apply", "--yes").code == 0
    shop.file("kept")
    ended = shop.run("apply", "--yes")
    assert ended.code == 0
    assert "no longer declared" in ended.out
    assert holds(cluster, "kept", "old")  # `old` was adopted, not created: it stays


def test_limits_and_protection_refuse_before_the_first_write(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("{id: old, state: absent}", "kept", more="limits: {max_deletes: 0}\n")
    assert shop.run("apply", "--yes").code == 7
    assert shop.run("plan", "--detailed-exitcode").code == 7
    shop.file("kept", "old", "a")
    assert shop.run("apply", "--yes").code == 0
    seen = writes(cluster)
    shop.file("kept", "old", "{id: a, protect: true, nodes: [node01]}")
    ended = shop.run("apply", "--yes")
    assert ended.code == 7
    assert "protect" in ended.err
    assert writes(cluster) == seen


def test_protection_outlives_its_entry_until_an_apply_ends_it(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file("kept", "old", "{id: a, protect: true}")
    assert "  + create  a     on all 3 nodes  protected\n" in shop.run("apply", "--yes").out
    shop.file("kept", "old")
    ended = shop.run("apply", "--yes", "--allow-deletes", "5")
    assert ended.code == 7
    assert "  groups: a\n" in ended.out
    assert "planner apply" not in ended.out
    assert "put the entry back without `protect: true`, apply, then remove it" in ended.err
    shop.file("kept", "old", "a")
    ended = shop.run("plan", "--detailed-exitcode")
    assert ended.code == 2
    assert "Plan: 1 to unprotect (no requests).\n" in ended.out
    assert "Apply complete: 1 group no longer protected.\n" in shop.run("apply", "--yes").out
    assert shop.run("plan", "--detailed-exitcode").code == 0
    shop.file("kept", "old", more="limits: {max_deletes: 0}\n")
    assert shop.run("apply", "--yes", "--allow-deletes", "1").code == 0
    assert holds(cluster, "kept", "old")
    assert "allowed up to 1 delete" in shop.run("history").out
    assert shop.run("show", "3", "--format", "json").json["allowances"] == ["deletes=1"]


def test_two_applies_at_once(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    shop.settings["PLANNER_READ_TIMEOUT"] = "20s"  # the held request must not time out
    shop.settings["PLANNER_SETTLE"] = "500ms"
    cluster.hold(1, "before")
    first = shop.start("apply", "--yes")
    cluster.wait_held(60)
    second = shop.run("apply", "--yes")
    assert second.code == 5
    assert "Error" in second.err
    assert shop.run("status", "--check").code == 0  # it is running, not dead
    cluster.release()
    assert shop.end(first).code == 0
    assert holds(cluster, "a", "b", "kept")


def test_an_interrupt_reverses_and_one_before_any_change_is_130(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    shop.file(*FILE)
    cluster.hold(2, "after")
    process = shop.start("apply", "--yes")
    cluster.wait_held(60)
    process.send_signal(signal.SIGTERM)
    cluster.release()
    ended = shop.end(process)
    assert ended.code == 3, ended.err
    assert "interrupted" in ended.err
    assert cluster.groups() == before
    assert shop.run("status", "--check").code == 0


def test_a_second_interrupt_leaves_at_once_and_recover_finishes(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    shop.file(*FILE)
    shop.settings["PLANNER_READ_TIMEOUT"] = "20s"
    shop.settings["PLANNER_SETTLE"] = "500ms"
    cluster.hold(1, "after")
    process = shop.start("apply", "--yes")
    cluster.wait_held(60)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "planner recover" in ended.err
    cluster.release()
    assert shop.run("status", "--check").code == 4
    assert shop.run("apply", "--yes").code == 4
    assert shop.run("plan", "--out", "plan.json").code == 4
    assert shop.run("recover").code == 0
    assert cluster.groups() == before


def test_wrong_usage_is_64(shop: Shop) -> None:
    shop.file("a")
    assert shop.run("plan", "--no-such-option").code == 64
    assert shop.run("apply").code == 64  # no terminal, and no --yes
    assert shop.run("plan", "--retries", "many").code == 64
    shop.folder.joinpath("groups.yaml").write_text(
        'version: 1\ncluster: {name: x, nodes: [{name: n, url: "http://localhost"}]}\ngroups: [a]\n'
    )
    assert shop.run("validate").code == 64  # nodes both in the file and in the environment


def test_every_problem_of_the_file_is_reported_with_its_place(shop: Shop) -> None:
    (shop.folder / "groups.yaml").write_text(
        "version: 1\ncluster: {name: x}\ngroups:\n  - a\n  - a\n  - {id: b, protekt: true}\n"
    )
    ended = shop.run("validate")
    assert ended.code == 1
    assert "groups.yaml:5:5" in ended.err
    assert "groups.yaml:6:13" in ended.err
    assert "did you mean `protect`?" in ended.err


def test_json_everywhere_is_json(shop: Shop) -> None:
    shop.file(*FILE)
    assert shop.run("plan", "--format", "json").json["summary"]["create"] == 2
    lines = [json.loads(line) for line in shop.run("apply", "--yes", "--format", "json").out.splitlines()]
    assert lines
    assert all(isinstance(line, Mapping) for line in lines)
    assert shop.run("status", "--format", "json").json["cluster"] == "test"
    assert shop.run("recover", "--format", "json").json is not None
