"""An in-memory cluster in virtual time: the ports `Nodes`, `Clock` and `Control`, with faults from one seed.

Nothing sleeps. A heap of events is the whole world: a request arrives at a node, takes effect (perhaps late),
and is answered (perhaps not). The client's retries are modelled as `planner.nodes` does them, so that the
engine sees the same ledgers of tries.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

from planner.model import Cell, Event
from planner.ports import Stop
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd

READ_TIMEOUT = 10.0
SETTLE = 20.0
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
READ, CREATE = Method.READ, Method.CREATE
NOT_SENT, UNANSWERED, ANSWERED = TryEnd.NOT_SENT, TryEnd.UNANSWERED, TryEnd.ANSWERED

BEFORE_EFFECT = {
    "error_before": (500, 0.0),
    "rate_limit": (429, 0.0),
    "hang_before": (0, READ_TIMEOUT),
    "reset_before": (0, 0.0),
}
"""Faults that keep a request from its effect: the status (0: none), and seconds until the client knows."""

AFTER_EFFECT = {"error_after": (500, 0.0), "hang_after": (0, READ_TIMEOUT), "reset_after": (0, 0.0)}
"""Faults that hide an effect: likewise."""


class Crash(BaseException):
    """The process is gone: raised out of a port, and nothing of the run goes on."""


@dataclass(slots=True)
class Faults:
    """Rates of faults, each between 0 and 1, drawn for every try.

    `late` answers nothing and takes effect later; `late_error` answers 500 and takes effect later;
    `false_404` lets a read of a present cell lie, at most `lies` times in a row for one cell.
    """

    error_before: float = 0.0
    error_after: float = 0.0
    hang_before: float = 0.0
    hang_after: float = 0.0
    late: float = 0.0
    late_error: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    refused: float = 0.0
    rate_limit: float = 0.0
    false_404: float = 0.0
    late_by: tuple[float, float] = (0.1, SETTLE * 0.95)
    lies: int = 1

    def draw(self, rng: random.Random) -> str:
        """The name of the fault that hits this try; empty for none."""
        dice = rng.random()
        rates = _rates_of(self)
        if not any(rates):
            return ""
        for name, rate in zip(FAULT_NAMES, rates, strict=True):
            if dice < rate:
                return name
            dice -= rate
        return ""


FAULT_NAMES = (
    "error_before",
    "error_after",
    "hang_before",
    "hang_after",
    "late",
    "late_error",
    "reset_before",
    "reset_after",
    "refused",
    "rate_limit",
    "false_404",
)
_rates_of = attrgetter(*FAULT_NAMES)


class Request:
    """A call on its way, and the tries of it that have ended."""

    __slots__ = ("call", "cell", "generation", "life", "tries")

    def __init__(self, call: Call, generation: int, life: int) -> None:
        self.call = call
        self.cell = Cell(call.group, call.node)
        self.tries: tuple[Try, ...] = ()
        self.generation = generation
        self.life = life


Act: TypeAlias = Callable[..., Answer | None]
"""What happens at a time; an answer is handed to whoever waits."""


@dataclass(slots=True)
class World:
    """Nodes, clock, control and timeline of one simulated life; several runs may live in it."""

    rng: random.Random
    nodes: dict[str, set[str]]
    faults: Faults = field(default_factory=Faults)
    backoff: float = 0.2
    time: float = 1000.0
    refuses: set[Cell] = field(default_factory=set)  # creates of these cells answer 403
    dead: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # node: refuses connections from, until
    timeline: list[str] | None = None
    crash_in: int | None = None  # port calls until the process dies
    signal_in: int | None = None  # looks at the control until an interrupt comes
    signals: int = 0
    on_check: Callable[[], None] = lambda: None
    permit: Callable[[], bool] = lambda: True
    before_write: Callable[[Call], None] = lambda call: None
    foreign: set[Cell] = field(default_factory=set)  # cells that somebody else has written
    seen: dict[Cell, tuple[float, bool]] = field(default_factory=dict)  # the last truthful, answered read
    written: dict[Cell, float] = field(default_factory=dict)  # when a write of ours last arrived
    _heap: list[tuple[float, int, Act, tuple[Any, ...]]] = field(default_factory=list)
    _count: int = 0
    _life: int = 0  # raised by a crash: what an older life sent may still land, but is not answered
    _generation: int = 0
    _lied: dict[Cell, int] = field(default_factory=dict)

    # Clock.

    def now(self) -> float:
        """Virtual seconds."""
        return self.time

    def wall(self, ago: float = 0.0) -> str:
        """A fixed time: it is for people only."""
        return "2026-01-01T00:00:00Z"

    # Control.

    def check(self) -> Stop | None:
        """See `planner.ports.Control`."""
        if self.crash_in is not None:
            self.port_call("control")
        self.on_check()
        if self.signal_in is not None:
            self.signal_in -= 1
            if self.signal_in <= 0:
                self.signals += 1
                self.signal_in = None
                self.say("signal")
        if not self.signals:
            return None
        return Stop.INTERRUPT if self.signals == 1 else Stop.ABANDON

    def port_call(self, name: str) -> None:
        """Count a call of any port towards `crash_in`; the process may die at each."""
        if self.crash_in is None:
            return
        self.crash_in -= 1
        if self.crash_in <= 0:
            self.say(f"CRASH in {name}")
            self.crash_in = None
            self.die()
            raise Crash

    def die(self) -> None:
        """What was sent may still land; nobody waits for it, and nothing is tried again."""
        self._life += 1
        self.signals = 0

    # Reporter.

    def emit(self, event: Event) -> None:
        """See `planner.ports.Reporter`."""
        if self.timeline is not None and event.kind != "progress":
            self.say(f"event {event.kind} {event.step or ''} {event.text}")

    # Nodes.

    def submit(self, call: Call) -> None:
        """See `planner.ports.Nodes`."""
        if call.method is not READ:
            self.before_write(call)
        if self.crash_in is not None:
            self.port_call("submit")
        self._try(Request(call, self._generation, self._life))

    def revoke(self) -> None:
        """See `planner.ports.Nodes`."""
        self._generation += 1

    def wait(self, until: float) -> Answer | None:
        """Let virtual time pass until an answer comes, or until `until`."""
        if self.crash_in is not None:
            self.port_call("wait")
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.time, _, act, arguments = heapq.heappop(heap)
            answer = act(*arguments)
            if answer is not None:
                return answer
        self.time = max(self.time, until)
        return None

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a run."""
        end = self.time + seconds
        while self._heap and self._heap[0][0] <= end:
            self.time, _, act, arguments = heapq.heappop(self._heap)
            act(*arguments)
        self.time = end

    # The life of a request.

    def _try(self, request: Request) -> None:
        if request.life != self._life:
            return
        if request.generation != self._generation or not self.permit():
            request.tries += (Try(TryEnd.STOPPED, self.time),)
            self.at(self.time, self._answer, request, None)
            return
        self.at(self.time + self.rng.uniform(0.001, 0.02), self._arrive, request)

    def _arrive(self, request: Request) -> Answer | None:
        call, now = request.call, self.time
        fault = self.faults.draw(self.rng)
        if fault == "refused" or (self.dead and self._is_dead(call.node)):
            return self._ended(request, Try(NOT_SENT, now, detail="refused"), None, now)
        if call.method is not READ:
            self.written[request.cell] = now
        if self.timeline is not None:
            self.say(f"{call.method} {call.group} on {call.node} {fault}")
        status, body, at = self._serve(request, fault)
        if status:
            return self._ended(request, Try(ANSWERED, at, status), body, at)
        lost = Try(UNANSWERED, at, detail="time-out" if "hang" in fault else "reset")
        return self._ended(request, lost, None, at)

    def _is_dead(self, name: str) -> bool:
        window = self.dead.get(name)
        return window is not None and window[0] <= self.time < window[1]

    def _serve(self, request: Request, fault: str) -> tuple[int, Body | None, float]:
        """What the node does: status (0: no answer), body, and when the client knows."""
        now, read = self.time, request.call.method is READ
        if fault in BEFORE_EFFECT:
            status, seconds = BEFORE_EFFECT[fault]
            return status, None, now + seconds
        if fault in ("late", "late_error") and not read:
            self.at(now + self.rng.uniform(*self.faults.late_by), self._late, request)
            return (500, None, now) if fault == "late_error" else (0, None, now + READ_TIMEOUT)
        status, body = self._effect(request, lie=fault == "false_404")
        if fault in AFTER_EFFECT:
            status, seconds = AFTER_EFFECT[fault]
            return status, None, now + seconds
        if read:
            self._note_seen(request.cell, there=status == 200)
        return status, body, now

    def _note_seen(self, cell: Cell, *, there: bool) -> None:
        """An answered read tells the truth, or it is one more lie in a row."""
        if there is (cell.group in self.nodes[cell.node]):
            self._lied.pop(cell, None)
            self.seen[cell] = (self.time, there)

    def _late(self, request: Request) -> None:
        self._effect(request)
        self.say(f"late effect: {request.call.method} {request.cell}")

    def _effect(self, request: Request, *, lie: bool = False) -> tuple[int, Body | None]:
        method, cell = request.call.method, request.cell
        groups = self.nodes[cell.node]
        there = cell.group in groups
        if method is READ:
            if there and lie and self._lied.get(cell, 0) < self.faults.lies:
                self._lied[cell] = self._lied.get(cell, 0) + 1
                return 404, None
            return (200, Body(cell.group)) if there else (404, None)
        if method is CREATE:
            if cell in self.refuses:
                return 403, None
            groups.add(cell.group)
            return (400, None) if there else (201, None)
        groups.discard(cell.group)
        return (200, None) if there else (404, None)

    def _ended(self, request: Request, last: Try, body: Body | None, when: float) -> Answer | None:
        """One try is over: try again as the adapter would, or answer."""
        request.tries += (last,)
        tried, call = len(request.tries), request.call
        if tried < call.tries and _is_retried(last, call.method):
            self.at(when + self.backoff * 2 ** (tried - 1), self._try, request)
            return None
        if when <= self.time:
            return self._answer(request, body)
        self.at(when, self._answer, request, body)
        return None

    def _answer(self, request: Request, body: Body | None) -> Answer | None:
        return Answer(request.call, request.tries, body) if request.life == self._life else None

    # Other people.

    def meddle(self, after: float, cell: Cell, *, present: bool) -> None:
        """Somebody else writes a cell, some seconds from now."""
        self.foreign.add(cell)

        def act() -> None:
            (self.nodes[cell.node].add if present else self.nodes[cell.node].discard)(cell.group)
            self.say(f"somebody else: {cell} {'present' if present else 'absent'}")

        self.at(self.time + after, act)

    def at(self, when: float, act: Act, *arguments: Any) -> None:
        """Let something happen at a time."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, act, arguments))

    def say(self, text: str) -> None:
        """Add a line to the timeline, when one is kept."""
        if self.timeline is not None:
            self.timeline.append(f"{self.time - 1000:10.3f}  {text}")

    def snapshot(self) -> dict[str, frozenset[str]]:
        """What every node holds now."""
        return {name: frozenset(groups) for name, groups in self.nodes.items()}


def _is_retried(last: Try, method: Method) -> bool:
    """Whether the adapter tries again after this; a write that went unanswered is not repeated blindly."""
    if last.end is ANSWERED:
        return last.status in RETRY_STATUSES
    return last.end is NOT_SENT or method is READ


def cluster_of(groups: Iterable[str], names: Iterable[str]) -> dict[str, set[str]]:
    """Nodes that all hold these groups."""
    return {name: set(groups) for name in names}
