"""Patterns: what they match, what they leave, and what is refused."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.app.scoping import measure
from planner.errors import WrongUsage
from planner.scope import EVERYTHING, PlanScope, Scope, has_wildcards

GROUPS = ("payments", "payroll", "search", "a[1]", "A/b c")
NODES = ("node01", "node02", "node03")


def refused(**patterns: tuple[str, ...]) -> WrongUsage:
    with pytest.raises(WrongUsage) as caught:
        measure(Scope(**patterns), GROUPS, NODES)
    assert caught.value.exit_code == 64
    assert "nothing was sent" in caught.value.what
    return caught.value


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ((), GROUPS),
        (("payments",), ("payments",)),
        (("pay*",), ("payments", "payroll")),
        (("pay*", "search", "nothing"), ("payments", "payroll", "search")),
        (("?earch",), ("search",)),
        (("[a-p]*",), ("payments", "payroll", "a[1]")),
        (("a[1]",), ("a[1]",)),
        (("a[[]1]",), ("a[1]",)),
        (("PAY*", "ayments", "a/b c"), ()),
        (("*",), GROUPS),
    ],
)
def test_a_pattern_is_matched_against_the_whole_name_and_with_case(
    patterns: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    assert tuple(filter(Scope(groups=patterns).includes_group, GROUPS)) == chosen
    left = tuple(id for id in GROUPS if not patterns or id not in chosen)
    assert tuple(filter(Scope(exclude_groups=patterns).includes_group, GROUPS)) == left


PATTERNS = st.lists(st.text("ab*?[]!\n", max_size=5), min_size=1, max_size=4).map(tuple)


@settings(max_examples=200, deadline=None)
@given(PATTERNS, PATTERNS, st.text("ab[]!\n", max_size=4))
def test_matching_is_that_of_the_standard_library_and_a_name_matches_itself(
    include: tuple[str, ...], exclude: tuple[str, ...], name: str
) -> None:
    hit, out = (
        any(name == each or fnmatchcase(name, each) for each in patterns) for patterns in (include, exclude)
    )
    assert Scope(include, exclude).includes_group(name) is (hit and not out)
    assert Scope(nodes=include, exclude_nodes=exclude).includes_node(name) is (hit and not out)


def test_groups_and_nodes_are_apart() -> None:
    scope = Scope(groups=("node01",), exclude_nodes=("payments",))
    assert not scope.includes_group("payments")
    assert scope.includes_node("node01")


def test_without_patterns_it_is_everything_and_no_part() -> None:
    assert Scope().is_all
    assert Scope() == EVERYTHING
    assert measure(Scope(), (), ()) is None
    for field in ("groups", "exclude_groups", "nodes", "exclude_nodes"):
        assert not Scope(**{field: ("*",)}).is_all


def test_what_is_left_out_is_counted() -> None:
    scope = Scope(groups=("pay*", "search"), exclude_groups=("payroll",), exclude_nodes=("node03",))
    assert measure(scope, GROUPS, NODES) == PlanScope(scope, 3, 5, 1, 3)
    whole = Scope(nodes=("*",))
    assert measure(whole, GROUPS, NODES) == PlanScope(whole, 0, 5, 0, 3), "partial all the same"


def test_nodes_may_be_chosen_where_no_group_is_known_yet() -> None:
    scope = Scope(nodes=("node01",))
    assert measure(scope, (), NODES) == PlanScope(scope, 0, 0, 2, 3)


def test_a_name_with_a_bracket_is_told_from_a_pattern() -> None:
    assert [has_wildcards(each) for each in ("a", "a*", "a?", "a[1]")] == [False, True, True, True]
    assert refused(groups=("a[12]",)).what.startswith("--group `a[12]` matches no group")
    scope = Scope(exclude_groups=("a[1]",))
    assert measure(scope, GROUPS, NODES) == PlanScope(scope, 1, 5, 0, 3)


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name() -> None:
    error = refused(groups=("paymnts",))
    assert error.what == (
        "--group `paymnts` matches no group that is declared, managed or watched "
        "(did you mean `payments`?); nothing was sent"
    )
    assert "with case" in error.next
    assert error.details == ()
    assert (
        "--node `nod03` matches no node of the file (did you mean `node03`" in refused(nodes=("nod03",)).what
    )
    assert "did you mean" not in refused(exclude_nodes=("zzz*",)).what
    assert "did you mean `payments`?" in refused(exclude_groups=("PAYMENTS",)).what, "case is no distance"


def test_every_such_pattern_is_named_at_once() -> None:
    error = refused(
        groups=("search", "x"), exclude_groups=("y*",), nodes=("z",), exclude_nodes=("node0?", "w")
    )
    assert error.what.startswith("4 patterns match nothing")
    assert [line.split(" matches")[0] for line in error.details] == [
        "--group `x`",
        "--exclude-group `y*`",
        "--node `z`",
        "--exclude-node `w`",
    ]


def test_what_leaves_nothing_is_refused() -> None:
    assert "leave no group" in refused(groups=("pay*",), exclude_groups=("p*",)).what
    assert "leave no node" in refused(nodes=("node01", "node02"), exclude_nodes=("node0[12]",)).what
    assert "leave no node" in refused(exclude_nodes=("*",)).what
