"""`planner store copy` as it is typed: what it says, what it keeps to itself, and what a moved store says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.cli.main import invoke
from planner.cli.session import Session
from planner.errors import StoreFailed
from planner.ports import Closing, Wave
from planner.store import contents, open_store
from tests.schemas import check_document
from tests.store.bench import intent
from tests.store.released import fill

STORE = "PLANNER_STORE"
TO = "PLANNER_STORE_TO"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store in it, and a groups.yaml of its cluster."""
    for name in (TO, "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(STORE, f"sqlite:///{tmp_path}/old.db")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    fill(f"sqlite:///{tmp_path}/old.db")
    text = "version: 1\ncluster: {name: c, nodes: [{name: n, url: 'http://127.0.0.1:1'}]}\ngroups: [g]\n"
    (tmp_path / "groups.yaml").write_text(text, "utf-8")
    return tmp_path


class Said:
    """How a command ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = invoke(list(arguments))[0]
        self.out, self.err = capsys.readouterr()


def test_a_backup(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = Said(capsys, "store", "copy", "--to", f"sqlite:///{folder}/new.db")
    assert said.code == 0, said.err
    assert said.out.startswith(f"Copied the store to sqlite:///{folder}/new.db.\n")
    assert "1 cluster, 4 transactions; " in said.out
    assert "TX 4 of cluster c is unfinished, in the copy too: run `planner recover`." in said.out
    assert f"Use one of the two only. sqlite:///{folder}/old.db stays the store" in said.out
    assert "Copying: 28 rows\nCopying: done" in said.err
    assert "Comparing: done" in said.err
    assert Said(capsys, "status").code == 0
    with open_store(f"sqlite:///{folder}/new.db", create=False) as store:
        assert store.knowledge("c").unfinished == 4


def test_as_json(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TO, f"sqlite:///{folder}/new.db")
    said = Said(capsys, "store", "copy", "--move", "--quiet", "--format", "json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    check_document(found)
    assert (found["moved"], found["already"], found["clusters"]) == (True, False, ["c"])
    assert found["unfinished"] == [{"cluster": "c", "transaction": 4}]
    assert {table["name"]: table["rows"] for table in found["tables"]}["planner_step"] == 12


def test_a_moved_store_refuses_and_its_history_warns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Said(capsys, "store", "copy", "--move", "--to", f"sqlite:///{folder}/new.db")
    assert said.code == 0, said.err
    assert said.out.startswith(f"Moved the store to sqlite:///{folder}/new.db.\n")
    assert "refuses every run: set PLANNER_STORE (or --store) to the new one everywhere" in said.out
    refused = (
        ("apply", "--yes"),
        ("plan",),
        ("reconcile",),
        ("recover",),
        ("undo", "1"),
        ("store", "copy", "--to", f"sqlite:///{folder}/third.db"),
    )
    for arguments in refused:
        said = Said(capsys, *arguments)
        assert (said.code, said.out) == (1, ""), arguments
        assert f"Error: This store was moved to sqlite:///{folder}/new.db." in said.err
        assert "next: set PLANNER_STORE (or --store) to the new one" in said.err
    for arguments in (("status",), ("history",), ("show", "1")):
        said = Said(capsys, *arguments)
        assert said.code == 0, said.err
        assert (
            said.err == f"Warning: this store was moved to sqlite:///{folder}/new.db, and is history only.\n"
        )
    assert not (folder / "third.db").exists()


@pytest.mark.parametrize("where", ["flag", "environment", ".env", "nowhere"])
def test_what_is_wrong_with_the_target_is_said_without_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    url = "postgresql://me:geheim@db/planner"  # a driver that is not shipped
    arguments = ["store", "copy"]
    place = {"flag": "--to (flag)", "nowhere": ""}.get(where, f"{TO} ({where})")
    if where == "flag":
        arguments += ["--to", url]
    elif where == "environment":
        monkeypatch.setenv(TO, url)
    elif where == ".env":
        (folder / ".env").write_text(f"{TO}={url}\n", "utf-8")
    said = Said(capsys, *arguments)
    assert (said.code, said.out) == (64, "")
    assert place in said.err
    assert "is no setting" not in said.err
    assert "geheim" not in said.err
    assert ("set PLANNER_STORE_TO" in said.err) == (where == "nowhere")


@pytest.mark.parametrize("url", ["me:geheim@127.0.0.1:1/none", "127.0.0.1:1/none?user=me&password=geheim"])
def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str], url: str) -> None:
    said = Said(capsys, "store", "copy", "--to", f"postgresql+psycopg://{url}")
    assert (said.code, said.out) == (1, "")
    assert "the server cannot be reached" in said.err
    assert "geheim" not in said.err


def test_a_held_lock(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(f"sqlite:///{folder}/old.db") as store, store.lock("c", "apply", 0.0):
        said = Said(capsys, "store", "copy", "--to", f"sqlite:///{folder}/new.db")
    assert said.code == 5
    assert "(apply, since" in said.err
    assert not (folder / "new.db").exists()


def test_a_signal_ends_it_with_nothing_copied(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    write = contents.write

    def interrupted(*arguments: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "write", interrupted)
    said = Said(capsys, "store", "copy", "--move", "--to", f"sqlite:///{folder}/new.db")
    assert said.code == 130
    assert "Interrupted; nothing was copied." in said.err
    with open_store(f"sqlite:///{folder}/old.db") as store:
        assert store.moved() is None
    with pytest.raises(StoreFailed, match="does not exist"):
        open_store(f"sqlite:///{folder}/new.db", create=False)


def test_a_signal_while_it_waits_for_a_lock_ends_it_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    def waiting(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it goes on waiting")

    monkeypatch.setattr("planner.store.copying._lock_all", waiting)
    said = Said(capsys, "store", "copy", "--to", f"sqlite:///{folder}/new.db", "--lock-timeout", "5m")
    assert said.code == 130
    assert not (folder / "new.db").exists()


def test_a_signal_after_the_move_does_not_deny_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    leave = Session.__exit__

    def stopped(self: Session, *rest: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        leave(self, *rest)

    monkeypatch.setattr(Session, "__exit__", stopped)
    said = Said(capsys, "store", "copy", "--move", "--to", f"sqlite:///{folder}/new.db")
    assert (said.code, "Moved the store" in said.out, said.err.count("Interrupted")) == (0, True, 0)


def test_a_copy_takes_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = f"sqlite:///{folder}/new.db"
    assert Said(capsys, "store", "copy", "--move", "--to", new).code == 0
    with open_store(new) as store, store.lock("d", "apply", 0.0) as lease:
        number = lease.begin(intent("next"))
        lease.close(number, Wave(()), Closing())
    assert number == 5
    said = Said(capsys, "history", "--cluster", "d", "--store", new)
    assert said.code == 0
    assert "5  applied" in said.out
