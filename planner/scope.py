"""Which part of a cluster a plan is about: patterns of groups and of nodes, and what they leave out. Pure."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WILDCARDS = frozenset("*?[")
MAX_PATTERN = 2048
"""Characters; no name is half as long, and to translate a pattern may take the square of its length."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Patterns as of `fnmatch.fnmatchcase`: `*`, `?` and `[abc]`, against the whole name, and with case.

    A name always matches itself: a group that is called `a[1]` can be named so.

    Attributes:
        groups: only groups that one of these matches; empty: every group.
        exclude_groups: and none that one of these matches.
        nodes: only nodes whose name one of these matches; empty: every node.
        exclude_nodes: and none that one of these matches.
    """

    groups: tuple[str, ...] = ()
    exclude_groups: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    exclude_nodes: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether nothing was asked to be left out."""
        return self == EVERYTHING

    def includes_group(self, id: str) -> bool:
        """Whether a group is in scope."""
        return _chosen(id, self.groups, self.exclude_groups)

    def includes_node(self, name: str) -> bool:
        """Whether a node is in scope."""
        return _chosen(name, self.nodes, self.exclude_nodes)


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class PlanScope:
    """The part that a partial plan is about.

    Attributes:
        patterns: what was asked for.
        groups_left_out: how many groups, of those that a whole plan would have looked at, were not.
        groups_total: how many those are: declared, managed or watched.
        nodes_left_out: how many nodes of the file were not read.
        nodes_total: how many nodes the file has.
    """

    patterns: Scope = field(default_factory=Scope)
    groups_left_out: int = 0
    groups_total: int = 0
    nodes_left_out: int = 0
    nodes_total: int = 0


def patterns_of(scope: PlanScope | None) -> Scope:
    """The patterns of a plan's scope; of a whole plan, which has none, `EVERYTHING`."""
    return EVERYTHING if scope is None else scope.patterns


def has_wildcards(pattern: str) -> bool:
    """Whether a pattern may match more than its own text."""
    return not WILDCARDS.isdisjoint(pattern)


def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern, as the end of a sentence; empty where it can be used and written down."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    try:
        pattern.encode()
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    return ""


def _chosen(name: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    return (not include or matcher(include)(name)) and not (exclude and matcher(exclude)(name))


@lru_cache(maxsize=64)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether any of the patterns matches; one look into a set, and one regular expression."""
    names = frozenset(patterns)
    wild = [fnmatch.translate(pattern) for pattern in patterns if has_wildcards(pattern)]
    if not wild:
        return names.__contains__
    match = re.compile("|".join(wild)).match
    return lambda name: name in names or match(name) is not None
