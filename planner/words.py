"""How things are counted, in every sentence of the product. Pure."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``, ``9,800 nodes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, many: str) -> str:
    """The word that goes with a number: ``is`` with 1, ``are`` with all others."""
    return one if number == 1 else many
