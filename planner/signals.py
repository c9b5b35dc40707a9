"""What ends a run before it may have changed anything.

Once a run may write, `planner.control` heeds the signals. Until then they end it, from the first line of the
program on: the kernel drops what the first process of a container has no handler for, so that a pod that
is deleted while planner is loaded, reads or waits would go on until it is killed.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a pod's end, a terminal that was closed."""

NOTHING_CHANGED = 130
"""The exit code of a run that was interrupted before it changed anything."""

_MESSAGE = b"\nError: Interrupted; nothing was changed\n"


def leave_when_stopped() -> None:
    """From now on a signal ends the process at once: there is nothing to close yet."""
    _handle(_leave)


def interrupt_when_stopped() -> None:
    """From now on a signal is a KeyboardInterrupt, and a second one ends the process at once."""
    _handle(_interrupt)


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in STOPPING:
        # Neither what nohup ignores, nor what a run heeds that may have written.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _interrupt, _leave):
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    leave_when_stopped()
    raise KeyboardInterrupt


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    try:
        os.write(2, _MESSAGE)
    finally:
        os._exit(NOTHING_CHANGED)
