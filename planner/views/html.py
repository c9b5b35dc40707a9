"""A plan as one HTML file that needs no network: the page is whole without scripts, and better with them.

Without scripts (build servers block them in their artifacts) the changes and the matrix of the groups that
change are in the page, up to a bound. The script brings the rest: the filter, every group, the keyboard.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from planner import __version__
from planner.views.marked import clip
from planner.views.plan_text import MARKS, remark
from planner.views.report import BY_WEIGHT, KIND_OF, State, matrix_of
from planner.views.sentences import allowed
from planner.views.summary import Kind
from planner.views.words import fragment, on_nodes, sentence, shown
from planner.words import count, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.views.report import Matrix, Report
    from planner.views.summary import Row

STATIC_ROWS, STATIC_CELLS = 300, 20_000
"""What a page holds for readers without scripts; a browser must not choke on what it shows first."""

LONGEST = 300
"""Characters of an id or a name in the page."""

HORIZONTAL_NAMES, HORIZONTAL_CHARACTERS = 12, 100
"""Names of nodes are turned where there are more, or where they are longer in all."""

STATES = {
    State.CREATE: ("create", "+", "to create"),
    State.REPAIR: ("repair", "~", "to repair"),
    State.DRIFT: ("drift", "~", "to repair: it drifted"),
    State.DELETE: ("delete", "\u2212", "to delete"),
    State.ADOPT: ("adopt", "=", "to adopt: exists already"),
    State.KEEP: ("keep", "k", "kept: adopted, no longer declared"),
    State.FORGET: ("forget", "f", "to forget: no longer managed"),
    State.PRESENT: ("present", "\u2022", "present, no change"),
    State.ABSENT: ("absent", "", "absent, no change"),
    State.UNREAD: ("unread", "?", "not known"),
}
"""Of every state: its class, its symbol, and what it means."""

SYMBOLS = {kind: MARKS[kind][0].strip().replace("-", "\u2212") for kind in BY_WEIGHT}
"""Of every kind, beside its name."""


def html_of(report: Report) -> str:
    """The page, in ASCII: any stream and any server can hand it out as it is."""
    loader = PackageLoader("planner.views", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["ticked"] = _ticked
    style, script = (loader.get_source(environment, f"page.{kind}")[0] for kind in ("css", "js"))
    safe_style = Markup(style)  # noqa: S704  (our own file; everything else is escaped)  # nosec B704
    safe_script = Markup(script)  # noqa: S704  (our own file)  # nosec B704
    page = environment.get_template("page.html").render(
        style=safe_style,
        script=safe_script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        **_content(report),
    )
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _ticked(text: str) -> Markup:
    """A sentence; what stands in backticks is code."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )


def _content(report: Report) -> dict[str, Any]:
    plan, matrix = report.plan, matrix_of(report)
    rows = _by_weight(report.rows)
    lines = _static_lines(report, matrix)
    more = len(rows) - STATIC_ROWS
    command = f"planner apply {shlex.quote(report.saved)}" if report.saved and report.can_be_applied else ""
    return {
        "version": __version__,
        "title": report.title if report.undoes is not None else "",
        "cluster": clip(plan.cluster, LONGEST),
        "sentence": report.sentence,
        "digest": report.digest,
        "facts": _facts(report),
        "partial": report.partial,
        "refusals": [
            {
                "why": sentence(each.why),
                "groups": shown(named([clip(group, LONGEST) for group in each.groups])),
                "cure": fragment(each.cure),
            }
            for each in plan.refusals
        ],
        "warnings": [sentence(each) for each in plan.warnings],
        "counts": _counts(rows),
        "rows": [_row(row, len(plan.nodes)) for row in rows[:STATIC_ROWS]],
        "more": f"\u2026 and {more:,} more: {_whole(report)}." if more > 0 else "",
        "matrix": matrix,
        "lines": lines,
        "static_note": _static_note(len(lines), len({row.group for row in rows})),
        "coverage": _coverage(report, matrix),
        "tall": len(matrix.nodes) > HORIZONTAL_NAMES or sum(map(len, matrix.nodes)) > HORIZONTAL_CHARACTERS,
        "legend": _legend(matrix),
        "unmanaged": _unmanaged(report),
        "apply": shown(command),
        "data": _data(rows, matrix),
    }


def _whole(report: Report) -> str:
    """How to see what is not in the page without its script."""
    return f"planner show {shlex.quote(report.saved)}" if report.saved else "planner plan --format json"


def _by_weight(rows: Sequence[Row]) -> list[Row]:
    weight = {kind: position for position, kind in enumerate(BY_WEIGHT)}
    return sorted(rows, key=lambda row: weight[row.kind])


