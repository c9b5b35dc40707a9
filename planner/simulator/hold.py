"""Holding one write open, so that a test can act while exactly that write is in flight."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass

from planner.simulator.errors import SimulatorError


class HoldError(SimulatorError, ValueError):
    """The hold makes no sense, or something is still held."""


class HoldEffect(enum.Enum):
    """When the held write takes effect."""

    BEFORE = "before"  # before it is held
    AFTER = "after"  # when it is released, whether or not its client is still there
    NEVER = "never"  # not at all; after the release it is answered with 500


@dataclass(frozen=True, slots=True)
class Held:
    """A write that is held open.

    Attributes:
        sequence: its place in the log of writes.
        node: the node that got it.
        method: POST or DELETE.
        group: the id; None where the body made no sense.
        effect: ``before``, ``after`` or ``never``.
    """

    sequence: int
    node: str
    method: str
    group: str | None
    effect: str


class Hold:
    """Counts the writes of the whole cluster, and keeps the one it was armed for. Lives in one event loop."""

    __slots__ = ("_countdown", "_effect", "_held", "_news")

    def __init__(self) -> None:
        self._countdown = 0
        self._effect = HoldEffect.BEFORE
        self._held: dict[Held, asyncio.Future[bool]] = {}
        self._news = asyncio.Event()  # set unless armed with nothing held yet
        self._news.set()

    def arm(self, nth_write: int, effect: HoldEffect = HoldEffect.BEFORE) -> None:
        """Hold the `nth_write` from now (1 is the next); a hold that was armed before is replaced.

        Raises:
            HoldError: `nth_write` is below 1, or a write is held: release it first.
        """
        if nth_write < 1:
            raise HoldError(f"nth_write is 1 or more, not {nth_write}")
        if self._held:
            raise HoldError("a write is held: release it first")
        self._countdown = nth_write
        self._effect = effect
        self._news.clear()

    @property
    def countdown(self) -> int:
        """How many writes from now the held one will be; 0 when nothing is armed."""
        return self._countdown

    def take(self) -> HoldEffect | None:
        """Count one write; return how to hold it, or None to let it pass."""
        if not self._countdown:
            return None
        self._countdown -= 1
        return None if self._countdown else self._effect

    async def keep(self, held: Held) -> bool:
        """Keep a write that `take` chose.

        Returns:
            True when it is released, False when the cluster ends.
        """
        self._held[held] = asyncio.get_running_loop().create_future()
        self._news.set()
        return await self._held[held]

    async def wait(self) -> tuple[Held, ...]:
        """Wait until a write is held; return an empty tuple when nothing is armed (any more)."""
        await self._news.wait()
        return tuple(self._held)

    def release(self) -> tuple[Held, ...]:
        """Disarm, and let what is held go on; return what was held."""
        return self._end(released=True)

    def close(self) -> None:
        """End everything: what is held gets neither effect nor answer."""
        self._end(released=False)

    def _end(self, *, released: bool) -> tuple[Held, ...]:
        held, self._held = self._held, {}
        self._countdown = 0
        self._news.set()
        for future in held.values():
            if not future.done():
                future.set_result(released)
        return tuple(held)
