"""What happened to every request: counts, and a bounded log of the writes in their order of arrival."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from planner.simulator.node import Call

WRITES_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class RequestCount:
    """How many requests went the same way.

    Attributes:
        node: the node's name.
        method: of the request.
        status: of the answer; None for no answer.
        fault: its name, ``hold``, or None for none.
        count: how many.
    """

    node: str
    method: str
    status: int | None
    fault: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Write:
    """One POST or DELETE, as it arrived.

    Attributes:
        sequence: 1, 2, … over the whole cluster; goes on over a reset of the log.
        node: the node's name.
        method: POST or DELETE.
        group: the id; None where the body made no sense.
        status: of the answer; None for no answer.
        fault: its name, ``hold``, or None for none.
        effect: ``created``, ``deleted``, ``none``, or ``pending`` while a late effect is still to come.
    """

    sequence: int
    node: str
    method: str
    group: str | None
    status: int | None
    fault: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class RequestLog:
    """A copy of the journal.

    Attributes:
        counts: sorted by node, method, status and fault.
        writes: in order of arrival; the newest `WRITES_KEPT`.
        forgotten: how many older writes are no longer in `writes`.
    """

    counts: tuple[RequestCount, ...]
    writes: tuple[Write, ...]
    forgotten: int

    def total(
        self,
        *,
        node: str | None = None,
        method: str | None = None,
        status: int | None = None,
        fault: str | None = None,
    ) -> int:
        """Return how many requests fit all that is given."""
        return sum(
            row.count
            for row in self.counts
            if node in (None, row.node)
            and method in (None, row.method)
            and status in (None, row.status)
            and fault in (None, row.fault)
        )


class Journal:
    """Counts and keeps. Everything is recorded at the moment the node decides, before it answers."""

    __slots__ = ("_counts", "_forgotten", "_sequence", "_writes")

    def __init__(self, kept: int = WRITES_KEPT) -> None:
        self._counts: Counter[tuple[str, str, int | None, str | None]] = Counter()
        self._writes: deque[Write] = deque(maxlen=kept)
        self._forgotten = 0
        self._sequence = 0

    def count(self, node: str, method: str, status: int | None, fault: str | None = None) -> None:
        """Count a request that cannot change anything."""
        self._counts[(node, method, status, fault)] += 1

    def record(self, node: str, call: Call, status: int | None, fault: str | None, effect: str) -> int:
        """Count a request and, where it is a write, log it.

        Returns:
            The sequence of the write, for `landed`; 0 for a read.
        """
        self._counts[(node, call.method, status, fault)] += 1
        if not call.is_write:
            return 0
        self._sequence += 1
        self._forgotten += len(self._writes) == self._writes.maxlen
        self._writes.append(Write(self._sequence, node, call.method, call.group, status, fault, effect))
        return self._sequence

    def landed(self, sequence: int, effect: str) -> None:
        """Say what a pending write did in the end; one that is no longer in the log is passed over."""
        if self._writes and (place := sequence - self._writes[0].sequence) >= 0:
            self._writes[place] = replace(self._writes[place], effect=effect)

    def reset(self) -> None:
        """Forget all counts and writes."""
        self._counts.clear()
        self._writes.clear()
        self._forgotten = 0

    def snapshot(self) -> RequestLog:
        """Return a copy."""
        rows = sorted(self._counts.items(), key=lambda row: tuple(str(part) for part in row[0]))
        counts = tuple(RequestCount(*key, count) for key, count in rows)
        return RequestLog(counts, tuple(self._writes), self._forgotten)
