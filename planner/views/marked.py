"""Text that Markdown shows as it is: nothing in it can begin a link, a mention, a tag or a cell. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_SPAN = re.compile(r"[`|]|\A[ ]|[ ]\Z|[ ]{2}|\A\Z")
"""What a span in backticks would lose, or end at, or what would end its table cell."""

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_WORD = re.compile(r"\(?(?:[^\W_]+(?:[,'-][^\W_]+)*)?[%)]{0,2}[,;:.!?…]*")
"""A plain word: it can begin no link, address, mention, reference, emoji or emphasis."""

_LISTED = re.compile(r"(\d+)([.)])")
"""What begins a list, where a line begins with it."""

_CODE = re.compile(r"`([^`]+)`")

MOST_NAME = 200
"""Characters of a name in a comment."""


def clip(text: str, most: int) -> str:
    """The text as it can be shown, with its middle left out where it has more than `most` characters."""
    if len(text) > 2 * most:
        text = text[:most] + text[-most:]  # the middle is left out anyway, and writing it out may be slow
    text = shown(text)
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def code(text: str, most: int) -> str:
    """The text as code, with at most `most` characters. Mentions and addresses are not looked for in code.

    What a span in backticks cannot hold is written in a tag instead, with all punctuation as character
    references, which are never structure.
    """
    text = clip(text, most)
    if not _NO_SPAN.search(text):
        return f"`{text}`"
    return f"<code>{_referenced(text)}</code>"


def prose(text: str, most: int) -> str:
    """A sentence with at most `most` characters. What is in backticks, or is no plain word, is code."""
    text = shown(text[: most + 1])
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    parts = _CODE.split(text)
    marked = "".join(code(part, most) if at % 2 else _words(part) for at, part in enumerate(parts))
    listed = _LISTED.match(marked)
    return listed[1] + _referenced(listed[2]) + marked[listed.end() :] if listed else marked


def comment(*names: str) -> str:
    """A comment that nobody sees and a program finds; no name can end it."""
    text = ":".join(quote(name[:MOST_NAME], safe="", errors="replace") for name in names)
    return f"<!-- {text.replace('--', '-%2D')} -->\n"


def row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |\n"


def _words(text: str) -> str:
    return " ".join(map(_word, text.split(" ")))


def _word(word: str) -> str:
    """A plain word as it is, another as code; what punctuation it ends with stays outside."""
    if _WORD.fullmatch(word):
        return word
    core = word.rstrip(",;:.!?)…") or word
    return code(core, len(core)) + word[len(core) :]


def _referenced(text: str) -> str:
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", text)
