"""What a cluster holds -> the text of a groups.yaml. Pure; every text is read back before anybody gets it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from planner.desired import parse
from planner.desired.problems import Problems
from planner.desired.tree import read_tree
from planner.errors import FileInvalid
from planner.model import Group, Presence
from planner.words import COMMAND, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.desired.tree import Tree
    from planner.model import Desired

Holders = tuple[str, tuple[str, ...]]
"""A group, and the names of the nodes that hold it."""

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Read as something else than text by one YAML version or the other, in any case."""

_BREAKS = re.compile("(\r\n|[\r\n\x85\u2028\u2029])")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})


def new_file(name: str, listing: tuple[str, str] | None = None) -> str:
    """The text of a file without groups, and without nodes, since they are in the environment.

    Args:
        name: of the cluster.
        listing: path and field of the list, where the API has one.
    """
    lines = ["version: 1", "", "cluster:", f"  name: {scalar(name)}"]
    lines.append("  # nodes:                              # they come from PLANNER_NODES")
    if listing is not None:
        path, field = map(scalar, listing)
        listed = f"{{path: {path}, field: {field}}}" if listing[1] else path
        lines += ["  api:", f"    list: {listed}"]
    return "\n".join([*lines, "", *_section([])])


def with_groups(
    text: bytes, desired: Desired, groups: Sequence[Holders], *, nodes_override: str | None = None
) -> str:
    """The same file with just these groups; all that is not about groups stays.

    A group that the file has already stays where it is, protected where it was; a selector stays if it
    chooses the nodes that hold the group.

    Args:
        text: the file, which is valid.
        desired: what was read from it.
        groups: who holds what.
        nodes_override: as for `parse`.
    """
    root, items = _tree_of(text)
    everywhere = [node.name for node in desired.nodes]
    holders = dict(groups)
    entries = []
    for group, item in zip(desired.groups, items, strict=True):
        names = holders.pop(group.id, None)
        if names is not None:
            entry = _entry(group.id, names, everywhere)
            selector = _selector(item) if names == group.nodes else entry.selector
            entries.append(replace(entry, selector=selector, protect=group.protect))
    entries += [_entry(group, names, everywhere) for group, names in holders.items()]
    return _checked(_drafts(text, root, entries), desired, entries, nodes_override)


def with_more_groups(
    text: bytes, desired: Desired, groups: Sequence[Holders], *, nodes_override: str | None = None
) -> str:
    """The same file, with these groups behind those that it has; see `with_groups`.

    What the file declares already stays as it is.
    """
    root, items = _tree_of(text)
    everywhere = [node.name for node in desired.nodes]
    declared = {group.id for group in desired.groups}
    entries = [
        _Entry(group.id, group.nodes, _selector(item), group.state, group.protect)
        for group, item in zip(desired.groups, items, strict=True)
    ]
    more = [_entry(group, names, everywhere) for group, names in groups if group not in declared]
    entries += more
    drafts = [_appended(text, root, items, more), *_drafts(text, root, entries)]
    return _checked(drafts, desired, entries, nodes_override)


