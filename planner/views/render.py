"""A report as a whole text, in the format that its file's name asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.views.report import Report

ENDINGS = {".json": "json", ".md": "markdown", ".html": "html"}
"""The endings of the names of report files, and what is written to them."""


def render(report: Report, format: str) -> Iterable[str]:
    """The report as JSON, Markdown or HTML, in pieces; each is imported only when it is asked for."""
    if format == "json":
        from planner.views.data import page_of

        return page_of(report)
    if format == "markdown":
        from planner.views.markdown import markdown_of

        return (markdown_of(report),)
    from planner.views.html import html_of

    return (html_of(report),)
