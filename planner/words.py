"""What sentences all over the product are made of: counts, lists with an end, the nearest name. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED = 10
"""How many groups, cells or nodes a sentence names, unless it says otherwise."""


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``, ``9,800 nodes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, many: str) -> str:
    """The word that goes with a number: ``is`` with 1, ``are`` with all others."""
    return one if number == 1 else many


def named(names: Iterable[object], most: int = NAMED) -> str:
    """``a, b, c and 7 more``: up to `most` of them."""
    texts = list(map(str, names))
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choice that was most likely meant; empty where none is near."""
    import difflib  # slow to import, and only a mistake needs it

    return next(iter(difflib.get_close_matches(word, list(choices), n=1)), "")
