"""What a terminal showed, as a picture: SVG for the README and the documentation."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from planner.views.words import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Fonts that rich would load from elsewhere: where SVG is shown in a page, that is blocked anyway."""

MIN_COLUMNS = 60


def svg_of(lines: Sequence[str], *, title: str) -> str:
    """The picture of lines as they were printed, with their colors (ANSI); equal lines, equal picture."""
    text = [Text.from_ansi(line) for line in lines]
    console = Console(
        record=True,
        file=io.StringIO(),
        width=max([MIN_COLUMNS, *(width_of(line.plain) for line in text)]),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
    )
    for line in text:
        console.print(line, soft_wrap=True)
    return _FONTS.sub("", console.export_svg(title=title, unique_id="planner"))


def draw(lines: Sequence[str], path: Path, *, title: str) -> None:
    """Write the picture of `lines` to a file.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(svg_of(lines, title=title), encoding="utf-8")
