"""`planner reconcile`, through the real command: what a CronJob runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.machines import dying

pytestmark = pytest.mark.usefixtures("forked")


def applied(shop: Shop, *groups: str) -> None:
    """A file that was reviewed and applied by hand."""
    shop.file(*groups)
    assert shop.run("apply", "--yes").code == 0


def test_drift_is_repaired_and_a_second_run_finds_nothing(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old", "a")
    wanted = cluster.groups()
    cluster.change_groups("node02", remove=["a"])
    assert shop.run("reconcile", "--mode", "report").code == 2
    assert "a" not in cluster.groups()["node02"], "a report changes nothing"
    ended = shop.run("reconcile")
    assert ended.code == 0, ended.err
    assert "Apply complete: 1 group repaired, on 1 node." in ended.out
    assert cluster.groups() == wanted
    again = shop.run("reconcile")
    assert (again.code, again.out) == (0, "No changes. Every node matches groups.yaml.\n")
    assert shop.run("reconcile", "--mode", "report").code == 0
    assert [t["command"] for t in shop.run("history", "--format", "json").json["transactions"]] == [
        "reconcile",
        "apply",
    ]


def test_another_file_is_reported_and_applied_only_when_told(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old")
    before = cluster.groups()
    shop.file("kept", "old", "new")
    for mode in ("repair", "report"):
        ended = shop.run("reconcile", "--mode", mode)
        assert ended.code == 6
        assert "not the file that was applied last" in ended.err
        assert "+ create  new" in ended.out
    assert cluster.groups() == before
    assert shop.run("reconcile", "--mode", "report", "--apply-changes").code == 2
    assert shop.run("reconcile", "--apply-changes").code == 0
    assert "new" in cluster.groups()["node01"]
    assert shop.run("reconcile").code == 0, "it is the file applied last by now"


def test_another_node_is_a_change_wherever_it_is_named(shop: Shop, cluster: SimulatedCluster) -> None:
    two = {name: url for name, url in shop.nodes.items() if name != "node03"}
    before = cluster.groups()
    Shop(shop.folder, two).file("kept", "old", "a")
    assert Shop(shop.folder, two).run("apply", "--yes").code == 0
    assert shop.run("reconcile").code == 6, "the text of the file is the same"
    assert cluster.groups()["node03"] == before["node03"]


def test_an_older_file_is_never_applied(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old")
    applied(shop, "kept", "old", "new")
    newest = cluster.groups()
    shop.file("kept", "old")  # a machine that got no update
    ended = shop.run("reconcile", "--apply-changes")
    assert ended.code == 6
    assert "older than what was applied last" in ended.err
    assert "this very file was applied, and another one" in ended.err
    assert cluster.groups() == newest
    assert shop.run("apply", "--yes").code == 0, "by hand it may be meant"
    assert shop.run("reconcile").code == 0


def test_what_was_undone_by_hand_is_not_brought_back_at_night(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old", "a")
    assert shop.run("undo", "1", "--out", "undo.json").code == 0
    assert shop.run("apply", "undo.json").code == 0
    undone = cluster.groups()
    for flags in ((), ("--apply-changes",)):
        ended = shop.run("reconcile", *flags)
        assert ended.code == 6
        assert "this very file was applied; an undo, or" in ended.err
        assert "older" not in ended.err, "there is no newer file to bring"
    assert cluster.groups() == undone


def test_a_file_without_a_difference_is_the_file_applied_last_once_it_was_applied(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    applied(shop, "kept", "old")
    shop.file("old", "kept")  # another text, the same groups
    ended = shop.run("reconcile")
    assert (ended.code, ended.out) == (0, "No changes. Every node matches groups.yaml.\n")
    assert "nothing differs" in ended.err
    cluster.change_groups("node02", remove=["old"])
    assert shop.run("reconcile").code == 6, "looking at it made no review of it"
    cluster.change_groups("node02", add=["old"])
    assert shop.run("apply", "--yes").code == 0
    cluster.change_groups("node02", remove=["old"])
    assert shop.run("reconcile").code == 0


def test_what_a_dead_run_left_is_finished_first(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old")
    before = cluster.groups()
    shop.file("kept", "old", "a", "b")
    with dying(shop, cluster):
        assert shop.run("reconcile", "--mode", "report").code == 5
        assert shop.run("reconcile").code == 5
    assert shop.run("reconcile", "--mode", "report").code == 4
    ended = shop.run("reconcile")
    assert ended.code == 6, "the dead run's file was never applied"
    assert "every node is as it was" in ended.out
    assert "before that, transaction 2, which an earlier run had left, was reversed" in ended.err
    assert cluster.groups() == before


OTHER = "version: 1\ncluster: {name: other}\nunknown: 1\n"
TWICE = "version: 1\ncluster: {name: test, nodes: [{name: n, url: 'http://n'}]}\ngroups: []\n"


@pytest.mark.parametrize(("file", "code"), [("groups: [", 1), (None, 1), (TWICE, 64)])
def test_what_a_dead_run_left_waits_for_no_better_file(
    shop: Shop, cluster: SimulatedCluster, file: str | None, code: int
) -> None:
    applied(shop, "kept", "old")
    before = cluster.groups()
    shop.file("kept", "old", "a", "b")
    with dying(shop, cluster) as held:
        assert held.startswith("POST ")
    path = shop.folder / "groups.yaml"
    path.unlink() if file is None else path.write_text(file)
    half = cluster.groups()
    assert half != before
    assert shop.run("reconcile", "--mode", "report").code == code
    assert cluster.groups() == half, "a report changes nothing"
    broken, _ = path.read_text() if path.exists() else None, path.write_text(OTHER)
    assert shop.run("reconcile").code == 1
    assert cluster.groups() == half, "another cluster's file recovers nothing here"
    path.unlink() if broken is None else path.write_text(broken)
    ended = shop.run("reconcile")
    assert (ended.code, "every node is as it was" in ended.out) == (code, True), ended.err
    assert "before that, transaction 2" in ended.err
    assert "nothing was sent" not in ended.err
    assert cluster.groups() == before
    assert shop.run("status", "--cluster", "test", "--check").code == 0
    assert shop.run("reconcile").code == code


def test_limits_count_and_cannot_be_lifted(shop: Shop, cluster: SimulatedCluster) -> None:
    applied(shop, "kept", "old", "a", "b", "c")
    shop.file("kept", "old", more="limits: {max_deletes: 2}\n")
    before = cluster.groups()
    ended = shop.run("reconcile", "--apply-changes")
    assert ended.code == 7
    cure = "`planner plan --allow-deletes 3 --out plan.json`"
    assert (cure in ended.out, cure in ended.err) == (True, True), "no option is advised that is not there"
    assert "allow it once" not in ended.out + ended.err
    assert cluster.groups() == before
    assert shop.run("reconcile", "--allow-deletes", "3").code == 64


def test_nothing_was_ever_applied(shop: Shop, tmp_path: Path) -> None:
    shop.file("kept", "old", "a")
    assert shop.run("reconcile").code == 6
    assert shop.run("reconcile", "--apply-changes").code == 0


def test_changes_that_failed_are_shown_each_time_and_tried_again_after_a_pause(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    applied(shop, "kept", "old", "a")
    before = cluster.groups()
    cluster.change_groups("node02", remove=["a"])
    drifted = cluster.groups()
    cluster.set_faults("node02:POST:error-before=1@403")
    assert shop.run("reconcile").code == 3
    waits = shop.run("reconcile")
    assert waits.code == 2
    assert "~ repair  a" in waits.out
    assert "These changes failed, and are not tried again before 20" in waits.err
    assert "(create a on node02): 403" in waits.err
    assert "--backoff-after-failure 0" in waits.err
    assert len(shop.run("history", "--format", "json").json["transactions"]) == 2, "no third try"
    ended = shop.run("reconcile", "--format", "json")
    assert (ended.events[-1]["outcome"], ended.events[-1]["exit_code"]) == ("changes pending", 2)
    cluster.set_faults("none")
    assert shop.run("reconcile").code == 2
    assert cluster.groups() == drifted
    assert shop.run("reconcile", "--backoff-after-failure", "0").code == 0
    assert cluster.groups() == before
    cluster.change_groups("node02", remove=["a"])
    assert shop.run("reconcile").code == 0, "the same drift, which did not fail the last time"
