"""What a scope leaves of a cluster; a pattern that matches nothing is refused."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from planner.errors import WrongUsage
from planner.scope import PlanScope, has_wildcards, matcher
from planner.words import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from planner.scope import Scope

MAX_CHOICES = 10_000
"""Names among which a nearest one is looked for: difflib is slow."""


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
        if pattern not in known and not (has_wildcards(pattern) and any(map(matcher((pattern,)), names))):
            yield f"{option} `{pattern}` matches no {noun}{_did_you_mean(pattern, names)}"


def _did_you_mean(pattern: str, names: Collection[str]) -> str:
    """Return `` (did you mean `name`?)`` or nothing."""
    few = {name.lower(): name for name in islice(names, MAX_CHOICES)}
    near = nearest(pattern.lower(), few)
    return f" (did you mean `{few[near]}`?)" if near else ""
