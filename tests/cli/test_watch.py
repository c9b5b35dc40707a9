"""What a transaction cannot finish by itself: effects beyond the settle time, and nodes that stay away."""

from __future__ import annotations

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

pytestmark = pytest.mark.usefixtures("forked")


def test_an_effect_later_than_the_settle_time_is_found_and_planned_back(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    before = cluster.groups()
    cluster.set_faults("node02:POST:late=1@3")
    shop.file("kept", "old", "a")
    assert shop.run("apply", "--yes", "--retries", "0", "--settle", "100ms").code == 3
    assert cluster.groups() == before
    cluster.set_faults("")
    cluster.wait_settled(60)
    assert "a" in cluster.groups()["node02"]

    shop.file("kept", "old")  # the file does not even name it any more
    ended = shop.run("plan", "--detailed-exitcode")
    assert ended.code == 2
    assert "late effect of TX 1" in ended.out
    assert shop.run("apply", "--yes").code == 0
    assert cluster.groups() == before


def test_what_a_dead_run_had_in_flight_is_watched_after_its_recovery(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    """Its request lands when the recovery is over: nobody ever got an answer to it."""
    before = cluster.groups()
    shop.file("kept", "old", "a")
    cluster.hold(1, "after")
    with shop.start("apply", "--yes") as process:
        [held] = cluster.wait_held(60)
        process.kill()
    assert shop.run("recover").code == 0
    assert cluster.groups() == before
    cluster.release()
    cluster.wait_settled(60)
    assert "a" in cluster.groups()[held.node]

    shop.file("kept", "old")
    ended = shop.run("plan", "--detailed-exitcode")
    assert ended.code == 2
    assert "late effect of TX 1" in ended.out
    assert "(1 request)" in ended.out
    assert shop.run("apply", "--yes").code == 0
    assert cluster.groups() == before


def test_without_watching_the_late_effect_is_left_alone(shop: Shop, cluster: SimulatedCluster) -> None:
    cluster.set_faults("node02:POST:late=1@3")
    shop.file("kept", "old", "a")
    assert shop.run("apply", "--yes", "--retries", "0", "--settle", "100ms").code == 3
    cluster.set_faults("")
    cluster.wait_settled(60)
    shop.file("kept", "old")
    assert "late effect" not in shop.run("plan", "--watch", "0").out


def test_a_node_that_stays_away_is_set_aside_by_hand_and_verified_later(
    shop: Shop, cluster: SimulatedCluster
) -> None:
    shop.file("kept", "old", "a")
    shop.settings["PLANNER_REVERSE_TIMEOUT"] = "300ms"
    cluster.hold(3, "before")  # the third write goes to node03
    process = shop.start("apply", "--yes", "--parallelism", "1")
    cluster.wait_held(60)
    cluster.kill("node03")
    cluster.release()
    ended = shop.end(process)
    assert ended.code == 4, ended.err
    assert "a on node03 should be absent" in ended.err
    assert shop.run("recover").code == 4
    assert shop.run("recover", "--accept", "node03").code == 64
    assert shop.run("recover", "--skip", "node01").code == 64  # nothing is open there

    ended = shop.run("recover", "--skip", "node03")
    assert ended.code == 0, ended.err
    assert "node03" in ended.out
    status = shop.run("status", "--check")
    assert status.code == 4
    assert "  a  on node03  should be absent  TX 1\n" in status.out

    cluster.revive("node03")
    assert shop.run("apply", "--yes").code == 0
    assert set(cluster.groups().values()) == {("a", "kept", "old")}
    assert shop.run("status", "--check").code == 0


def test_a_node_that_moved_is_recovered_under_its_new_url(shop: Shop, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    with SimulatedCluster(1, seed=1, groups=["old", "kept", "a"]) as moved:
        shop.file("kept", "old", "a")
        cluster.hold(3, "before")
        process = shop.start("apply", "--yes", "--parallelism", "1")
        cluster.wait_held(60)
        with process:
            process.kill()
        cluster.release()
        cluster.kill("node03")
        ended = shop.run("recover", "--node-url", f"node03={moved.urls['node01']}")
        assert ended.code == 0, ended.err
        assert moved.groups()["node01"] == before["node03"]
    assert cluster.groups()["node01"] == before["node01"]
    assert shop.run("recover", "--node-url", "node99=http://localhost").code == 0  # nothing is unfinished now
