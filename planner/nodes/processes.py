"""Worker processes of this machine: spawned, without a lock or descriptor of ours, dead with their parent.

Such a process is a fresh interpreter. Orders come through its standard input, and answers go back through its
standard output; the end of its input is the end of its parent, however that came, and it leaves at once.
"""

from __future__ import annotations

import gc
import os
import pickle  # between a process and its own child  # nosec B403
import subprocess  # starts our own interpreter only  # nosec B404
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from planner.nodes import worker
from planner.nodes.lanes import Lane, WorkerLane
from planner.signals import STOPPING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.nodes.caller import Manner

BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from planner.nodes.processes import serve; serve(pickle.load(sys.stdin.buffer))"
)
"""What the interpreter is told to do. Modules are looked for where we look for them."""

MOST_LIVES = 3
"""Times that every process is started: one that cannot live here is not started for ever."""

MOST_PROCESSES = 8
"""Beyond these, the process that plans has enough to do with what they read."""

MEMORY_OF_ONE = 64 * 2**20
"""Bytes that one takes, at most. All together may take half of a container's."""

COLLECT_AFTER = 50_000
"""New objects between two searches for cycles, as in the command itself."""

CONTAINER = Path("/sys/fs/cgroup")
"""Where a container's limits are (cgroup v2); each is a number, or ``max``."""


class ProcessGone(Exception):
    """The process has ended; nobody knows what it did with what it had."""


class WorkerProcess(Executor):
    """One process, whose tasks run in threads. Functions and arguments must be importable there."""

    def __init__(self, threads: int) -> None:
        """Start it. It is ready when its first task is done.

        Attributes:
            threads: how many tasks it works on at once.
            serves: the manner of the client that it works for.

        Raises:
            OSError: it cannot be started.
        """
        self.threads = threads
        self.serves: Manner | None = None
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter)  # nosec B603
            [sys.executable, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a key that interrupts us is not for it
        )
        assert self._process.stdin is not None  # noqa: S101  (narrows the types)  # nosec B101
        assert self._process.stdout is not None  # noqa: S101  (narrows the types)  # nosec B101
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout
        self._lock = threading.Lock()
        self._futures: dict[int, Future[Any]] = {}
        self._number = 0
        self._gone = False
        self._send([str(Path(place).absolute()) for place in sys.path])
        self._send(threads)
        threading.Thread(target=self._read, name="planner-process", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let it call a function; the future fails with `ProcessGone` when it ends before."""
        future: Future[Any] = Future()
        with self._lock:
            self._number += 1
            number = self._number
            self._futures[number] = future
            gone = self._gone
        if gone or not self._send((number, fn, args, kwargs)):
            self._fail()
        return future

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._gone

    def tell(self, name: str, *args: Any) -> None:
        """Let it call a method of its `Worker` at once. Nothing happens where it is gone."""
        self._send((0, name, args, {}))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End it, and what it is doing. Its futures fail."""
        self._process.kill()  # it holds nothing that could be left behind
        if wait:
            self._process.wait()

    def _send(self, message: object) -> bool:
        try:
            with self._lock:
                pickle.dump(message, self._input, pickle.HIGHEST_PROTOCOL)
                self._input.flush()
        except (OSError, ValueError):  # closed
            return False
        return True

    def _read(self) -> None:
        """Take results in until it ends; in a thread of its own."""
        while True:
            try:
                number, result, error = pickle.load(self._output)  # noqa: S301  (our child)  # nosec B301
            except Exception:  # noqa: BLE001  (whatever broke: nothing more can be understood)
                break
            with self._lock:
                future = self._futures.pop(number)
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._fail()
        self._process.wait()
        for end in (self._input, self._output):
            with suppress(OSError):
                end.close()

    def _fail(self) -> None:
        with self._lock:
            self._gone = True
            futures = list(self._futures.values())
            self._futures.clear()
        for future in futures:
            future.set_exception(ProcessGone("a worker process has ended"))


def serve(threads: int) -> None:
    """Be a worker process: carry out what comes, until nobody is there to send anything."""
    import signal

    gc.set_threshold(COLLECT_AFTER)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is no answer
    lock = threading.Lock()

    def work(number: int, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        result, error = None, None
        try:
            result = function(*args, **kwargs)
        except Exception as raised:  # noqa: BLE001  (it belongs to whoever gave the order)
            error = raised
        with lock:
            pickle.dump((number, result, error), answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()

    pool = ThreadPoolExecutor(threads)
    while True:
        try:
            number, function, args, kwargs = pickle.load(orders)  # noqa: S301  (our own parent)  # nosec B301
        except Exception:  # noqa: BLE001  (the parent is gone, or its last message is cut off)
            os._exit(0)
        if number:
            pool.submit(work, number, function, args, kwargs)
        else:
            getattr(worker.WORKER, function)(*args)


class ProcessCrew:
    """Worker processes, each with its share of the requests in flight."""

    def __init__(self, horizon: Callable[[], float], *, alone: bool, processes: int | None = None) -> None:
        """Start nothing yet.

        Args:
            horizon: until when a permit lasts that nobody renews (monotonic seconds).
            alone: whether they carry out everything, or reads alone, beside threads.
            processes: how many; None for as many as are of use here.
        """
        self.alone = alone
        self.trouble = ""
        self._horizon = horizon
        self._most = processes or usable_processes()
        self._processes: list[WorkerProcess] = []

    def recruit(self, manner: Manner, lanes: Sequence[Lane]) -> Iterable[Future[Lane]]:
        """Those that serve nobody yet, and as many new ones as are missing.

        When enough have ended by themselves, no more are started.
        """
        there = {lane.executor for lane in lanes if isinstance(lane, WorkerLane)}
        wanted = min(self._most, manner.connections)
        living = [process for process in self._processes if not process.gone]
        spare = MOST_LIVES * wanted - len(self._processes)
        try:
            for _ in range(min(wanted - len(living), spare)):
                living.append(WorkerProcess(ceil(manner.connections / wanted)))
                self._processes.append(living[-1])
        except OSError as error:  # no memory, no interpreter: whoever has threads goes on with them
            self.trouble = f"a worker process cannot be started: {error}"
            self._most = len(living)
        for process in living:
            if process not in there and process.serves is not manner:
                process.serves = manner
                yield self._lane(process, manner)

    def close(self) -> None:
        """End them all."""
        for process in self._processes:
            process.shutdown()

    def _lane(self, process: WorkerProcess, manner: Manner) -> Future[Lane]:
        coming: Future[Lane] = Future()

        def ready(hello: Future[worker.Hello]) -> None:
            if hello.exception() is not None:
                self.trouble = str(hello.exception())
                coming.cancel()
                return
            lane = WorkerLane(
                process,
                worker.carry_out,
                hello.result().worker,
                manner,
                self._horizon,
                process.threads,
                writes=self.alone,
                tell=process.tell,
                end=lambda: process.shutdown(wait=False),
            )
            coming.set_result(lane)

        process.submit(worker.hello).add_done_callback(ready)
        return coming


def usable_processes() -> int:
    """How many are of use: one per core of our affinity and our container's quota, and as memory allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = min(cores, MOST_PROCESSES)
    with suppress(OSError, ValueError):
        quota, _, period = (CONTAINER / "cpu.max").read_text("ascii").partition(" ")
        most = min(most, int(quota) // int(period))
    with suppress(OSError, ValueError):
        most = min(most, int((CONTAINER / "memory.max").read_text("ascii")) // 2 // MEMORY_OF_ONE)
    return max(most, 1)
