"""The book of laws: every sentence of docs/guarantees.md, its scenario, and what takes it out of the program.

A scenario is a function that must pass. A *breach* is a context manager that takes the law out of the
program; while it is open, the same scenario must fail. So every law is shown to hold, and every scenario is
shown to be a test of its law.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Breach = Callable[[], AbstractContextManager[None]]
Scenario = Callable[[], None]

DOCUMENT = Path(__file__).parents[2] / "docs/guarantees.md"
SENTENCE = re.compile(r"^\* \*\*(\d+\.\d+)\*\* (.+(?:\n  .+)*)$", re.MULTILINE)


class Law(NamedTuple):
    """One scenario of one sentence: its number in the document, and what takes it out of the program."""

    sentence: str
    scenario: Scenario
    breaches: tuple[Breach, ...]

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.sentence}-{self.scenario.__name__}"


BOOK: list[Law] = []


def law(sentence: str, *breaches: Breach) -> Callable[[Scenario], Scenario]:
    """Enter a scenario into the book. Each of the breaches alone must make it fail."""
    assert breaches, "a scenario that nothing can make fail shows nothing"

    def enter(scenario: Scenario) -> Scenario:
        BOOK.append(Law(sentence, scenario, breaches))
        return scenario

    return enter


def sentences() -> dict[str, str]:
    """The numbered sentences of the document."""
    return {number: " ".join(text.split()) for number, text in SENTENCE.findall(DOCUMENT.read_text("utf-8"))}


def replaced(owner: Any, name: str, value: Any) -> Breach:
    """A breach that puts something else in the place of a function, a constant or a property."""

    @contextmanager
    def breach() -> Iterator[None]:
        missing = object()
        old = vars(owner).get(name, missing)
        setattr(owner, name, value)
        try:
            yield
        finally:
            if old is missing:
                delattr(owner, name)
            else:
                setattr(owner, name, old)

    return breach


def wrapped(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Breach:
    """A breach that puts a function around another one: `wrap` gets the old one and returns the new one."""

    @contextmanager
    def breach() -> Iterator[None]:
        with replaced(owner, name, wrap(getattr(owner, name)))():
            yield

    return breach


def when(act: Callable[[], object], happening: int | str = "") -> Callable[[], int | str]:
    """Something that happens to a try when it arrives, after something else was done."""

    def both() -> int | str:
        act()
        return happening

    return both


def nothing(*_args: object, **_more: object) -> None:
    """Does nothing, whatever is asked."""
