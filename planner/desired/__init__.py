"""groups.yaml -> `Desired`, or every problem at once, each with line and column.

The text goes through three rooms::

    tree.py      YAML -> values with their places;  problems.py: what is wrong with them
    shape.py     the JSON Schema at work
    rules.py     what a schema cannot say;  url.py: one spelling for every base URL
    access.py    the same for credentials and TLS

    writing.py   the other way: what a cluster holds -> the text of a file
    outline.py   only the names, also of a file with mistakes, for completion
"""

from __future__ import annotations

import hashlib
import shlex
from typing import Any

from planner.access import Tls
from planner.desired.access import credential_for
from planner.desired.problems import Problems
from planner.desired.rules import NodeSpot, Selection, check_rules
from planner.desired.shape import check_shape, id_problem, name_problem, schema_text
from planner.desired.tree import Tree, read_tree
from planner.desired.url import canonical_url
from planner.errors import STANDARD_INPUT, FileInvalid, WrongUsage
from planner.model import Desired, Dialect, Group, Limits, Node, Presence

__all__ = ["canonical_url", "id_problem", "parse", "parse_nodes", "schema_text"]

NODES_VARIABLE = "PLANNER_NODES"


def parse(text: str | bytes, *, origin: str, nodes_override: str | None = None) -> Desired:
    """Read what the user wants. Pure: the text is an argument, and only the schema is read from the package.

    Args:
        text: the YAML; bytes are taken as UTF-8.
        origin: what the user calls the file; begins every problem.
        nodes_override: the value of PLANNER_NODES, ``name=url,name=url``; None or blank where it is not set.

    Raises:
        FileInvalid: `problems` holds every problem with its line, in the file's order.
        WrongUsage: PLANNER_NODES is malformed, or there are nodes both in it and in the file.
    """
    outside = parse_nodes(nodes_override) if nodes_override and nodes_override.strip() else None
    problems = Problems()
    root = read_tree(text, problems)
    if root is not None:
        if outside is not None:
            _refuse_both(root, origin)
        check_shape(root, problems)
        check_rules(root, outside, problems)
    if root is None or problems.found:
        raise _invalid(problems, origin)
    return _build(root, outside, _digest(text, outside), origin)


