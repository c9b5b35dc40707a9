"""Real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

# Unlike CLOCK_MONOTONIC it goes on while the machine is suspended, and a lock's proof must age then too.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clock; see `planner.ports.Clock`."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.clock_gettime(_CLOCK)

    def wall(self, ago: float = 0.0) -> str:
        """The time `ago` seconds ago, ISO 8601 in UTC, to the second."""
        return (
            (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="seconds").replace("+00:00", "Z")
        )
