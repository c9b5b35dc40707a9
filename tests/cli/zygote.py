"""A process that has imported the command, and forks one process per command. See `tests.cli.forks`.

An order is one JSON object a line: ``{"wait": pid}`` is answered with the exit code of that process, and
``{"arguments", "folder", "environment", "out", "err", "at", "size"}`` with the pid of a new one. ``at`` says
where in the store's work the new process kills itself (`die_at`), ``size`` at which byte of a file it dies
(`die_in_a_write`); 0 for nowhere.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

import planner
from planner.cli.main import run

NOT_NEEDED = ("planner.cli.__main__", "planner.simulator", "planner.store.migrations")
WRITING = ("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
"""How a transaction that writes begins, see `planner.store.database.Database.begin_write`."""


def main() -> dict[str, Any] | None:
    """Carry out orders; return in each new process with its own, and with None at the end of all orders."""
    for module in pkgutil.walk_packages(planner.__path__, "planner."):
        if not module.name.startswith(NOT_NEEDED):
            importlib.import_module(module.name)
    importlib.import_module("psycopg")
    gc.freeze()  # what is there already need not be looked at, and so not be copied, in every process
    while line := sys.stdin.readline():
        order: dict[str, Any] = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer(os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if not pid:
            return order
        answer(pid)
    return None


def answer(number: int) -> None:
    """Answer an order."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def become(order: dict[str, Any]) -> None:
    """Be like a process that was started for this command alone, and run it."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    if order["at"]:
        die_at(order["at"])
    if order["size"]:
        die_in_a_write(order["size"])
    try:
        run(order["arguments"])
    except SystemExit as left:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(left.code if isinstance(left.code, int) else 1)  # tidying up would copy all that is shared


def die_at(number: int) -> None:
    """Let this process kill itself at the n-th point of its transactions that write.

    Points are: before every statement, BEGIN and COMMIT included, and after every COMMIT.
    """
    begun: set[object] = set()  # the connections inside such a transaction
    passed = 0

    def point(where: str) -> None:
        nonlocal passed
        passed += 1
        if passed == number:
            os.write(2, f"killed {where}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def before(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith(WRITING):
            begun.add(cursor.connection)
        if cursor.connection in begun:
            point(f"before {' '.join(statement.split())[:60]}")

    def after(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement == "COMMIT" and cursor.connection in begun:
            begun.discard(cursor.connection)
            point("after COMMIT")

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)


def die_in_a_write(size: int) -> None:
    """Let the kernel kill this process at the byte of this number of any file, after all bytes before it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    mine = main()
    if mine is not None:
        become(mine)
