"""Problems of a file: the line and the caret below it, and annotations of GitHub."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from planner.errors import FileInvalid, Problem
from planner.results import Validated
from planner.views.github import commands_of
from planner.views.layout import plain
from planner.views.source_text import excerpt, problem_lines
from tests.views.samples import WILD, Screen

KEY = Problem(8, 5, 11, "unknown key `protet` in a group", "did you mean `protect`?", "    protet: true")


def drawn(problem: Problem, width: int | None = None) -> list[str]:
    return [plain(line) for line in problem_lines(problem, "groups.yaml", width)]


def columns(text: str) -> int:
    """Columns of a terminal, worked out in another way than the product does."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def pointed_at(source: str, begin: int, end: int) -> str:
    """The characters of a line from one column to another."""
    return "".join(char for n, char in enumerate(source) if begin <= columns(source[:n]) < end)


def test_a_problem_as_compilers_show_it() -> None:
    assert drawn(KEY) == [
        "groups.yaml:8:5: unknown key `protet` in a group",
        "  |",
        "8 |     protet: true",
        "  |     ^^^^^^ did you mean `protect`?",
    ]


def test_without_room_the_hint_goes_below() -> None:
    assert drawn(KEY, 30) == [
        "groups.yaml:8:5: unknown key",
        "  `protet` in a group",
        "  |",
        "8 |     protet: true",
        "  |     ^^^^^^",
        "  = did you mean `protect`?",
    ]


@pytest.mark.parametrize(
    ("before", "meant"),
    [
        ("", "x"),
        ("\t\t- ", "key"),
        ("- {id: 東京, ", "名前"),
        ("- {id: cafe\u0301, ", "nod"),
        ("- \u202e\x9b{\U0001f600 ", "nod"),
        ("é" * 500, "nod"),
        ("東" * 500, "東京"),
        ("\t" * 500, "ab"),
        ("", "x" * 500),
    ],
)
@pytest.mark.parametrize("after", ["", ": 1}", "京" * 500])
@pytest.mark.parametrize("room", [16, 37, 76, 200])
def test_the_caret_is_below_what_is_meant(before: str, meant: str, after: str, room: int) -> None:
    source, indent, length = excerpt(before + meant + after, len(before) + 1, len(before + meant) + 1, room)
    assert columns(source) <= room
    found = pointed_at(source, indent, indent + length)
    assert found == meant or (len(meant) == 500 and found.strip("x") == "" and len(found) >= room // 2)
    assert indent + length <= room
    assert source.isprintable()


def test_a_long_line_is_cropped_on_both_sides() -> None:
    line = "a" * 100 + "KEY" + "b" * 100
    source, indent, length = excerpt(line, 101, 104, 40)
    assert source == "…" + "a" * 17 + "KEY" + "b" * 18 + "…"
    assert source[indent : indent + length] == "KEY"


def test_a_caret_behind_the_end_of_the_line() -> None:
    assert excerpt("a: [1", 6, 7, 40) == ("a: [1", 5, 1)
    assert excerpt("a", 40, 41, 40) == ("a", 1, 1)


def test_a_byte_that_is_no_utf8_is_written_out() -> None:
    problem = Problem(1, 2, 3, "the file is not UTF-8 here", "save it as UTF-8", "a\udcff b")
    assert drawn(problem)[-2:] == [r"1 | a\xff b", "  |  ^^^^ save it as UTF-8"]


def test_a_problem_without_a_line() -> None:
    assert drawn(Problem(1, 1, 2, "the file is empty")) == ["groups.yaml:1:1: the file is empty"]
    assert drawn(Problem(1, 1, 2, "the file is empty", "write one"))[1:] == ["  = write one"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_shows_its_problems_once_and_the_first_fifty(form: str) -> None:
    problems = [Problem(n, 1, 2, f"problem {n}.", source="x: 1") for n in range(1, 61)]
    screen = Screen(form)
    screen.view.error(FileInvalid("bad", where="groups.yaml", next="correct it", problems=problems))
    assert screen.stderr.startswith(
        "Error: bad.\n\ngroups.yaml:1:1: problem 1.\n  |\n1 | x: 1\n  | ^\n\ngroups."
    )
    assert "groups.yaml:50:1: problem 50." in screen.stderr
    assert "problem 51." not in screen.stderr
    assert screen.stderr.endswith("\n\n  … and 10 more problems\n\n  next: correct it\n")
    assert "where:" not in screen.stderr


def test_nothing_of_a_file_reaches_a_terminal_as_it_is() -> None:
    screen = Screen(tty=True, environ={"NO_COLOR": "1", "COLUMNS": "60"})
    problem = Problem(1, 3, 9, WILD, WILD, WILD)
    screen.view.error(FileInvalid(WILD, where=WILD, next=WILD, problems=[problem]))
    assert "\x1b" not in screen.stderr
    assert all(line.isprintable() for line in screen.stderr.split("\n"))


def test_the_colors() -> None:
    screen = Screen(tty=True, environ={"COLUMNS": "60"})
    screen.view.error(FileInvalid("bad", where="groups.yaml", problems=[KEY]))
    assert "\x1b[1;31m    ^^^^^^\x1b[0m\x1b[36m did you mean" in screen.stderr


def test_annotations_are_escaped_as_github_wants() -> None:
    problem = Problem(8, 5, 11, "50% of `a,b:c`\r\n\x1b", "did you mean `x`?")
    error = FileInvalid("bad", where="a,b:c 5%.yaml", problems=[problem, KEY])
    where = "file=a%2Cb%3Ac 5%25.yaml,line=8,col=5,endColumn=11"
    head = f"::error {where},title=a%2Cb%3Ac 5%25.yaml cannot be used::"
    assert commands_of(error, {}) == [
        head + r"50%25 of `a,b:c`\r\n\x1b (did you mean `x`?)",
        head + "unknown key `protet` in a group (did you mean `protect`?)",
    ]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("groups.yaml", "file=deploy/groups.yaml,"),
        ("./groups.yaml", "file=deploy/groups.yaml,"),
        ("../groups.yaml", "file=groups.yaml,"),
        ("/elsewhere/groups.yaml", "file=/elsewhere/groups.yaml,"),
        ("standard input", ""),
    ],
)
def test_the_path_is_that_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, named: str
) -> None:
    (tmp_path / "deploy").mkdir()
    monkeypatch.chdir(tmp_path / "deploy")
    (line,) = commands_of(FileInvalid("bad", where=file, problems=[KEY]), {"GITHUB_WORKSPACE": str(tmp_path)})
    assert line.startswith(f"::error {named}line=8,")


