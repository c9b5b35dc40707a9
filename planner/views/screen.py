"""A stream that lines are sent to: through rich with colors, or with no escape sequence at all.

In a pipe and in CI there are no colors, and rich is not imported: that is 30 ms of every command.
"""

from __future__ import annotations

from functools import cached_property
from typing import IO, TYPE_CHECKING, cast

from planner.views.layout import harmless, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import Console

    from planner.views.channel import Channel
    from planner.views.layout import Line

_NO = frozenset({"", "0", "false", "no"})


class Screen:
    """One stream as the text view sees it.

    Attributes:
        channel: what is below the console.
        live: whether a bar may be drawn: a terminal that can move its cursor, outside CI.
    """

    def __init__(
        self,
        channel: Channel,
        console: Callable[[], Console],
        *,
        colored: bool,
        live: bool,
        width: int | None,
    ) -> None:
        """`console` makes rich's."""
        self.channel = channel
        self.live = live
        self._make_console = console
        self._colored = colored
        self._width = width

    @cached_property
    def console(self) -> Console:
        """Rich's; whatever is printed while a bar is live goes through it, and lands above the bar."""
        return self._make_console()

    @property
    def width(self) -> int | None:
        """Columns to wrap to, now; None in a pipe, where lines stay whole for grep."""
        if self._width is not None or not self.channel.isatty():
            return self._width
        return self.channel.columns() or self.console.width

    def show(self, lines: Iterable[Line]) -> None:
        """Print lines as they are: no markup, no highlighting, no further wrapping."""
        lines = map(harmless, lines)
        if not (self._colored or self.live):
            self.channel.write("".join(f"{plain(line)}\n" for line in lines))
            self.channel.flush()
            return
        from rich.text import Text

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

    def console() -> Console:
        from rich.console import Console

        return Console(
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

    live = able and environ.get("CI", "").lower() in _NO
    return Screen(channel, console, colored=colored, live=live, width=width)
