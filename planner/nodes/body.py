"""From a read's answer to `Body`, or to the fault that makes it useless. A fault is never 'absent'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import DecodeError

from planner import hints
from planner.nodes.failures import quoted, words
from planner.verdict import Body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from urllib3.response import BaseHTTPResponse

    from planner.model import Dialect

LARGEST = 64 * 1024
"""Bytes of a record's body, decoded."""

LARGEST_LIST = 16 * 1024 * 1024
"""Bytes of a list's body, decoded."""

MOST_VALUES = 500_000
"""Values in an answer: a list of empty objects takes three bytes for each here, and hundreds in memory."""

LONGEST_ID = 4096
"""Characters of an id in a list; what is longer fits into no URL."""

UNPACKED = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""Content codings that are unpacked, one at a time. None was asked for, so another is not worth its risk:
whether a bomb in it stays small depends on a library that may be there or not."""


class Faulty(Exception):
    """An answer that was received and cannot be used; its text is the fault."""


def receive(raw: BaseHTTPResponse, largest: int) -> bytes:
    """Read a body, decoded.

    `read` with a size neither reads nor unpacks more than that (since urllib3 2.6), so a bomb stays small.

    Raises:
        Faulty: it is too large, or its content encoding is broken.
        urllib3.exceptions.HTTPError: it broke off, or was too slow.
    """
    coding = raw.headers.get("Content-Encoding", "").strip().lower()
    if coding not in UNPACKED:
        raise Faulty(f"the answer is packed in a way that was not asked for: {quoted(coding)}")
    try:
        content = raw.read(largest + 1, decode_content=True)
    except DecodeError as error:
        raise Faulty(words(error)) from error
    if len(content) > largest:
        raise Faulty(f"the answer is larger than {largest // 1024} KiB")
    return content


def parse(content: bytes) -> Any:
    """The JSON in a body (RFC 8259), without what may be read in two ways.

    Raises:
        Faulty: there is none, or too much of it, or a name occurs twice in an object.
    """
    if content.count(b",") + content.count(b"[") + content.count(b"{") > MOST_VALUES:
        raise Faulty(f"the answer holds more than {MOST_VALUES:,} values")
    try:
        return _DECODER.decode(content.decode(json.detect_encoding(content)))
    except (ValueError, RecursionError) as error:
        raise Faulty(f"the answer is not JSON: {quoted(content[:LARGEST])}") from error


def record(content: bytes, dialect: Dialect) -> Body:
    """What the answer to a read says.

    Raises:
        Faulty: it is not an object with an id.
    """
    value = parse(content)
    if not isinstance(value, dict):
        raise Faulty(f"the answer is not an object: {quoted(value)}")
    if dialect.id_field not in value:
        lacks = f"the answer has no field {dialect.id_field!r}, {_names(value)}"
        raise Faulty(hints.joined(lacks, hints.OTHER_ID))
    group = value[dialect.id_field]
    if not isinstance(group, str):
        raise Faulty(f"the field {dialect.id_field!r} is not a string: {quoted(group)}")
    return Body(group=group, extra=len(value) > 1)


def listed(content: bytes, dialect: Dialect) -> Body:
    """The ids in the answer to a list; `Dialect.list_field` may name a path such as ``data.groups``.

    Raises:
        Faulty: it is not a list of ids, or of objects with an id.
    """
    value = parse(content)
    for name in filter(None, dialect.list_field.split(".")):
        if not isinstance(value, dict) or name not in value:
            raise Faulty(hints.joined(f"the answer has no field {dialect.list_field!r}", hints.OTHER_LIST))
        value = value[name]
    if not isinstance(value, list):
        raise Faulty(hints.joined(f"the answer is not a list: {quoted(value)}", hints.OTHER_LIST))
    return Body(groups=tuple(_ids(value, dialect)))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of two, every reader takes the one it likes."""
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Faulty(f"the answer has the field {quoted(twice)} twice")
    return value


def _no_constant(name: str) -> Any:
    """NaN and Infinity are Python's, and no JSON."""
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _ids(values: Iterable[object], dialect: Dialect) -> Iterable[str]:
    for value in values:
        group = value.get(dialect.id_field) if isinstance(value, dict) else value
        if not isinstance(group, str) or not group:
            raise Faulty(f"the list has an entry without an id: {quoted(value)}")
        if len(group) > LONGEST_ID or not _is_text(group):
            raise Faulty(f"the list has an id that is none: {quoted(group)}")
        yield group


def _is_text(group: str) -> bool:
    """Whether it can be sent at all: half a surrogate pair cannot."""
    try:
        return group.isascii() or bool(group.encode())
    except UnicodeEncodeError:
        return False


def _names(value: dict[str, Any]) -> str:
    return "and no other" if not value else "only " + ", ".join(quoted(name) for name in list(value)[:5])
