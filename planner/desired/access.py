"""Credentials and TLS in groups.yaml: what a schema cannot say about them, and what becomes of them.

A secret that stands where a reference should is never repeated: not in a message, nor in the line below it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planner.access import ANYWHERE, Credential, Scheme, leaves_machine
from planner.desired.problems import Problems, show
from planner.desired.tree import Tree
from planner.desired.url import canonical_url
from planner.references import PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.model import Node

FRAMING_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})

NOT_SECRET = frozenset({"user", "name", "verify"})
"""Keys of `credential` and `tls` whose values are no references."""


def check_access(cluster: Tree, outside: Sequence[Node] | None, problems: Problems) -> None:
    """Add a problem for every credential that cannot be sent, or would be sent where others can read it.

    Args:
        cluster: of the file; it may hold anything.
        outside: the nodes, where they come from the environment.
        problems: where to.
    """
    listed = cluster.get("nodes")
    items = listed.items if listed is not None and outside is None else ()
    for owner in (cluster, *items):
        credential = owner.get("credential")
        for each in (credential, owner.get("tls")):
            if each is not None:
                _check_references(each, problems)
        if credential is not None:
            _check_header(credential, problems)
    shared = cluster.get("tls")
    _check_key(shared, None, problems)
    for item in items:
        _check_key(item.get("tls"), shared, problems)
        _check_tls_is_used(item, problems)
    names = [node.name for node in outside or ()]
    names += [name.value for item in items if (name := item.get("name")) is not None]
    allowed = _allowed(cluster, names, problems)
    for receiver, url, place in _receivers(cluster, items, outside):
        if receiver not in allowed and leaves_machine(url):
            problems.add(
                place,
                f"{show(receiver)} would get its credential over plain http, where others can read it",
                "write https://, or name the node in `cluster.credential_over_http`",
            )


def credential_for(name: str, value: Any, cluster: dict[str, Any]) -> Credential | None:
    """The credential of a node, from a value that has no problem.

    Args:
        name: of the node.
        value: of the key `credential`, its own or the cluster's.
        cluster: of the file.
    """
    if value is None:
        return None
    over_http = name in cluster.get("credential_over_http", ())
    if isinstance(value, str):
        return Credential(Scheme.BEARER, value, over_http=over_http)
    ((key, what),) = value.items()
    if key == Scheme.BASIC:
        return Credential(Scheme.BASIC, what["password"], what["user"], over_http)
    if key == Scheme.HEADER:
        return Credential(Scheme.HEADER, what["value"], what["name"], over_http)
    return Credential(Scheme.BEARER, what, over_http=over_http)


def _receivers(
    cluster: Tree, items: Sequence[Tree], outside: Sequence[Node] | None
) -> Iterator[tuple[str, str, Tree]]:
    """The nodes that get a credential: name, canonical URL, and the place to complain about."""
    shared = cluster.get("credential")
    if outside is not None and shared is not None:
        yield from ((node.name, node.url, shared) for node in outside)
    for item in items:
        credential = item.get("credential") or shared
        name, url = item.get("name"), item.get("url")
        if credential is None or credential.value is None or name is None or url is None:
            continue
        try:
            yield name.text, canonical_url(url.text), url
        except ValueError:  # a problem of its own
            continue


def _allowed(cluster: Tree, names: list[Any], problems: Problems) -> frozenset[str]:
    allowed = cluster.get("credential_over_http")
    items = allowed.items if allowed is not None else ()
    for item in items:
        if isinstance(item.value, str) and names and item.value not in names:
            hint = problems.hint(item.value, [name for name in names if isinstance(name, str)])
            problems.add(item, f"there is no node {show(item.value)}", hint)
    return frozenset(item.text for item in items)


def _check_header(credential: Tree, problems: Problems) -> None:
    header = credential.get("header")
    name = header.get("name") if header is not None else None
    if name is not None and name.text.lower() in FRAMING_HEADERS | {"host"}:
        problems.add(name, f"the header {show(name.text)} is set by the HTTP library")


def _check_key(tls: Tree | None, shared: Tree | None, problems: Problems) -> None:
    key = tls.get("key") if tls is not None else None
    if tls is None or key is None:
        return
    if tls.get("certificate") is None and (shared is None or shared.get("certificate") is None):
        problems.add(key, "`key` is of no use without `certificate`")


def _check_tls_is_used(item: Tree, problems: Problems) -> None:
    tls, url = item.get("tls"), item.get("url")
    if tls is not None and url is not None and url.text.lower().startswith("http://"):
        problems.add(tls, "`tls` is of no use with http://", "write https://, or take it out")


def _check_references(credential: Tree, problems: Problems) -> None:
    """Hide every scalar that is no reference, and should be one; complain about those that are never sent."""
    if credential.value is not None and not re.fullmatch(PATTERN, credential.text):
        problems.hide(credential, credential.text)
    elif why := ANYWHERE.problem(credential.text):
        problems.add(credential, f"{show(credential.text)} cannot be used", why)
    for key, (_, value) in credential.pairs.items():
        if key not in NOT_SECRET:
            _check_references(value, problems)
    for value in credential.items:
        _check_references(value, problems)
