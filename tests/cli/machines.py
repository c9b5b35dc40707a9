"""Several machines around one cluster: each has its own home and folder, and they may share a store."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from planner.simulator import SimulatedCluster
from planner.simulator.journal import Write
from tests.cli.conftest import Ended, Shop
from tests.store.server import UNPRIVILEGED, Server, programs

FILE = ("kept", "a", "b", "{id: old, state: absent}")
WRITES = 9
"""Of an apply of FILE: two groups created and one deleted, on three nodes each."""

ONE_BY_ONE = {"PLANNER_PARALLELISM": "1"}
"""While one write is held, all that follow it are still to be sent."""

PATIENT = {"PLANNER_READ_TIMEOUT": "60s", "PLANNER_SETTLE": "600ms"}
"""A held write does not time out."""

LONG = 100
"""Seconds after which something that was waited for never came."""


def machine(folder: Path, cluster: SimulatedCluster, store: str, **settings: str) -> Shop:
    """A machine with an empty home, which uses this store; it has no groups.yaml yet."""
    folder.mkdir()
    shop = Shop(folder, cluster.urls)
    shop.settings |= {"PLANNER_STORE": store, **settings}
    return shop


def wait_until(seen: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something was seen, or the process has ended; not for ever."""
    for _ in range(LONG * 200):
        if seen() or (process is not None and process.poll() is not None):
            return
        time.sleep(1 / 200)
    raise AssertionError("it never came")


def writes(cluster: SimulatedCluster) -> int:
    """How many writes the nodes have seen; one that is held counts when it is released."""
    return len(logged(cluster))


def logged(cluster: SimulatedCluster) -> tuple[Write, ...]:
    """The writes as the nodes saw them."""
    return cluster.requests().writes


def held_write(cluster: SimulatedCluster) -> str:
    """Wait until the armed write is held; return its method, its group and its node."""
    (held,) = cluster.wait_held(LONG)
    return f"{held.method} {held.group} {held.node}"


@contextlib.contextmanager
def running(shop: Shop, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has been started; whatever happens, it does not outlive the test."""
    process = shop.start(*arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def dying(shop: Shop, cluster: SimulatedCluster) -> Iterator[str]:
    """An apply that stands still in its second write (told), and dies at the end; the write takes effect."""
    cluster.hold(2, "after")
    with shop.start("apply", "--yes", "--parallelism", "1", **PATIENT) as process:
        yield held_write(cluster)
        process.kill()
    cluster.release()
    cluster.wait_settled(LONG)


def stop(process: subprocess.Popen[str]) -> None:
    """SIGSTOP, and wait until every thread of it stands still."""
    process.send_signal(signal.SIGSTOP)
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    assert found is not None
    assert found.si_status == signal.SIGSTOP


def go_on(process: subprocess.Popen[str]) -> None:
    """SIGCONT."""
    process.send_signal(signal.SIGCONT)


def killed(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and wait until it is gone."""
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    """SIGKILL after so many seconds, unless it has ended before; wait until it is gone."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=seconds)
    if process.returncode is None:
        process.kill()
        process.communicate()


def run_limited(shop: Shop, size: int, *arguments: str) -> Ended:
    """Run a command that cannot make any file longer than `size` bytes: a disk that is full."""
    code = (
        "import resource, runpy, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "runpy.run_module('planner.cli', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, *arguments],
        cwd=shop.folder,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=LONG,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


# PostgreSQL.


def holding_backends(server: Server) -> list[int]:
    """The backends that hold an advisory lock: of runs that hold a cluster's lock."""
    rows = server.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    return [int(row[0]) for row in rows]


def end_backend(server: Server) -> None:
    """End the session of the one run that holds a lock, and wait until it is gone and the lock with it."""
    (pid,) = holding_backends(server)
    assert server.sql(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]


def home_of(server: Server) -> Path:
    """The directory of its data and its socket."""
    return server._sockets


def kill_server(server: Server) -> None:
    """SIGKILL to the postmaster; return when every session is ended."""
    import psycopg

    witness = psycopg.connect(dbname="postgres", user="postgres", host=str(home_of(server)), autocommit=True)
    pid = int((home_of(server) / "data/postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # it is our child; as a zombie it would seem to run to the one that is started next
    with contextlib.suppress(psycopg.OperationalError):
        witness.execute("SELECT pg_sleep(60)")  # until the backend has seen that its postmaster is gone
    assert witness.broken
    witness.close()


@contextlib.contextmanager
def restarted(server: Server) -> Iterator[None]:
    """Start a killed server again, over what its crash left."""
    home = home_of(server)
    data = home / "data"
    command: list[str | Path] = [programs() / "postgres", "-D", data, "-c", "listen_addresses="]
    command += ["-c", f"unix_socket_directories={home}", "-c", "log_min_messages=fatal"]
    account = UNPRIVILEGED if os.geteuid() == 0 else None
    while True:
        process = subprocess.Popen(
            command, user=account, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if _answers(server, process):
            break
        assert process.wait() != 0  # a process of the killed one still has its shared memory: once more
    try:
        yield
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers, or has ended."""
    import psycopg

    while process.poll() is None:
        try:
            server.sql("SELECT 1")
            return True
        except psycopg.OperationalError:
            continue  # it is still starting
    return False
