"""A stream that lines are sent to, through rich: with colors, or with no escape sequence at all."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.views.channel import Channel
    from planner.views.layout import Line

_NO = frozenset({"", "0", "false", "no"})


class Screen:
    """One stream as the text view sees it.

    Attributes:
        console: rich's; whatever is printed while a bar is live goes through it, and lands above the bar.
        channel: what is below the console.
        live: whether a bar may be drawn: a terminal that can move its cursor, outside CI.
    """

    def __init__(self, console: Console, channel: Channel, *, live: bool, width: int | None) -> None:
        self.console = console
        self.channel = channel
        self.live = live
        self._width = width

    @property
    def width(self) -> int | None:
        """Columns to wrap to, now; None in a pipe, where lines stay whole for grep."""
        if self._width is not None or not self.channel.isatty():
            return self._width
        return self.channel.columns() or self.console.width

    def show(self, lines: Iterable[Line]) -> None:
        """Print lines as they are: no markup, no highlighting, no further wrapping."""
        rows = [Text.assemble(*((span.text, span.style) for span in line)) for line in lines]
        if rows:
            self.console.print(Text("\n").join(rows), soft_wrap=True, highlight=False)


def open_screen(channel: Channel, color: str, environ: Mapping[str, str]) -> Screen:
    """The screen of a stream; `color` is ``auto``, ``always`` or ``never``."""
    terminal = channel.isatty()
    able = terminal and environ.get("TERM", "").lower() not in ("dumb", "unknown")
    forced = any(environ.get(name, "").lower() not in _NO for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    wanted = (able or forced) and not environ.get("NO_COLOR")
    colored = color == "always" or (color == "auto" and wanted)
    columns = environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() and int(columns) else None
    console = Console(
        file=cast("IO[str]", channel),
        force_terminal=able or colored,
        force_interactive=able,
        color_system="standard" if colored else None,
        no_color=not colored,
        width=width if able or width else 80,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=environ,
    )
    return Screen(console, channel, live=able and environ.get("CI", "").lower() in _NO, width=width)
