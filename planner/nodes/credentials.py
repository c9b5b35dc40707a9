"""From a node's credential to the header that shows it, or to a refusal before anything is sent."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, NamedTuple

from planner.access import Scheme, leaves_machine, references_of
from planner.errors import SecretUnresolved
from planner.references import remember, resolve

if TYPE_CHECKING:
    from planner.access import Places
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
    kind = {Scheme.BASIC: "password", Scheme.BEARER: "bearer token"}.get(credential.scheme, "header's value")
    secret = resolve(credential.secret, purpose=f"the {kind} of {node.name}")
    if credential.scheme is Scheme.HEADER:
        return Header(credential.header, secret.encode())
    if credential.scheme is Scheme.BEARER:
        return Header(credential.header, b"Bearer " + secret.encode())
    pair = base64.b64encode(f"{credential.name}:{secret}".encode()).decode()
    remember(pair)
    return Header(credential.header, f"Basic {pair}".encode())


def check_places(node: Node, places: Places) -> None:
    """Refuse secrets for a node from where they must not be taken, before anything is read or sent.

    Raises:
        SecretUnresolved: names the first such place.
    """
    withheld = {_real(each) for each in places.withheld}
    for reference in references_of(node):
        why = places.problem(reference)
        if not why and _real(reference) in withheld:
            why = "it leads to the key of plan files, which no node is shown"
        if why:
            raise SecretUnresolved(
                f"A secret for {node.name} must not be taken from there",
                where=reference,
                why=why,
                next="name another place in the file, or allow this one in the setting",
            )


def _real(reference: str) -> str:
    """The same for every way to one file."""
    kind, _, name = reference.partition(":")
    return f"{kind}:{os.path.realpath(name)}" if kind == "file" else reference


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
