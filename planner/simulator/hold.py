"""Holding one request open, so that a test can act while exactly that request is in flight."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from planner.simulator.node import Call


class HoldError(SimulatorError, ValueError):
    """The hold makes no sense, or something is still held."""


class HoldEffect(enum.Enum):
    """When the held request takes effect: a write changes the node then, and a read looks at it."""

    BEFORE = "before"  # before it is held
    AFTER = "after"  # when it is released, whether or not its client is still there
    NEVER = "never"  # not at all; after the release it is answered with 500


class HoldKind(enum.Enum):
    """Which requests are counted; one of them is held."""

    WRITE = "write"  # POST and DELETE
    READ = "read"  # GET
    REQUEST = "request"  # all of them

    def counts(self, call: Call) -> bool:
        """Whether a request is of this kind."""
        return self is HoldKind.REQUEST or call.is_write is (self is HoldKind.WRITE)


@dataclass(frozen=True, slots=True)
class Held:
    """A request that is held open.

    Attributes:
        sequence: its place in the log of writes; 0 for a read.
        node: the node that got it.
        method: GET, POST or DELETE.
        group: the id; None for a list, and where the body made no sense.
        effect: ``before``, ``after`` or ``never``.
    """

    sequence: int
    node: str
    method: str
    group: str | None
    effect: str


class Hold:
    """Counts the requests of the whole cluster, and keeps the one it was armed for, in one event loop."""

    __slots__ = ("_countdown", "_effect", "_held", "_kind", "_news")

    def __init__(self) -> None:
        self._countdown = 0
        self._effect = HoldEffect.BEFORE
        self._kind = HoldKind.WRITE
        self._held: dict[Held, asyncio.Future[bool]] = {}
        self._news = asyncio.Event()  # set unless armed with nothing held yet
        self._news.set()

    def arm(
        self, number: int, effect: HoldEffect = HoldEffect.BEFORE, kind: HoldKind = HoldKind.WRITE
    ) -> None:
        """Hold the n-th request of this kind from now (1 is the next); what was armed before is replaced.

        Raises:
            HoldError: `number` is below 1, or a request is held: release it first.
        """
        if number < 1:
            raise HoldError(f"the number of the {kind.value} to hold is 1 or more, not {number}")
        if self._held:
            raise HoldError("a request is held: release it first")
        self._countdown = number
        self._effect = effect
        self._kind = kind
        self._news.clear()

    @property
    def countdown(self) -> int:
        """How many requests from now the held one will be; 0 when nothing is armed."""
        return self._countdown

    def take(self, call: Call) -> HoldEffect | None:
        """Count one request; return how to hold it, or None to let it pass."""
        if not self._countdown or not self._kind.counts(call):
            return None
        self._countdown -= 1
        return None if self._countdown else self._effect

    async def keep(self, held: Held) -> bool:
        """Keep a request that `take` chose.

        Returns:
            True when it is released, False when the cluster ends.
        """
        self._held[held] = asyncio.get_running_loop().create_future()
        self._news.set()
        return await self._held[held]

    async def wait(self) -> tuple[Held, ...]:
        """Wait until a request is held; return an empty tuple when nothing is armed (any more)."""
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
