"""The JSON Schema at work: a quick yes for a good file, and sentences with places for a bad one.

`compile_shape` turns the schema itself into closures: ten thousand groups take a fraction of a second, and
jsonschema is not even imported. Only what they reject is explained by jsonschema, error by error.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.desired.problems import Problems, either_of, show
from planner.desired.tree import Odd, Tree, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Check = Callable[[Any], bool]

_TYPES: dict[str, Check] = {
    "array": lambda v: isinstance(v, list),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "null": lambda v: v is None,
    "object": lambda v: isinstance(v, dict),
    "string": lambda v: isinstance(v, str),
}
_TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "object": "a mapping",
    "string": "text",
}
_SCHEMAS = Path(__file__).parents[1] / "schemas"  # importlib.resources would take longer to import than this
_ANNOTATIONS = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "examples"))
_MESSAGES = frozenset(("errorMessage", "patternErrorMessage"))  # editors show them, and so do we


@functools.cache
def schema_text() -> str:
    """The JSON Schema of groups.yaml as it is shipped: what `planner schema` prints."""
    return (_SCHEMAS / "groups.schema.json").read_text("utf-8")


@functools.cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


@functools.cache
def accepts() -> Check:
    """Whether a value satisfies the schema of groups.yaml."""
    return compile_shape(_schema(), _schema())


@functools.cache
def _accepts_group() -> Check:
    return compile_shape(_schema()["properties"]["groups"]["items"], _schema())


@functools.cache
def _accepts_id() -> Check:
    return compile_shape(_schema()["$defs"]["group"]["properties"]["id"], _schema())


def compile_shape(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Check:
    """Compile a schema to a predicate that agrees with jsonschema.

    Args:
        schema: what to compile.
        root: where the `$defs` are. Every `$ref` is ``#/$defs/name``, and there are no cycles.

    Raises:
        NotImplementedError: for a keyword that is not known here; nothing is ever skipped in silence.
    """
    checks: list[Check] = []
    if "properties" in schema or "additionalProperties" in schema:
        checks.append(_properties(schema, root))
    for keyword, wanted in schema.items():
        if keyword in _ANNOTATIONS | _MESSAGES | {"properties", "additionalProperties"}:
            continue
        if keyword == "$ref":
            checks.append(compile_shape(root["$defs"][wanted.removeprefix("#/$defs/")], root))
        elif keyword in ("items", "propertyNames", "not"):
            checks.append(_APPLICATORS[keyword](compile_shape(wanted, root)))
        elif keyword in _ASSERTIONS:
            checks.append(_ASSERTIONS[keyword](wanted))
        else:
            raise NotImplementedError(keyword)
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def _properties(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Check:
    known = {key: compile_shape(sub, root) for key, sub in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties", True)
    other: Check = (lambda _value: bool(more)) if isinstance(more, bool) else compile_shape(more, root)
    return lambda value: not isinstance(value, dict) or all(known.get(k, other)(v) for k, v in value.items())


def _pattern(source: str) -> Check:
    search = _compiled(source).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _compiled(source: str) -> re.Pattern[str]:
    """A pattern of the schema. `$` is the very end in ECMA-262; in Python a line break could follow."""
    return re.compile(f"{source[:-1]}\\Z" if source.endswith("$") else source)


def _type(wanted: str | list[str]) -> Check:
    checks = [_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
    return checks[0] if len(checks) == 1 else lambda value: any(check(value) for check in checks)


def _one_of(wanted: list[Any]) -> Check:
    return lambda value: any(type(value) is type(choice) and value == choice for choice in wanted)


def _unique(value: Any) -> bool:
    try:
        return not isinstance(value, list) or len(set(value)) == len(value)
    except TypeError:
        return False  # lists in lists; jsonschema will tell


_ASSERTIONS: dict[str, Callable[[Any], Check]] = {
    "type": _type,
    "enum": _one_of,
    "pattern": _pattern,
    "minLength": lambda n: lambda v: not isinstance(v, str) or len(v) >= n,
    "maxLength": lambda n: lambda v: not isinstance(v, str) or len(v) <= n,
    "minItems": lambda n: lambda v: not isinstance(v, list) or len(v) >= n,
    "minProperties": lambda n: lambda v: not isinstance(v, dict) or len(v) >= n,
    "maxProperties": lambda n: lambda v: not isinstance(v, dict) or len(v) <= n,
    "minimum": lambda n: lambda v: not _TYPES["integer"](v) or v >= n,
    "maximum": lambda n: lambda v: not _TYPES["integer"](v) or v <= n,
    "required": lambda keys: lambda v: not isinstance(v, dict) or all(key in v for key in keys),
    "uniqueItems": lambda yes: _unique if yes else (lambda _value: True),
}
_APPLICATORS: dict[str, Callable[[Check], Check]] = {
    "items": lambda check: lambda v: not isinstance(v, list) or all(map(check, v)),
    "propertyNames": lambda check: lambda v: not isinstance(v, dict) or all(map(check, v)),
    "not": lambda check: lambda v: not check(v),
}


def name_problem(name: str) -> str:
    """What the schema has against a name of a node; empty where it is good."""
    rule = _schema()["$defs"]["name"]
    return (
        "" if compile_shape(rule, _schema())(name) else f"the name {show(name)} {rule['patternErrorMessage']}"
    )


def id_problem(group: str) -> str:
    """What the schema has against a group's id; empty where a file can hold it."""
    if _accepts_id()(group):
        return ""
    most = _schema()["$defs"]["text"]["maxLength"]
    return (
        f"an id must be text of at most {most} characters without control characters, line separators or "
        "direction marks, and not `.` or `..`"
    )


