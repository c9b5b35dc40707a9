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

from planner.model import Cell, Event
from planner.ports import Stop
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd

READ_TIMEOUT = 10.0
SETTLE = 20.0
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})


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
        for name in FAULT_NAMES:
            rate = getattr(self, name)
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
    foreign: set[Cell] = field(default_factory=set)  # cells that somebody else has written
    seen: dict[Cell, tuple[float, bool]] = field(default_factory=dict)  # the last truthful, answered read
    written: dict[Cell, float] = field(default_factory=dict)  # when a write of ours last arrived
    _heap: list[tuple[float, int, Callable[[], Answer | None]]] = field(default_factory=list)
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
        self.port_call("control")
        self.on_check()
        if self.signal_in is not None:
            self.signal_in -= 1
            if self.signal_in <= 0:
                self.signals += 1
                self.signal_in = None
                self.say("signal")
        if self.signals > 1:
            return Stop.ABANDON
        return Stop.INTERRUPT if self.signals else None

    def port_call(self, name: str) -> None:
        """Count a call of any port; the process may die at each."""
        if self.crash_in is not None:
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
        self.port_call("submit")
        self._try(call, (), self._generation, self._life)

    def revoke(self) -> None:
        """See `planner.ports.Nodes`."""
        self._generation += 1

    def wait(self, until: float) -> Answer | None:
        """Let virtual time pass until an answer comes, or until `until`."""
        self.port_call("wait")
        while self._heap and self._heap[0][0] <= until:
            self.time, _, act = heapq.heappop(self._heap)
            answer = act()
            if answer is not None:
                return answer
        self.time = max(self.time, until)
        return None

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a run."""
        end = self.time + seconds
        while self._heap and self._heap[0][0] <= end:
            self.time, _, act = heapq.heappop(self._heap)
            act()
        self.time = end

    # The life of a request.

    def _try(self, call: Call, tries: tuple[Try, ...], generation: int, life: int) -> None:
        if life != self._life:
            return
        if generation != self._generation or not self.permit():
            self._answer(call, (*tries, Try(TryEnd.STOPPED, self.time)), None, life)
            return
        self.at(
            self.time + self.rng.uniform(0.001, 0.02), lambda: self._arrive(call, tries, generation, life)
        )

    def _arrive(self, call: Call, tries: tuple[Try, ...], generation: int, life: int) -> None:
        write = call.method is not Method.READ
        fault = self.faults.draw(self.rng)
        window = self.dead.get(call.node)
        if fault == "refused" or (window and window[0] <= self.time < window[1]):
            self._ended(
                call, tries, Try(TryEnd.NOT_SENT, self.time, detail="refused"), None, generation, life
            )
            return
        if write:
            self.written[Cell(call.group, call.node)] = self.time
        if self.timeline is not None:
            self.say(f"{call.method} {call.group} on {call.node} {fault}")
        status, body, at = self._serve(call, fault)
        if status:
            self._ended(call, tries, Try(TryEnd.ANSWERED, at, status), body, generation, life)
        else:
            lost = Try(TryEnd.UNANSWERED, at, detail="time-out" if "hang" in fault else "reset")
            self._ended(call, tries, lost, None, generation, life, at=at)

    def _serve(self, call: Call, fault: str) -> tuple[int, Body | None, float]:
        """What the node does: status (0: no answer), body, and when the client knows."""
        now = self.time
        early = {
            "error_before": (500, now),
            "rate_limit": (429, now),
            "hang_before": (0, now + READ_TIMEOUT),
            "reset_before": (0, now),
        }
        if fault in early:
            return early[fault][0], None, early[fault][1]
        if fault in ("late", "late_error") and call.method is not Method.READ:
            self.at(now + self.rng.uniform(*self.faults.late_by), lambda: self._late(call))
            return (500, None, now) if fault == "late_error" else (0, None, now + READ_TIMEOUT)
        status, body = self._effect(call, lie=fault == "false_404")
        after = {"error_after": (500, now), "hang_after": (0, now + READ_TIMEOUT), "reset_after": (0, now)}
        if fault in after:
            return after[fault][0], None, after[fault][1]
        cell = Cell(call.group, call.node)
        truthful = (status == 200) is (call.group in self.nodes[call.node])
        if call.method is Method.READ and truthful:
            self._lied.pop(cell, None)  # only an answer ends a row of lies
            self.seen[cell] = (now, status == 200)
        return status, body, now

    def _late(self, call: Call) -> None:
        self._effect(call)
        self.say(f"late effect: {call.method} {call.group} on {call.node}")

    def _effect(self, call: Call, *, lie: bool = False) -> tuple[int, Body | None]:
        groups = self.nodes[call.node]
        there = call.group in groups
        cell = Cell(call.group, call.node)
        if call.method is Method.READ:
            if there and lie and self._lied.get(cell, 0) < self.faults.lies:
                self._lied[cell] = self._lied.get(cell, 0) + 1
                return 404, None
            return (200, Body(call.group)) if there else (404, None)
        if call.method is Method.CREATE:
            if cell in self.refuses:
                return 403, None
            groups.add(call.group)
            return (400, None) if there else (201, None)
        groups.discard(call.group)
        return (200, None) if there else (404, None)

    def _ended(
        self,
        call: Call,
        tries: tuple[Try, ...],
        last: Try,
        body: Body | None,
        generation: int,
        life: int,
        at: float | None = None,
    ) -> None:
        """One try is over: try again as the adapter would, or answer."""
        tries = (*tries, last)
        retried = (
            last.end is TryEnd.NOT_SENT
            or (last.end is TryEnd.ANSWERED and last.status in RETRY_STATUSES)
            or (last.end is TryEnd.UNANSWERED and call.method is Method.READ)
        )
        when = self.time if at is None else at
        if retried and len(tries) < call.tries:
            pause = self.backoff * 2 ** (len(tries) - 1)
            self.at(when + pause, lambda: self._try(call, tries, generation, life))
        else:
            self.at(when, lambda: self._answered(call, tries, body, life))

    def _answered(self, call: Call, tries: tuple[Try, ...], body: Body | None, life: int) -> Answer | None:
        return Answer(call, tries, body) if life == self._life else None

    def _answer(self, call: Call, tries: tuple[Try, ...], body: Body | None, life: int) -> None:
        self.at(self.time, lambda: self._answered(call, tries, body, life))

    # Other people.

    def meddle(self, after: float, cell: Cell, *, present: bool) -> None:
        """Somebody else writes a cell, some seconds from now."""
        self.foreign.add(cell)

        def act() -> None:
            (self.nodes[cell.node].add if present else self.nodes[cell.node].discard)(cell.group)
            self.say(f"somebody else: {cell} {'present' if present else 'absent'}")

        self.at(self.time + after, act)

    def at(self, when: float, act: Callable[[], Answer | None]) -> None:
        """Let something happen at a time."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, act))

    def say(self, text: str) -> None:
        """Add a line to the timeline, when one is kept."""
        if self.timeline is not None:
            self.timeline.append(f"{self.time - 1000:10.3f}  {text}")

    def snapshot(self) -> dict[str, frozenset[str]]:
        """What every node holds now."""
        return {name: frozenset(groups) for name, groups in self.nodes.items()}


def cluster_of(groups: Iterable[str], names: Iterable[str]) -> dict[str, set[str]]:
    """Nodes that all hold these groups."""
    return {name: set(groups) for name in names}
