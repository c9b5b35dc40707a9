"""Workers of a Dask cluster: one lane for each, through the `concurrent.futures` interface of its client.

Dask runs a task again when its worker is lost, or its result. A write must never be sent again by anybody but
the engine, which reads back first. So every order is for one process by name, and that carries it out once.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planner import __version__
from planner.nodes import worker
from planner.nodes.lanes import Lane, WorkerLane
from planner.ports import PROOF_LIFE
from planner.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.nodes.caller import Manner
    from planner.ports import Clock

LOOK = 1.0
"""Seconds between two questions to the scheduler about its workers."""

SPARE = 10.0
"""Seconds that an answer may be under way between machines before it is given up for lost."""


class DaskCrew:
    """The workers of a Dask cluster. They may come and go."""

    alone = True

    def __init__(self, scheduler: str, horizon: Callable[[], float], clock: Clock, timeout: float) -> None:
        """Connect to the scheduler.

        Args:
            scheduler: its address, such as ``tcp://127.0.0.1:8786``.
            horizon: until when a permit lasts that nobody renews (monotonic seconds).
            clock: of the run.
            timeout: seconds to wait for the scheduler.

        Raises:
            OSError: it cannot be reached in time.
            ImportError: distributed is not installed.
        """
        from distributed import Client

        self.trouble = ""
        self._horizon = horizon
        self._clock = clock
        self._client: Any = Client(scheduler, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
        self._workers: dict[str, int] = {}  # address: threads
        self._met: dict[tuple[str, Manner], Lane | None] = {}  # None: it has not said hello yet
        self._closed = threading.Event()
        self._look()
        threading.Thread(target=self._keep_looking, name="planner-dask", daemon=True).start()

    def recruit(self, manner: Manner, lanes: Sequence[Lane]) -> Iterable[Future[Lane]]:
        """Workers that have come, and those of lost lanes that are there all the same."""
        workers = self._workers
        if not workers:
            self.trouble = "the Dask scheduler has no worker"
        for address, threads in workers.items():
            met = self._met.get((address, manner), self)
            if met is self or (met is not None and met not in lanes):
                self._met[address, manner] = None
                yield self._lane(address, threads, manner)

    def close(self) -> None:
        """Leave the cluster; it goes on without us, but for what we have handed over."""
        self._closed.set()
        with suppress(Exception):  # a scheduler that is gone has left first
            self._client.close(timeout=LOOK)

    def _look(self) -> None:
        with suppress(Exception):  # it may be away for a moment; those who are known may still answer
            self._workers = dict(self._client.nthreads())

    def _keep_looking(self) -> None:
        while not self._closed.wait(LOOK):
            self._look()

    def _lane(self, address: str, threads: int, manner: Manner) -> Future[Lane]:
        executor = self._client.get_executor(
            workers=[address], allow_other_workers=False, retries=0, pure=False
        )
        coming: Future[Lane] = Future()

        def ready(hello: Future[worker.Hello]) -> None:
            now = self._clock.now()
            try:
                who = hello.result()
                if who.version != __version__:
                    raise RuntimeError(f"it has planner {who.version}, and this is {__version__}")
            except BaseException as error:  # noqa: BLE001  (whatever it is, the worker is of no use)
                self.trouble = plain(f"{address}: {error}")
                self._met.pop((address, manner), None)
                coming.cancel()
                return
            lane = WorkerLane(
                executor,
                worker.carry_out,
                who.worker,
                manner,
                self._horizon,
                threads,
                patience=PROOF_LIFE + manner.connect_timeout + 2 * manner.read_timeout + SPARE,
                lives=lambda: address in self._workers,
                behind=now - who.now,
            )
            self._met[address, manner] = lane
            coming.set_result(lane)

        executor.submit(worker.hello).add_done_callback(ready)
        return coming
