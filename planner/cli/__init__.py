"""The command line: parse, build the adapters, call the use case, map errors to exit codes once.

::

    main.py       the group of commands; the one place where an error becomes an exit code
    completion.py names and numbers that a shell may offer;  shells.py: bash, zsh and fish
    codes.py      the exit codes, for help
    options.py    the settings as options, on every command alike
    session.py    file, settings, store, nodes and signals of one run
    crews.py      who carries requests out: threads, processes of this machine, or a Dask cluster
    unfinished.py what plan and undo say while a transaction is unfinished
    keys.py       the keys for plan files, and plan files that are read with them
    reports.py    where a plan goes: its file, the screen, reports;  files.py: files, whole or not at all
    schemas.py    the JSON Schemas of what is printed
    logs.py       the log, as text or as JSON Lines;  logview.py: a view that says nothing beside the latter
    watched.py    a run that machines watch
    commands/     one file per command, imported when it is called
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

COLLECT_AFTER = 50_000
"""New objects between two searches for cycles: with Python's 700 they are a tenth of a small plan's time."""


def main() -> None:
    """The console script."""
    if sys.argv[1:] == ["--version"]:  # asked by scripts all the time: answered before anything is imported
        from planner import __version__

        sys.stdout.write(f"planner {__version__}\n")
        return
    gc.set_threshold(COLLECT_AFTER)
    ended: list[int] = []
    atexit.register(_leave, ended)  # the first is called last: threads, logs and workers have ended by then
    try:
        _start()
    except SystemExit as leave:
        if isinstance(leave.code, int):
            ended.append(leave.code)
        raise


def _start() -> None:
    if "_PLANNER_COMPLETE" in os.environ:  # a shell asks, and somebody waits at the prompt
        from planner.cli.shells import answer

        answer()
        sys.exit(0)
    from planner.signals import leave_when_stopped

    leave_when_stopped()
    from planner.cli.main import run

    run()


def _leave(ended: list[int]) -> None:
    """End the process as it stands: taking it apart, object by object, is a fifth of a small plan's time.

    Args:
        ended: the exit code of a run that ended as it should; empty after a bug, which Python reports.
    """
    if not ended:
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # whoever read us is gone; Python would say so, in its own words
            return
    os._exit(ended[0])
