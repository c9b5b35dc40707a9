"""Whether what planner prints is what its schemas say. Every JSON output that a test sees goes through here.

The printed schemas let pass what they do not know, as their readers have to. Here they are closed first, so
that a property, an event or a value that no schema tells of is found.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from planner.cli.schemas import bundled

FORMATS = FormatChecker(formats=())
MOST_OF_A_TYPE = 3
"""Lines of one type and shape that are looked at in one output: more of them cost time and tell nothing."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def closed(schema: Any) -> Any:
    """The schema, so that it lets nothing pass that it does not know.

    An object of known properties has no others; a value where more may come is one of those that are listed.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    listed = schema.get("anyOf", [])
    if len(listed) == 2 and set(listed[0]) == {"enum"} and set(listed[1]) == {"type"}:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return rest | listed[0]
    result = {key: closed(value) for key, value in schema.items()}
    if result.get("type") == "object" and "additionalProperties" not in result:
        result["unevaluatedProperties"] = False
    return result


@cache
def _closed(name: str) -> dict[str, Any]:
    return dict(closed(bundled(name)))


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of a schema, closed."""
    return Draft202012Validator(_closed(name), format_checker=FORMATS)


@cache
def _event_validator(kind: str) -> Draft202012Validator:
    """The validator of one type of event: the same, without a look at all the other types."""
    schema = _closed("events")
    only = [each for each in schema["allOf"] if each["if"]["properties"]["type"]["const"] == kind]
    return Draft202012Validator({**schema, "allOf": only}, format_checker=FORMATS)


def check_document(document: Any) -> None:
    """Fail unless a document is one that planner prints."""
    format = document.get("format", "") if isinstance(document, dict) else ""
    assert format.startswith("planner."), f"no document says what it is like this: {str(document)[:200]}"
    _check(validator(format.removeprefix("planner.")), document)


def check_event(event: Any) -> None:
    """Fail unless a line is one that planner prints."""
    _check(_event_validator(event["type"]), event)
    for inner in ("plan", "document"):
        if inner in event:
            check_document(event[inner])
    if event["type"] == "summary":
        check_sum(event["steps"])
    elif event["type"] == "document":
        check_sum(event["document"].get("steps"))


def check_log(text: str) -> list[Any]:
    """Fail unless every line is one of the log in JSON, and nothing else is there; return them."""
    assert not text or text.endswith("\n")
    assert text.isascii()
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        _check(validator("log"), line)
    return lines


def check_sum(steps: Any) -> None:
    """Fail unless the counts of steps add up."""
    if isinstance(steps, dict):
        assert sum(value for key, value in steps.items() if key != "total") == steps["total"], steps


def check_output(text: str, *, whole: bool = True) -> list[Any]:
    """Fail unless what a command printed with --format json is one document, or lines of events.

    Args:
        text: the whole of standard output.
        whole: whether the command came to its end; one that was killed leaves no summary, and half a line.
            A test may have read the first lines already.

    Returns:
        The document alone, or every event.
    """
    if not text.startswith('{"type":'):
        document = json.loads(text)
        check_document(document)
        check_sum(document.get("error", document).get("steps"))
        return [document]
    complete = text if whole else text[: text.rfind("\n") + 1]
    events = [json.loads(line) for line in complete.splitlines()]
    if whole:
        assert text.endswith("\n")
        assert events[-1]["type"] == "summary", events[-1]
    seen: Counter[Any] = Counter()
    for event in events:
        shape = (event["type"], *(key for key, value in event.items() if value in (None, "")))
        seen[shape] += 1
        if seen[shape] <= MOST_OF_A_TYPE:
            check_event(event)
    return events


def _check(judge: Draft202012Validator, value: Any) -> None:
    problems = [f"{error.json_path}: {error.message[:300]}" for error in judge.iter_errors(value)]
    assert not problems, problems