def _digest(text: str | bytes, outside: tuple[Node, ...] | None) -> str:
    """Of the text; nodes from outside belong to what is asked for as those in it do."""
    found = hashlib.sha256(text.encode() if isinstance(text, str) else text)
    for node in outside or ():
        found.update(f"\0{node.name}={node.url}".encode())
    return found.hexdigest()


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Read PLANNER_NODES: ``name=url,name=url``, blanks and line breaks around the parts allowed.

    Raises:
        WrongUsage: `details` holds every problem.
    """
    wrong: list[str] = []
    names: set[str] = set()
    urls: dict[str, str] = {}
    nodes: list[Node] = []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        name, equals, url = (piece.strip() for piece in part.partition("="))
        if not equals:
            wrong.append(f"{NODES_VARIABLE}: entry {number} is not `name=url`")
            continue
        problem = name_problem(name) if name else "the name is missing"
        if problem:
            wrong.append(f"{NODES_VARIABLE}: entry {number}: {problem}")
        elif name in names:
            wrong.append(f"{NODES_VARIABLE}: entry {number}: a node `{name}` is there already")
        names.add(name)
        try:
            canonical = canonical_url(url)
        except ValueError as error:
            wrong.append(f"{NODES_VARIABLE}: entry {number}: {error}")
            continue
        first = urls.setdefault(canonical, name)
        if first != name:
            wrong.append(
                f"{NODES_VARIABLE}: entry {number}: this is the node `{first}`: both are {canonical}"
            )
        nodes.append(Node(name, canonical))
    if not nodes and not wrong:
        wrong.append(f"{NODES_VARIABLE} names no node")
    if wrong:
        raise WrongUsage(
            f"{NODES_VARIABLE} cannot be used",
            where="environment",
            next=f"write {NODES_VARIABLE}=name=url,name=url",
            details=wrong,
        )
    return tuple(nodes)


def _refuse_both(root: Tree, origin: str) -> None:
    cluster = root.get("cluster")
    listed = cluster.get("nodes") if cluster is not None else None
    if listed is not None and listed.value:
        raise WrongUsage(
            "the nodes are given twice",
            where=f"{origin}:{listed.line}:{listed.column}, and {NODES_VARIABLE}",
            why="which of them to write to is not for planner to guess",
            next=f"unset {NODES_VARIABLE}, or take `nodes` out of the file",
        )


def _invalid(problems: Problems, origin: str) -> FileInvalid:
    found = problems.listed()
    count = f"{len(found)} problem{'s' if len(found) != 1 else ''}"
    named = "" if origin in ("groups.yaml", STANDARD_INPUT) else f" {shlex.quote(origin)}"
    return FileInvalid(
        f"{origin} cannot be used: {count}",
        where=origin,
        next=f"correct the file, then check it with `planner validate{named}`",
        problems=found,
    )


def _build(root: Tree, outside: tuple[Node, ...] | None, digest: str, origin: str) -> Desired:
    """The tree has no problem: every type and every reference holds."""
    document = root.value
    cluster = document["cluster"]
    nodes = (
        tuple(_node(item, cluster) for item in cluster["nodes"])
        if outside is None
        else tuple(_outside_node(node, cluster) for node in outside)
    )
    selection = Selection([NodeSpot(node.name, dict(node.labels)) for node in nodes])
    everywhere = selection.choose(None)
    groups = []
    for item in root.pairs["groups"][1].items:
        value = item.value
        if isinstance(value, str):
            groups.append(Group(value, everywhere, line=item.line))
            continue
        groups.append(
            Group(
                value["id"],
                selection.choose(value.get("nodes")),
                Presence(value.get("state", "present")),
                value.get("protect", False),
                item.line,
            )
        )
    return Desired(
        cluster=cluster["name"],
        nodes=nodes,
        groups=tuple(groups),
        limits=Limits(**document.get("limits", {})),
        prune=document.get("prune", False),
        store=cluster.get("store", ""),
        digest=digest,
        origin=origin,
    )


def _node(item: dict[str, Any], cluster: dict[str, Any]) -> Node:
    return Node(
        name=item["name"],
        url=canonical_url(item["url"]),
        labels=tuple(sorted(item.get("labels", {}).items())),
        dialect=_dialect(cluster.get("api", {}), item.get("api", {})),
        credential=credential_for(item["name"], item.get("credential", cluster.get("credential")), cluster),
        tls=Tls(**{**cluster.get("tls", {}), **item.get("tls", {})}),
    )


def _outside_node(node: Node, cluster: dict[str, Any]) -> Node:
    return Node(
        name=node.name,
        url=node.url,
        dialect=_dialect(cluster.get("api", {}), {}),
        credential=credential_for(node.name, cluster.get("credential"), cluster),
        tls=Tls(**cluster.get("tls", {})),
    )


def _dialect(shared: dict[str, Any], own: dict[str, Any]) -> Dialect:
    """The cluster's deviations, overlaid key by key with the node's own; headers name by name."""
    merged: dict[str, Any] = {**shared, **own}
    headers = {name.lower(): (name, value) for name, value in shared.get("headers", {}).items()}
    headers |= {name.lower(): (name, value) for name, value in own.get("headers", {}).items()}
    merged["headers"] = tuple(header for _, header in sorted(headers.items()))
    listing = merged.pop("list", None)
    if isinstance(listing, str):
        merged["list_path"] = listing
    elif listing is not None:
        merged["list_path"] = listing["path"]
        merged["list_field"] = listing.get("field", "")
    for key, value in merged.items():
        merged[key] = tuple(value) if isinstance(value, list) else value
    return Dialect(**merged)
