"""urllib3's `Retry`, with a ledger of every try, the run's permit, and pauses that can be interrupted.

What urllib3 2.x does, and this module builds on (`HTTPConnectionPool.urlopen`, `Retry.increment`):

- After an error, and after a status of `status_forcelist`, `urlopen` calls `increment`, then `sleep`, then
  itself. In between it drains the answer's body, for as long as something comes.
- `increment` raises `MaxRetryError` when a counter falls below zero. For a status, `raise_on_status=False`
  makes `urlopen` return the response then, which the caller sees a second time.
- Errors such as `InvalidHeader`, `LocationParseError` and `ClosedPoolError` skip `increment`.
- An unreadable `Retry-After` raises `InvalidHeader` out of `sleep`, and the first retry does not pause.
"""

from __future__ import annotations

import random
from contextlib import suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import MaxRetryError
from urllib3.util.retry import Retry

from planner.nodes.deadline import drain
from planner.verdict import Call, Method, Try, TryEnd, met_already

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from urllib3.connectionpool import ConnectionPool
    from urllib3.response import BaseHTTPResponse

    from planner.model import Dialect
    from planner.nodes.ledger import Ledger
    from planner.ports import Clock

CURRENT: ContextVar[NodeRetry] = ContextVar("CURRENT")
"""The retry of the call that this thread carries out: how one shared adapter serves many calls."""

_STEEPEST = 30
"""Doublings after which the back-off grows no more: far beyond any maximum, and still a float."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait between tries. Durations are seconds.

    Attributes:
        statuses: the statuses that are tried again, and no others.
        backoff: the first pause; it doubles.
        backoff_max: the longest pause, `Retry-After` included.
        clock: for dates in `Retry-After`.
        rng: for the jitter.
        on_retry: told before every pause, from worker threads: the call, the try that failed, the pause.
    """

    statuses: frozenset[int]
    backoff: float
    backoff_max: float
    clock: Clock
    rng: random.Random = field(default_factory=random.Random)
    on_retry: Callable[[Call, Try, float], None] | None = None

    def pause(self, attempt: int, retry_after: str | None = None) -> float:
        """Seconds to wait after the `attempt`-th failure (from 1).

        Exponential with equal jitter, half fixed and half random, so that a crowd spreads out and nobody
        hurries. A readable `Retry-After` that lies in the future decides instead (RFC 9110, 10.2.3).
        """
        asked = self._asked(retry_after) if retry_after else None
        if asked is not None and asked > 0:
            return min(asked, self.backoff_max)
        longest = min(self.backoff * 2.0 ** min(attempt - 1, _STEEPEST), self.backoff_max)
        return longest / 2 + self.rng.random() * longest / 2

    def _asked(self, retry_after: str) -> float | None:
        """`Retry-After` in seconds; None when it cannot be read."""
        text = retry_after.strip()
        if text.isascii() and text.isdigit():
            return float(text)  # any number of digits; int() refuses more than 4300
        try:
            date = parsedate_to_datetime(text)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return (date - datetime.fromisoformat(self.clock.wall())).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None


class NodeRetry(Retry):
    """The tries of one call. urllib3 makes a new one for every failure; all of them share one ledger.

    Attributes:
        call: what is tried.
        ledger: every try of it.
        patience: the pauses.
    """

    call: Call
    ledger: Ledger
    patience: Patience

    @staticmethod
    def of(call: Call, ledger: Ledger, patience: Patience, dialect: Dialect) -> NodeRetry:
        """The retry of a call to a node that speaks `dialect`.

        A read is tried again after everything. A write only when it was surely not sent, and after the
        configured statuses: what may have reached the node is read back first, by the engine. So is what
        says 'exists' or 'missing' on this node, be it a 500.
        """
        retry = copy(_untried(max(call.tries, 1), call.method, patience.statuses, dialect))
        retry.call, retry.ledger, retry.patience = call, ledger, patience
        return retry

    def new(self, **kw: Any) -> Self:
        """The next one, with the same ledger."""
        following = super().new(**kw)
        following.call, following.ledger, following.patience = self.call, self.ledger, self.patience
        return following

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: ARG002
        """Whether a status is tried again: the ones that `of` chose exactly.

        urllib3 would add 413, 429 and 503 wherever a `Retry-After` is sent.
        """
        return status_code in self.status_forcelist

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Record the end of a try, then count it.

        Raises:
            MaxRetryError: the tries are used up, or this failure of a write must not be tried again.
        """
        if error is not None:
            end = self.ledger.failed(error)
            if end is TryEnd.UNANSWERED and self.call.method.is_write:
                # Whatever urllib3 thinks of this error: the node may have read the request.
                raise MaxRetryError(_pool, url, error) from error  # type: ignore[arg-type]
        elif response is not None:
            self.ledger.answered(response.status)
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            drain(response)  # urllib3 would now read all that comes, to the end of its deadline
        CURRENT.set(following)
        return following

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Pause, then begin the next try.

        Raises:
            Stopped: the permit is gone.
        """
        asked = response.headers.get("Retry-After") if response is not None else None
        pause = self.patience.pause(len(self.history), asked)
        if self.patience.on_retry is not None and self.ledger.tries:
            with suppress(Exception):  # a reporter's trouble is not the call's
                self.patience.on_retry(self.call, self.ledger.tries[-1], pause)
        self.ledger.pause(pause)
        self.ledger.begin()


@cache
def _untried(tries: int, method: Method, statuses: frozenset[int], dialect: Dialect) -> NodeRetry:
    """What the retries of calls alike have in common, made once."""
    repeats = 0 if method.is_write else None
    return NodeRetry(
        total=tries - 1,
        read=repeats,
        other=repeats,
        redirect=0,
        allowed_methods=None,
        status_forcelist=statuses - met_already(method, dialect),
        raise_on_status=False,
    )
