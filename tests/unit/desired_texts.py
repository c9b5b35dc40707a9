"""Files to read, for the tests of planner.desired."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.desired import parse
from planner.errors import FileInvalid
from planner.model import Desired

ROOT = Path(__file__).parents[2]
NAME = "may hold letters, digits, `.`, `_` and `-`, and begins with a letter, a digit or `_`"
USER = "a URL must not hold a user name or password: they would end up in plans and logs"
HEAD = """\
version: 1
cluster:
  name: production
  nodes:
    - {name: node01, url: "http://a", labels: {zone: a}}
    - {name: node02, url: "http://b", labels: {zone: b}}
    - {name: node03, url: "http://c", labels: {zone: b, rack: r1}}
"""


def problems(text: str | bytes, *, override: str | None = None) -> list[str]:
    with pytest.raises(FileInvalid) as caught:
        parse(text, origin="f", nodes_override=override)
    return [line.removeprefix("f:") for line in caught.value.details]


def problem(text: str | bytes) -> str:
    (only,) = problems(text)
    return only


def groups(*lines: str) -> str:
    """The head with these lines under `groups`; the first of them is line 9."""
    return HEAD + "groups:\n" + "".join(f"  {line}\n" for line in lines)


def parsed(text: str, override: str | None = None) -> Desired:
    return parse(text, origin="f", nodes_override=override)