def check_shape(tree: Tree, problems: Problems) -> None:
    """Add a problem for everything in the tree that the schema does not allow."""
    if accepts()(tree.value):
        return
    errors = list(_errors(tree.value))
    mistyped = {path for path, error in errors if error.validator == "type"}
    for path, error in errors:
        if error.validator == "type" or path not in mistyped:
            _explain(tree, path, error, problems)


@functools.cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError

    def pattern(_: Validator, source: str, instance: object, _schema: object) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not _compiled(source).search(instance):
            yield ValidationError(f"{instance!r} does not match {source!r}")

    extended: type[Validator] = validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    return extended(_schema())


def _errors(value: Any) -> Iterator[tuple[tuple[str | int, ...], ValidationError]]:
    """Every error with its path. Of the groups only those are looked at that the quick check rejects."""
    validator = _validator()
    groups = value.get("groups") if isinstance(value, dict) else None
    if isinstance(groups, list):
        value = {**value, "groups": []}
        each = validator.evolve(schema=_schema()["properties"]["groups"]["items"])
        for index, item in enumerate(groups):
            if not _accepts_group()(item):
                for error in each.iter_errors(item):
                    yield ("groups", index, *error.absolute_path), error
    for error in validator.iter_errors(value):
        yield tuple(error.absolute_path), error


def _explain(tree: Tree, path: tuple[str | int, ...], error: ValidationError, problems: Problems) -> None:
    place, what = tree.at(path), _name(path)
    wanted: Any = error.validator_value
    schema: Any = error.schema
    if "propertyNames" in error.relative_schema_path:
        named = place.pairs[str(error.instance)][0]
        problems.add(named, f"the key {show(named.text)} in {what} {_sentence(error)}")
    elif error.validator == "additionalProperties":
        _unknown_keys(place, what, schema["properties"], problems)
    elif error.validator == "required":
        for key in wanted:
            if key not in place.pairs:
                problems.add(place, f"the key {show(key)} is missing in {what}")
    elif error.validator == "uniqueItems":
        _repeated(place, what, problems)
    elif error.validator == "type":
        _wrong_type(what, [wanted] if isinstance(wanted, str) else wanted, place, problems)
    elif error.validator == "enum":
        choices = [str(choice) for choice in wanted]
        either = either_of(map(show, choices))
        hint = problems.hint(place.text, choices)
        problems.add(place, f"{what} must be {either}, not {show(place.text)}", hint)
    else:
        problems.add(place, f"{what} {_sentence(error)}")


def _sentence(error: ValidationError) -> str:
    """What is wrong with a value, to stand behind its name."""
    wanted = error.validator_value
    schema: Any = error.schema
    if error.validator == "pattern":
        return str(schema["patternErrorMessage"])
    if error.validator in ("not", "maxProperties"):
        return str(schema["errorMessage"])
    if error.validator in ("minLength", "minItems", "minProperties"):
        return "must not be empty"
    if error.validator == "maxLength":
        return f"must not be longer than {wanted} characters"
    bound = "at least" if error.validator == "minimum" else "at most"
    return f"must be {bound} {wanted}, not {error.instance}"


def _name(path: tuple[str | int, ...]) -> str:
    """What a place is called: ``the file``, ``a group``, `` `url` ``, ``an item of `nodes` ``."""
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, str):
        return show(last)
    singular = {("groups",): "a group", ("cluster", "nodes"): "a node"}
    return singular.get(tuple(map(str, path[:-1])), f"an item of {show(str(path[-2]))}")


def _unknown_keys(place: Tree, what: str, known: Iterable[str], problems: Problems) -> None:
    choices = list(known)
    for text, (key, _) in place.pairs.items():
        if text not in choices:
            problems.add(key, f"unknown key {show(text)} in {what}", problems.hint(text, choices))


def _repeated(place: Tree, what: str, problems: Problems) -> None:
    seen: set[str] = set()
    for item in place.items:
        if isinstance(item.value, (list, dict)):
            continue  # of the wrong type, which is said elsewhere
        if item.text in seen:
            problems.add(item, f"{show(item.text)} is there twice in {what}")
        seen.add(item.text)


def _wrong_type(what: str, expected: list[str], place: Tree, problems: Problems) -> None:
    names = either_of(_TYPE_NAMES[name] for name in expected)
    hint = ""
    if place.value is None:
        text, hint = f"{what} is empty", f"it must be {names}"
    elif "string" in expected and isinstance(place.value, (bool, int, Odd)):
        text = f"{what} must be {names}, and {show(place.text)} is {kind_of(place)} for YAML"
        hint = "put it in quotes"
    elif isinstance(place.value, Odd) and "integer" in expected:
        text = f"{what} must be {names}, written in plain decimal digits, not {show(place.text)}"
    else:
        shown = kind_of(place) if isinstance(place.value, (list, dict)) else show(place.text)
        text = f"{what} must be {names}, not {shown}"
    problems.add(place, text, hint)
