"""The run's control: signals in, and the permit that every request asks for.

The first SIGINT, SIGTERM or SIGHUP asks the run to stop and to reverse; the second to leave at once, and so
does the end of the grace period that the first one began (a pod is killed when its own is over). A
request may be sent only while the lock was proved less than five seconds ago: a process that was paused, and
lost its lock meanwhile, sends nothing more than what had already passed the check.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.errors import LockLost
from planner.ports import PROOF_LIFE, Stop
from planner.signals import STOPPING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from planner.ports import Clock, Lease

PROOF_RENEWAL = 1.0
"""Seconds after which the lock is proved again."""


class RunControl:
    """Implements `planner.ports.Control`, and the permit of the nodes' client."""

    def __init__(self, clock: Clock, grace: float | None = None) -> None:
        """`grace`: seconds after the first signal at which nothing more is sent; None is no limit."""
        self._clock = clock
        self._grace = float("inf") if grace is None else grace
        self._deadline = float("inf")
        self._lease: Lease | None = None
        self._proved_at = float("-inf")
        self._signals = 0
        self._heeded = 0
        self._lost: LockLost | None = None
        self._wake: Callable[[], None] = lambda: None

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` when a signal comes; it must be safe in a signal handler."""
        self._wake = wake

    def attach(self, lease: Lease) -> None:
        """From now on nothing is sent without a young proof of this lease."""
        self._lease = lease
        self._prove(lease)

    def check(self) -> Stop | None:
        """Renew the lock's proof when it is due, and say whether the run is asked to stop.

        Raises:
            LockLost: the lock is not provably held; also at every later call.
        """
        if self._lost is not None:
            raise self._lost
        if self._lease is not None and self._clock.now() - self._proved_at >= PROOF_RENEWAL:
            self._prove(self._lease)
        self._heeded = self._signals
        if self._signals > 1:
            return Stop.ABANDON
        if self._clock.now() >= self._deadline:
            return Stop.EXPIRE
        return Stop.INTERRUPT if self._signals else None

    def permit(self) -> bool:
        """Whether one try of a request may be sent now. Called from any thread."""
        now = self._clock.now()
        if self._lost is not None or self._signals > self._heeded or now >= self._deadline:
            return False
        return self._lease is None or now - self._proved_at < PROOF_LIFE

    def horizon(self) -> float:
        """Until when a permit of now lasts that nobody renews: for whoever cannot ask (monotonic seconds)."""
        if not self.permit():
            return float("-inf")
        proved_at = self._clock.now() if self._lease is None else self._proved_at
        return min(proved_at + PROOF_LIFE, self._deadline)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP while the context is open."""
        old = {number: signal.signal(number, self._on_signal) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def keep_signals(self) -> None:
        """Handle SIGINT, SIGTERM and SIGHUP from now on, and never again as the system does.

        A run that may have written says how it ended, whatever comes while it closes.
        """
        for number in STOPPING:
            signal.signal(number, self._on_signal)

    def interrupt(self) -> None:
        """Ask the run to stop, as a signal does."""
        if not self._signals:
            self._deadline = self._clock.now() + self._grace
        self._signals += 1
        self._wake()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupt()

    def _prove(self, lease: Lease) -> None:
        asked_at = self._clock.now()  # the proof is as old as its question
        try:
            lease.prove()
        except LockLost as lost:
            self._lost = lost
            raise
        self._proved_at = asked_at
