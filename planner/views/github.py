"""Annotations of GitHub Actions: workflow commands that mark the lines of a pull request. Pure but for paths.

A runner reads them from either stream of a step. It shows the first ten errors of a step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import STANDARD_INPUT, FileInvalid
from planner.views.error_text import MAX_DETAILS
from planner.views.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.errors import PlannerError


def commands_of(error: PlannerError, environ: Mapping[str, str]) -> list[str]:
    """One line per problem of a file; nothing for any other error."""
    if not isinstance(error, FileInvalid):
        return []
    file = {} if error.where == STANDARD_INPUT else {"file": _in_workspace(error.where, environ)}
    title = {"title": f"{error.where} cannot be used"}
    return [
        _command(
            {
                **file,
                "line": str(problem.line),
                "col": str(problem.column),
                "endColumn": str(problem.end_column),
                **title,
            },
            problem.sentence,
        )
        for problem in error.problems[:MAX_DETAILS]
    ]


def _command(properties: Mapping[str, str], message: str) -> str:
    pairs = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::error {pairs}::{_data(message)}"


def _data(text: str) -> str:
    """As `escapeData` of GitHub's toolkit; what a terminal would obey is written out before."""
    return shown(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As `escapeProperty` of GitHub's toolkit."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _in_workspace(file: str, environ: Mapping[str, str]) -> str:
    """The path as GitHub knows it: from the root of the checkout."""
    root = environ.get("GITHUB_WORKSPACE", "")
    path = os.path.abspath(file)  # noqa: PTH100  (a link stays the file that the pull request shows)
    inside = Path(root).is_absolute() and os.path.commonpath([root, path]) == os.path.normpath(root)
    return os.path.relpath(path, root) if inside else os.path.normpath(file)
