"""The quick check, compiled from the schema, never disagrees with jsonschema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from planner.desired import parse, schema_text
from planner.desired.shape import _validator, accepts, compile_shape, name_problem
from planner.desired.tree import Odd
from planner.model import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(schema_text())
GOOD: dict[str, Any] = {
    "version": 1,
    "cluster": {
        "name": "c",
        "store": "s",
        "credential": "env:A",
        "credential_over_http": ["a", "b", "d"],
        "tls": {"ca": "file:/ca", "certificate": "file:/c", "key": "env:K"},
        "api": {
            "path": "/p",
            "trailing_slash": False,
            "id_field": "id",
            "delete_style": "query",
            "created": [200, 201],
            "deleted": [204],
            "exists": [500],
            "missing": [],
            "list": {"path": "/l", "field": "f"},
            "confirm_absent": 3,
            "headers": {"a": "b"},
        },
        "nodes": [
            {"name": "a", "url": "http://a", "labels": {"zone": "a"}, "api": {"list": "/l"}},
            {"name": "b", "url": "http://b", "credential": "file:/x", "api": {"list": None}},
            {"name": "d", "url": "http://d", "credential": {"basic": {"user": "u", "password": "env:P"}}},
            {"name": "e", "url": "https://e", "credential": {"header": {"name": "X", "value": "env:V"}}},
            {"name": "f", "url": "https://f", "credential": {"bearer": "env:B"}, "tls": {"verify": False}},
        ],
    },
    "limits": {"max_deletes": 1, "max_delete_percent": None, "max_creates": 3},
    "prune": True,
    "groups": [
        "a",
        {"id": "b", "nodes": ["a"], "state": "absent"},
        {"id": "c", "nodes": {"zone": "a"}, "protect": True},
    ],
}
ODD_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 101, 200, 300, 429, 500, Odd("float")),
    *("", "a", "a\n", "\0", ".", "..", "/x", "x" * 1025, "x" * 254, "absent", "body", "é", " a", "a:b"),
    *("env:A", "env:A\n", "env:a b", "file:"),
    *([], ["a"], ["a", "a"], [200], [200, 200], [[]], [[], []]),
    *({}, {"a": "b"}, {"a": 1}, {"": "a"}, {"path": "/x"}, {"id": "a"}, {"a b": "c"}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(child, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def agree(value: Any) -> bool:
    quick = accepts()(value)
    assert quick == _validator().is_valid(value), value
    return quick


def test_the_schema_is_a_schema_and_everything_in_it_is_used_by_the_good_file() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert agree(GOOD)
    assert Draft202012Validator(SCHEMA).is_valid(GOOD)


@pytest.mark.parametrize("path", list(places(GOOD)), ids=lambda path: ".".join(map(str, path)) or "root")
def test_every_change_of_the_good_file_is_judged_alike(path: tuple[Any, ...]) -> None:
    for value in ODD_VALUES:
        agree(changed(GOOD, path, value))


@pytest.mark.parametrize("path", list(places(GOOD)), ids=lambda path: ".".join(map(str, path)) or "root")
def test_every_key_too_many_or_too_few_is_judged_alike(path: tuple[Any, ...]) -> None:
    place: Any = GOOD
    for key in path:
        place = place[key]
    if isinstance(place, dict):
        for key in place:
            agree(changed(GOOD, path, {k: v for k, v in place.items() if k != key}))
        for extra in ("nonsense", "", "a\n", "É"):
            agree(changed(GOOD, path, {**place, extra: "a"}))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 600)
    | st.text(max_size=3)
    | st.sampled_from(["/a", "absent", "env:a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "nodes", "state", "path", "field", "name", "url", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(list(places(GOOD))), VALUES)
@settings(max_examples=500, deadline=None)
def test_any_change_is_judged_alike(path: tuple[Any, ...], value: Any) -> None:
    agree(changed(GOOD, path, value))


def test_a_keyword_that_the_quick_check_does_not_know_is_never_skipped() -> None:
    with pytest.raises(NotImplementedError, match="multipleOf"):
        compile_shape({"type": "integer", "multipleOf": 2}, SCHEMA)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for child in schema.values():
            yield from objects(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from objects(child)


def test_editors_and_people_find_a_title_at_every_key_and_a_sentence_at_every_pattern() -> None:
    named = [sub for sub in objects(SCHEMA) if isinstance(sub.get("properties"), dict)]
    for sub in named:
        for key, child in sub["properties"].items():
            target = SCHEMA["$defs"][child["$ref"].rsplit("/", 1)[1]] if "$ref" in child else {}
            assert "title" in {**target, **child}, key
    for sub in objects(SCHEMA):
        if isinstance(sub.get("pattern"), str):
            assert "patternErrorMessage" in sub
        if isinstance(sub.get("not"), dict):
            assert "errorMessage" in sub


def test_the_defaults_that_editors_show_are_those_of_the_model() -> None:
    from planner.model import Dialect, Limits

    api = SCHEMA["$defs"]["api"]["properties"]
    for key, sub in api.items():
        if key not in ("list", "headers"):
            default = sub["default"]
            assert getattr(Dialect(), key) == (tuple(default) if isinstance(default, list) else default)
    for key, sub in SCHEMA["$defs"]["limits"]["properties"].items():
        assert getattr(Limits(), key) == sub["default"]


def test_the_examples_in_the_schema_are_valid() -> None:
    validator = Draft202012Validator(SCHEMA)
    for sub in objects(SCHEMA):
        if "examples" in sub and isinstance(sub["examples"], list):
            for value in sub["examples"]:
                assert validator.evolve(schema=sub).is_valid(value), value


def test_names() -> None:
    assert name_problem("node01.a-b_c") == ""
    assert name_problem("-a").startswith("the name `-a` may hold")
    assert name_problem("x" * 254)


def test_the_documentation_names_every_key_with_its_default() -> None:
    text = (ROOT / "README.md").read_text("utf-8").split("### Servers that differ", 1)[1]
    block = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    head = "version: 1\ngroups: []\ncluster:\n  name: c\n  nodes: [{name: n, url: 'http://n'}]\n"
    (node,) = parse(head + block, origin="README.md").nodes
    assert node.dialect == Dialect()
    keys = SCHEMA["$defs"]["api"]["properties"].keys()
    assert [line.split(":")[0].strip() for line in block.splitlines()[1:]] == list(keys)
