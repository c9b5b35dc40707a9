"""What a schema cannot say: one identity per group and node, selectors that choose something, real URLs.

Every function looks at the tree with care: it may hold anything, since all problems are reported together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planner.desired.access import FRAMING_HEADERS, check_access
from planner.desired.problems import Problems, show
from planner.desired.tree import Tree
from planner.desired.url import canonical_path, canonical_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Node

SECRET_HEADER = re.compile("auth|cookie|token|secret|passw|credential|api-?key|access-?key")


class NodeSpot(NamedTuple):
    """A node as the selectors see it."""

    name: str
    labels: dict[str, str]


class Selection:
    """Selectors -> names of nodes, always in the nodes' order. Each selector is worked out once."""

    def __init__(self, nodes: Sequence[NodeSpot]) -> None:
        self.nodes = nodes
        self.names = {node.name: None for node in nodes}
        self._chosen: dict[tuple[str | tuple[str, str], ...], tuple[str, ...]] = {}

    def choose(self, selector: dict[str, str] | list[str] | None) -> tuple[str, ...]:
        """The names of the nodes that have all these labels, or these names; None chooses every node."""
        if selector is None:
            return tuple(self.names)
        wanted = tuple(selector.items()) if isinstance(selector, dict) else tuple(selector)
        chosen = self._chosen.get(wanted)
        if chosen is None:
            if isinstance(selector, dict):
                chosen = tuple(n.name for n in self.nodes if selector.items() <= n.labels.items())
            else:
                chosen = tuple(name for name in self.names if name in selector)
            self._chosen[wanted] = chosen
        return chosen


def check_rules(root: Tree, outside: Sequence[Node] | None, problems: Problems) -> None:
    """Add a problem for everything that is wrong beyond the schema.

    Args:
        root: the whole file.
        outside: the nodes, where they come from the environment.
        problems: where to.
    """
    cluster = root.get("cluster")
    if cluster is not None:
        _check_api(cluster.get("api"), problems)
        check_access(cluster, outside, problems)
    if outside is not None:
        nodes: list[NodeSpot] | None = [NodeSpot(node.name, {}) for node in outside]
    else:
        nodes = _check_nodes(cluster, problems)
    groups = root.get("groups")
    if groups is not None:
        _check_groups(groups.items, nodes, problems)


def _check_nodes(cluster: Tree | None, problems: Problems) -> list[NodeSpot] | None:
    """The nodes for selectors; None where they are so broken that nothing can be said about selectors."""
    if cluster is None:
        return None
    listed = cluster.get("nodes")
    if listed is None:
        if isinstance(cluster.value, dict):
            problems.add(cluster, "the cluster has no nodes", "list them in `nodes`, or set PLANNER_NODES")
        return None
    names: dict[str, Tree] = {}
    urls: dict[str, Tree] = {}
    spots: list[NodeSpot] = []
    for item in listed.items:
        _check_api(item.get("api"), problems)
        _check_url(item.get("url"), urls, problems)
        name = item.get("name")
        if name is None or not isinstance(name.value, str):
            continue
        first = names.setdefault(name.value, name)
        if first is not name:
            problems.add(name, f"a node {show(name.value)} is there already, in line {first.line}")
        labels = item.get("labels")
        pairs = labels.value.items() if labels is not None and isinstance(labels.value, dict) else ()
        spots.append(NodeSpot(name.value, {key: value for key, value in pairs if isinstance(value, str)}))
    complete = bool(spots) and len(spots) == len(listed.items)
    return spots if complete else None


def _check_url(url: Tree | None, seen: dict[str, Tree], problems: Problems) -> None:
    if url is None or not isinstance(url.value, str):
        return
    try:
        canonical = canonical_url(url.value)
    except ValueError as error:
        problems.hide(url, url.value.partition("://")[2].rpartition("@")[0])
        problems.add(url, str(error))
        return
    first = seen.setdefault(canonical, url)
    if first is not url:
        problems.add(url, f"this is the node of line {first.line}: both URLs mean {show(canonical)}")


def _check_api(api: Tree | None, problems: Problems) -> None:
    if api is None:
        return
    listing = api.get("list")
    for path in (api.get("path"), listing, listing and listing.get("path")):
        if path is not None and isinstance(path.value, str):
            try:
                canonical_path(path.value)
            except ValueError as error:
                problems.add(path, str(error))
    headers = api.get("headers")
    seen: dict[str, Tree] = {}
    for name, (key, value) in headers.pairs.items() if headers else ():
        lower = name.lower()
        first = seen.setdefault(lower, key)
        if first is not key:
            problems.add(key, f"the header {show(name)} is there already, in line {first.line}")
        if SECRET_HEADER.search(lower):
            text = f"the header {show(name)} would be written into plans"
            problems.add(key, text, "use `credential`, which takes `env:NAME` or `file:/path`")
            problems.hide(value, value.text)
        elif lower in FRAMING_HEADERS:
            problems.add(key, f"the header {show(name)} is set by the HTTP library")


def _check_groups(items: Sequence[Tree], nodes: list[NodeSpot] | None, problems: Problems) -> None:
    seen: dict[str, Tree] = {}
    selection = None if nodes is None else Selection(nodes)
    for item in items:
        id_ = item.get("id") if isinstance(item.value, dict) else item
        if id_ is not None and isinstance(id_.value, str):
            first = seen.setdefault(id_.value, id_)
            if first is not id_:
                problems.add(id_, f"the group {show(id_.value)} is there already, in line {first.line}")
        if item.pairs:
            _check_contradiction(item, problems)
            selector = item.get("nodes")
            if selector is not None and selection is not None:
                _check_selector(selector, selection, problems)


def _check_contradiction(item: Tree, problems: Problems) -> None:
    protect, state = item.get("protect"), item.get("state")
    if protect is not None and state is not None and protect.value is True and state.value == "absent":
        problems.add(
            protect,
            "`protect: true` refuses what `state: absent` asks for",
            "take one of them out, or change it",
        )


def _check_selector(selector: Tree, selection: Selection, problems: Problems) -> None:
    if isinstance(selector.value, list):
        for item in selector.items:
            if isinstance(item.value, str) and item.value not in selection.names:
                hint = problems.hint(item.value, selection.names)
                problems.add(item, f"there is no node {show(item.value)}", hint)
        return
    if not isinstance(selector.value, dict) or not selector.value:
        return
    if not all(isinstance(value, str) for value in selector.value.values()):
        return
    if not selection.choose(selector.value):
        problems.add(selector, *_why_empty(selector.value, selection.nodes, problems))


def _why_empty(labels: dict[str, str], nodes: Sequence[NodeSpot], problems: Problems) -> tuple[str, str]:
    """What is wrong with labels that no node has, and a hint."""
    for key, value in labels.items():
        values = {node.labels[key] for node in nodes if key in node.labels}
        if not values:
            keys = sorted({known for node in nodes for known in node.labels})
            return f"this chooses no node: none has a label {show(key)}", problems.hint(key, keys)
        if value not in values:
            hint = problems.hint(value, sorted(values))
            return f"this chooses no node: none has the label {show(f'{key}: {value}')}", hint
    return "this chooses no node: none has all these labels", ""
