"""`planner validate`, and a bad file met by other commands: in this process."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.cli.codes import EXIT_CODES
from planner.cli.main import COMMANDS, invoke
from planner.errors import PlannerError

GOOD = 'version: 1\ncluster: {name: prod, nodes: [{name: n, url: "http://127.0.0.1:1"}]}\ngroups: [a]\n'
BAD = GOOD.replace("groups: [a]", "groups: [{id: a, protet: true}]")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder, whose environment has no settings."""
    for name in [name for name in os.environ if name.startswith(("PLANNER_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code, _ = invoke(list(arguments))
        return (code, *capfd.readouterr())

    return command


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_files_are_arguments_as_pre_commit_gives_them(run: Run) -> None:
    for name, text in {"groups.yaml": BAD, "a.yaml": GOOD, "b.yaml": GOOD, "c.yaml": BAD}.items():
        write(name, text)
    assert run("validate", "a.yaml", "b.yaml") == (
        0,
        "".join(f"{name}.yaml is valid: 1 group on 1 node of cluster prod.\n" for name in "ab"),
        "",
    )
    code, out, err = run("validate", "c.yaml", "missing.yaml", "a.yaml", "--file", "b.yaml")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()] == ["b.yaml", "a.yaml"]
    assert "c.yaml:3:18: unknown key `protet` in a group\n" in err
    assert "3 | groups: [{id: a, protet: true}]\n  |                  ^^^^^^ did you mean" in err
    assert "missing.yaml cannot be read" in err
    assert "then check it with `planner validate c.yaml`" in " ".join(err.split())


def test_json_is_one_document_whatever_the_files(run: Run) -> None:
    write("a.yaml", GOOD)
    code, out, err = run("validate", "a.yaml", "-", "none.yaml", "--format", "json", stdin=BAD.encode())
    document = json.loads(out)
    assert (code, document["valid"]) == (1, False)
    files = {each["file"]: each for each in document["files"]}
    assert list(files) == ["a.yaml", "standard input", "none.yaml"]
    assert files["standard input"]["problems"][0]["column"] == 18
    assert (files["none.yaml"]["problems"], files["none.yaml"]["error"]["code"]) == ([], "file-invalid")
    assert "standard input:3:18: " in err


def test_usage_goes_behind_an_invalid_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.yaml", GOOD)
    write("b.yaml", BAD.replace(', nodes: [{name: n, url: "http://127.0.0.1:1"}]', ""))
    monkeypatch.setenv("PLANNER_NODES", "n=http://x")
    assert run("validate", "a.yaml")[0] == 64  # nodes in both
    assert run("validate", "a.yaml", "b.yaml")[0] == 1
    monkeypatch.setenv("PLANNER_NODES", "nonsense")
    code, out, err = run("validate", "a.yaml", "b.yaml", "--format", "json")
    assert (code, err.count("is not `name=url`")) == (64, 1)
    assert json.loads(out)["error"]["exit_code"] == 64


def test_annotations_on_request_and_by_themselves(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "::error file=groups.yaml,line=3,col=18,endColumn=24,title=groups.yaml cannot be used::unknown key"
    write("groups.yaml", BAD)
    code, out, err = run("validate", "--format", "github")
    assert (code, out.startswith(mark), out.count("\n"), "::error" in err) == (1, True, 1, False)
    assert "::error" not in "".join(run("validate")[1:])
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for command in (["validate"], ["validate", "--format", "json"], ["plan"], ["plan", "--format", "json"]):
        code, out, err = run(*command)
        assert (code, err.count(mark), "::error" in out) == (1, 1, False), command
    assert run("validate", "--format", "github")[1].count(mark) == 1
    assert "::error" not in "".join(run("plan", "--file", "none.yaml")[1:])


@pytest.mark.parametrize("command", ["plan", "apply", "undo", "recover"])
def test_every_command_shows_a_bad_file_alike(run: Run, command: str) -> None:
    write("groups.yaml", BAD)
    arguments = {
        "apply": ["apply", "--yes"],
        "undo": ["undo", "1"],
        "recover": ["recover", "--api-from-file"],
    }
    code, out, err = run(*arguments.get(command, [command]))
    assert (code, out) == (1, "")
    assert err == run("validate")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["aply"], "No such command 'aply'. Did you mean 'apply'?"),
        (["zzz"], "No such command 'zzz'.\n"),
        (["plan", "--detailed-exitcod"], "--detailed-exitcode"),
        (["--verson"], "--version"),
        (["\x1b[31m"], r"No such command '\x1b[31m'."),
        (["undo", "x"], "'x' is not a valid whole number."),
    ],
)
def test_a_typo_is_answered_with_the_nearest_name(run: Run, arguments: list[str], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (64, "")
    assert said in err


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_help_has_an_example_and_exit_codes_where_they_differ(run: Run, name: str) -> None:
    code, out, _ = run(*name.split(), "--help")
    assert code == 0
    assert "\n  Example" in out
    assert f"      planner {name}" in out or f"    planner {name}" in out
    assert ("Exit codes:" in out) == (name in CODES)


def test_without_a_command_there_is_the_help(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (64, "")
    assert err == run("--help")[1]


def test_a_plan_against_a_pinned_store_ends_with_a_code_that_its_help_has(run: Run) -> None:
    write("groups.yaml", GOOD.replace("name: prod", "name: prod, store: 5f0c2f5e-3d1a-4c55-9b0e-6a7f2d8c"))
    code, out, err = run("plan")
    assert (code, out) == (6, "")
    assert "pinned to another store" in err
    for command in ("plan", "undo"):
        assert "\n  6    The plan is stale" in run(command, "--help")[1]


CODES = frozenset({"", "validate", "plan", "apply", "recover", "reconcile", "status", "undo", "nodes"})


def test_the_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    kinds: list[type[PlannerError]] = [PlannerError, *PlannerError.__subclasses__()]
    assert set(EXIT_CODES) == {0, *(kind.exit_code for kind in kinds)}
