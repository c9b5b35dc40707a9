"""Completion: through a real bash, and through click's classes for the shells that are not installed."""

from __future__ import annotations

import os
import pty
import select
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.cli.main import cli
from planner.cli.shells import SHELLS, answer, script
from planner.model import Node, Policy, TransactionState
from planner.ports import Closing, Intent, Wave
from planner.store import open_store
from planner.store.glance import glance

ROOT = Path(__file__).parents[2]

FILE = """\
version: 1
cluster:
  name: prod
  nodes: [{name: node01, url: "http://a"}, {name: node02, url: "http://b"}]
groups:
  - foo.bar
  - shop:cart
  - shop:desk
  - {id: "with space", protect: true}
  - 'it''s $HOME, `x`'
  - "*"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a groups.yaml, and no settings."""
    for name in [name for name in os.environ if name.startswith(("PLANNER_", "COMP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "groups.yaml").write_text(FILE, encoding="utf-8")
    return tmp_path


def offered(line: str, capfdbinary: pytest.CaptureFixture[bytes], shell: str = "zsh") -> list[str]:
    """What a shell is offered for a line, the cursor at its end; nothing may be said on stderr."""
    words = line.split(" ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_PLANNER_COMPLETE", f"{shell}_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        capfdbinary.readouterr()
        answer()
    out, err = capfdbinary.readouterr()
    assert err == b""
    lines = out.decode().splitlines()
    return lines[1::3] if shell == "zsh" else lines


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("planner apply --canary ", ["node01", "node02"]),
        ("planner recover --skip node02", ["node02"]),
        ("planner plan --group shop", ["shop:cart", "shop:desk"]),
        ("planner plan --group ", ["foo.bar", "shop:cart", "shop:desk", "with space", "it's $HOME, `x`"]),
        ("planner apply --exclude-group shop*", []),
        ("planner plan --node=node01 --exclude-node ", ["node01", "node02"]),
        ("planner recover --accept n", ["node01/", "node02/"]),
        ("planner recover --accept node02/shop", ["node02/shop\\:cart", "node02/shop\\:desk"]),
        ("planner recover --accept node09/shop", []),
        ("planner recover --node-url ", ["node01=", "node02="]),
        ("planner -", ["--version", "-h", "--help"]),
        ("planner hist", ["history"]),
        ("planner schema gr", ["groups"]),
        ("planner completion ", ["bash", "zsh", "fish"]),
        ("planner plan --log-format ", ["text", "json"]),
        ("planner plan --file other.yaml --log-level d", ["debug"]),
        ("planner apply --file missing.yaml --canary ", []),
        ("planner apply 'unclosed --canary", []),
    ],
)
def test_values(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], line: str, values: list[str]
) -> None:
    found = [value.replace("\\:", ":") for value in offered(line, capfdbinary)]
    assert found == [value.replace("\\:", ":") for value in values]


@pytest.mark.parametrize("line", ["planner apply ", "planner validate --file ", "planner validate "])
def test_files_are_left_to_the_shell(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], line: str
) -> None:
    assert offered(line, capfdbinary, "bash") == ["file,"]


def test_nodes_of_the_environment(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANNER_NODES", "out1=http://x,out2=http://y")
    assert offered("planner apply --canary ", capfdbinary) == ["out1", "out2"]
    monkeypatch.setenv("PLANNER_NODES", "nonsense")
    assert offered("planner apply --canary ", capfdbinary) == []


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"groups: [", b"groups: {a: 1}", b"- 1", b"cluster: 7", b"!!x"]
)
def test_a_file_that_is_being_written_is_no_trouble(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], text: bytes
) -> None:
    (folder / "groups.yaml").write_bytes(text)
    assert offered("planner apply --canary ", capfdbinary) == []
    assert offered("planner recover --accept node01/", capfdbinary) == []


def test_a_file_with_mistakes_still_offers_its_names(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "groups.yaml").write_text(
        "cluster: {nodes: [{name: n, uri: x}]}\ngroups: [a, {idd: b}, 7, a]\n"
    )
    assert offered("planner recover --accept n/", capfdbinary) == ["n/a"]


