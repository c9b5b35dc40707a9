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
from functools import cached_property
from typing import Any, TypeAlias

from planner.events import Event
from planner.model import Cell
from planner.ports import Stop
from planner.verdict import Answer, Body, Call, Method, Try, TryEnd
from tests.simulation.lag import Lag

READ_TIMEOUT = 10.0
SETTLE = 20.0
SHORTEST_WAY = 0.001  # seconds to a node and back, and how much longer it may be
WAYS_DIFFER = 0.019
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
READ, LIST, CREATE = Method.READ, Method.LIST, Method.CREATE
WRITES = frozenset({Method.CREATE, Method.DELETE})
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


@dataclass(init=False)
class Faults:
    """Rates of faults, each between 0 and 1, drawn for every try.

    `late` answers nothing and takes effect later; `late_error` answers 500 and takes effect later;
    `false_404` lets a read of a present cell lie, at most `lies` times in a row for one cell; `strange`
    answers a read with another group's record.
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
    strange: float = 0.0
    late_by: tuple[float, float] = (0.1, SETTLE * 0.95)
    lies: int = 1

    def __init__(self, **changed: Any) -> None:
        """No faults, but for what is given."""
        for name, value in changed.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            raise AttributeError(f"there is no fault {name!r}")
        self.__dict__.pop("odds", None)  # a changed rate counts from the next try on
        super().__setattr__(name, value)

    @cached_property
    def odds(self) -> list[tuple[str, float]]:
        """The faults that can happen at all, in a fixed order."""
        return [(name, getattr(self, name)) for name in FAULT_NAMES if getattr(self, name)]

    def draw(self, rng: random.Random) -> str:
        """The name of the fault that hits this try; empty for none."""
        dice = rng.random()
        for name, rate in self.odds:
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
    "strange",
)
OF_READS, OF_WRITES = frozenset({"false_404", "strange"}), frozenset({"late", "late_error"})
"""Faults that strike no other request."""


class Request:
    """A call on its way, the tries of it that have ended, and the body of its answer."""

    __slots__ = ("body", "call", "cell", "generation", "life", "tries")

    def __init__(self, call: Call, generation: int, life: int) -> None:
        self.call = call
        self.cell = call.group, call.node  # equal to the `Cell` of these two
        self.tries: tuple[Try, ...] = ()
        self.body: Body | None = None
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
    parallelism: int = 16  # calls in flight
    narrow: dict[str, int] = field(default_factory=dict)  # node: so many of them at most
    time: float = 1000.0
    refuses: set[Cell] = field(default_factory=set)  # creates of these cells answer 403
    dead: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # node: refuses connections from, until
    flapping: dict[str, float] = field(default_factory=dict)  # node: away for so many seconds, and back
    lag: Lag | None = None  # lists are older than the cluster
    exists: int = 400  # what a create of an existing group answers
    timeline: list[str] | None = None
    crash_in: int | None = None  # port calls until the process dies
    signal_in: int | None = None  # looks at the control until an interrupt comes
    signals: int = 0
    grace: float = float("inf")  # seconds after an interrupt at which the run leaves
    deadline: float = float("inf")
    on_check: Callable[[], None] = lambda: None  # such as a proof of the lock
    checked_at: float = 1000.0  # when it last went well
    permit: Callable[[], bool] = lambda: True
    before_write: Callable[[Call], None] = lambda call: None
    foreign: set[Cell] = field(default_factory=set)  # cells that somebody else has written
    seen: dict[tuple[str, str], tuple[float, bool]] = field(default_factory=dict)  # last true read
    written: dict[tuple[str, str], float] = field(default_factory=dict)  # when a write of ours last arrived
    _heap: list[tuple[float, int, Act, Request | None]] = field(default_factory=list)
    _count: int = 0
    _life: int = 0  # raised by a crash: what an older life sent may still land, but is not answered
    _generation: int = 0
    _lied: dict[tuple[str, str], int] = field(default_factory=dict)
    _flying: list[str] = field(default_factory=list)  # the node of every call that is not answered

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
        self.checked_at = self.time
        if self.signal_in is not None:
            self.signal_in -= 1
            if self.signal_in <= 0:
                self.signals += 1
                self.signal_in = None
                self.deadline = self.time + self.grace
                self.say("signal")
        if not self.signals:
            return None
        if self.time >= self.deadline:
            return Stop.EXPIRE
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
        self._flying.clear()
        self.signals = 0
        self.deadline = float("inf")

    # Reporter.

    def emit(self, event: Event) -> None:
        """See `planner.ports.Reporter`."""
        if self.timeline is not None and event.kind != "progress":
            self.say(f"event {event.kind} {event.step or ''} {event.text}")

    # Nodes.

    def room(self, node: str) -> int:
        """See `planner.ports.Nodes`."""
        room = self.parallelism - len(self._flying)
        return min(room, self.narrow[node] - self._flying.count(node)) if node in self.narrow else room

    def submit(self, call: Call) -> None:
        """See `planner.ports.Nodes`."""
        self._flying.append(call.node)
        if call.method in WRITES:
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
            self.time, _, act, request = heapq.heappop(heap)
            answer = act(request) if request is not None else act()
            if answer is not None:
                self._flying.remove(answer.call.node)
                return answer
        self.time = max(self.time, until)
        return None

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a run."""
        end = self.time + seconds
        while self._heap and self._heap[0][0] <= end:
            self.time, _, act, request = heapq.heappop(self._heap)
            _ = act(request) if request is not None else act()
        self.time = end

    # The life of a request.

    def _try(self, request: Request) -> None:
        if request.life != self._life:
            return
        if request.generation != self._generation or not self.permit():
            request.tries += (Try(TryEnd.STOPPED, self.time),)
            self.at(self.time, self._answer, request)
            return
        travel = SHORTEST_WAY + WAYS_DIFFER * self.rng.random()
        self.at(self.time + travel, self._arrive, request)

    def _arrive(self, request: Request) -> Answer | None:
        call, now = request.call, self.time
        fault = self.faults.draw(self.rng)
        if fault == "refused" or ((self.dead or self.flapping) and self._is_dead(call.node)):
            if self.timeline is not None:
                self.say(f"{call.method} {call.group} on {call.node} -> refused")
            return self._ended(request, Try(NOT_SENT, now, 0, "refused"), now, True)
        if call.method in WRITES:
            self.written[request.cell] = now
        status, body, at = self._serve(request, fault)
        if self.timeline is not None:
            self._tell(call, fault, status)
        if status:
            answered = Try(ANSWERED, at, status)
            meant = call.method is CREATE and status == self.exists  # not an error, as the dialect says
            return self._ended(request, answered, at, status in RETRY_STATUSES and not meant, body)
        lost = Try(UNANSWERED, at, 0, "time-out" if "hang" in fault else "reset")
        return self._ended(request, lost, at, call.method not in WRITES)  # no write is repeated blindly

    def _is_dead(self, name: str) -> bool:
        window, period = self.dead.get(name), self.flapping.get(name)
        if period is not None and int(self.time / period) % 2:
            return True
        return window is not None and window[0] <= self.time < window[1]

    def _tell(self, call: Call, fault: str, status: int) -> None:
        """Note a request, its answer, and the fault that made it so."""
        spared = OF_READS if call.method in WRITES else OF_WRITES
        why = f"  ({fault})" if fault and fault not in spared else ""
        self.say(f"{call.method} {call.group} on {call.node} -> {status or 'no answer'}{why}")

    def _serve(self, request: Request, fault: str) -> tuple[int, Body | None, float]:
        """What the node does: status (0: no answer), body, and when the client knows."""
        now, reads = self.time, request.call.method not in WRITES
        if fault in BEFORE_EFFECT:
            status, seconds = BEFORE_EFFECT[fault]
            return status, None, now + seconds
        if fault in ("late", "late_error") and not reads:
            self.at(now + self.rng.uniform(*self.faults.late_by), self._late, request)
            return (500, None, now) if fault == "late_error" else (0, None, now + READ_TIMEOUT)
        if fault == "false_404" and reads and self._may_lie(request):
            return 404, None, now
        if fault == "strange" and reads:
            return 200, Body("another", fault="strange" if request.call.method is LIST else ""), now
        status, body = self._effect(request)
        if fault in AFTER_EFFECT:
            status, seconds = AFTER_EFFECT[fault]
            return status, None, now + seconds
        if reads and request.call.method is READ:
            self._lied.pop(request.cell, None)  # only an answer ends a row of lies
            self.seen[request.cell] = (now, status == 200)
        return status, body, now

    def _may_lie(self, request: Request) -> bool:
        """Whether one more 'not found' for a present cell is within the assumptions; it is counted."""
        group, name = cell = request.cell
        lies = self._lied.get(cell, 0)
        if group not in self.nodes[name] or lies >= self.faults.lies:
            return False
        self._lied[cell] = lies + 1
        return True

    def _late(self, request: Request) -> None:
        self._effect(request)
        method, group, name = request.call[1:4]
        self.say(f"late effect: {method} {group} on {name}")

    def _effect(self, request: Request) -> tuple[int, Body | None]:
        method, cell = request.call.method, request.cell
        group, name = cell
        groups = self.nodes[name]
        if method is LIST:
            listed = groups if self.lag is None else self.lag.listed(name, groups, self.time)
            return 200, Body(groups=tuple(sorted(listed)))
        there = group in groups
        if method is READ:
            return (200, Body(group)) if there else (404, None)
        if self.lag is not None:
            self.lag.changed(self.time, cell, there=there)
        if method is CREATE:
            if cell in self.refuses:
                return 403, None
            groups.add(group)
            return (self.exists, None) if there else (201, None)
        groups.discard(group)
        return (200, None) if there else (404, None)

    def _ended(
        self, request: Request, last: Try, when: float, again: bool, body: Body | None = None
    ) -> Answer | None:
        """One try is over: try again as the adapter would, or answer."""
        request.tries += (last,)
        tried = len(request.tries)
        if again and tried < request.call.tries:
            self.at(when + self.backoff * 2 ** (tried - 1), self._try, request)
            return None
        request.body = body
        if when <= self.time:
            return self._answer(request)
        self.at(when, self._answer, request)
        return None

    def _answer(self, request: Request) -> Answer | None:
        if request.life != self._life:
            return None
        return Answer(request.call, request.tries, request.body)

    # Other people.

    def meddle(self, after: float, cell: Cell, *, present: bool) -> None:
        """Somebody else writes a cell, some seconds from now."""
        self.foreign.add(cell)

        def act() -> None:
            if self.lag is not None:
                self.lag.changed(self.time, cell, there=cell.group in self.nodes[cell.node])
            (self.nodes[cell.node].add if present else self.nodes[cell.node].discard)(cell.group)
            self.say(f"somebody else: {cell} {'present' if present else 'absent'}")

        self.at(self.time + after, act)

    def at(self, when: float, act: Act, request: Request | None = None) -> None:
        """Let something happen at a time, perhaps to a request."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, act, request))

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
