"""What came from outside against the types of the model: is it made as its annotations say? Pure.

A plan file or a row of the store may hold anything at any place, and a frozen dataclass takes whatever it is
given. Values are looked at in columns, since there may be a million of them.
"""

from __future__ import annotations

import enum
import math
from functools import lru_cache
from itertools import chain
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from planner.scope import PlanScope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST = 2**63 - 1
"""The largest whole number: what a database holds. None is negative."""

_ONLY_FOR_TYPES = {"PlanScope": PlanScope}
"""What `planner.model` imports for its annotations alone."""


def misfit(value: Any, kind: Any) -> str:
    """Where a value is not of its kind, as a path such as ``nodes[0].url``; empty where all of it is.

    Args:
        value: what was made of something from outside.
        kind: a dataclass, a named tuple, an enumeration, ``str``, ``bool``, ``int`` (from 0 to `MOST`),
            ``float`` (finite, from 0), or a tuple or an optional of these.

    Raises:
        NotImplementedError: the kind is none of these; nothing is ever skipped in silence.
    """
    return "" if _all_fit([value], kind) else _where(value, kind).removeprefix(".") or "the whole"


def _all_fit(values: Sequence[Any], kind: Any) -> bool:
    """Whether each of the values is of this kind."""
    if not values:
        return True
    if get_origin(kind) in (Union, UnionType):
        (other,) = (arm for arm in get_args(kind) if arm is not NoneType)
        return _all_fit([value for value in values if value is not None], other)
    if get_origin(kind) is tuple:
        return set(map(type, values)) == {tuple} and _all_tuples(values, get_args(kind))
    if get_origin(kind) is not None:
        raise NotImplementedError(kind)
    found = set(map(type, values))
    if kind is float:
        return found <= {int, float} and all(map(math.isfinite, values)) and min(values) >= 0
    if found != {kind}:
        return False
    if kind is int:
        return bool(min(values) >= 0 and max(values) <= MOST)
    if kind in (str, bool) or issubclass(kind, enum.Enum):
        return True
    inner = _fields(kind)
    return all(map(_all_fit, _columns(values, kind), inner.values()))


def _all_tuples(values: Sequence[tuple[Any, ...]], inner: tuple[Any, ...]) -> bool:
    if inner[1:] == (Ellipsis,):
        return _all_fit(list(chain.from_iterable(values)), inner[0])
    if set(map(len, values)) != {len(inner)}:
        return False
    return all(_all_fit(column, each) for column, each in zip(zip(*values, strict=True), inner, strict=True))


def _columns(values: Sequence[Any], kind: Any) -> Iterator[Sequence[Any]]:
    """One column for each field."""
    if hasattr(kind, "__dataclass_fields__"):
        return ([getattr(value, name) for value in values] for name in _fields(kind))
    return iter(zip(*values, strict=True))


@lru_cache(maxsize=64)
def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass or a named tuple, with their kinds."""
    if not hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "_fields"):
        raise NotImplementedError(kind)
    return get_type_hints(kind, localns=_ONLY_FOR_TYPES)


def _where(value: Any, kind: Any) -> str:
    """The path to the first misfit; empty where it is the value itself."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (arm for arm in get_args(kind) if arm is not NoneType)
    is_of_kind: bool = type(value) is kind
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if not isinstance(value, tuple) or (inner[1:] != (Ellipsis,) and len(inner) != len(value)):
            return ""
        kinds = [inner[0]] * len(value) if inner[1:] == (Ellipsis,) else inner
        parts = {f"[{at}]": pair for at, pair in enumerate(zip(value, kinds, strict=True))}
    elif is_of_kind and (hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields")):
        parts = {f".{name}": (getattr(value, name), inner) for name, inner in _fields(kind).items()}
    else:
        return ""
    for step, (part, inner) in parts.items():
        if not _all_fit([part], inner):
            return step + _where(part, inner)
    return ""
