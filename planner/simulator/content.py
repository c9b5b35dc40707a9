r"""What the nodes hold at the start: from a text file, or from a mapping.

A groups file is UTF-8 text, one id a line::

    # a comment takes a whole line, so that an id may contain a '#'
    foo.bar
    node02: only.here            held by node02 alone; every other line is held by every node
    " node01: in quotes\t"       a JSON string: blanks around an id, or an id that looks like a scope
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from planner.inputs import MIB, read_file
from planner.simulator.errors import ContentError, UnknownNodeError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MOST: Final = 64 * MIB  # bytes of a groups file
_SCOPED: Final = re.compile(r"(?P<node>node\d+):\s+(?P<id>.*)")


def node_names(count: int) -> tuple[str, ...]:
    """Return node01, node02, … node100.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"a cluster has at least one node, not {count}")
    return tuple(f"node{number:02d}" for number in range(1, count + 1))


def load_groups(path: Path, nodes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read a groups file.

    Returns:
        The ids of each node in `nodes`, in the file's order.

    Raises:
        ContentError: with every problem, as ``file:line: text``.
        OSError: the file cannot be read.
    """
    try:
        text = read_file(path, MOST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentError([f"{path}: not UTF-8: {error.reason} at byte {error.start}"]) from error
    return parse_groups(text, nodes, source=str(path))


def parse_groups(text: str, nodes: Sequence[str], source: str = "groups") -> dict[str, tuple[str, ...]]:
    """Read the text of a groups file; like `load_groups`, with `source` as the name of the file."""
    content: dict[str, dict[str, None]] = {node: {} for node in nodes}
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            holders, group = _parse_line(stripped, nodes)
        except ContentError as error:
            problems.extend(f"{source}:{number}: {problem}" for problem in error.problems)
            continue
        for node in holders:
            content[node][group] = None
    if problems:
        raise ContentError(problems)
    return {node: tuple(groups) for node, groups in content.items()}


def spread_groups(
    groups: Mapping[str, Iterable[str]] | Iterable[str], nodes: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return each node's ids: those under its name in a mapping, or all of a plain list.

    Raises:
        UnknownNodeError: the mapping names a node that does not exist.
        ContentError: an id that no node can hold.
    """
    if isinstance(groups, str):
        raise ContentError(["groups: give a list of ids, or ids by node, not one text"])
    ids_by_node = (
        {node: tuple(ids) for node, ids in groups.items()}
        if hasattr(groups, "items")
        else dict.fromkeys(nodes, tuple(groups))
    )
    for node, ids in ids_by_node.items():
        if node not in nodes:
            raise UnknownNodeError(node, nodes)
        problems = [f"{node}: {problem}" for group in ids if (problem := problem_of_id(group))]
        if problems:
            raise ContentError(problems)
    return {node: ids_by_node.get(node, ()) for node in nodes}


def problem_of_id(group: object) -> str | None:
    """Say why no node can hold this id; None where it can. Odd ids are fine: a server may well hold them."""
    if not isinstance(group, str):
        return f"an id is text, not {group!r}"
    if not group:
        return "an id cannot be empty"
    try:
        group.encode()
    except UnicodeEncodeError:
        return f"{group!r} cannot be written in UTF-8"
    return None


def _parse_line(line: str, nodes: Sequence[str]) -> tuple[Sequence[str], str]:
    holders = nodes
    scoped = _SCOPED.fullmatch(line)
    if scoped is not None:
        if scoped["node"] not in nodes:
            near = suggestion(scoped["node"], nodes)
            raise ContentError([f"unknown node {scoped['node']!r}{near} Put an id of this form in quotes"])
        holders, line = [scoped["node"]], scoped["id"]
    if line.startswith('"'):
        try:
            line = json.loads(line)
        except ValueError as error:
            raise ContentError([f"not a JSON string: {error}"]) from error
    problem = problem_of_id(line)
    if problem is not None:
        raise ContentError([problem])
    return holders, line
