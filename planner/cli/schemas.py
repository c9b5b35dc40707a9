"""The JSON Schemas that are printed: one file for each document, and one of the parts that they share."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = {
    "groups": "groups.yaml, for editors",
    "plan": "a plan file; plan and undo with --format json",
    "events": "one line of apply and reconcile with --format json",
    "applied": "what an apply came to, as one document",
    "recovering": "recover --dry-run --format json, if anything is open",
    "recovered": "recover --format json",
    "status": "status --format json",
    "history": "history --format json",
    "transaction": "show --format json",
    "validation": "validate --format json",
    "nodes": "nodes --format json",
    "import": "import --format json",
    "copied": "store copy --format json",
    "error": "what a command with --format json prints when it fails",
    "summary": "the line that --summary writes",
    "notification": "what --notify posts",
    "log": "one line of the log with --log-format json, on stderr",
}
"""What `planner schema` can print, by name; the format of a document is ``planner.`` and its name."""

_PARTS = "parts"
_HERE = "#/$defs/"


def schema_text(name: str) -> str:
    """The JSON Schema (draft 2020-12) of that name, self-contained.

    It lets pass what it does not know, as its readers have to: see ``docs/json.md``.
    """
    if name == "groups":
        return _text(name)
    return json.dumps(bundled(name), indent=2, ensure_ascii=False) + "\n"


def bundled(name: str) -> dict[str, Any]:
    """The schema of that name, with those of the shared parts that it uses, directly or not."""
    schema: dict[str, Any] = json.loads(_text(name))
    parts: dict[str, Any] = json.loads(_text(_PARTS))["$defs"]
    used: set[str] = set()
    new = set(_references(schema)) & parts.keys()
    while new:
        used |= new
        new = {name for part in new for name in _references(parts[part])} & parts.keys() - used
    own = schema.pop("$defs", {})
    return {**schema, "$defs": {**own, **{name: part for name, part in parts.items() if name in used}}}


def _references(schema: Any) -> Iterator[str]:
    """The names of the definitions that are referred to anywhere inside."""
    if isinstance(schema, dict):
        target = schema.get("$ref")
        if isinstance(target, str):
            yield target.removeprefix(_HERE)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _text(name: str) -> str:
    return (resources.files("planner") / "schemas" / f"{name}.schema.json").read_text("utf-8")
