"""Two good nodes and one that is not to be trusted, and what may be in an output of a run with them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
import unicodedata
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest

from planner.cli.main import invoke
from planner.words import COMMAND, UNSEEN
from tests.cli.conftest import Ended, Shop
from tests.http.server import Action, Peer, ScriptedServer, answer, group

BAD = "node03"
PATH = "/v1/group/"
WILD = (
    "a ::error::b ::set-output name=c::d ##[error]e ##vso[f]g "
    "\x1b]8;;http://evil.test\x07h\x9b2J \u202ei\u200bj\u034f"
)
"""What a terminal or a build server would obey, or hide."""

OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""What rich sends to a terminal: colors, and the cursor."""


def harmless(text: str) -> bool:
    """Whether nothing in an output is obeyed or hidden."""
    obeyed = any(unicodedata.category(char) in OBEYED and char != "\n" for char in text)
    commands = any(line.lstrip().startswith("::") for line in text.splitlines())
    return not (obeyed or commands or UNSEEN.search(text) or COMMAND.search(text))


class Always(deque[Action]):
    """A script that never ends."""

    def popleft(self) -> Action:
        return self[0]


class Honest:
    """A node as the contract has it; `on_write` may answer a write in its place."""

    def __init__(self, *groups: str) -> None:
        self.held = set(groups)
        self.writes: list[str] = []
        self.on_write: Callable[[Peer], bool] | None = None
        self.takes_effect = True

    def __call__(self, peer: Peer) -> bool:
        request = peer.request
        if request.method == "GET":
            name = unquote(request.target.removeprefix(PATH).removesuffix("/"))
            if not name:
                return answer(200, sorted(self.held))(peer)
            return (group(name) if name in self.held else answer(404))(peer)
        name = json.loads(request.body)["groupId"]
        self.writes.append(f"{request.method} {name}")
        creates, there = request.method == "POST", name in self.held
        if self.takes_effect:
            (self.held.add if creates else self.held.discard)(name)
        if self.on_write is not None:
            return self.on_write(peer)
        return answer((400 if there else 201) if creates else (200 if there else 404))(peer)


class Town:
    """Three nodes, the last of which is the bad one, and a user's folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.good = [Honest("kept", "old") for _ in range(2)]
        self.servers = [ScriptedServer() for _ in range(3)]
        for server, action in zip(self.servers, self.good, strict=False):
            server.script = Always([action])
        self.shop = Shop(folder, {})
        self.shop.settings |= {
            "PLANNER_RETRIES": "0",
            "PLANNER_SETTLE": "50ms",
            "PLANNER_READ_TIMEOUT": "10s",  # a good node is never too slow for a busy machine
        }
        self._capture = capture

    def let(self, bad: Action) -> None:
        """Say what the bad node does."""
        self.servers[2].script = Always([bad])

    def file(self, *groups: str, more: str = "", api: str = "{}") -> None:
        nodes = "".join(f"    - {{name: node0{n}, url: '{s.url}'}}\n" for n, s in enumerate(self.servers, 1))
        cluster = f"cluster:\n  name: test\n  api: {api}\n  nodes:\n{nodes}"
        text = f"version: 1\n{more}{cluster}groups: [{', '.join(groups)}]\n"
        (self.shop.folder / "groups.yaml").write_text(text)

    def run(self, *arguments: str, **settings: str) -> Ended:
        """Run a command in this process: it takes a tenth of the time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.shop.folder)
            for name, value in (self.shop.environment | settings).items():
                patch.setenv(name, value)
            code, _ = invoke(list(arguments))
        return Ended(code, *self._capture.readouterr())

    def terminal(self, *arguments: str, columns: int) -> str:
        """What a command shows in a terminal, both streams."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, columns))
        environment = self.shop.environment | {"TERM": "xterm-256color"}
        with subprocess.Popen(
            [sys.executable, "-m", "planner.cli", *arguments],
            cwd=self.shop.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        ):
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # Linux says so at its end
                while piece := os.read(ours, 65536):
                    shown += piece
        os.close(ours)
        return shown.decode()

    def close(self) -> None:
        for server in self.servers:
            server.close()
