"""`planner.ports.Nodes` over HTTP: batches of calls go to lanes, answers come back through one queue."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from planner.access import ANYWHERE
from planner.nodes.caller import Caller, Manner, unsent
from planner.nodes.lanes import Done, ThreadLane
from planner.nodes.mailbox import Mailbox
from planner.nodes.traffic import Traffic
from planner.verdict import Answer, Call, Try, TryEnd

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from planner.access import Places
    from planner.model import Node
    from planner.nodes.lanes import Crew, Lane
    from planner.ports import Clock

CLOSE_GRACE = 1.0
"""Seconds that `close` waits for workers whose connections it has cut."""

TENDING = 1.0
"""Seconds between two looks at the lanes: their permits are renewed, and what is lost is noticed."""

LONELY = 30.0
"""Seconds without any lane after which calls are given back as not sent."""

MOST_LOSSES = 3
"""Workers that a read may be lost with; then it is the read."""


class Wake:
    """A letter that says nothing, so that `wait` returns."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Calls that were handed to a lane. Times are monotonic seconds."""

    lane: Lane
    calls: tuple[Call, ...]
    began: float
    future: Future[Done]


class HttpNodes:
    """The nodes of one run. Implements `planner.ports.Nodes`; a context manager.

    One thread calls `room`, `submit`, `wait` and `revoke`; `wake` may be called from a signal handler or any
    thread.
    """

    def __init__(  # noqa: PLR0913  (one argument per setting)
        self,
        nodes: Iterable[Node],
        *,
        connect_timeout: float,
        read_timeout: float,
        retry_statuses: Iterable[int],
        backoff: float,
        backoff_max: float,
        parallelism: int,
        clock: Clock,
        permit: Callable[[], bool],
        rng: random.Random | None = None,
        on_retry: Callable[[Call, Try, float], None] | None = None,
        places: Places = ANYWHERE,
        crew: Crew | None = None,
    ) -> None:
        """Connect to nothing yet. Durations are seconds.

        Args:
            nodes: whom calls may name.
            connect_timeout: for a connection to one address, and for sending.
            read_timeout: from a request to the whole header of its answer, and again to its whole body.
            retry_statuses: the statuses that are tried again.
            backoff: the first pause between tries; it doubles.
            backoff_max: the longest pause, `Retry-After` included.
            parallelism: requests in flight, and connections that are kept per node.
            clock: of the run.
            permit: asked before every try, from worker threads; nothing is sent without it.
            rng: for the jitter.
            on_retry: told before every pause, from worker threads: the call, the try that failed, the pause.
            places: where secrets may be taken from. The calls of a node that wants others end as not sent.
            crew: finds further lanes, or the only ones; None for threads alone. It is not closed with this.
        """
        self._nodes = {node.name: node for node in nodes}
        self._clock = clock
        self._parallelism = parallelism
        self._on_retry = on_retry
        self._manner = Manner(
            connect_timeout,
            read_timeout,
            frozenset(retry_statuses),
            backoff,
            backoff_max,
            parallelism,
            len(self._nodes),
            places,
        )
        self._caller = Caller(self._manner, clock, rng=rng, on_retry=on_retry)
        self._threads = ThreadLane(parallelism, self._caller, permit)
        self._crew = crew
        self._traffic = Traffic(parallelism)
        self._lanes: list[Lane] = [] if crew is not None and crew.alone else [self._threads]
        self._mailbox: Mailbox[tuple[int, Future[Done]] | Future[Lane] | Wake] = Mailbox()
        self._answers: deque[Answer] = deque()
        self._under_way: dict[int, _Batch] = {}
        self._busy: Counter[Lane] = Counter()
        self._numbers = count(1)
        self._losses: Counter[int] = Counter()
        self._tended_at = float("-inf")
        self._lonely_since = clock.now()
        self._closed = False
        self._tend()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def room(self, node: str) -> int:
        """How many more calls to a node are wanted now."""
        return self._traffic.room(node)

    def submit(self, call: Call) -> None:
        """Begin a call. It is answered exactly once, whatever happens."""
        if self._closed:
            self._answers.append(unsent(call, self._clock))
        elif call.node not in self._nodes:
            why = f"there is no node {call.node!r}"
            self._answers.append(unsent(call, self._clock, TryEnd.NOT_SENT, why))
        elif self._traffic.add(call):
            self._hand_over()

    def wait(self, until: float) -> Answer | None:
        """Return the next answer, or None at `until` (the clock's seconds) or after a `wake`."""
        while not self._answers:
            self._tend()
            left = max(until - self._clock.now(), 0.0)
            letter = self._mailbox.take(min(left, TENDING))
            if isinstance(letter, Wake) or (letter is None and left <= TENDING and not self._answers):
                return None
            if letter is not None:
                self._open(letter)
                self._hand_over()
        return self._answers.popleft()

    def wake(self) -> None:
        """Make `wait` return None; a `wake` that nobody waits for is kept for the next `wait`.

        Safe in a signal handler, as `Mailbox.put` is.
        """
        self._mailbox.put(Wake())

    def revoke(self) -> None:
        """Allow no further try of any call that was submitted so far, and end their pauses.

        What is in flight is still answered. Calls that are submitted later are allowed again.
        """
        self._answers.extend(unsent(call, self._clock) for call in self._traffic.withdraw())
        for lane in self._lanes:
            lane.revoke()

    def close(self) -> None:
        """End everything: no further try, what is in flight is cut off and still gets its answer."""
        self._closed = True
        self.revoke()
        for lane in {id(batch.lane): batch.lane for batch in self._under_way.values()}.values():
            lane.close()
        self._threads.close()
        wait([batch.future for batch in self._under_way.values()], timeout=CLOSE_GRACE)
        self._caller.close()

    # Lanes.

    def _hand_over(self) -> None:
        """Give the lanes what they have slots for."""
        if len(self._under_way) >= self._parallelism or not self._traffic.queued:
            return
        for lane in self._lanes:
            wanted = self._wanted(lane)
            while self._busy[lane] < lane.slots and len(self._under_way) < self._parallelism:
                calls = self._traffic.next(wanted)
                if not calls:
                    break
                self._begin(lane, calls)

    def _wanted(self, lane: Lane) -> Callable[[Call], bool]:
        """What a lane is for. Threads leave reads to processes, which do not share an interpreter with us."""
        if not lane.writes:
            return _is_read
        return _is_write if any(not other.writes for other in self._lanes) else _is_any

    def _begin(self, lane: Lane, calls: tuple[Call, ...]) -> None:
        number, began = next(self._numbers), self._clock.now()
        future = lane.submit(self._nodes[calls[0].node], calls)
        self._under_way[number] = _Batch(lane, calls, began, future)
        self._busy[lane] += 1
        future.add_done_callback(lambda done: self._mailbox.put((number, done)))

    def _open(self, letter: tuple[int, Future[Done]] | Future[Lane]) -> None:
        """Take in what has come: the end of a batch, or a new lane."""
        if isinstance(letter, tuple):
            number, future = letter
            batch = self._under_way.pop(number, None)
            if batch is not None:  # else it was given up
                self._end(batch, future)
        elif not letter.cancelled():
            self._lanes.insert(0, letter.result())

    def _end(self, batch: _Batch, future: Future[Done]) -> None:
        self._busy[batch.lane] -= 1
        try:
            done = batch.lane.received(future.result(timeout=0))
        except (Exception, CancelledError):  # noqa: BLE001  (whatever it was, nobody knows what was sent)
            done = self._lose(batch)
        if self._on_retry is not None:
            for each in done.retried:
                self._on_retry(*each)
        self._traffic.ended(batch.calls, done.answers, batch.began, self._clock.now())
        self._answers.extend(done.answers)
        again = {call.id for call in batch.calls} - {answer.call.id for answer in done.answers}
        for call in batch.calls:
            if call.id in again:
                self.submit(call)

    def _lose(self, batch: _Batch) -> Done:
        """Answer for a worker that is gone. What it wrote is unknown; what it read is read again."""
        if batch.lane in self._lanes:
            self._lanes.remove(batch.lane)
            batch.lane.close()
            self._tended_at = float("-inf")  # another one is wanted now
        self._losses.update(call.id for call in batch.calls)
        now = self._clock.now()
        lost = Try(TryEnd.UNANSWERED, now, detail="the worker that sent it is gone")
        return Done(
            tuple(
                Answer(call, (lost,))
                for call in batch.calls
                if call.method.is_write or self._losses[call.id] >= MOST_LOSSES
            )
        )

    def _tend(self) -> None:
        """Renew permits, notice what is lost, and look for new lanes."""
        now = self._clock.now()
        if self._crew is None or now - self._tended_at < TENDING:
            return
        self._tended_at = now
        for lane in self._lanes:
            lane.renew()
        for number, batch in tuple(self._under_way.items()):
            if _is_lost(batch, now):
                del self._under_way[number]
                lost: Future[Done] = Future()
                lost.cancel()
                self._end(batch, lost)
        if not self._closed:
            for coming in self._crew.recruit(self._manner, tuple(self._lanes)):
                coming.add_done_callback(self._mailbox.put)
        if self._lanes:
            self._lonely_since = now
        elif now - self._lonely_since > LONELY:
            why = ": ".join(filter(None, ("there is no worker to send it", self._crew.trouble)))
            for call in self._traffic.withdraw():
                self._answers.append(unsent(call, self._clock, TryEnd.NOT_SENT, why))


def _is_lost(batch: _Batch, now: float) -> bool:
    patience = batch.lane.patience
    return not batch.lane.alive() or (patience is not None and now - batch.began > patience)


def _is_any(_call: Call) -> bool:
    return True


def _is_read(call: Call) -> bool:
    return not call.method.is_write


def _is_write(call: Call) -> bool:
    return call.method.is_write
