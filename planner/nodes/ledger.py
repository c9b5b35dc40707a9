"""Every try of one call: how it ended, when, and whether it may have reached the node.

urllib3 hides what happened on the way: a POST that was read by the node and timed out, and whose second try
was refused, ends as 'connection refused'. A verdict needs every try (see `planner.verdict`).

A try *begins* with the run's permit and *ends* exactly once; what comes later about the same try is ignored.
That is why a status that urllib3 reports twice (to `Retry.increment`, and as the response) stands here once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from planner.nodes.failures import surely_not_connected, words
from planner.verdict import Try, TryEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.ports import Clock


class Stopped(Exception):
    """The permit is gone: the call ends before its next try. Not a class that urllib3 or requests catch."""


class Grant:
    """The permission of all calls that were submitted before a `revoke`."""

    def __init__(self, permit: Callable[[], bool]) -> None:
        self._permit = permit
        self._revoked = threading.Event()

    def revoke(self) -> None:
        """Allow nothing more, and end every pause."""
        self._revoked.set()

    def allows(self) -> bool:
        """Whether one try may be sent now. A permit that fails is none."""
        try:
            return not self._revoked.is_set() and self._permit()
        except Exception:  # noqa: BLE001  (whatever is wrong with it: nothing may be sent)
            return False

    def pause(self, seconds: float) -> None:
        """Wait; a revocation ends the wait."""
        self._revoked.wait(seconds)


class Abortable(Protocol):
    """A connection that can be cut from another thread."""

    def abort(self) -> None:
        """Cut it."""


class Ledger:
    """The tries of one call, in order. Written by the one thread that carries the call out.

    Attributes:
        tries: those that have ended.
        open: whether a try has begun and not ended.
        watched: whether the connection reports the moment of sending. Where it does not (a SOCKS proxy), only
            an error's class can tell that nothing was sent.
    """

    def __init__(self, clock: Clock, grant: Grant) -> None:
        self.tries: list[Try] = []
        self.open = False
        self.watched = True
        self._clock = clock
        self._grant = grant
        self._sent = False
        self._redirected = 0
        self._connection: Abortable | None = None

    def begin(self) -> None:
        """Begin a try.

        Raises:
            Stopped: the permit is gone; the ledger says so.
        """
        self._ask()
        self.open = True
        self._sent = False
        self._redirected = 0

    def sending(self, connection: Abortable) -> None:
        """The first byte of the request is about to be written.

        The permit is asked again here: resolving and connecting may have taken longer than it is good for.

        Raises:
            Stopped: the permit is gone; nothing was sent.
        """
        self._connection = connection
        self._ask()
        self._sent = True

    def redirected(self, status: int) -> None:
        """The node pointed elsewhere; the same try goes on there.

        Raises:
            Stopped: the permit is gone.
        """
        self._redirected = status
        self._ask()

    def answered(self, status: int, detail: str = "", hint: str = "") -> None:
        """The try ended with a status; `detail` says more, `hint` what may help."""
        self._end(Try(TryEnd.ANSWERED, self._clock.now(), status, detail, hint))

    def failed(self, error: BaseException) -> TryEnd:
        """The try ended without a status. 'Not sent' only when that is sure."""
        unsent = not self._sent if self.watched else surely_not_connected(error)
        end = TryEnd.NOT_SENT if unsent else TryEnd.UNANSWERED
        self._end(Try(end, self._clock.now(), detail=words(error)))
        return end

    def pause(self, seconds: float) -> None:
        """Wait between two tries; a revocation ends the wait."""
        self._grant.pause(seconds)

    def abort(self) -> None:
        """Cut the connection under a try that is in flight. For any thread."""
        connection = self._connection
        if self.open and connection is not None:
            connection.abort()

    def _ask(self) -> None:
        if self._grant.allows():
            return
        if self._sent and self._redirected:
            self.answered(self._redirected)
        self.open = False
        self.tries.append(Try(TryEnd.STOPPED, self._clock.now(), detail="stopped before it was sent"))
        raise Stopped

    def _end(self, ended: Try) -> None:
        if self.open:
            self.open = False
            self._connection = None
            self.tries.append(ended)
