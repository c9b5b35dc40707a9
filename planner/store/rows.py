"""The values of a row, and the types of the model: JSON for lists, and text that every database takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from planner.access import Tls, credential_of
from planner.errors import StoreFailed
from planner.model import Dialect, Node, Policy
from planner.typed import misfit

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


def clean(words: str) -> str:
    """Words that every database takes: PostgreSQL has no NUL, and neither has lone surrogates.

    A note may quote a node's answer, and a commit of the journal must not fail for what a node said.
    """
    if words.isascii():
        return words.replace("\x00", "\ufffd") if "\x00" in words else words
    return words.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def nodes_text(nodes: tuple[Node, ...]) -> str:
    """Nodes as JSON: names, URLs, labels, dialects, and *references* to credentials."""
    return _dumps([asdict(node) for node in nodes])


def policy_text(policy: Policy) -> str:
    """A policy as JSON."""
    return _dumps(asdict(policy))


def words_text(words: tuple[str, ...]) -> str:
    """Words as a JSON list."""
    return _dumps(words)


def to_nodes(text: str) -> tuple[Node, ...]:
    """Read what `nodes_text` wrote.

    Raises:
        StoreFailed: it holds what this version does not know: a deviation of the API must not be dropped.
    """
    return _checked(lambda value: sound(_read_nodes(value), tuple[Node, ...]), text)


def to_policy(text: str) -> Policy:
    """Read what `policy_text` wrote.

    Raises:
        StoreFailed: it holds what this version does not know.
    """
    return _checked(lambda value: sound(_read_policy(value), Policy), text)


def to_words(text: str) -> tuple[str, ...]:
    """Read what `words_text` wrote."""
    return tuple(json.loads(text))


def sound(value: _T, kind: Any) -> _T:
    """The value, which was made of a row.

    Raises:
        ValueError: not all of it is of the types that it is declared with.
    """
    odd = misfit(value, kind)
    if odd:
        raise ValueError(f"{odd} is of the wrong type, or out of range")
    return value


def _read_policy(value: Any) -> Policy:
    return Policy(**value)


def _read_nodes(value: Any) -> tuple[Node, ...]:
    return tuple(_read_node(_tuples(node)) for node in value)


def _read_node(record: dict[str, Any]) -> Node:
    """Every version wrote all fields that it knew."""
    known = {
        "dialect": Dialect(**_tuples(record.get("dialect", {}))),
        "credential": credential_of(record.get("credential")),
        "tls": Tls(**record.get("tls", {})),
    }
    return Node(**{**record, **known})


def _checked(read: Callable[[Any], _T], text: str) -> _T:
    try:
        return read(json.loads(text))
    except (TypeError, ValueError, AttributeError) as error:
        raise StoreFailed(
            "A transaction in the store cannot be read.",
            why=f"it was written by another version of planner: {error}",
            next="use the version of planner that wrote it, or a newer one",
        ) from error


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    """The record with every list as a tuple, as the frozen types want them."""
    return {key: _tuple(value) for key, value in record.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
