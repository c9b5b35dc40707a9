"""The printed schemas: valid, complete, told in words, and of one mind with the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from planner.cli.schemas import SCHEMAS, bundled, schema_text
from planner.counts import StepCounts
from planner.errors import PlannerError
from planner.events import EVENT_KINDS
from planner.model import Action, Dialect, Limits, Presence, Refusal, StepState, TransactionState
from planner.scope import PlanScope, Scope
from planner.verdict import Method
from planner.views.events import TYPES
from planner.views.summary import Summary
from planner.views.tally import TITLES
from tests.schemas import FORMATS, check_document, closed, validator

FOLDER = Path(__file__).parents[2] / "planner" / "schemas"
PRINTED = sorted(SCHEMAS.keys() - {"groups"})
OWN_TYPES = {"version", "planned", "document", "diagnostic", "summary"}
"""Types of lines that no event of the engine is behind (a warning of the engine is a diagnostic, too)."""
EVENTS = bundled("events")


def walk(schema: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside, with its place."""
    if isinstance(schema, dict):
        yield path, schema
    items = (
        schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    )
    for key, value in items:
        yield from walk(value, f"{path}.{key}")


def enum_of(schema: dict[str, Any]) -> set[Any]:
    """The values of an enum, open or not."""
    found = closed(schema)["enum"]
    assert isinstance(found, list)
    return set(found)


def test_every_schema_of_the_folder_can_be_printed() -> None:
    files = {path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json")}
    assert files == SCHEMAS.keys() | {"parts"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_self_contained_and_says_what_it_is(name: str) -> None:
    schema = json.loads(schema_text(name))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:planner:schema:{name}:1"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].startswith("planner: ")
    for path, each in walk(schema):
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/$defs/") in schema["$defs"], path


@pytest.mark.parametrize("name", PRINTED)
def test_every_property_is_told_in_words_and_no_part_is_left_over(name: str) -> None:
    schema = bundled(name)
    parts = schema["$defs"]
    if name not in ("events", "log"):  # these are lines, not documents
        own = parts[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
        assert own["properties"]["format"]["const"] == f"planner.{name}"
    for path, each in walk(schema):
        if path.endswith(("if", "$defs.ofStep", "$defs.begun")):  # these only narrow what is told elsewhere
            continue
        for key, value in each.get("properties", {}).items():
            target = parts.get(value.get("$ref", "").removeprefix("#/$defs/"), {})
            assert "description" in value or "description" in target, f"{path}: {key}"
    used = {each["$ref"].removeprefix("#/$defs/") for _, each in walk(schema) if "$ref" in each}
    assert used == set(parts)


@pytest.mark.parametrize(
    ("part", "model"),
    [
        ("presence", Presence),
        ("action", Action),
        ("stepState", StepState),
        ("transactionState", TransactionState),
    ],
)
def test_enums_are_those_of_the_model(part: str, model: type[StrEnum]) -> None:
    found = [schema["$defs"][part] for schema in map(bundled, PRINTED) if part in schema["$defs"]]
    assert found
    assert all(enum_of(each) == {member.value for member in model} for each in found)


def test_properties_are_those_of_the_model() -> None:
    parts = bundled("plan")["$defs"] | EVENTS["$defs"]
    models: dict[str, Any] = {
        "dialect": Dialect,
        "limits": Limits,
        "refusal": Refusal,
        "groupCounts": Summary,
        "scope": PlanScope,
    }
    for part, model in models.items():
        assert set(parts[part]["properties"]) == {field.name for field in fields(model)}, part
    patterns = parts["scope"]["properties"]["patterns"]["properties"]
    assert set(patterns) == {field.name for field in fields(Scope)}
    counts = {field.name for field in fields(StepCounts)} | {"total"}
    assert set(parts["stepCounts"]["properties"]) == set(parts["stepCounts"]["required"]) == counts


def test_every_error_has_its_code_and_its_outcome() -> None:
    kinds: list[type[PlannerError]] = [PlannerError, *PlannerError.__subclasses__()]
    assert all(not kind.__subclasses__() for kind in kinds[1:])
    assert enum_of(EVENTS["$defs"]["errorCode"]) == {kind.code for kind in kinds}
    ends = {
        "applied",
        "already applied",
        "no changes",
        "changes pending",
        "failed",
        *(kind.outcome for kind in kinds),
    }
    assert enum_of(EVENTS["$defs"]["summary"]["properties"]["outcome"]) == ends


def test_every_kind_of_event_has_a_type_of_line_and_the_other_way_round() -> None:
    types = enum_of(EVENTS["properties"]["type"])
    assert types == {TYPES.get(kind, kind) for kind in EVENT_KINDS} | OWN_TYPES
    conditions = {each["if"]["properties"]["type"]["const"]: each["then"] for each in EVENTS["allOf"]}
    assert conditions == {type_: {"$ref": f"#/$defs/{type_}"} for type_ in types}
    of_the_store = {"copy", "compare"}  # these are told on stderr only
    assert enum_of(EVENTS["$defs"]["phaseName"]) == {*TITLES, None} - of_the_store
    assert set(EVENTS["$defs"]["retried"]["properties"]["request"]["enum"]) == {each.value for each in Method}


BEGUN = {
    "type": "begun",
    "time": "2026-01-31T12:00:00Z",
    "transaction": 7,
    "step": None,
    "action": None,
    "node": None,
    "group": None,
    "note": "",
    "phase": None,
    "done": 0,
    "total": 3,
}


def test_a_printed_schema_lets_pass_what_is_new_and_the_tests_do_not() -> None:
    printed = Draft202012Validator(EVENTS, format_checker=FORMATS)
    assert validator("events").is_valid(BEGUN)
    for new in ({"type": "something-new"}, {"extra": 1}):
        assert printed.is_valid(BEGUN | new)
        assert not validator("events").is_valid(BEGUN | new)


@pytest.mark.parametrize(
    "wrong", [{"time": "noon"}, {"time": "2026-13-31T12:00:00Z"}, {"transaction": None}, {"total": -1}]
)
def test_what_is_wrong_is_found(wrong: dict[str, Any]) -> None:
    assert not Draft202012Validator(EVENTS, format_checker=FORMATS).is_valid(BEGUN | wrong)


def test_what_is_missing_is_found() -> None:
    for key in BEGUN.keys() - {"type"}:
        assert not validator("events").is_valid({k: v for k, v in BEGUN.items() if k != key}), key
    with pytest.raises(AssertionError, match="no document says"):
        check_document({"error": {}})
