"""How a node knows us, and how we know it: credentials and TLS, as references only. No secret is ever here.

A reference is ``env:NAME`` or ``file:/path``; `planner.references` resolves it where the request is made.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit


class Scheme(enum.StrEnum):
    """How a credential is sent."""

    BEARER = "bearer"
    """``Authorization: Bearer …`` (RFC 6750)."""
    BASIC = "basic"
    """``Authorization: Basic …``, the user's name and a password (RFC 7617)."""
    HEADER = "header"
    """A header of its own, such as ``X-API-Key``."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a node is shown with every request.

    Attributes:
        scheme: how it is sent.
        secret: where the token, the password or the header's value is found: a reference.
        name: the user of `BASIC`, the header of `HEADER`.
        over_http: whether it may leave this machine unencrypted; somebody has allowed it by the node's name.
    """

    scheme: Scheme
    secret: str
    name: str = ""
    over_http: bool = False

    @property
    def header(self) -> str:
        """The name of its header."""
        return self.name if self.scheme is Scheme.HEADER else "Authorization"


def credential_of(data: object) -> Credential | None:
    """The credential of plain JSON data.

    A version that knew no schemes wrote text, empty where there was none; it sent none of them.

    Raises:
        TypeError, ValueError: it is none.
    """
    if data is None or data == "":
        return None
    if isinstance(data, str):
        return Credential(Scheme.BEARER, data)
    if not isinstance(data, dict):
        raise TypeError("a credential is neither text nor an object")
    return Credential(**{**data, "scheme": Scheme(data["scheme"])})


@dataclass(frozen=True, slots=True)
class Tls:
    """How a node is known by its certificate, and we by ours. Of no effect without https.

    Attributes:
        ca: the authorities that are believed, as PEM, and no others; empty: those that requests believes.
        certificate: our certificate and those between it and its authority, as PEM; empty: none is shown.
        key: its private key, as PEM; empty: it is in `certificate`.
        verify: whether the node's certificate is looked at. Without, anybody may be the node.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True


NO_TLS = Tls()
"""What a node has whose file says nothing of TLS: the defaults, not plain text."""


class _Node(Protocol):
    @property
    def credential(self) -> Credential | None: ...
    @property
    def tls(self) -> Tls: ...


def references_of(node: _Node) -> tuple[str, ...]:
    """Every reference that a node's requests need."""
    secret = node.credential.secret if node.credential else ""
    return tuple(filter(None, (secret, node.tls.ca, node.tls.certificate, node.tls.key)))


OWN_VARIABLES = "env:PLANNER_"
"""Where references to planner's own settings begin: the store's password, the webhook."""


def is_own(reference: str) -> bool:
    """Whether a reference leads to a setting of planner's own, which no node is ever shown."""
    return reference.startswith(OWN_VARIABLES)


class Places(NamedTuple):
    """Where secrets for nodes may be taken from. Who proposes a file also says to which URL a secret goes.

    Attributes:
        allowed: patterns of references; none: any place will do. ``*`` and ``?`` stay within one segment of a
            path, ``**`` does not.
        withheld: references that no node is ever shown: the keys of plan files.
    """

    allowed: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    def problem(self, reference: str) -> str:
        """Why a reference must not be followed, as a sentence without its subject; empty where it may be."""
        if is_own(reference):
            return "it is a setting of planner's own, which no node is shown"
        if reference in self.withheld:
            return "it is the key of plan files, which no node is shown"
        if ".." in reference.split("/"):
            return "a path with `..` leads out of every folder"
        if self.allowed and not any(_place(pattern).fullmatch(reference) for pattern in self.allowed):
            return f"--references (PLANNER_REFERENCES) allows {', '.join(self.allowed)}"
        return ""


ANYWHERE = Places()
_WILD = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@cache
def _place(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(_WILD.get(part) or re.escape(part) for part in parts))


def leaves_machine(url: str) -> bool:
    """Whether a canonical URL without TLS leads to another host than this one: all can read what is sent."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