def _facts(report: Report) -> list[tuple[str, str]]:
    plan = report.plan
    facts = [
        ("Made", plan.created.replace("T", " ").replace("Z", " UTC")),
        ("File", "" if report.offline else report.file),
        ("Plan file", report.saved or ""),
        ("Signed with key", report.signed_with),
        ("Nodes", f"{len(plan.nodes):,}"),
        ("Groups declared or managed", f"{plan.base:,}" if plan.base else ""),
        ("Allowed knowingly", allowed(plan.allowances)),
    ]
    return [(name, clip(value, LONGEST)) for name, value in facts if value]


def _counts(rows: Sequence[Row]) -> list[dict[str, str]]:
    numbers = dict.fromkeys(BY_WEIGHT, 0)
    for row in rows:
        numbers[row.kind] += 1
    return [
        {"kind": kind.value, "number": f"{number:,}", "symbol": SYMBOLS[kind], "verb": _verb(kind)}
        for kind, number in numbers.items()
        if number
    ]


def _verb(kind: Kind) -> str:
    return "kept" if kind is Kind.KEEP else f"to {kind}"


def _row(row: Row, nodes: int) -> dict[str, str]:
    return {
        "kind": row.kind.value,
        "symbol": SYMBOLS[row.kind],
        "group": clip(row.group, LONGEST),
        "nodes": _where([clip(name, LONGEST) for name in row.nodes], nodes),
        "reason": clip(remark(row), LONGEST),
    }


def _where(names: list[str], nodes: int) -> str:
    return on_nodes(names, nodes).removeprefix("on ") if names else ""


def _static_lines(report: Report, matrix: Matrix) -> list[dict[str, Any]]:
    """The groups that the plan touches, what weighs most first, as far as they fit."""
    position = {group: at for at, group in enumerate(matrix.groups)}
    groups = dict.fromkeys(row.group for row in _by_weight(report.rows))
    cells = {
        state.value: {"name": name, "symbol": symbol} for state, (name, symbol, _label) in STATES.items()
    }
    most = STATIC_CELLS // max(len(matrix.nodes), 1)
    return [
        {
            "group": clip(group, LONGEST),
            "cells": [cells[letter] for letter in matrix.lines[position[group]]],
        }
        for group in list(groups)[: max(most, 1)]
    ]


def _coverage(report: Report, matrix: Matrix) -> str:
    if matrix.whole:
        groups, nodes = count(len(matrix.groups), "group"), count(len(matrix.nodes), "node")
        return f"All {groups} that were read, on {nodes}."
    why = "a plan file does not hold the others" if report.offline else "the others were not read"
    return f"Only the {count(len(matrix.groups), 'group')} that the plan touches: {why}."


def _static_note(drawn: int, touched: int) -> str:
    """What the page holds without its script."""
    if drawn < touched:
        return f"The first {drawn:,} of {count(touched, 'group')} that the plan touches."
    return f"The {count(touched, 'group')} that the plan touches."


def _unmanaged(report: Report) -> dict[str, Any]:
    """What nobody declared and nobody manages: the first groups, and how many there are."""
    rows = report.unmanaged
    nodes = len(report.plan.nodes)
    first = [
        (clip(row.group, LONGEST), _where([clip(name, LONGEST) for name in row.nodes], nodes))
        for row in rows[:STATIC_ROWS]
    ]
    more = len(rows) - len(first)
    return {"total": count(len(rows), "group"), "rows": first, "more": f"{more:,}" if more else ""}


def _legend(matrix: Matrix) -> list[dict[str, str]]:
    letters = set().union(*map(set, matrix.lines))
    return [
        {"name": name, "symbol": symbol, "label": label}
        for state, (name, symbol, label) in STATES.items()
        if state.value in letters
    ]


def _data(rows: Sequence[Row], matrix: Matrix) -> Markup:
    """Everything that the script shows, as compact as it gets: a line of the matrix is a string."""
    kinds = list(BY_WEIGHT)
    position = {group: at for at, group in enumerate(matrix.groups)}
    reasons: dict[str, int] = {}
    entries = []
    for row in rows:
        reason = clip(remark(row), LONGEST)
        entries.append((position[row.group], kinds.index(row.kind), reasons.setdefault(reason, len(reasons))))
    data = {
        "nodes": [clip(name, LONGEST) for name in matrix.nodes],
        "groups": [clip(group, LONGEST) for group in matrix.groups],
        "cells": matrix.lines,
        "kinds": [(kind.value, SYMBOLS[kind], _verb(kind)) for kind in kinds],
        "states": {
            state.value: (*described, kinds.index(KIND_OF[state]) if state in KIND_OF else -1)
            for state, described in STATES.items()
        },
        "whole": [at for at, kind in enumerate(kinds) if kind not in KIND_OF.values()],
        "rows": entries,
        "reasons": list(reasons),
    }
    text = json.dumps(data, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704  (nothing of HTML is left in it)  # nosec B704
