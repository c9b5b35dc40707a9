"""The cluster for callers outside of its event loop: in a test, or until a signal comes."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self, TypeVar

from planner.simulator.config import ClusterConfig, cluster_config
from planner.simulator.errors import MissingExtraError, NotRunningError
from planner.simulator.hold import Held, HoldEffect, HoldKind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from types import FrameType

    from planner.simulator.journal import RequestLog
    from planner.simulator.server import ClusterServer

EXTRA: Final = ("starlette", "uvicorn", "httptools", *(() if sys.platform == "win32" else ("uvloop",)))
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_T = TypeVar("_T")


class SimulatedCluster:
    """A cluster of real HTTP servers on loopback, in a thread of this process.

    A context manager; every method may be called from any thread while it is entered, and raises
    `NotRunningError` otherwise. When `__enter__` returns, all ports listen.

    Args:
        nodes: how many; they are called node01, node02, …
        port: of node01, the others follow; 0 for free ports.
        groups: what the nodes hold: ids for every node, or ids by node.
        faults: a specification, see `planner.simulator.faults`.
        seed: of all luck; None for another one each time (it is then in `seed`).
        listing: whether ``GET /v1/group/`` lists the ids, as ``{"groupIds": […]}``.
        prefix: a path in front of ``/v1/``.
        control_port: of the control endpoint's own port; 0 for a free one.

    Raises:
        ValueError: an argument makes no sense (such as `FaultSpecError`, `ContentError`).
        MissingExtraError: ``planner[simulator]`` is not installed.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        port: int = 0,
        groups: Mapping[str, Iterable[str]] | Iterable[str] = (),
        faults: str = "",
        seed: int | None = None,
        listing: bool = False,
        prefix: str = "",
        control_port: int = 0,
    ) -> None:
        _require_extra()
        self._config: ClusterConfig = cluster_config(
            nodes, port=port, groups=groups, faults=faults, seed=seed, listing=listing, prefix=prefix,
            control_port=control_port,
        )  # fmt: skip
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: ClusterServer | None = None
        self._end: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on all ports.

        Raises:
            ListenError: a port is taken; nothing listens then.
            NotRunningError: it runs already.
        """
        if self._thread is not None:
            raise NotRunningError("the simulated cluster runs already")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="simulator", daemon=True)
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all connections and effects, and close all ports; harmless when it does not run."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        thread.join()
        self._loop = self._server = self._end = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return self._config.names

    @property
    def seed(self) -> int:
        """The seed of all luck."""
        return self._config.seed

    @property
    def urls(self) -> dict[str, str]:
        """The base URL of every node, by name, with the prefix and without a slash at its end."""
        return self._running()[1].urls

    @property
    def control_url(self) -> str:
        """The URL of the control endpoint, on a port that no fault closes; no slash at its end."""
        return f"{self._running()[1].control_url}/_simulator"

    def states(self) -> dict[str, str]:
        """Return ``listening``, ``refusing`` (the fault) or ``dead``, by node."""
        return self._call(lambda server: server.states())

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of every node, sorted."""
        return self._call(lambda server: server.groups())

    def set_groups(self, groups: Mapping[str, Iterable[str]]) -> None:
        """Let the named nodes hold exactly these groups, behind everybody's back.

        Raises:
            UnknownNodeError: a name is unknown; nothing was changed.
            ContentError: an id is impossible; nothing was changed.
        """
        self._call(lambda server: server.set_groups(groups))

    def change_groups(self, node: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change the content of one node behind everybody's back; raises like `set_groups`."""
        self._call(lambda server: server.change_groups(node, add, remove))

    def faults(self) -> str:
        """Return the specification in force."""
        return self._call(lambda server: server.faults())

    def set_faults(self, spec: str) -> None:
        """Put a specification in force, from the next request on; empty for none.

        Raises:
            FaultSpecError: it cannot be read; the one in force stays.
        """
        self._await(lambda server: server.set_faults(spec))

    def kill(self, node: str) -> None:
        """Let a node die: its connections are reset, new ones refused. What it holds stays.

        Raises:
            UnknownNodeError: no node has the name.
        """
        self._await(lambda server: server.kill(node))

    def revive(self, node: str) -> None:
        """Let a dead node listen again, on the same port; raises like `kill`."""
        self._await(lambda server: server.revive(node))

    def requests(self) -> RequestLog:
        """Return the counts of all requests, and the log of the writes."""
        return self._call(lambda server: server.desk.journal.snapshot())

    def reset_requests(self) -> None:
        """Forget the counts and the log."""
        self._call(lambda server: server.desk.journal.reset())

    def hold(self, number: int, effect: str = "before", kind: str = "write") -> None:
        """Hold the n-th request from now (over the whole cluster) open, unanswered; no fault strikes it.

        Args:
            number: 1 is the next one.
            effect: ``before`` it is held; ``after``, when it is released; or ``never``. A read looks then.
            kind: what is counted: every ``write``, ``read`` or ``request``.

        Raises:
            ValueError: one of them makes no sense, or a request is still held.
        """
        self._call(lambda server: server.desk.hold.arm(number, HoldEffect(effect), HoldKind(kind)))

    def wait_held(self, timeout: float | None = None) -> tuple[Held, ...]:
        """Wait until the request is held; return an empty tuple when nothing is armed (any more).

        Args:
            timeout: in seconds; None for as long as it takes.

        Raises:
            TimeoutError: it took longer.
        """
        return self._await(lambda server: asyncio.wait_for(server.desk.hold.wait(), timeout))

    def release(self) -> tuple[Held, ...]:
        """Disarm the hold, and let what is held go on; return what was held."""
        return self._call(lambda server: server.desk.hold.release())

    def wait_settled(self, timeout: float | None = None) -> None:
        """Wait until no late effect is to come any more; `timeout` and errors as for `wait_held`."""
        self._await(lambda server: asyncio.wait_for(server.desk.late.settled(), timeout))

    def join(self) -> None:
        """Wait until the cluster has ended."""
        if self._thread is not None:
            self._thread.join()

    def _running(self) -> tuple[asyncio.AbstractEventLoop, ClusterServer]:
        if self._loop is None or self._server is None:
            raise NotRunningError("the simulated cluster does not run")
        return self._loop, self._server

    def _call(self, action: Callable[[ClusterServer], _T]) -> _T:
        async def call(server: ClusterServer) -> _T:
            return action(server)

        return self._await(call)

    def _await(self, action: Callable[[ClusterServer], Coroutine[None, None, _T]]) -> _T:
        loop, server = self._running()
        return asyncio.run_coroutine_threadsafe(action(server), loop).result()

    def _run(self, started: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve(started))
        except BaseException as error:  # whatever it was, the caller of start() has to hear it
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        from planner.simulator.server import ClusterServer

        server = ClusterServer(self._config)
        await server.start()
        self._loop, self._server, self._end = asyncio.get_running_loop(), server, asyncio.Event()
        started.set_result(None)
        try:
            await self._end.wait()
        finally:
            await server.stop()


def serve(cluster: SimulatedCluster, on_ready: Callable[[SimulatedCluster], None]) -> None:
    """Run a cluster until SIGINT or SIGTERM comes; to be called from the main thread.

    Args:
        cluster: one that does not run.
        on_ready: called once, in this thread, when all ports listen.

    Raises:
        ListenError: a port is taken.
    """
    # A queue, not an Event: put() is safe in a signal handler, set() is not.
    signals: SimpleQueue[int] = SimpleQueue()

    def note(number: int, _: FrameType | None) -> None:
        signals.put(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        with cluster:
            on_ready(cluster)
            signals.get()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def _require_extra() -> None:
    for package in EXTRA:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"the simulated cluster needs the package {package}: pip install 'planner[simulator]'"
            ) from error
