"""How things are counted, in every sentence of the product. Pure."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``, ``9,800 nodes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