def test_transactions_come_from_the_store_which_is_never_made(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered("planner show ", capfdbinary, "bash") == ["file,"]
    assert not (folder / "state").exists()
    url = f"sqlite:///{folder}/a#b%20c.db"
    monkeypatch.setenv("PLANNER_STORE", url)
    _two_transactions(url)
    before = sorted(folder.iterdir())
    assert offered("planner show ", capfdbinary) == ["2", "1"]
    assert offered("planner undo ", capfdbinary) == ["1"]
    assert offered("planner show --cluster other ", capfdbinary, "bash") == ["file,"]
    assert offered("planner show pl", capfdbinary, "bash") == ["file,pl"]
    assert offered("planner status --cluster ", capfdbinary) == ["prod"]
    assert sorted(folder.iterdir()) == before
    with open_store(url) as store, store.lock("prod", "apply", 0) as lease:  # in the middle of a run
        lease.begin(Intent("apply", (Node("node01", "http://a"),), (), Policy()))
        assert offered("planner show ", capfdbinary) == ["3", "2", "1"]
    (folder / "a#b c.db").write_bytes(b"no database at all")
    assert offered("planner undo ", capfdbinary) == []


def _two_transactions(url: str) -> None:
    intent = Intent("apply", (Node("node01", "http://a"),), (), Policy())
    with open_store(url) as store, store.lock("prod", "apply", 0) as lease:
        lease.close(lease.begin(intent), Wave((), TransactionState.APPLIED), Closing())
        second = lease.begin(intent)
        for state in (TransactionState.REVERSING, TransactionState.REVERSED):
            lease.commit(second, Wave((), state))


def test_a_store_in_postgresql_is_not_asked() -> None:
    assert glance("postgresql+psycopg://nobody@127.0.0.1:1/none") == ()


def test_the_scripts() -> None:
    texts = {shell: script(shell, cli) for shell in SHELLS}
    assert all("_PLANNER_COMPLETE" in text for text in texts.values())
    assert 'string split -m 1 ","' in texts["fish"]
    assert texts["zsh"].startswith("#compdef planner\n")


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("appl\t--canary node02\t", ["apply", "--canary", "node02"]),
        ("recover --accept node02/shop:c\t", ["recover", "--accept", "node02/shop:cart"]),
        ("recover --accept=node01/foo\t", ["recover", "--accept=node01/foo.bar"]),
        ("recover --accept node01/wi\t", ["recover", "--accept", "node01/with space"]),
        ("recover --accept 'node01/wi\t", ["recover", "--accept", "node01/with space"]),
        ("recover --accept node01/it\t", ["recover", "--accept", "node01/it's $HOME, `x`"]),
        ("recover --node-url node01\thttp://x", ["recover", "--node-url", "node01=http://x"]),
        ("validate gr\t", ["validate", "groups.yaml"]),
        ("apply --canary n\u00f6\t", ["apply", "--canary", "n\u00f6"]),
    ],
)
def test_what_a_real_bash_makes_of_a_tab(bash: Bash, typed: str, arguments: list[str]) -> None:
    assert bash.enter(f"planner {typed}") == arguments


class Bash:
    """An interactive bash, where `planner` completes for real, and keeps its arguments when it is run."""

    PROMPT = b"ready: "

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        tool = folder / "bin" / "planner"
        tool.parent.mkdir()
        tool.write_text(
            "#!/bin/bash\n"
            f'[ "$_PLANNER_COMPLETE" ] && exec {shlex.quote(sys.executable)} -m planner.cli\n'
            "printf '%s\\0' \"$@\" > arguments\n"
        )
        tool.chmod(0o755)
        (folder / "rc").write_text(
            f"PS1='{self.PROMPT.decode()}'\nbind 'set bell-style none'\n" + script("bash", cli)
        )
        environment = {
            "PATH": f"{tool.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--noprofile", "--rcfile", "rc", "-i"], environment)
        self._pid = pid
        self._until_prompt()

    def enter(self, line: str) -> list[str]:
        """Type a line and return; the arguments that `planner` got."""
        os.write(self._terminal, line.encode() + b"\n")
        self._until_prompt()
        return (self._folder / "arguments").read_text(encoding="utf-8").split("\0")[:-1]

    def close(self) -> None:
        """Leave."""
        os.write(self._terminal, b"exit\n")
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _until_prompt(self) -> None:
        seen = b""
        while not seen.endswith(self.PROMPT):
            assert select.select([self._terminal], [], [], 30)[0], seen
            seen += os.read(self._terminal, 1024)


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    """A bash in a folder with a groups.yaml."""
    folder = tmp_path_factory.mktemp("bash")
    (folder / "groups.yaml").write_text(FILE, encoding="utf-8")
    shell = Bash(folder)
    yield shell
    shell.close()
