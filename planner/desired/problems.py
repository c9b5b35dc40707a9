"""What is wrong in a file, all of it at once; and the user's text in sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.errors import Problem
from planner.references import PATTERN
from planner.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.desired.tree import Tree

MAX_SUGGESTIONS = 100  # difflib is slow; ten thousand typos are one mistake
SHORTEST_SECRET = 4  # what is shorter is in half of all words, and hides nothing
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


class Problems:
    """Collects what is wrong, so that the user hears of everything at once.

    Attributes:
        found: without their lines; the same mistake is there once, however often an alias repeats it.
        text: the file, as far as it could be decoded.
    """

    def __init__(self) -> None:
        self.found: set[Problem] = set()
        self.text = ""
        self._suggested = 0
        self._hidden: list[tuple[Tree, str]] = []

    def add(self, place: Tree, text: str, hint: str = "") -> None:
        """Add a problem at a node's place."""
        self.found.add(Problem(place.line, place.column, place.end, text, hint))

    def hide(self, place: Tree, text: str) -> None:
        """Repeat a text in no problem: it may be a secret that stands where it should not."""
        if len(text) >= SHORTEST_SECRET:
            self._hidden.append((place, text))

    def listed(self) -> list[Problem]:
        """What was found, in the order of the file, each with its line."""
        lines = split_lines(self.text)
        found = []
        for each in sorted(self.found):
            line = lines[each.line - 1] if each.line <= len(lines) else ""
            text, hint = (self._cleared(said, line) for said in (each.text, each.hint))
            found.append(replace(each, text=text, hint=hint, source=self._source(line, each.line)))
        return found

    def _cleared(self, text: str, line: str) -> str:
        """Each hidden text as so many dots, so that columns stay; `line` may hold more of them."""
        for hidden in (*(hidden for _, hidden in self._hidden), *_misplaced(line)):
            for shown in (hidden, show(hidden)[1:-1]):
                text = text.replace(shown, "•" * len(shown))
        return text

    def _source(self, line: str, number: int) -> str:
        """A line of the file. A hidden text that is written with escapes there is found by its place."""
        whole = line
        for place, hidden in self._hidden:
            if place.line == number and hidden not in line:
                end = place.end if place.end > place.column + 1 else len(line) + 1
                line = line[: place.column - 1] + "•" * (end - place.column) + line[end - 1 :]
        return self._cleared(line, whole)

    def hint(self, word: str, choices: Iterable[str]) -> str:
        """Return ``did you mean `choice`?`` or nothing."""
        self._suggested += 1
        if self._suggested > MAX_SUGGESTIONS:
            return ""
        near = nearest(word, choices)
        return f"did you mean {show(near)}?" if near else ""


_SECRET_KEY = re.compile(
    r"(?i)\b(?!credential_over_http)[\w.-]*(?:credent|token|secret|passw|bearer|auth|cookie|certificate|key)[\w.-]*[\"']?\s*:"
)
_OTHER_KEY = re.compile(r"[,{]\s*[\"']?(?:api|groups|id|labels|nodes|url)[\"']?\s*:")
_KEYS = frozenset(("basic", "bearer", "certificate", "credential", "credential_over_http", "false", "header"))
_KEYS |= {"headers", "name", "null", "password", "true", "user", "value", "verify"}
_NAMED = re.compile(r"[\"']?(?:name|user)[\"']?\s*:\s*[\"']?[^\s,{}\"']*")


def _misplaced(line: str) -> list[str]:
    """What may be a secret in a line of a file that has mistakes: all that stands behind a key for secrets.

    YAML that is broken has no places, and a mistyped key no meaning; the line would be shown as it is.
    """
    key = _SECRET_KEY.search(line)
    if key is None:
        return []
    rest = _NAMED.sub("", _OTHER_KEY.split(line[key.end() :], maxsplit=1)[0])
    words = (word.strip("&*@%!|>:") for word in re.findall(r"[^\s,{}\[\]\"']+", rest))
    return [
        word
        for word in words
        if len(word) >= SHORTEST_SECRET and word not in _KEYS and not re.fullmatch(PATTERN, word)
    ]


def split_lines(text: str) -> list[str]:
    """The lines of a text, where YAML 1.1 breaks them."""
    return _BREAK.split(text)


def show(text: str, limit: int = 60) -> str:
    """Text of the user, safe on a terminal: in backticks, control characters escaped, shortened."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "`" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) + "`"


def either_of(words: Iterable[str]) -> str:
    """Return ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
