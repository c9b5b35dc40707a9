"""What sentences all over the product are made of: counts, lists with an end, foreign text. Pure."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAMED = 10
"""How many groups, cells or nodes a sentence names, unless it says otherwise."""

LONGEST = 200
"""Characters of foreign text that are shown."""

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""Letters and marks that nobody sees (Default_Ignorable_Code_Point, and the empty Braille sign)."""

COMMAND = re.compile(r"##(?=[a-z]*\[)")
"""What build servers obey, GitHub and Azure wherever it stands in a line: ``##[error]``, ``##vso[``. GitHub's
runner has it in `ActionCommand.TryParse`."""


class _Literals(reprlib.Repr):
    """Literals of which little is looked at, however large or deep the value is."""

    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self._change = change
        self.maxstring = self.maxother = self.maxlong = 2 * LONGEST  # cut again, at its end
        self.maxlist = self.maxdict = 20
        self.maxlevel = 8

    def repr_str(self, x: str, level: int) -> str:
        """Text, changed before it is cut."""
        return super().repr_str(self._change(x), level)


def plain(text: str, longest: int = LONGEST) -> str:
    """Foreign text on one line; nothing in it can move a cursor, change a colour or reverse the writing.

    Everything that `str.isprintable` does not know as printable is escaped as in a Python literal.
    """
    shown = text if len(text) <= longest else text[:longest] + "…"
    return "".join(
        c if c.isprintable() and not UNSEEN.match(c) else c.encode("unicode_escape").decode() for c in shown
    )


def quoted(value: object, change: Callable[[str], str] = str) -> str:
    """A foreign value as a literal, shortened; however large or deep it is, little of it is looked at.

    Args:
        value: anything.
        change: is applied to each text in it.
    """
    return plain(_Literals(change).repr(value))


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
