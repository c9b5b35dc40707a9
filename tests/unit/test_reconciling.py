"""Which file a scheduled run may apply: the one applied last, a new one if told, and never an older one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.app import check_reviewed, make_undo
from planner.diff import UNDO
from planner.errors import Reversed, StalePlan
from planner.model import Plan
from planner.scope import Scope
from planner.verdict import Method
from tests.builders import CLUSTER, Bench, desired, refused

ONLY_01 = Scope(nodes=("node01",))


def bring(bench: Bench, digest: str, *groups: str) -> None:
    """Another file."""
    bench.file = replace(desired(*groups), digest=digest)


def deploy(bench: Bench, digest: str, *groups: str, scope: Scope | None = None) -> None:
    """Apply another file by hand, or a part of it."""
    bring(bench, digest, *groups)
    bench.apply(bench.plan(scope) if scope else None)


def judged(bench: Bench, *, apply_changes: bool = False) -> str:
    """What a scheduled run may do with the file: ``repair``, or why not."""
    try:
        check_reviewed(bench.file, bench.store, apply_changes=apply_changes)
    except StalePlan as stale:
        superseded = "older than" in stale.what or "is not what was applied last" in stale.what
        return "older" if superseded else "unreviewed"
    return "repair"


def both(bench: Bench) -> tuple[str, str]:
    """Without and with --apply-changes."""
    return judged(bench), judged(bench, apply_changes=True)


OLDER = ("older", "older")
NEW = ("unreviewed", "repair")
LAST = ("repair", "repair")


def test_back_and_forth_by_hand() -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    deploy(bench, "B", "a", "b")
    deploy(bench, "A", "a")
    assert both(bench) == LAST
    bring(bench, "B", "a", "b")
    assert both(bench) == OLDER
    bring(bench, "C", "a", "c")
    assert both(bench) == NEW


def test_a_file_that_brought_no_difference_is_older_too_once_another_came() -> None:
    """Nothing in the journal tells of it: only a comment was changed."""
    bench = Bench()
    deploy(bench, "A", "a")
    deploy(bench, "B", "a")
    assert len(bench.store.history(CLUSTER)) == 1
    assert both(bench) == LAST
    deploy(bench, "C", "a", "c")
    bring(bench, "B", "a")
    assert both(bench) == OLDER


@pytest.mark.parametrize("groups", [("a",), ("a", "x")])
def test_a_plan_from_before_such_a_file_was_applied_is_stale(groups: tuple[str, ...]) -> None:
    """Whether or not it has something to do: it would make its own file, which is older, the last one."""
    bench = Bench()
    deploy(bench, "A", "a")
    bring(bench, "X", *groups)
    plan = bench.plan()
    deploy(bench, "B", "a")
    refused(bench, StalePlan, lambda: bench.apply(plan), 6)
    assert both(bench) == LAST


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_was_applied_in_part_is_not_reviewed_as_a_whole_and_not_older(times: int) -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    for name in ("node01", "node02")[:times]:
        deploy(bench, "B", "a", "b", scope=Scope(nodes=(name,)))
    assert both(bench) == NEW
    bring(bench, "A", "a")
    assert both(bench) == OLDER, "it would take back what was begun"
    deploy(bench, "A", "a")
    bring(bench, "B", "a", "b")
    assert both(bench) == OLDER, "what was begun was taken back"


def test_a_part_of_the_file_applied_last_is_a_repair() -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    bench.world.nodes["node01"].discard("a")
    bench.apply(bench.plan(ONLY_01))
    assert both(bench) == LAST


def test_a_part_that_has_nothing_to_do_says_nothing_of_its_file() -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    deploy(bench, "B", "a", scope=ONLY_01)
    assert both(bench) == NEW
    bring(bench, "A", "a")
    assert both(bench) == LAST


def test_what_failed_was_not_applied() -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    bench.on(Method.CREATE, "b", "node02", 403)
    with pytest.raises(Reversed):
        deploy(bench, "B", "a", "b")
    assert both(bench) == NEW
    bring(bench, "A", "a")
    assert both(bench) == LAST


def undo_of(bench: Bench, number: int) -> Plan:
    return make_undo(number, bench.file, bench.store, bench.policy, bench.ports)


@pytest.mark.parametrize("by_old_planner", [False, True])
def test_what_an_undo_took_back_is_older(by_old_planner: bool) -> None:
    bench = Bench()
    deploy(bench, "A", "a")
    deploy(bench, "B", "a", "b")
    plan = undo_of(bench, 2)
    assert plan.steps[0].reason.startswith(UNDO)
    bench.apply(replace(plan, source="B") if by_old_planner else plan)  # it named the file
    assert both(bench) == OLDER
    bring(bench, "A", "a")
    assert both(bench) == OLDER, "whoever means it applies it"
    deploy(bench, "A", "a")
    assert both(bench) == LAST
