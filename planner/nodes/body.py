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

LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of a list's body, decoded."""


class Faulty(Exception):
    """An answer that was received and cannot be used; its text is the fault."""


def receive(raw: BaseHTTPResponse, largest: int) -> bytes:
    """Read a body, decoded.

    `read` with a size neither reads nor unpacks more than that (since urllib3 2.6), so a bomb stays small.

    Raises:
        Faulty: it is too large, or its content encoding is broken.
        urllib3.exceptions.HTTPError: it broke off, or was too slow.
    """
    try:
        content = raw.read(largest + 1, decode_content=True)
    except DecodeError as error:
        raise Faulty(words(error)) from error
    if len(content) > largest:
        raise Faulty(f"the answer is larger than {largest // 1024} KiB")
    return content


def parse(content: bytes) -> Any:
    """The JSON in a body.

    Raises:
        Faulty: there is none.
    """
    try:
        return json.loads(content)
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


def _ids(values: Iterable[object], dialect: Dialect) -> Iterable[str]:
    for value in values:
        group = value.get(dialect.id_field) if isinstance(value, dict) else value
        if not isinstance(group, str) or not group:
            raise Faulty(f"the list has an entry without an id: {quoted(value)}")
        yield group


def _names(value: dict[str, Any]) -> str:
    return "and no other" if not value else "only " + ", ".join(quoted(name) for name in list(value)[:5])
