"""After a run that failed: what `status`, `plan`, `recover`, `show` and `apply` say, one after the other."""

from __future__ import annotations

import re

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

pytestmark = pytest.mark.usefixtures("forked")

FILE = ("a", "b")


@pytest.fixture
def left(shop: Shop, cluster: SimulatedCluster) -> Shop:
    """A folder whose last apply could not bring `a` and `b` back on node03, which is away."""
    shop.file(*FILE)
    shop.settings |= {"PLANNER_PARALLELISM": "1", "PLANNER_RETRIES": "0", "PLANNER_REVERSE_TIMEOUT": "1s"}
    cluster.set_faults("node02:DELETE:error-before=1,node03:DELETE:error-before=1")
    cluster.hold(6, "after")
    process = shop.start("apply", "--yes")
    assert cluster.wait_held(60)
    process.terminate()
    cluster.release()
    assert shop.end(process).code == 4
    return shop


def test_every_screen_counts_the_same_cells_and_a_recovery_is_remembered(
    left: Shop, cluster: SimulatedCluster
) -> None:
    status = left.run("status", "--check")
    assert status.code == 4
    first, *others = status.out.splitlines()
    assert (
        first == "Transaction 1 (apply) is unfinished (reverse-incomplete): 4 cells may not be as they were."
    )
    assert "Open: 4 cells" in others
    assert "  a  on node02, node03  should be absent  not undone: 500\n" in status.out
    assert "planner recover --skip node0" in status.out
    told = left.run("status", "--format", "json").json
    assert len(told["unfinished"]["cells"]) == 4
    assert told["watched"] == []

    planned = left.run("plan")
    assert "in the middle of TX 1, exists already" in planned.out
    assert "Plan: 2 to repair, 2 to adopt" in planned.out
    assert len(left.run("plan", "--format", "json").json["in_doubt"]) == 4

    dry = left.run("recover", "--dry-run", "--skip", "node03")
    assert dry.out.splitlines()[0] == "Transaction 1 (reverse-incomplete) would be reversed: 2 cells."
    assert "Set aside by hand, and left as it is: 2 cells." in dry.out
    cells = left.run("recover", "--dry-run", "--accept", "node03/a", "--format", "json").json["cells"]
    assert [cell["group"] for cell in cells if cell["set_aside"]] == ["a"]
    assert left.run("recover", "--dry-run", "--skip", "node01").code == 64

    cluster.set_faults("node03:DELETE:error-before=1")
    recovered = left.run("recover", "--skip", "node03")
    assert recovered.code == 0, recovered.err
    assert recovered.out.splitlines()[0] == "Transaction 1 (reverse-incomplete) is being reversed: 2 cells."
    shown = left.run("show", "1").out
    assert re.search(
        r"later: \d{4}-\S+ \S+ UTC, \S+ pid \d+: recover: 2 cells to bring back; "
        r"set aside by hand: a on node03; b on node03\n",
        shown,
    )
    assert "later " in left.run("history").out

    # Node03 has left the file for good.
    left.nodes = {name: url for name, url in left.nodes.items() if name != "node03"}
    assert left.run("recover", "--forget", "node02/a").code == 64
    assert left.run("recover", "--forget", "node03/a", "--dry-run").code == 64
    given_up = left.run("recover", "--forget", "node03/a", "--forget", "node03/b")
    assert given_up.code == 0, given_up.err
    assert "Given up for good: 2 cells" in given_up.out
    assert left.run("status", "--check").code == 0
    assert "given up for good: a on node03; b on node03" in left.run("show", "1").out


def test_an_old_name_of_the_cluster_is_heeded(left: Shop) -> None:
    left.file(*FILE, name="renamed")
    writes = left.run("apply", "--yes")
    assert writes.code == 4
    assert "planner recover --cluster test" in writes.err
    assert left.run("plan", "--out", "plan.json").code == 4
    planned = left.run("plan")
    assert planned.code == 0
    assert "transaction 1 of cluster 'test', on the same nodes, is unfinished" in planned.err
    assert "in the middle of TX 1" in planned.out
    status = left.run("status")
    assert status.out.startswith("Transaction 1 of cluster test is unfinished, on nodes of this cluster.\n")


def test_what_is_wrong_with_an_option_is_said_when_nothing_is_open_too(shop: Shop) -> None:
    shop.file("kept")
    assert shop.run("apply", "--yes").code == 0
    for option, value in (
        ("--node-url", "node01"),
        ("--node-url", "node01=ftp://x"),
        ("--accept", "node01"),
        ("--forget", "/a"),
    ):
        ended = shop.run("recover", option, value)
        assert ended.code == 64, option
        assert value in ended.err
        assert "for example" in ended.err
