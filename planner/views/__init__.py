"""What a run shows: text for people, JSON for machines. Results go to stdout, everything else to stderr.

::

    base.py      View: what the command line asks of a view
    text.py      for people;  pages.py: a plan as Markdown or HTML
    document.py  JSON, one document per run;  events.py: JSON Lines;  machine.py: what both share

    what is said, whatever the format (pure)
        summary.py   a plan as rows and counts
        report.py    all that there is to say of a plan, and its matrix of groups by nodes
        sentences.py what it amounts to;  journal_words.py: what the journal says, in words

    the screens, as lines (pure)
        plan_text.py, result_text.py, recovery_text.py, status_text.py, history_text.py,
        transaction_text.py, nodes_text.py, copied_text.py, error_text.py, and in them
        source_text.py a problem of a file, with its line and a caret;  gathering.py: cells as rows
        layout.py      lines of styled spans, wrapped to a width;  words.py: escaping and widths

    other formats (pure; html.py reads its templates)
        data.py      results as JSON data
        markdown.py  a plan for the comment of a pull request;  marked.py: text that it shows as it is
        html.py      a plan as one file, from templates/;  render.py: a report in any of these formats
        github.py    problems of a file as annotations of GitHub Actions

    tally.py     where a phase is, from the events;  plain.py: progress as lines;  bar.py: as a live bar
    channel.py   a stream that cannot break a run;  outcome.py: whether a result reached it
    screen.py    lines to a stream, colors through rich;  picture.py: what a terminal showed, as SVG

Importing this package imports nothing of that. Only colors and bars need rich, and only HTML needs jinja2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.views.base import View

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from planner.errors import PlannerError
    from planner.ports import Clock

__all__ = ["FORMATS", "View", "annotate", "open_view"]

FORMATS = ("text", "json", "markdown", "html")


def open_view(
    format: str,
    *,
    color: str = "auto",
    quiet: bool = False,
    events: bool = False,
    stdout: TextIO,
    stderr: TextIO,
    environ: Mapping[str, str],
    clock: Clock | None = None,
) -> View:
    """The view of one run.

    Args:
        format: ``text``, ``json``, or, of a plan, ``markdown`` or ``html``.
        color: ``auto``, ``always`` or ``never``; for text only.
        quiet: whether progress and remarks are left out; results, warnings and errors stay.
        events: whether JSON comes as JSON Lines of events (apply, reconcile) instead of one document.
        stdout: for results, and nothing else.
        stderr: for progress, remarks, warnings and errors.
        environ: COLUMNS, TERM, NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE and CI count.
        clock: of progress and events; the machine's when None.

    Raises:
        ValueError: the format or the color is unknown.
    """
    if format not in FORMATS or color not in ("auto", "always", "never"):
        raise ValueError(f"unknown format or color: {format!r}, {color!r}")
    from planner.clock import SystemClock
    from planner.views.channel import Channel

    out, err = Channel(stdout), Channel(stderr)
    clock = clock or SystemClock()
    if format != "json":
        from planner.views.screen import open_screen

        screens = open_screen(out, color, environ), open_screen(err, color, environ)
        if format == "text":
            from planner.views.text import TextView

            return TextView(*screens, clock=clock, quiet=quiet)
        from planner.views.pages import PageView

        return PageView(*screens, clock=clock, quiet=quiet, format=format)
    if events:
        from planner.views.events import EventView

        return EventView(out, err, clock=clock, quiet=quiet)
    from planner.views.document import DocumentView

    return DocumentView(out, err, clock=clock, quiet=quiet)


def annotate(error: PlannerError, stream: TextIO, environ: Mapping[str, str]) -> None:
    """Mark the problems of a file in a pull request, as workflow commands of GitHub Actions."""
    from planner.views.channel import Channel
    from planner.views.github import commands_of

    channel = Channel(stream)
    for line in commands_of(error, environ):
        channel.write(f"{line}\n")
    channel.flush()
