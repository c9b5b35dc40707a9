"""The names in a groups.yaml, for completion: also of one with mistakes, which is still being written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.desired.problems import Problems
from planner.desired.tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.desired.tree import Tree


class Outline(NamedTuple):
    """What a file names, in its order; whatever is wrong with it is left out.

    Attributes:
        cluster: its name; empty where there is none.
        nodes: their names, with their URLs as they stand.
        groups: the ids.
    """

    cluster: str = ""
    nodes: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()


def outline(text: bytes) -> Outline:
    """The names in a file. Nothing is checked, and nothing is raised."""
    root = read_tree(text, Problems())
    cluster = root.get("cluster") if root is not None else None
    if root is None:
        return Outline()
    groups = (item.get("id") if isinstance(item.value, dict) else item for item in _items(root, "groups"))
    nodes = ((_word(item.get("name")), _word(item.get("url"))) for item in _items(cluster, "nodes"))
    return Outline(
        cluster=_word(cluster.get("name")) if cluster is not None else "",
        nodes=tuple((name, url) for name, url in nodes if name),
        groups=tuple(dict.fromkeys(_words(groups))),
    )


def _items(tree: Tree | None, key: str) -> Iterable[Tree]:
    listed = tree.get(key) if tree is not None else None
    return listed.items if listed is not None else ()


def _words(trees: Iterable[Tree | None]) -> Iterator[str]:
    return filter(None, map(_word, trees))


def _word(tree: Tree | None) -> str:
    return tree.value if tree is not None and isinstance(tree.value, str) else ""
