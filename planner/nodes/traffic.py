"""How many requests a node gets at once: more while it answers fast, fewer when it says that it is too many.

The window of a node, the batches of calls that may be under way there, follows TCP's congestion control
(Jacobson, Congestion Avoidance and Control, 1988; RFC 5681): it grows by one with every batch at first, then
by one per round, and is halved by trouble (429, 503, no answer, no connection), once per round. Where a node,
or we ourselves, get slower with it, what is more only waits: the window grows and shrinks so that about one
batch does (Brakmo and Peterson, TCP Vegas, 1995).

A batch is a few calls to one node that one thread carries out, one after the other, on one connection: what
is handed over at once costs little per call. It is short in time, so that nobody waits long for its end.
Pure.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from math import ceil
from typing import TYPE_CHECKING

from planner.verdict import TOO_MANY_REQUESTS, TryEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.verdict import Answer, Call

FIRST_WINDOW = 2
"""Batches under way at a node of which nothing is known yet."""

LARGEST_BATCH = 32
"""Calls."""

BATCH_TIME = 0.1
"""Seconds that a batch should take, so that its answers do not come late."""

FEW_WAITING, MANY_WAITING = 1.0, 2.0
"""Batches that wait for others, as far as the times tell; the window grows below and shrinks above."""

PROBE = 10.0
"""Seconds after which the window begins anew, and the best time with it, as in BBR (Cardwell et al., 2016): a
node may have become slower for good."""

UNAVAILABLE = 503
SMOOTHING = 0.3


class _Flow:
    """One node: what waits for it, what is under way, and how it is doing."""

    __slots__ = ("best", "busy", "cut_at", "outstanding", "pace", "probed_at", "queue", "starting", "window")

    def __init__(self) -> None:
        self.queue: deque[Call] = deque()
        self.outstanding = 0  # calls, queued or under way
        self.busy = 0  # batches
        self.window = float(FIRST_WINDOW)
        self.starting = True
        self.pace = 0.0  # seconds per call, smoothed; 0 before the first
        self.best = float("inf")
        self.cut_at = self.probed_at = float("-inf")

    @property
    def size(self) -> int:
        """Calls of a batch that takes about `BATCH_TIME`; one while that is not known."""
        return max(1, min(LARGEST_BATCH, int(BATCH_TIME / self.pace))) if self.pace else 1

    def learn(self, calls: int, began: float, now: float, most: int, *, trouble: bool) -> None:
        """Change the window after a batch."""
        pace = (now - began) / calls
        self.pace += SMOOTHING * (pace - self.pace) if self.pace else pace
        if trouble:
            if began >= self.cut_at:  # what began before the last cut is the same trouble
                self.window = max(1.0, self.window / 2)
                self.cut_at = now
            self.starting = False
            return
        if now - self.probed_at > PROBE:
            self.window, self.best, self.starting, self.probed_at = float(FIRST_WINDOW), pace, True, now
        self.best = min(self.best, pace)
        waiting = self.window * (1 - self.best / pace) if pace else 0.0
        if waiting < FEW_WAITING:
            self.window = min(float(most), self.window + (1 if self.starting else 1 / self.window))
        elif waiting > MANY_WAITING:
            self.starting = False
            self.window = max(1.0, self.window - 1 / self.window)


class Traffic:
    """The calls of a run, on their way to the nodes.

    While several nodes are busy, none has more than its share of the slots: a slow one, whose requests take
    long, would fill them all.
    """

    def __init__(self, slots: int) -> None:
        """`slots`: batches under way, at all nodes together."""
        self._slots = slots
        self._flows: dict[str, _Flow] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()  # nodes with a queue; whose turn it is first
        self._active = 0  # nodes with anything outstanding

    @property
    def queued(self) -> bool:
        """Whether anything waits in a queue."""
        return bool(self._waiting)

    def room(self, node: str) -> int:
        """Calls that the node may be given besides: enough for every batch, and for the ones after these."""
        flow = self._flows.get(node)
        if flow is None:
            flow = self._flows[node] = _Flow()
        return 2 * self._allowed(flow) * flow.size - flow.outstanding

    def add(self, call: Call) -> bool:
        """Queue a call; say whether a batch may go to its node now."""
        flow = self._flows.get(call.node)
        if flow is None:
            flow = self._flows[call.node] = _Flow()
        self._active += not flow.outstanding
        flow.outstanding += 1
        flow.queue.append(call)
        self._waiting[call.node] = None
        return flow.busy < self._allowed(flow)

    def next(self, wanted: Callable[[Call], bool] = lambda _call: True) -> tuple[Call, ...]:
        """Take the next batch from the queues: calls to one node, in order. Empty where none may go.

        Args:
            wanted: says of a call whether it may be in the batch; nothing overtakes one that may not.
        """
        for node in tuple(self._waiting):
            flow = self._flows[node]
            allowed = self._allowed(flow)
            if flow.busy >= allowed or not wanted(flow.queue[0]):
                continue
            most = min(flow.size, ceil(len(flow.queue) / allowed))
            batch = [flow.queue.popleft()]
            while len(batch) < most and wanted(flow.queue[0]):
                batch.append(flow.queue.popleft())
            flow.busy += 1
            if flow.queue:
                self._waiting.move_to_end(node)
            else:
                del self._waiting[node]
            return tuple(batch)
        return ()

    def ended(self, batch: Sequence[Call], answers: Sequence[Answer], began: float, now: float) -> None:
        """Take note of a batch that is over, perhaps without some answers. Times are monotonic seconds."""
        flow = self._flows[batch[0].node]
        flow.busy -= 1
        flow.learn(len(batch), began, now, self._slots, trouble=any(map(_is_trouble, answers)))
        self._leave(flow, len(batch))

    def withdraw(self) -> tuple[Call, ...]:
        """Take back everything that is not under way."""
        queued: list[Call] = []
        for node in self._waiting:
            flow = self._flows[node]
            queued += flow.queue
            self._leave(flow, len(flow.queue))
            flow.queue.clear()
        self._waiting.clear()
        return tuple(queued)

    def _leave(self, flow: _Flow, calls: int) -> None:
        flow.outstanding -= calls
        self._active -= not flow.outstanding

    def _allowed(self, flow: _Flow) -> int:
        """Batches that may be under way at a node now."""
        others = self._active - bool(flow.outstanding)
        share = ceil(self._slots / (others + 1))
        return min(int(flow.window), share)


def _is_trouble(answer: Answer) -> bool:
    """Whether any try says that the node has too much to do, or says nothing."""
    return any(
        each.status in (TOO_MANY_REQUESTS, UNAVAILABLE) or each.end in (TryEnd.UNANSWERED, TryEnd.NOT_SENT)
        for each in answer.tries
    )
