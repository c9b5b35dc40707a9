"""References to secrets: ``env:NAME`` and ``file:/path``.

Files, plans, the journal and reports hold references only. A reference is resolved as late as its value is
needed, and in the process that needs it: a worker on another machine reads its own environment. No error
repeats a value. What cannot be resolved is an error before any request: never an empty secret.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from planner.errors import SecretUnresolved

if TYPE_CHECKING:
    from collections.abc import Iterable

PATTERN = r"(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f\x7f]+)"
"""What a reference looks like, whole."""

MAX_SECRET = 64 * 1024
"""Bytes of a token, a password or a key. Something larger is another file."""
MAX_PEM = 4 * 1024 * 1024
"""Bytes of certificates: the bundle of every public authority has a quarter of a million."""

SHORTEST_HIDDEN = 4
"""Characters: what is shorter is in half of all words."""
HIDDEN = "•••"
SURELY_SECRET = 16
"""Characters of a secret that no name has by chance."""

_KNOWN: set[str] = set()
"""Every spelling of every secret that this process has seen."""


def resolve(reference: str, *, purpose: str, limit: int = MAX_SECRET, lines: bool = False) -> str:
    """Return the secret that a reference leads to.

    Args:
        reference: ``env:NAME`` or ``file:/path``.
        purpose: what the secret is for, such as ``the bearer token of node01``; for messages.
        limit: the most bytes of it.
        lines: whether it may have several lines, as PEM does; otherwise one line end behind it is dropped,
            and control characters are refused: they could end a header.

    Raises:
        SecretUnresolved: malformed, unset, unreadable, no regular file, too large, empty, no UTF-8, or with
            control characters.
    """
    kind, _, name = reference.partition(":")
    try:
        if re.fullmatch(PATTERN, reference) is None:
            raise _Unusable("it is no reference: write `env:NAME` or `file:/absolute/path`", hide=True)
        raw = _variable(name) if kind == "env" else _content(Path(name), limit)
        secret = _usable(raw, limit, lines=lines)
    except _Unusable as unusable:
        raise SecretUnresolved(
            f"Cannot get {purpose}",
            where="" if unusable.hide else reference,
            why=str(unusable),
            next=_CURES["" if unusable.hide else kind],
        ) from None
    if not lines:
        remember(secret)
    return secret


def remember(secret: str) -> None:
    """Let `hide` know a secret, in every spelling that a node, a library or a traceback may repeat it in."""
    if secret in _KNOWN:
        return
    raw = secret.encode()
    spellings = {quote(secret, safe=""), base64.b64encode(raw).decode(), repr(raw)[2:-1]}
    for text in (secret, raw.decode("latin-1")):  # as http.client reads a header
        both = repr(text + "\"'")  # Python escapes a quote only where there are both
        spellings |= {text, repr(text)[1:-1], both[1:-4], json.dumps(text)[1:-1]}
    _KNOWN.update(each for each in spellings if len(each) >= SHORTEST_HIDDEN)


def repeat_a_secret(texts: Iterable[str]) -> bool:
    """Whether a text is a secret, or has a long one in it; a short one may be a part of any word."""
    known = frozenset(_KNOWN)  # a copy: other threads may learn another one meanwhile
    texts = tuple(texts)
    together = "\n".join(texts)
    return not known.isdisjoint(texts) or any(
        len(each) >= SURELY_SECRET and each in together for each in known
    )


def hide(text: str) -> str:
    """The text without any secret that this process has resolved: nodes echo what they were sent."""
    for secret in sorted((each for each in tuple(_KNOWN) if each in text), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)  # the longest first: one may be a part of another
    return text


_CURES = {
    "": "a secret itself never stands in a file or a setting, only where to find it",
    "env": "set the variable where planner runs, then run it again",
    "file": "check the file and who may read it, then run again",
}


class _Unusable(Exception):
    """Why; `hide` where the reference must not be repeated, since it may be the secret itself."""

    def __init__(self, why: str, *, hide: bool = False) -> None:
        super().__init__(why)
        self.hide = hide


def _variable(name: str) -> bytes:
    value = os.environb.get(name.encode())
    if value is None:
        raise _Unusable("the environment variable is not set")
    return value


def _content(path: Path, limit: int) -> bytes:
    """Read a regular file. Links are followed: Kubernetes mounts secrets as links. A pipe would hang."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _Unusable("it is no regular file")
            return file.read(limit + 1)
    except OSError as error:
        raise _Unusable(error.strerror or type(error).__name__) from None


def _usable(raw: bytes, limit: int, *, lines: bool) -> str:
    if len(raw) > limit:
        raise _Unusable(f"it has more than {limit:,} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _Unusable("it is no UTF-8 text") from None
    if not lines:
        text = text.removesuffix("\n").removesuffix("\r")
        if re.search(r"[\x00-\x1f\x7f]", text):
            raise _Unusable("it holds a line end or another control character")
    if not text.strip():
        raise _Unusable("it is empty")
    return text
