"""Waiting for a lock, and the time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 0.1
"""Seconds between two attempts at a lock."""


def utc_now() -> str:
    """Wall time for people: ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Time:
    """The store's time.

    Attributes:
        now: monotonic seconds.
        pause: sleeps for some seconds.
        wall: the wall time, as `planner.ports.Clock.wall`.
    """

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    wall: Callable[[], str] = utc_now

    def until(self, attempt: Callable[[], bool], timeout: float) -> bool:
        """Attempt until it succeeds, and for at most `timeout` seconds; return whether it did."""
        end = self.now() + timeout
        while not attempt():
            left = end - self.now()
            if left <= 0:
                return False
            self.pause(min(PAUSE, left))
        return True