def scalar(text: str) -> str:
    """A text as YAML, in double quotes where it could be taken for something else or would not be seen.

    It may be written to the log of a build server, which obeys some texts; so these are written otherwise.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + COMMAND.sub(r"#\\x23", "".join(map(_escaped, text))) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if unicodedata.category(char) not in _HIDDEN and not UNSEEN.match(char):
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class _Entry:
    """A group as it is to be written, and the nodes that its selector has to choose."""

    id: str
    nodes: tuple[str, ...]
    selector: Mapping[str, str] | Sequence[str] | None = None
    state: Presence = Presence.PRESENT
    protect: bool = False

    def lines(self) -> Iterator[str]:
        """One YAML item, without indentation."""
        if self.selector is None and self.state is Presence.PRESENT and not self.protect:
            yield f"- {scalar(self.id)}"
            return
        yield f"- id: {scalar(self.id)}"
        if self.selector is not None:
            yield f"  nodes: {_flow(self.selector)}"
        if self.state is Presence.ABSENT:
            yield "  state: absent"
        if self.protect:
            yield "  protect: true"


def _flow(selector: Mapping[str, str] | Sequence[str]) -> str:
    if isinstance(selector, dict):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(value)}" for key, value in selector.items()) + "}"
    return "[" + ", ".join(map(scalar, selector)) + "]"


def _section(entries: Sequence[_Entry]) -> list[str]:
    if not entries:
        return ["groups: []", ""]
    return ["groups:", *(f"  {line}" for entry in entries for line in entry.lines()), ""]


def _entry(group: str, names: tuple[str, ...], everywhere: Sequence[str]) -> _Entry:
    return _Entry(group, names, None if len(names) == len(everywhere) else names)


def _selector(item: Tree) -> Any:
    return item.value.get("nodes") if isinstance(item.value, dict) else None


def _tree_of(text: bytes) -> tuple[Tree, Sequence[Tree]]:
    root = read_tree(text, Problems())
    assert root is not None  # noqa: S101  (it was parsed before)  # nosec B101
    return root, root.pairs["groups"][1].items


def _drafts(text: bytes, root: Tree, entries: Sequence[_Entry]) -> list[str]:
    """The file with another section of groups: first with every other line as it is, comments too.

    Where groups do not have lines of their own, such as in one pair of braces, all of it is written anew.
    """
    head, _, tail = _parts(text, root)
    section = "\n".join(_section(entries))
    rest = {key: value for key, value in root.value.items() if key != "groups"}
    anew = yaml.safe_dump(rest, allow_unicode=True, sort_keys=False, width=100)
    return [f"{head}{section}{tail}", f"{anew}{section}"]


def _appended(text: bytes, root: Tree, items: Sequence[Tree], more: Sequence[_Entry]) -> str:
    """The file with every line as it is, and further items behind the last one."""
    head, section, tail = _parts(text, root)
    lines = _BREAKS.split(head + section)[::2]
    line = lines[items[-1].line - 1] if items else ""
    indent = " " * (len(line) - len(line.lstrip(" ")))
    added = "".join(f"{indent}{line}\n" for entry in more for line in entry.lines())
    return f"{head}{section.rstrip()}\n{added}{tail}"


def _parts(text: bytes, root: Tree) -> tuple[str, str, str]:
    """What is above the line of `groups`, from there on, and from the next key on with its comment."""
    pieces = _BREAKS.split(text.decode("utf-8-sig"))
    lines = ["".join(pieces[at : at + 2]) for at in range(0, len(pieces), 2)]
    first = root.pairs["groups"][0].line - 1
    later = [key.line - 1 for key, _ in root.pairs.values() if key.line - 1 > first]
    end = min(later, default=len(lines))
    while later and end - 1 > first and (lines[end - 1].startswith("#") or not lines[end - 1].strip()):
        end -= 1
    return "".join(lines[:first]), "".join(lines[first:end]), "".join(lines[end:])


def _checked(
    drafts: Sequence[str], desired: Desired, entries: Sequence[_Entry], nodes_override: str | None
) -> str:
    """The first draft that says what it should, and all that the file said otherwise.

    Raises:
        FileInvalid: there is none.
    """
    wanted = tuple(Group(entry.id, entry.nodes, entry.state, entry.protect) for entry in entries)
    for draft in drafts:
        try:
            read = parse(draft, origin=desired.origin, nodes_override=nodes_override)
        except FileInvalid:
            continue
        said = tuple(replace(group, line=0) for group in read.groups)
        if replace(read, digest="") == replace(desired, digest="", groups=read.groups) and said == wanted:
            return draft
    raise FileInvalid(
        "The file cannot be written anew",
        where=desired.origin,
        next="give `groups:` and each group a line of its own",
    )
