"""Which part of a cluster a plan is about: patterns of groups and of nodes, and what they leave out. Pure."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

WILDCARDS = frozenset("*?[")
MAX_CHOICES = 10_000
"""Names among which a nearest one is looked for: difflib is slow."""


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


def measure(scope: Scope, groups: Collection[str], nodes: Collection[str]) -> PlanScope | None:
    """What a scope leaves of a cluster; None where nothing was asked to be left out.

    Args:
        scope: the patterns.
        groups: every group that is declared, managed or watched.
        nodes: the names of every node of the file.

    Raises:
        WrongUsage: a pattern matches nothing, or together they leave nothing.
    """
    if scope.is_all:
        return None
    _check_hits(scope, groups, nodes)
    left_groups = sum(not scope.includes_group(id) for id in groups)
    left_nodes = sum(not scope.includes_node(name) for name in nodes)
    for noun, left, of in (("group", left_groups, groups), ("node", left_nodes, nodes)):
        if left and left == len(of):
            raise WrongUsage(
                f"The options leave no {noun} to look at, and nothing was sent",
                why=f"--exclude-{noun} wins over --{noun}, and leaves out all that is left",
                next=f"leave at least one {noun} in",
            )
    return PlanScope(scope, left_groups, len(groups), left_nodes, len(nodes))


def _chosen(name: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    return (not include or _matcher(include)(name)) and not (exclude and _matcher(exclude)(name))


@lru_cache(maxsize=64)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether any of the patterns matches; one look into a set, and one regular expression."""
    names = frozenset(patterns)
    wild = [fnmatch.translate(pattern) for pattern in patterns if has_wildcards(pattern)]
    if not wild:
        return names.__contains__
    match = re.compile("|".join(wild)).match
    return lambda name: name in names or match(name) is not None


def _check_hits(scope: Scope, groups: Collection[str], nodes: Collection[str]) -> None:
    """Refuse patterns that match nothing: a typo in an exclusion would be worse than one in a name."""
    ids = "group that is declared, managed or watched"
    misses = [
        *_misses("--group", scope.groups, groups, ids),
        *_misses("--exclude-group", scope.exclude_groups, groups, ids),
        *_misses("--node", scope.nodes, nodes, "node of the file"),
        *_misses("--exclude-node", scope.exclude_nodes, nodes, "node of the file"),
    ]
    if misses:
        one = len(misses) == 1
        raise WrongUsage(
            f"{misses[0] if one else f'{len(misses)} patterns match nothing'}; nothing was sent",
            next="a pattern (`*`, `?`, `[abc]`) is matched against the whole name, and with case",
            details=() if one else misses,
        )


def _misses(option: str, patterns: Iterable[str], names: Collection[str], noun: str) -> Iterator[str]:
    known = frozenset(names)
    for pattern in patterns:
        if pattern not in known and not (has_wildcards(pattern) and any(map(_matcher((pattern,)), names))):
            yield f"{option} `{pattern}` matches no {noun}{_did_you_mean(pattern, names)}"


def _did_you_mean(pattern: str, names: Collection[str]) -> str:
    """Return `` (did you mean `name`?)`` or nothing."""
    import difflib  # only a mistake needs it

    few = {name.lower(): name for name, _ in zip(names, range(MAX_CHOICES), strict=False)}
    close = difflib.get_close_matches(pattern.lower(), few, n=1)
    return f" (did you mean `{few[close[0]]}`?)" if close else ""
