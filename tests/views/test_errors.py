"""Errors, warnings and remarks on stderr: one shape."""

from __future__ import annotations

import pytest

from planner.errors import ChangesPending, FileInvalid, Incomplete, Interrupted, PlannerError, Reversed
from tests.views.samples import Screen


def test_the_shape_of_an_error() -> None:
    screen = Screen()
    error = Incomplete(
        "Transaction 7 is unfinished.",
        where="node03",
        why="a run died.",
        next="run `planner recover` first.",
        details=["a on node01 should be absent", "b on node02 should be present"],
    )
    screen.view.error(error)
    assert screen.stderr == (
        "Error: Transaction 7 is unfinished.\n"
        "  where: node03\n"
        "  why: a run died\n"
        "  - a on node01 should be absent\n"
        "  - b on node02 should be present\n"
        "  next: run `planner recover` first\n"
    )
    assert screen.stdout == ""


@pytest.mark.parametrize("kind", [ChangesPending, Reversed, Interrupted])
def test_a_clean_end_is_its_own_sentence(kind: type[PlannerError]) -> None:
    sentence = (
        "Apply failed at step 2 (create foo.bar on node03): 500 after 5 tries. "
        "Reversed: every node is as it was"
    )
    screen = Screen()
    screen.view.error(kind(sentence))
    assert screen.stderr == f"{sentence}.\n"


@pytest.mark.parametrize(
    ("what", "said"), [("a", "a."), ("a.", "a."), ("a..", "a."), ("a?", "a?"), ("a...", "a..."), ("a…", "a…")]
)
def test_one_full_stop(what: str, said: str) -> None:
    screen = Screen()
    screen.view.error(PlannerError(what))
    assert screen.stderr == f"Error: {said}\n"


def test_a_thousand_problems_are_not_all_shown() -> None:
    screen = Screen()
    screen.view.error(FileInvalid("bad", why="x" * 10_000, details=[f"line {n}" for n in range(1000)]))
    assert len(screen.stderr) < 4000
    assert "… and 950 more lines" in screen.stderr


def test_wrapped_lines_hang() -> None:
    screen = Screen(environ={"COLUMNS": "40"})
    screen.view.error(
        PlannerError("Something failed that takes a long sentence", next="do this and then that and that")
    )
    assert screen.stderr.splitlines() == [
        "Error: Something failed that takes a",
        "  long sentence.",
        "  next: do this and then that and that",
    ]


def test_warning_and_info_go_to_stderr() -> None:
    screen = Screen()
    screen.view.warning("mind this")
    screen.view.info("by the way")
    assert screen.stderr == "Warning: mind this.\nby the way\n"
    assert screen.stdout == ""
