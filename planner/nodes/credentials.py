"""From a node's credential to the header that shows it, or to a refusal before anything is sent."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from planner.access import Scheme, is_own, leaves_machine
from planner.errors import SecretUnresolved
from planner.references import remember, resolve

if TYPE_CHECKING:
    from planner.model import Node


class Header(NamedTuple):
    """Name and value; the value in bytes, since http.client would refuse text outside Latin-1."""

    name: str
    value: bytes


def header_for(node: Node) -> Header | None:
    """The header that shows a node its credential; None where it has none.

    Raises:
        SecretUnresolved: the reference leads to no usable secret.
    """
    credential = node.credential
    if credential is None:
        return None
    if is_own(credential.secret):
        raise SecretUnresolved(
            f"The credential of {node.name} is none",
            where=credential.secret,
            why="it is a setting of planner's own, which no node is shown",
            next="name another variable",
        )
    kind = {Scheme.BASIC: "password", Scheme.BEARER: "bearer token"}.get(credential.scheme, "header's value")
    secret = resolve(credential.secret, purpose=f"the {kind} of {node.name}")
    if credential.scheme is Scheme.HEADER:
        return Header(credential.header, secret.encode())
    if credential.scheme is Scheme.BEARER:
        return Header(credential.header, b"Bearer " + secret.encode())
    pair = base64.b64encode(f"{credential.name}:{secret}".encode()).decode()
    remember(pair)
    return Header(credential.header, f"Basic {pair}".encode())


def check_may_leave(node: Node, *, proxied: bool) -> None:
    """Refuse to show a credential where others can read it. The file was checked; a proxy is known only here.

    Raises:
        SecretUnresolved: it would go over plain http to another machine, and nobody has allowed that by name.
    """
    if node.credential is None or node.credential.over_http or not node.url.startswith("http://"):
        return
    if proxied or leaves_machine(node.url):
        raise SecretUnresolved(
            f"The credential of {node.name} is not sent over plain http",
            where=node.url,
            why="through a proxy, others can read it" if proxied else "others on the way could read it",
            next="write https://, or name the node in `cluster.credential_over_http`",
        )
