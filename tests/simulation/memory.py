"""The store in memory, with a durable half that survives crashes and commits that fail."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from planner.errors import Incomplete, Locked, LockLost, StoreFailed
from planner.grid import ManagedCells
from planner.model import (
    UNFINISHED,
    Cell,
    Managed,
    StepState,
    TransactionState,
    check_transaction_move,
)
from planner.ports import (
    CellMark,
    Closing,
    Holder,
    Intent,
    Knowledge,
    Note,
    Record,
    Unfinished,
    Watched,
    Wave,
)


@dataclass(slots=True)
class ClusterMemory:
    """What is durable of one cluster."""

    epoch: int = 0
    serial: int = 0
    managed: dict[tuple[str, str], Managed] = field(default_factory=dict)
    nodes: tuple[tuple[str, str], ...] = ()
    records: dict[int, Record] = field(default_factory=dict)
    marks: dict[int, dict[int, CellMark]] = field(default_factory=dict)
    holder: Holder | None = None
    watch: dict[tuple[str, str], Watched] = field(default_factory=dict)
    verified: set[tuple[int, Cell]] = field(default_factory=set)
    files: dict[str, bool] = field(default_factory=dict)  # as applied, the last one last; whether whole
    protected: frozenset[str] = frozenset()


class MemoryStore:
    """Implements `planner.ports.Store`; every commit may fail or crash, as `on_commit` says."""

    def __init__(self, store: str = "memory", seed: int = 0) -> None:
        self.id = store
        self._seed = seed
        self._clusters: dict[str, ClusterMemory] = {}
        self.on_commit: Callable[[str], None] = lambda moment: None
        self.fail_rate = 0.0
        self.say: Callable[[str], None] | None = None  # told of every commit

    @cached_property
    def rng(self) -> random.Random:
        """Decides which commits fail; made when it is needed, since most lives never ask it."""
        return random.Random(self._seed)

    def memory(self, cluster: str) -> ClusterMemory:
        """The durable half."""
        memory = self._clusters.get(cluster)
        if memory is None:
            memory = self._clusters[cluster] = ClusterMemory()
        return memory

    def knowledge(self, cluster: str) -> Knowledge:
        """See the port."""
        m = self.memory(cluster)
        source, whole = next(reversed(m.files.items()), ("", False))
        return Knowledge(
            self.id,
            m.serial,
            ManagedCells.collect(m.managed.values()),
            m.nodes,
            source if whole else "",
            self.unfinished(cluster),
            protected=m.protected,
        )

    def unfinished(self, cluster: str) -> int | None:
        """See the port."""
        return next((n for n, r in self.memory(cluster).records.items() if r.state in UNFINISHED), None)

    def clusters(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._clusters))

    def record(self, cluster: str, number: int) -> Record | None:
        """See the port."""
        m = self.memory(cluster)
        record = m.records.get(number)
        return record and replace(record, marks=tuple(m.marks[number][k] for k in sorted(m.marks[number])))

    def history(self, cluster: str, limit: int = 50) -> tuple[Record, ...]:
        """See the port."""
        return tuple(reversed(self.memory(cluster).records.values()))[:limit]

    def applied(self, cluster: str, plan_digest: str) -> int | None:
        """See the port."""
        return next(
            (
                n
                for n, r in self.memory(cluster).records.items()
                if r.state is TransactionState.APPLIED and r.intent.plan_digest == plan_digest
            ),
            None,
        )

    def tally(self, cluster: str) -> Mapping[TransactionState, int]:
        """See the port."""
        return Counter(record.state for record in self.memory(cluster).records.values())

    def superseded(self, cluster: str, source: str) -> bool:
        """See the port."""
        return source in list(self.memory(cluster).files)[:-1]

    def set_aside(self, cluster: str) -> tuple[tuple[int, Cell], ...]:
        """See the port."""
        verified = self.memory(cluster).verified
        return tuple(key for key in self.aside_keys(cluster) if key not in verified)

    def aside_keys(self, cluster: str) -> list[tuple[int, Cell]]:
        """Every cell that was ever set aside, with its transaction."""
        m = self.memory(cluster)
        return [
            (n, r.intent.steps[mark.number - 1].cell)
            for n, r in m.records.items()
            for mark in m.marks[n].values()
            if mark.state is StepState.SET_ASIDE
        ]

    def watched(self, cluster: str) -> tuple[Watched, ...]:
        """See the port."""
        return tuple(self.memory(cluster).watch.values())

    def managed_besides(self, cluster: str) -> dict[tuple[str, str], str]:
        """See the port."""
        return {key: name for name, m in self._clusters.items() if name != cluster for key in m.managed}

    def unfinished_besides(self, cluster: str) -> tuple[Unfinished, ...]:
        """See the port."""
        return tuple(
            Unfinished(name, number, frozenset(node.url for node in record.intent.nodes))
            for name, memory in sorted(self._clusters.items())
            for number, record in memory.records.items()
            if name != cluster and record.state in UNFINISHED
        )

    def holder(self, cluster: str) -> Holder | None:
        """See the port."""
        return self.memory(cluster).holder

    @contextmanager
    def lock(self, cluster: str, command: str, timeout: float) -> Iterator[MemoryLease]:
        """See the port. A crash frees the lock, as an operating system does."""
        m = self.memory(cluster)
        if m.holder is not None:
            raise Locked("Another run holds the lock", where=m.holder.who)
        m.epoch += 1
        m.holder = Holder("simulation", command, "2026-01-01T00:00:00Z")
        try:
            yield MemoryLease(self, m, m.epoch, cluster)
        finally:
            m.holder = None


@dataclass(slots=True)
class MemoryLease:
    """Implements `planner.ports.Lease`."""

    store: MemoryStore
    memory: ClusterMemory
    epoch: int
    cluster: str

    def prove(self) -> None:
        """See the port."""
        if self.memory.epoch != self.epoch:
            raise LockLost("The lock was lost")

    def begin(self, intent: Intent) -> int:
        """See the port."""
        m = self.memory
        if any(record.state in UNFINISHED for record in m.records.values()):
            raise Incomplete("An unfinished transaction is in the store")
        self._before("begin")
        number = len(m.records) + 1
        m.records[number] = Record(number, self.cluster, TransactionState.OPEN, intent, ())
        m.marks[number] = {step.number: CellMark(step.number, StepState.PENDING) for step in intent.steps}
        self._after("begin")
        return number

    def commit(self, transaction: int, wave: Wave) -> None:
        """See the port."""
        self._before("commit")
        self._write(transaction, wave)
        self._after("commit")

    def close(self, transaction: int, wave: Wave, closing: Closing) -> None:
        """See the port."""
        self._before("close")
        self._write(transaction, wave)
        m = self.memory
        for managed in closing.managed:
            m.managed[managed.group, managed.url] = managed._replace(order=len(m.managed))
        for key in closing.forgotten:
            m.managed.pop(key, None)
        urls = {node.url for node in closing.nodes}
        m.managed = {key: value for key, value in m.managed.items() if key[1] in urls}
        m.nodes = tuple((node.name, node.url) for node in closing.nodes)
        self._apply_file(closing.source, whole=closing.whole)
        m.protected = m.protected - set(closing.unprotected) | set(closing.protected)
        for group, url, seen in closing.left:
            if (group, url) in m.watch:
                m.watch[group, url] = m.watch[group, url]._replace(outcome=seen)
        intent = m.records[transaction].intent
        of = {node.name: node.url for node in intent.nodes}
        written = [(step.cell.group, of[step.cell.node]) for step in intent.steps]
        self.clear_set_aside([*written, *((group, url) for group, url, _ in closing.left)])
        self._after("close")

    def apply_file(self, source: str) -> None:
        """See the port."""
        self._before("apply file")
        self._apply_file(source, whole=True)
        self._after("apply file")

    def _apply_file(self, source: str, *, whole: bool) -> None:
        self.memory.files.pop(source, None)
        self.memory.files[source] = whole
        self.memory.serial += 1

    def clear_set_aside(self, cells: Iterable[tuple[str, str]]) -> None:
        """See the port."""
        done = set(cells)
        if not done:
            return
        for number, cell in self.store.aside_keys(self.cluster):
            urls = {node.name: node.url for node in self.memory.records[number].intent.nodes}
            if (cell.group, urls[cell.node]) in done:
                self.memory.verified.add((number, cell))

    def unwatch(self, before: str) -> None:
        """See the port."""
        self.memory.watch = {k: w for k, w in self.memory.watch.items() if w.since >= before}

    def _write(self, number: int, wave: Wave) -> None:
        m = self.memory
        record = m.records[number]
        if wave.state is not None and wave.state is not record.state:
            check_transaction_move(record.state, wave.state)
        for mark in wave.marks:
            m.marks[number][mark.number] = mark
        state = wave.state or record.state
        if wave.state or wave.message or wave.note:
            message = wave.message or record.message
            notes = (*record.notes, Note("2026-01-01T00:00:00Z", "simulation", wave.note))
            m.records[number] = replace(
                record, state=state, message=message, notes=notes if wave.note else record.notes
            )
        if state is not TransactionState.OPEN:
            self._watch(number, record.intent, applied=state is TransactionState.APPLIED)
        if self.store.say is not None:
            shown = ", ".join(f"{mark.number}={mark.state}" for mark in wave.marks)
            self.store.say(f"store: {shown} {wave.state or ''} {wave.message}")

    def _watch(self, number: int, intent: Intent, *, applied: bool) -> None:
        """As the real store: an unanswered write puts its cell on the list; a later transaction moves it."""
        urls = {node.name: node.url for node in intent.nodes}
        marks, watch = self.memory.marks[number], self.memory.watch
        for step in intent.steps:
            key = (step.cell.group, urls[step.cell.node])
            outcome = step.after if applied else step.before
            if marks[step.number].unanswered:
                watch[key] = Watched(*key, number, outcome, "2026-01-01T00:00:00Z")
            elif key in watch:
                watch[key] = watch[key]._replace(outcome=outcome)

    def _before(self, what: str) -> None:
        if self.memory.epoch != self.epoch:
            raise LockLost("The lock was lost")
        self.store.on_commit(f"before {what}")
        if self.store.fail_rate and self.store.rng.random() < self.store.fail_rate:
            if self.store.say is not None:
                self.store.say("store: commit failed")
            raise StoreFailed("The store cannot be written", why="simulated")

    def _after(self, what: str) -> None:
        self.store.on_commit(f"after {what}")
