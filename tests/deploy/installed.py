"""An executable `planner` that costs a script little: its processes are forked, see `tests.cli.forks`."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.forks import Forks

_ASK = """\
#!{python} -ESs
import json, os, socket, sys
order = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.create_connection({address!r}) as asked:
    asked.sendall(json.dumps(order).encode() + b"\\n")
    answer = json.loads(asked.makefile().readline())
sys.stderr.write(answer["err"])
sys.stdout.write(answer["out"])
sys.exit(answer["code"])
"""


@contextmanager
def installed(forks: Forks, planner: Path, folder: Path) -> Iterator[None]:
    """While this lasts, `planner` is an executable that runs the real command to its end.

    Args:
        forks: what runs it.
        planner: where it is.
        folder: for what is needed meanwhile.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        planner.parent.mkdir(parents=True, exist_ok=True)
        planner.write_text(_ASK.format(python=sys.executable, address=server.getsockname()), encoding="utf-8")
        planner.chmod(0o755)
        thread = threading.Thread(target=_serve, args=(server, forks, folder), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket, forks: Forks, folder: Path) -> None:
    while True:
        try:
            asked, _ = server.accept()
        except OSError:
            return  # shut down
        with asked:
            order = json.loads(asked.makefile().readline())
            streams = {name: str(folder / name) for name in ("out", "err")}
            pid = forks.ask(order | streams | {"at": 0, "size": 0})
            answer = {"code": forks.ask({"wait": pid})}
            texts = {name: Path(path).read_text("utf-8") for name, path in streams.items()}
            asked.sendall(json.dumps(answer | texts).encode() + b"\n")
