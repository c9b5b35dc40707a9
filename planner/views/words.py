"""Words as a screen shows them: nothing that a terminal obeys, cut to a width, a few names of many. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from planner.words import COMMAND, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Sequence

_RAW = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal obeys, hides or cannot draw: controls, direction marks, separators."""

MAX_SENTENCE = 2000
"""Characters of one sentence; a longer one lists ten thousand ids, and is cut."""

NAMES_SHOWN = 4

MINUTES_SHOWN = 120
"""From here on, hours are easier to read."""


def shown(text: str) -> str:
    r"""The text; what a terminal or a build server would obey or hide is written out, as ``\x1b``."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(_escape(char) if unicodedata.category(char) in _RAW else char for char in text)
        text = UNSEEN.sub(lambda found: _escape(found[0]), text)
    return COMMAND.sub(r"#\\x23", text) if "##" in text else text


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def width_of(text: str) -> int:
    """Columns that the text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> tuple[str, str]:
    """The longest beginning that fits into `columns` (at least one character), and the rest."""
    if text.isascii():
        return text[: max(columns, 1)], text[max(columns, 1) :]
    taken = 0
    for position, char in enumerate(text):
        taken += _columns(char)
        if taken > columns and position:
            return text[:position], text[position:]
    return text, ""


def shorten(text: str, columns: int) -> str:
    """The text, with an ellipsis in its middle if it is wider than `columns`."""
    if width_of(text) <= columns:
        return text
    head, _ = cut(text, max((columns - 1) // 2, 1))
    tail, _ = cut(text[::-1], max(columns - 1 - width_of(head), 1))
    return f"{head}…{tail[::-1]}"


def sentence(text: str) -> str:
    """One full stop at the end, whatever the author wrote."""
    text = shown(text.strip()[: MAX_SENTENCE + 1])
    if len(text) > MAX_SENTENCE:
        return text[:MAX_SENTENCE] + "…"
    text = text.rstrip(".") if text.endswith(".") and not text.endswith("...") else text
    return text if text.endswith(("...", "…", "!", "?")) else f"{text}."


def fragment(text: str) -> str:
    """No full stop at the end: for a labelled line, whose end may be a command to copy."""
    text = shown(text.strip()[: MAX_SENTENCE + 1])
    if len(text) > MAX_SENTENCE:
        return text[:MAX_SENTENCE] + "…"
    several = ". " in text
    return text if several or text.endswith("...") else text.rstrip(".")


def on_nodes(names: Sequence[str], of: int, *, left_out: int = 0) -> str:
    """``on all 3 nodes``, ``on node01, node02``, ``on node01, node02, node03 and 12 more``.

    Args:
        names: of the nodes.
        of: how many nodes the plan is about.
        left_out: how many it leaves out; those are none of 'all'.
    """
    if len(names) == of > 1:
        return f"on all {of:,} nodes{' of the plan' if left_out else ''}"
    return f"on {some_of(names)}"


def some_of(names: Sequence[str]) -> str:
    """``node01, node02, node03 and 12 more``; all of them where that are `NAMES_SHOWN` or fewer."""
    if len(names) <= NAMES_SHOWN:
        return ", ".join(map(shown, names))
    some = ", ".join(map(shown, names[: NAMES_SHOWN - 1]))
    return f"{some} and {len(names) - NAMES_SHOWN + 1:,} more"


def duration(seconds: float) -> str:
    """``8 s``, ``2 min 05 s``, ``3 h 07 min``."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes >= MINUTES_SHOWN:
        return f"{minutes // 60:,} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