def test_other_errors_are_no_annotations() -> None:
    assert commands_of(FileInvalid("cannot be read", why="no such file"), {}) == []


def test_the_document_of_a_validation() -> None:
    screen = Screen("json")
    error = FileInvalid("bad", where="b.yaml", problems=[KEY])
    screen.view.validated([Validated("a.yaml", "prod", 3, 2), Validated("b.yaml", error=error)])
    document = json.loads(screen.stdout)
    assert document["format"] == "planner.validation"
    assert (document["version"], document["valid"]) == (1, False)
    good, bad = document["files"]
    assert good == {
        "file": "a.yaml",
        "valid": True,
        "cluster": "prod",
        "counts": {"groups": 3, "nodes": 2},
        "problems": [],
        "error": None,
    }
    assert bad["problems"] == [
        {
            "line": 8,
            "column": 5,
            "end_column": 11,
            "text": "unknown key `protet` in a group",
            "hint": "did you mean `protect`?",
        }
    ]
    assert (bad["valid"], bad["cluster"], bad["counts"]) == (False, None, None)
    assert bad["error"]["code"] == "file-invalid"
    assert "b.yaml:8:5: unknown key" in screen.stderr


def test_the_sentences_of_a_validation() -> None:
    screen = Screen()
    screen.view.validated([Validated("a.yaml", "prod", 1, 1), Validated("b.yaml", "prod", 1200, 2)])
    assert screen.stdout == (
        "a.yaml is valid: 1 group on 1 node of cluster prod.\n"
        "b.yaml is valid: 1,200 groups on 2 nodes of cluster prod.\n"
    )
