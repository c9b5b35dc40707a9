"""Effects that come later than their requests, and waiting until the last of them has come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LateEffects:
    """The late effects of the whole cluster. Lives in one event loop.

    An effect is expected from the moment its request is decided; its clock starts with `land_in`. The
    death of its node does not stop it: it stands in a queue that outlives both the client and the server.
    """

    __slots__ = ("_expected", "_settled", "_timers")

    def __init__(self) -> None:
        self._expected = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._settled = asyncio.Event()
        self._settled.set()

    def expect(self) -> None:
        """Count an effect that is still to come."""
        self._expected += 1
        self._settled.clear()

    def land_in(self, seconds: float, effect: Callable[[], object]) -> None:
        """Let an expected effect come after so many seconds."""

        def land() -> None:
            self._timers.discard(timer)
            effect()
            self._expected -= 1
            if not self._expected:
                self._settled.set()

        timer = asyncio.get_running_loop().call_later(seconds, land)
        self._timers.add(timer)

    async def settled(self) -> None:
        """Wait until no effect is to come any more, those included whose client has not left yet."""
        await self._settled.wait()

    def close(self) -> None:
        """Drop all that is still to come."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._settled.set()
