"""YAML text -> values with their places. Hostile text ends in a problem, never in a traceback.

The tree is built from yaml's events and not by its composer: the composer recurses in C, where deep nesting
kills the process, and it expands nothing that could be counted. Tags construct nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from planner.desired.problems import Problems, show, split_lines
from planner.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 1_000_000  # with every alias counted as often as it is used

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What YAML itself refuses: yaml 1.1, c-printable. The second is slow to compile; most files need the first.
_UNPRINTABLE_ASCII = r"[^\t\n\r\x20-\x7e]"
# And what makes a reviewer see the text in another order than it has (https://trojansource.codes).
_UNPRINTABLE = (
    "[^\t\n\r\x20-\x7e\x85\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]"
)
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_CORE = "tag:yaml.org,2002:"
_HARMLESS_TAGS = frozenset({"!", f"{_CORE}str", f"{_CORE}map", f"{_CORE}seq"})
_KINDS = {
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "bool": "a truth value",
    "null": "empty",
}


_NO_PAIRS: Mapping[str, tuple[Tree, Tree]] = MappingProxyType({})  # shared: most nodes are scalars


class Odd(NamedTuple):
    """A scalar that is neither text nor a value of JSON: a date, `012`, `1.0`, `.inf`, `0x1f`, `<<`."""

    kind: str


@dataclass(slots=True, eq=False)
class Tree:
    """A value with its place.

    Attributes:
        value: str, int, bool, None, list, dict or `Odd`.
        line: from 1.
        column: from 1.
        end: the column behind it, where it ends in this line; behind its first character otherwise.
        text: what a scalar holds as text, whatever it was read as.
        size: number of nodes, aliases expanded.
        items: the children of a list.
        pairs: key and value of each entry of a mapping.
    """

    value: Any
    line: int
    column: int
    end: int
    text: str = ""
    size: int = 1
    items: Sequence[Tree] = ()
    pairs: Mapping[str, tuple[Tree, Tree]] = field(default_factory=lambda: _NO_PAIRS)

    def get(self, key: str) -> Tree | None:
        """The value of a key; None where there is none, or where this is no mapping."""
        pair = self.pairs.get(key)
        return None if pair is None else pair[1]

    def at(self, path: Iterable[str | int]) -> Tree:
        """The node at a path of keys and indexes."""
        node = self
        for part in path:
            node = node.items[part] if isinstance(part, int) else node.pairs[part][1]
        return node


class _Fatal(Exception):
    """Reading cannot go on; the problem has been added."""


def read_tree(text: str | bytes, problems: Problems) -> Tree | None:
    """Read one YAML document; None when it could not be read to its end, or is empty."""
    decoded = _decode(text, problems)
    if decoded is None:
        return None
    try:
        loader = _LOADER(decoded)
        try:
            root = _Composer(loader, problems).compose()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        problems.found.add(_syntax(error, decoded))
        return None
    except _Fatal:
        return None
    if root is None or root.value is None:
        problems.found.add(Problem(1, 1, 2, "the file is empty"))
        return None
    return root


def _decode(text: str | bytes, problems: Problems) -> str | None:
    """The text without a byte order mark; None, with a problem, where it cannot be YAML at all."""
    if len(text) > MAX_BYTES:
        problems.found.add(Problem(1, 1, 2, f"the file is larger than {MAX_BYTES // 1024**2} MB"))
        return None
    try:
        decoded = text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as error:
        before = bytes(error.object[: error.start]).decode()
        problems.text = bytes(error.object).decode(errors="surrogateescape").removeprefix("\ufeff")
        problems.found.add(
            _at(before.removeprefix("\ufeff"), "the file is not UTF-8 here", "save it as UTF-8")
        )
        return None
    problems.text = decoded = decoded.removeprefix("\ufeff")
    odd = re.search(_UNPRINTABLE_ASCII if decoded.isascii() else _UNPRINTABLE, decoded)
    if odd:
        said, hint = f"the character {show(odd[0])} is not allowed", "write it as an escape in double quotes"
        problems.found.add(_at(decoded[: odd.start()], said, hint))
        return None
    return decoded


def _at(before: str, text: str, hint: str) -> Problem:
    """A problem with the character right behind `before`."""
    lines = split_lines(before)
    column = len(lines[-1]) + 1
    return Problem(len(lines), column, column + 1, text, hint)


def _syntax(error: yaml.YAMLError, text: str) -> Problem:
    """What the YAML reader says, with a cure for the usual mistakes."""
    begun = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None) or begun
    said = str(getattr(error, "problem", None) or "it cannot be read")
    context = str(getattr(error, "context", None) or "")
    if "unexpected end of stream" in said and "quoted" in context and begun is not None:
        mark = begun  # where the quote is, and not the end of the file
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = split_lines(text)
    rest = lines[line][column:] if line < len(lines) else ""
    sentence = f"not valid YAML: {said}{f' {context}' if context else ''}"
    cure = _cure(said, context, rest, begun.line + 1 if begun is not None else 0)
    return Problem(line + 1, column + 1, column + 2, sentence, cure)


def _cure(said: str, context: str, rest: str, begun: int) -> str:
    """What to do about it; `rest` is the line from there on, `begun` the line where the construct began."""
    if rest.startswith("\t"):
        return "a tab cannot indent: use spaces"
    if "cannot start any token" in said:
        return f"text that begins with {show(rest[:1])} must be in quotes"
    if "mapping values are not allowed" in said:
        return "a second `:` in one line: put the text in quotes, or look at the indentation of this line"
    if "unexpected end of stream" in said:
        return f"the quote {show(rest[:1])} is never closed" if "quoted" in context else ""
    if "did not find expected" in said and "flow" in context:
        bracket = "{" if "mapping" in context else "["
        return f"the {show(bracket)} of line {begun} is not closed: look at the brackets, commas and quotes"
    if "expected" in said:
        return "look at the indentation, brackets and quotes here and in the lines above"
    return ""


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read; its children become those of `tree` at its end."""

    tree: Tree
    anchor: str | None
    items: list[Tree] = field(default_factory=list)
    pairs: dict[str, tuple[Tree, Tree]] = field(default_factory=dict)
    key: Tree | None = None
    merges: list[Tree] = field(default_factory=list)


