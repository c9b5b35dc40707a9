"""Values from outside against the annotations of the types that they were put into."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from planner.model import Action, Cell, Dialect, Node, Plan, Policy, Step
from planner.scope import PlanScope, Scope
from planner.typed import MOST, misfit
from tests.unit.test_codec import a_part, a_plan


class Kind(enum.Enum):
    ONE = 1


class Pair(NamedTuple):
    name: str
    size: int


@dataclass
class Thing:
    pairs: tuple[Pair, ...]
    both: tuple[str, int]
    perhaps: Pair | None
    share: float = 0.0
    kind: Kind = Kind.ONE
    yes: bool = True


GOOD = Thing((Pair("a", 0), Pair("b", MOST)), ("c", 1), None)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, ""),
        ({"perhaps": Pair("a", 1)}, ""),
        ({"share": 1}, ""),
        ({"pairs": ()}, ""),
        ({"pairs": [Pair("a", 0)]}, "pairs"),
        ({"pairs": None}, "pairs"),
        ({"pairs": (Pair("a", 0), ("b", 1))}, "pairs[1]"),
        ({"pairs": (Pair("a", 0), Pair("b", -1))}, "pairs[1].size"),
        ({"pairs": (Pair("a", MOST + 1),)}, "pairs[0].size"),
        ({"pairs": (Pair("a", True),)}, "pairs[0].size"),
        ({"pairs": (Pair("a", 1.0),)}, "pairs[0].size"),  # type: ignore[arg-type]
        ({"pairs": (Pair(b"a", 1),)}, "pairs[0].name"),  # type: ignore[arg-type]
        ({"both": ("c",)}, "both"),
        ({"both": ("c", "1")}, "both[1]"),
        ({"perhaps": Pair("a", None)}, "perhaps.size"),  # type: ignore[arg-type]
        ({"perhaps": "a"}, "perhaps"),
        ({"share": float("nan")}, "share"),
        ({"share": float("inf")}, "share"),
        ({"share": -0.5}, "share"),
        ({"share": True}, "share"),
        ({"kind": 1}, "kind"),
        ({"yes": 1}, "yes"),
    ],
)
def test_a_misfit_has_its_place(change: dict[str, Any], where: str) -> None:
    assert misfit(replace(GOOD, **change), Thing) == where


def test_the_whole_may_be_something_else() -> None:
    assert misfit(None, Thing) == misfit(Pair("a", 1), Thing) == misfit((), Pair) == "the whole"


@pytest.mark.parametrize("kind", [dict[str, int], list[str], object, bytes])
def test_a_kind_that_is_not_known_is_never_skipped(kind: Any) -> None:
    with pytest.raises(NotImplementedError):
        misfit(kind(), kind)


def test_the_types_of_the_model_are_known() -> None:
    for plan in (a_plan(), a_part()):
        assert misfit(plan, Plan) == ""
    assert misfit(Policy(), Policy) == misfit(Dialect(list_path="/x"), Dialect) == ""
    assert misfit(replace(a_plan(), nodes=(Node("a", None),)), Plan) == "nodes[0].url"  # type: ignore[arg-type]
    odd = PlanScope(Scope(groups=("a", 5)))  # type: ignore[arg-type]
    assert misfit(replace(a_plan(), scope=odd), Plan) == "scope.patterns.groups[1]"
    steps = (Step(1, Action.CREATE, Cell("a", "n")), Step(2, Action.CREATE, ("a", "n")))  # type: ignore[arg-type]
    assert misfit(steps, tuple[Step, ...]) == "[1].cell"
