"""poetry.lock as a graph: what planner runs on, on any platform, with which extras, and the hashes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
_EXTRA = re.compile(r"""extra == ["']([\w.-]+)["']""")


@dataclass(frozen=True, slots=True)
class Locked:
    """One locked package.

    Attributes:
        name: its canonical name.
        version: the one and only.
        files: name and SHA-256 (64 hexadecimal digits) of each file that may be installed.
        needs: the names of the packages that it needs as it is used here, sorted.
        extras: the extras of planner that bring it, sorted; empty where it always comes.
    """

    name: str
    version: str
    files: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]
    extras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What planner runs on.

    Attributes:
        name: planner's own.
        version: planner's own.
        licence: planner's own, as SPDX.
        needs: the names of the packages that planner itself names, sorted.
        packages: all, sorted by name.
    """

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    packages: tuple[Locked, ...]


def read(root: Path = ROOT) -> Runtime:
    """Read pyproject.toml and poetry.lock of a folder."""
    texts = [(root / name).read_text("utf-8") for name in ("pyproject.toml", "poetry.lock")]
    project, lock = map(tomllib.loads, texts)
    return runtime(project["project"], lock)


def runtime(project: Mapping[str, Any], lock: Mapping[str, Any]) -> Runtime:
    """Follow the dependencies of planner and of each of its extras.

    Raises:
        ValueError: a package that is needed is not locked, or is locked in two versions.
    """
    packages: dict[str, Mapping[str, Any]] = {}
    for package in lock["package"]:
        name: str = canonicalize_name(package["name"])
        if "main" in package["groups"] and packages.setdefault(name, package) is not package:
            raise ValueError(f"poetry.lock has two versions of {name}")
    ways = {"": project["dependencies"], **project.get("optional-dependencies", {})}
    reached: dict[str, set[str]] = {}
    edges: dict[str, set[str]] = {}
    direct: set[str] = set()
    for way, texts in ways.items():
        asked = [_asked(text) for text in texts]
        direct |= {name for name, _ in asked}
        for name, needs in _closure(asked, packages).items():
            reached.setdefault(name, set()).add(way)
            edges.setdefault(name, set()).update(needs)
    found = tuple(
        Locked(
            name,
            packages[name]["version"],
            tuple((file["file"], file["hash"].removeprefix("sha256:")) for file in packages[name]["files"]),
            tuple(sorted(edges[name])),
            () if "" in by else tuple(sorted(by)),
        )
        for name, by in sorted(reached.items())
    )
    return Runtime(project["name"], project["version"], project["license"], tuple(sorted(direct)), found)


def _asked(text: str) -> tuple[str, frozenset[str]]:
    requirement = Requirement(text)
    return canonicalize_name(requirement.name), frozenset(requirement.extras)


def _closure(
    asked: list[tuple[str, frozenset[str]]], packages: Mapping[str, Mapping[str, Any]]
) -> dict[str, set[str]]:
    """Everything that is reached, and what each of it needs; markers of platforms are not asked."""
    edges: dict[str, set[str]] = {}
    seen = set()
    while asked:
        name, extras = asked.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in packages:
            raise ValueError(f"poetry.lock has no {name}")
        needs = list(_needs(packages[name], extras))
        edges.setdefault(name, set()).update(need for need, _ in needs)
        asked.extend(needs)
    return edges


def _needs(package: Mapping[str, Any], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a locked package needs with these extras of its own."""
    for name, given in package.get("dependencies", {}).items():
        for one in given if isinstance(given, list) else [given]:
            details = one if isinstance(one, dict) else {}
            only = set(_EXTRA.findall(details.get("markers", "")))
            if not only or only & extras:
                yield canonicalize_name(name), frozenset(details.get("extras", ()))