class _Composer:
    """Events -> `Tree`, without recursion."""

    def __init__(self, loader: Any, problems: Problems) -> None:
        self._loader = loader
        self._problems = problems
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Tree | None] = {}
        self._root: Tree | None = None
        self._documents = 0

    def compose(self) -> Tree | None:
        while (event := self._loader.get_event()) is not None:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._finish(self._scalar(event), event.anchor)
            elif kind in (yaml.SequenceStartEvent, yaml.MappingStartEvent):
                self._begin(event)
            elif kind in (yaml.SequenceEndEvent, yaml.MappingEndEvent):
                self._end()
            elif kind is yaml.AliasEvent:
                self._add(self._alias(event))
            elif kind is yaml.DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    self._fatal(_place(event), "a second document begins here", "the file must hold one")
        return self._root

    def _fatal(self, place: Tree, text: str, hint: str = "") -> None:
        self._problems.add(place, text, hint)
        raise _Fatal

    def _begin(self, event: Any) -> None:
        tree = _place(event)
        if len(self._stack) >= MAX_DEPTH:
            self._fatal(tree, f"nested more than {MAX_DEPTH} levels deep")
        self._check_tag(event, tree)
        tree.value = [] if type(event) is yaml.SequenceStartEvent else {}
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(tree, event.anchor))

    def _end(self) -> None:
        frame = self._stack.pop()
        for merged in frame.merges:
            self._merge(frame, merged)
        frame.tree.items, frame.tree.pairs = frame.items, frame.pairs
        self._finish(frame.tree, frame.anchor)

    def _finish(self, tree: Tree, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = tree
        self._add(tree)

    def _add(self, tree: Tree) -> None:
        if not self._stack:
            self._root = tree
            return
        frame = self._stack[-1]
        frame.tree.size += tree.size
        if frame.tree.size > MAX_NODES:
            self._fatal(tree, f"more than {MAX_NODES:,} values, aliases counted as often as they are used")
        if isinstance(frame.tree.value, list):
            frame.tree.value.append(tree.value)
            frame.items.append(tree)
        elif frame.key is None:
            frame.key = tree
        else:
            key, frame.key = frame.key, None
            self._insert(frame, key, tree)

    def _insert(self, frame: _Frame, key: Tree, value: Tree) -> None:
        if isinstance(key.value, str):
            first = frame.pairs.setdefault(key.value, (key, value))[0]
            if first is key:
                frame.tree.value[key.value] = value.value
            else:
                place = f"first in line {first.line}"
                self._problems.add(key, f"the key {show(key.value)} is there twice, {place}")
        elif isinstance(key.value, (list, dict)):
            self._problems.add(key, "a key must be text, not a list or a mapping")
        elif key.value == Odd("merge"):
            frame.merges.extend(value.items if isinstance(value.value, list) else [value])
        else:
            text = f"the key {show(key.text)} is {kind_of(key)} for YAML"
            self._problems.add(key, text, "put it in quotes")

    def _merge(self, frame: _Frame, merged: Tree) -> None:
        """`<<: *alias`: what the mapping itself says goes first."""
        if not isinstance(merged.value, dict):
            self._problems.add(merged, "`<<` takes a mapping, or a list of mappings")
            return
        for key, pair in merged.pairs.items():
            if key not in frame.pairs:
                frame.pairs[key] = pair
                frame.tree.value[key] = pair[1].value

    def _alias(self, event: Any) -> Tree:
        name = event.anchor
        if name not in self._anchors:
            self._fatal(_place(event), f"the alias {show('*' + name)} names no anchor above it")
        target = self._anchors[name]
        if target is None:
            self._fatal(_place(event), f"the alias {show('*' + name)} stands inside of what it names")
            raise AssertionError  # for mypy; `_fatal` has raised
        return target

    def _check_tag(self, event: Any, place: Tree) -> None:
        if event.tag is not None and event.tag not in _HARMLESS_TAGS:
            tag = event.tag.replace(_CORE, "!!", 1)
            self._problems.add(place, f"the tag {show(tag)} is not allowed", "leave it out")

    def _scalar(self, event: Any) -> Tree:
        tree = _place(event)
        tree.text = tree.value = event.value
        if event.tag is not None:
            self._check_tag(event, tree)
        elif event.implicit[0]:
            tag = self._loader.resolve(yaml.ScalarNode, event.value, (True, False))
            if tag != f"{_CORE}str":
                tree.value = _plain(tag.removeprefix(_CORE), event.value)
        return tree


def _place(event: Any) -> Tree:
    start, end = event.start_mark, event.end_mark
    column = start.column + 1
    behind = end.column + 1 if end.line == start.line else 0
    return Tree(None, start.line + 1, column, max(behind, column + 1))


def _plain(kind: str, text: str) -> bool | int | Odd | None:
    """The value of a plain scalar. `012` is 10 for YAML 1.1 and 12 for YAML 1.2: it is no number here."""
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind == "int" and _DECIMAL.fullmatch(text):
        return int(text)
    return Odd(kind)


def kind_of(tree: Tree) -> str:
    """What a value is, for a sentence: ``a number``."""
    value = tree.value
    if isinstance(value, Odd):
        return _KINDS.get(value.kind, "a special word")
    if value is None:
        return "empty"
    return {bool: "a truth value", int: "a number", str: "text", list: "a list", dict: "a mapping"}[
        type(value)
    ]
