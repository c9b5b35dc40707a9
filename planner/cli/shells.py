"""The three shells: the script that each of them loads, and the answer to what that script asks.

Built on click's completion classes. Bash's script is our own: click's splits the line where bash does, at
every `=` and `:`, so that it could complete neither `--node-url NAME=` nor an id such as `shop:cart`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import TYPE_CHECKING

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

if TYPE_CHECKING:
    import click

PROGRAM = "planner"
VARIABLE = "_PLANNER_COMPLETE"
"""Set by the scripts, to ``bash_complete`` and the like."""

_BREAKS = "=:"
"""Where bash may begin a new word (COMP_WORDBREAKS); it replaces only what stands behind the last of them."""

_BASH = """\
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            file,*) compopt -o default 2>/dev/null ;;
            dir,*) compopt -o dirnames 2>/dev/null ;;
            nospace,*) compopt -o nospace 2>/dev/null; COMPREPLY+=("${line#*,}") ;;
            plain,*) COMPREPLY+=("${line#*,}") ;;
        esac
    done < <(COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Bash 4.4 and newer; older ones, without the order and without file names."""

    source_template = _BASH
    _line = ""

    def source(self) -> str:
        """The script. click would look for a bash first, on the machine that prints it."""
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that it is in."""
        self._line = os.environ["COMP_WORDS"]
        words = split_arg_string(self._line)
        if _begins_word(self._line):
            words.append("")
        return words[1:-1], words[-1]

    def complete(self) -> str:
        """The answer: of each value what bash puts in place of what it takes for the word."""
        args, incomplete = self.get_completion_args()
        quoted = _open_quote(self._line)
        start = 0 if quoted else _start(incomplete, os.environ.get("COMP_BREAKS", _BREAKS))
        lines = []
        for item in self.get_completions(args, incomplete):
            value = str(item.value)[_offset(incomplete, item, start) :]
            lines.append(f"{item.type},{value if quoted else _escaped(value)}")
        return "\n".join(lines)


class Zsh(ZshComplete):
    """As click does it."""


class Fish(FishComplete):
    """As click does it, but that a value may hold a comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def script(shell: str, cli: click.Command) -> str:
    """What the user's shell loads."""
    return SHELLS[shell](cli, {}, PROGRAM, VARIABLE).source()


def answer() -> None:
    """Answer what a script asks, on standard output. Whatever goes wrong is no output."""
    from planner.cli.main import cli

    out = ""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Exception, SystemExit):
        shell = os.environ[VARIABLE].partition("_")[0]
        out = SHELLS[shell](cli, {}, PROGRAM, VARIABLE).complete() + "\n"
    sys.stdout.buffer.write(out.encode(errors="ignore"))
    sys.stdout.flush()


def _begins_word(line: str) -> bool:
    """Whether the cursor stands behind a blank that ends a word."""
    if not line[-1:].isspace() or _open_quote(line):
        return False
    return (len(line) - 1 - len(line[:-1].rstrip("\\"))) % 2 == 0


def _open_quote(line: str) -> str:
    """The quote that is open at the end of the line; empty where none is."""
    quote = ""
    escaped = False
    for char in line:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return quote


def _start(word: str, breaks: str) -> int:
    """Where bash's own word begins in ours."""
    return max((word.rfind(char) + 1 for char in _BREAKS if char in breaks), default=0)


def _offset(incomplete: str, item: CompletionItem[str], start: int) -> int:
    """How much of a value stands before bash's word.

    Of ``--option=value`` the values come without the option's name.
    """
    if incomplete.startswith("--") and "=" in incomplete and not str(item.value).startswith("--"):
        return max(start - incomplete.index("=") - 1, 0)
    return start


def _escaped(text: str) -> str:
    """The text as one word of bash."""
    return re.sub(r"([^\w@%+=:,./^-])", r"\\\1", text)
