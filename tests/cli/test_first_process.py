"""As the first process of a container (PID 1), where the kernel drops every signal without a handler.

Each run is held at one moment, and asked to stop there.
"""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from planner.store.filelock import FileLock
from tests.cli.conftest import Shop

ISOLATE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
if os.geteuid() != 0:
    ISOLATE[1:1] = ["--user", "--map-root-user"]
HERE = "print('here', flush=True)\n"
BLOCK = f"import time\n{HERE}while True:\n    time.sleep(0.01)\n"
READ = "63" if os.uname().machine == "aarch64" else "0"
"""The number of read(2)."""
COMMAND = "from planner.cli import main\nmain()\n"
SLEEPING = f"""\
import time
sleep = time.sleep
def noted(seconds):
    {HERE}    sleep(seconds)
time.sleep = noted
"""


def can_isolate() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*ISOLATE, "true"], check=False).returncode == 0


if os.environ.get("CI") != "true" and not can_isolate():
    pytest.skip("no PID namespace can be made here", allow_module_level=True)

First = subprocess.Popen[str]
Start = Callable[..., First]


@pytest.fixture
def start(shop: Shop, cluster: SimulatedCluster) -> Iterator[Start]:
    """Start planner as PID 1, after this prologue."""
    shop.file("a", "kept")
    started: list[First] = []

    def run(*arguments: str, prologue: str = "", stdin: int = subprocess.DEVNULL, path: str = "") -> First:
        environment = shop.environment | {"PYTHONPATH": os.pathsep.join([path, *sys.path])}
        process = subprocess.Popen(
            [*ISOLATE, sys.executable, "-c", prologue + COMMAND, *arguments],
            cwd=shop.folder,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def child(process: First) -> str:
    (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return pid


def stop(process: First, number: int = signal.SIGTERM) -> None:
    os.kill(int(child(process)), number)


def wait_until_it_reads(process: First) -> None:
    """Until it is in read(2) of standard input: a signal that comes just before is heeded only after it."""
    call = Path(f"/proc/{child(process)}/syscall")
    while call.read_text().split()[:2] != [READ, "0x0"]:
        os.sched_yield()


def assert_interrupted(process: First) -> None:
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted" in err
    assert "nothing was changed" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("module", ["click", "sqlalchemy"])
def test_while_it_loads(start: Start, tmp_path: Path, module: str, number: int) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / f"slow/{module}.py").write_text(BLOCK, "utf-8")
    process = start("apply", "--yes", path=str(tmp_path / "slow"))
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    stop(process, number)
    assert_interrupted(process)


def test_while_it_reads_the_file(start: Start) -> None:
    process = start("plan", "--file", "-", stdin=subprocess.PIPE, prologue=HERE)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    wait_until_it_reads(process)
    stop(process)
    assert_interrupted(process)


def test_while_it_waits_for_the_lock(shop: Shop, start: Start, cluster: SimulatedCluster) -> None:
    assert shop.run("apply", "--yes").code == 0
    locks = [FileLock(path) for path in (shop.folder / "state").rglob("*lock*") if path.is_file()]
    assert locks
    assert all(lock.attempt() for lock in locks)
    process = start("apply", "--yes", "--lock-timeout", "1h", prologue=SLEEPING)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    stop(process)
    assert_interrupted(process)
    for lock in locks:
        lock.release()


def test_while_it_asks(start: Start) -> None:
    ours, theirs = pty.openpty()
    process = start("apply", stdin=theirs)
    os.close(theirs)
    assert process.stderr is not None
    asked = ""
    while not asked.endswith("[y/N]:"):
        asked += process.stderr.read(1)
    wait_until_it_reads(process)
    stop(process)
    assert_interrupted(process)
    os.close(ours)


@pytest.mark.parametrize("arguments", [("plan",), ("apply", "--yes")], ids=" ".join)
def test_while_it_reads_a_node(
    shop: Shop, start: Start, cluster: SimulatedCluster, arguments: tuple[str, ...]
) -> None:
    shop.settings["PLANNER_READ_TIMEOUT"] = "60s"
    cluster.hold(2, "before", "read")
    process = start(*arguments)
    cluster.wait_held(60)
    stop(process)
    cluster.release()  # what is in flight is awaited
    assert_interrupted(process)


def test_while_it_writes(start: Start, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    cluster.hold(2, "after")
    process = start("apply", "--yes")
    cluster.wait_held(60)
    stop(process)
    cluster.release()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert cluster.groups() == before
