"""What can be wrong with what the simulator was asked to do.

::

    SimulatorError
    ├── FaultSpecError     (ValueError)   a fault specification cannot be read
    ├── ContentError       (ValueError)   a groups file, or a change of content, makes no sense
    ├── UnknownNodeError   (ValueError)   no node has that name
    ├── ListenError        (OSError)      a port cannot be listened on
    ├── NotRunningError    (RuntimeError) the cluster was not started, or has ended
    └── MissingExtraError  (ImportError)  ``planner[simulator]`` is not installed

The command line maps them to its own; their text is a sentence for the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class SimulatorError(Exception):
    """The simulated cluster cannot do what it was asked to do."""


class ProblemsError(SimulatorError, ValueError):
    """Input with one or more problems, all of them found in one go.

    Attributes:
        problems: one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class FaultSpecError(ProblemsError):
    """A fault specification cannot be read; the text names the known faults where one was unknown."""


class ContentError(ProblemsError):
    """Content for the nodes (a file, a mapping) cannot be used."""


class UnknownNodeError(SimulatorError, ValueError):
    """No node of this cluster has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = tuple(known)
        super().__init__(f"unknown node {name!r}{suggestion(name, names)} Nodes: {', '.join(names)}")
        self.name = name


class ListenError(SimulatorError, OSError):
    """A port cannot be listened on."""


class NotRunningError(SimulatorError, RuntimeError):
    """The cluster was not started, or has ended."""


class MissingExtraError(SimulatorError, ImportError):
    """The packages behind the simulated cluster are not installed."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``": did you mean 'x'?"``, or ``"."`` where nothing is near."""
    near = nearest(word, known)
    return f": did you mean {near!r}?" if near else "."
