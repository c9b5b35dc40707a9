"""JSON in pieces, so that a document of a million steps is never whole in memory; and from outside. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from planner.words import COMMAND, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False)
PIECE = 200
"""Items of a list that are written at once."""

_CONTROLS = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]"
)
"""What a terminal obeys, or what no encoding holds, beyond the controls that JSON writes out by itself."""


def harmless(text: str) -> str:
    """JSON text that says the same, and that no build server takes for a command to it."""
    return COMMAND.sub(r"#\\u0023", text) if "##" in text else text


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of JSON data, each item of which is made when it is written."""

    make: Callable[[Any], Any]
    items: Sequence[Any]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, self.items)


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same with lists instead of `Rows`, in the document and in the objects that it has."""
    return {key: _plain(value) for key, value in document.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Rows):
        return list(value)
    return plain(value) if isinstance(value, dict) else value


def canonical(document: Mapping[str, Any]) -> Iterator[str]:
    """JSON in one line, with sorted keys and without spaces; only the document itself may have `Rows`."""
    opening = "{"
    for key in sorted(document):
        value = document[key]
        yield f"{opening}{CANONICAL.encode(key)}:"
        if isinstance(value, Rows):
            yield from _canonical_rows(value)
        else:
            yield CANONICAL.encode(value)
        opening = ","
    yield "}" if document else "{}"


def _canonical_rows(rows: Rows) -> Iterator[str]:
    opening = "["
    for piece in _pieces(rows):
        yield opening + CANONICAL.encode(piece)[1:-1]
        opening = ","
    yield "]" if len(rows) else "[]"


def laid_out(document: Mapping[str, Any], *, ensure_ascii: bool = True) -> Iterator[str]:
    """JSON with one step, cell or node in a line; a line differs where its step does.

    It is written line by line, since the standard library indents in Python: slowly.
    """
    plainly = json.JSONEncoder(ensure_ascii=ensure_ascii, check_circular=False).encode

    def encode(value: Any) -> str:
        text = harmless(plainly(value))
        if text.isascii():
            return text
        for unseen in (_CONTROLS, UNSEEN):
            text = unseen.sub(lambda found: json.dumps(found[0])[1:-1], text)
        return text

    return _laid_out(document, encode, "", 2)


def _laid_out(value: Any, encode: Callable[[Any], str], margin: str, depth: int) -> Iterator[str]:
    """Objects are opened to a depth, and lists in them to their items."""
    inner = f"{margin} "
    if isinstance(value, dict) and value and depth:
        opening = "{"
        for key, each in value.items():
            yield f"{opening}\n{inner}{encode(key)}: "
            yield from _laid_out(each, encode, inner, depth - 1)
            opening = ","
        yield f"\n{margin}}}"
    elif isinstance(value, list | Rows) and len(value):
        opening = "["
        for piece in _pieces(value):
            yield f"{opening}\n{inner}" + f",\n{inner}".join(map(encode, piece))
            opening = ","
        yield f"\n{margin}]"
    else:
        yield encode([] if isinstance(value, Rows) else value)


def strict(text: str | bytes) -> Any:
    """Read JSON as RFC 8259 has it, in UTF-8, and only where every reader would understand the same by it.

    Raises:
        ValueError: it is none, a key is there twice, a number is none or infinite, or a text holds half of a
            surrogate pair.
        RecursionError: it is nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    value = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
    if _SURROGATE.search(text):  # perhaps a whole pair: only then is it worth to look at every text
        json.dumps(value, ensure_ascii=False).encode()
    return value


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number of JSON")
    return number


def _pieces(values: Rows | list[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while piece := list(islice(rest, PIECE)):
        yield piece
