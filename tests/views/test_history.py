"""Past transactions on the screen and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from planner import codec
from planner.model import Action, Cell, Presence, Seen, Step, StepState, TransactionState
from planner.ports import CellMark, Note, Record
from planner.views.journal_words import ranges
from planner.views.words import width_of
from tests.views.samples import ALL, EXAMPLE, WILD, WILD_SHOWN, Screen, plan, record

APPLIED = replace(
    record(*[StepState.DONE] * 12, work=EXAMPLE),
    state=TransactionState.APPLIED,
    started="2026-01-01T23:59:58Z",
    finished="2026-01-02T00:00:03Z",
)
REVERSED = replace(
    record(StepState.UNDONE, StepState.UNDONE),
    number=12,
    state=TransactionState.REVERSED,
    message="step 2 (create foo.bar on node03): 500 after 5 tries",
    finished="2026-01-01T00:00:09Z",
)
LONG = replace(REVERSED, message="why " * 100, holder="someone@" + "host" * 20)


def printed(*records: Record, **environ: str) -> str:
    screen = Screen(environ=environ)
    screen.view.history(records)
    assert screen.stderr == ""
    return screen.stdout


def shown(one: Record, **environ: str) -> str:
    screen = Screen(environ=environ)
    screen.view.transaction(one)
    assert screen.stderr == ""
    return screen.stdout


# Many.


def test_the_table() -> None:
    assert printed(REVERSED, APPLIED) == (
        "TX  result    steps  started (UTC)     took  command  who: message\n"
        "12  reversed  -2     2026-01-01 00:00  9 s   apply    "
        "ci@host: step 2 (create foo.bar on node03): 500 after 5 tries\n"
        " 7  applied   +9 -3  2026-01-01 23:59  5 s   apply    ci@host\n"
    )


def test_a_narrow_terminal_has_who_and_why_below() -> None:
    assert printed(REVERSED, COLUMNS="70") == (
        "TX  result    steps  started (UTC)     took  command\n"
        "12  reversed  -2     2026-01-01 00:00  9 s   apply\n"
        "    ci@host: step 2 (create foo.bar on node03): 500 after 5 tries\n"
    )


def test_a_very_narrow_one_has_less_beside_and_more_below() -> None:
    assert printed(REVERSED, COLUMNS="48").splitlines()[1:] == [
        "12  reversed  -2     2026-01-01 00:00  9 s",
        "    apply, ci@host: step 2 (create foo.bar on n…",
    ]
    assert printed(REVERSED, record(StepState.DONE), COLUMNS="40").splitlines()[1:] == [
        "12  reversed  -2     2026-01-01 00:00",
        "    took 9 s, apply, ci@host: step 2 (c…",
        " 7  open      -1     2026-01-01 00:00",
        "    apply, ci@host",
    ]


def test_what_was_allowed_and_who_came_later_is_told() -> None:
    left = replace(
        REVERSED,
        state=TransactionState.CLOSED_WITH_EXCEPTIONS,
        message="its run ended",
        intent=replace(REVERSED.intent, allowances=("deletes=5",)),
        notes=(
            Note("2026-01-01T00:00:05Z", "me", "recover: 2 cells to bring back"),
            Note("2026-01-01T00:00:08Z", "you", "recover: set aside by hand: a on node01"),
        ),
    )
    assert (
        printed(left)
        .splitlines()[1]
        .endswith("ci@host: allowed up to 5 deletes: its run ended; later you: recover: set aside by hand…")
    )
    assert " with exceptions " in printed(left)
    text = shown(left)
    assert "allowed: up to 5 deletes\n" in text
    assert "later: 2026-01-01 00:00:05 UTC, me: recover: 2 cells to bring back\n" in text
    assert "later: 2026-01-01 00:00:08 UTC, you: recover: set aside by hand: a on node01\n" in text


@pytest.mark.parametrize(
    ("started", "finished", "took"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T03:07:59Z", "3 h 07 min"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:02:05Z", "2 min 05 s"),
        ("2026-01-01T00:00:09Z", "2026-01-01T00:00:00Z", "?"),
        ("noon", "later", "?"),
        ("2026-01-01T00:00:00Z", "", "not yet"),
    ],
)
def test_how_long_it_took(started: str, finished: str, took: str) -> None:
    line = printed(replace(REVERSED, started=started, finished=finished)).splitlines()[1]
    assert f"  {took}  " in line


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 140, 200])
def test_it_fits_every_terminal(width: int) -> None:
    lines = printed(LONG, REVERSED, APPLIED, record(StepState.DONE), COLUMNS=str(width)).splitlines()
    assert max(width_of(line) for line in lines) <= width


def test_what_was_allowed_stands_before_a_message_that_may_be_long() -> None:
    allowed = replace(LONG, holder="ci@host", intent=replace(LONG.intent, allowances=("deletes=1", "x=2")))
    assert "  ci@host: allowed up to 1 delete, x=2: why why" in printed(allowed)


def test_a_long_message_is_shortened_in_a_pipe_too() -> None:
    line = printed(LONG).splitlines()[1]
    assert line.endswith("…")
    assert LONG.holder in line
    assert width_of(line) < 300


def test_no_transactions() -> None:
    assert printed() == "No transactions yet.\n"


def test_an_unfinished_one_without_steps() -> None:
    text = printed(replace(record(), finished=""))
    assert " none " in text
    assert " not yet " in text


# One.


def test_a_transaction_with_its_steps() -> None:
    assert shown(
        replace(APPLIED, intent=replace(APPLIED.intent, allowances=("deletes=5", "lossy-delete")))
    ) == (
        "Transaction 7 (apply) is applied.\n"
        "cluster: production\n"
        "who: ci@host\n"
        "started: 2026-01-01 23:59:58 UTC\n"
        "finished: 2026-01-02 00:00:03 UTC (5 s after it began)\n"
        "allowed: up to 5 deletes, deletes of records that show more than the id\n"
        "\n"
        "    1-3  + create  foo.bar   on all 3 nodes  done\n"
        "    4-6  + create  foo.baz   on all 3 nodes  done\n"
        "    7-9  + create  payments  on all 3 nodes  done\n"
        "  10-12  - delete  legacy    on all 3 nodes  done (state: absent)\n"
        "12 steps: 12 done.\n"
    )


def marked(*marks: CellMark) -> Record:
    one = record(*[StepState.PENDING] * len(marks), work=plan(("create", "a", ALL, "declared")))
    return replace(one, marks=marks)


def test_steps_of_one_group_that_ended_otherwise_have_their_own_rows() -> None:
    text = shown(
        marked(
            CellMark(1, StepState.DONE, tried=True),
            CellMark(2, StepState.UNKNOWN, suspect=True, tried=True, unanswered=True, note="time-out"),
            CellMark(3, StepState.PENDING),
        )
    )
    assert (
        "  1  + create  a  on node01  done\n"
        "  2  + create  a  on node02  outcome not known, may still change: time-out\n"
        "  3  + create  a  on node03  not begun\n"
        "3 steps: 1 not begun, 1 outcome not known, 1 done.\n"
    ) in text


def test_a_note_is_of_the_state_or_of_the_way_there() -> None:
    """What has failed, and was undone, is not 'undone: 500'."""
    text = shown(
        marked(
            CellMark(1, StepState.UNDONE, tried=True, unanswered=True, note="500 after 5 tries"),
            CellMark(2, StepState.UNDO_FAILED, tried=True, note="405"),
            CellMark(3, StepState.NOT_APPLIED, note="never mind"),
        )
    )
    assert "on node01  undone, a request went unanswered (on the way: 500 after 5 tries)\n" in text
    assert "on node02  not undone: 405\n" in text
    assert "on node03  never sent: never mind\n" in text
    assert "3 steps: 1 turned down, 1 undone, 1 not undone.\n" in text


def test_a_repair_is_shown_as_one() -> None:
    work = plan(
        ("create", "a", ("node02",), "drift"),
        ("create", "b", ALL, "declared"),
        ("delete", "c", ("node01", "node03"), "no longer declared"),
    )
    one = record(*[StepState.DONE] * 6, work=work)
    assert "    1  + create  a" in shown(one), "without the plan it is not known"
    one = replace(one, intent=replace(one.intent, plan=codec.dump_plan(work)))
    assert (
        "    1  ~ repair  a  on node02          done (drift)\n"
        "  2-4  + create  b  on all 3 nodes     done\n"
        "  5-6  - delete  c  on node01, node03  done (no longer declared)\n"
    ) in shown(one)
    screen = Screen("json")
    screen.view.transaction(one)
    assert [step["kind"] for step in document(screen)["steps"]] == [
        "repair",
        *["create"] * 3,
        *["delete"] * 2,
    ]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((1,), "1"), ((1, 2, 3), "1-3"), ((1, 3), "1,3"), ((1, 2, 5, 6), "1-2,5-6"), ((1, 3, 5), "1,3,…")],
)
def test_the_numbers_of_the_steps(numbers: tuple[int, ...], text: str) -> None:
    assert ranges(numbers) == text


def test_thousands_of_rows_are_cut_and_a_failure_is_among_those_shown() -> None:
    count = 1000
    work = plan(*(("create", f"g{n}", ("node01",), "declared") for n in range(count)))
    states = [StepState.DONE] * (count - 1) + [StepState.UNDO_FAILED]
    text = shown(record(*states, work=work))
    assert "g999" in text
    assert "  … and 800 more rows (see --format json)\n" in text
    assert "1,000 steps: 999 done, 1 not undone.\n" in text


def test_adoptions_are_shown() -> None:
    adopting = plan(adopts=(Cell("here", "node01"), Cell("here", "node02")))
    one = replace(APPLIED, intent=replace(APPLIED.intent, steps=(), plan=codec.dump_plan(adopting)))
    assert "  = adopt   here  on node01, node02  adopted\nNo steps: it sent no write.\n" in shown(one)
    dropped = replace(one, state=TransactionState.REVERSED)
    assert "not adopted" in shown(dropped)
    damaged = replace(one, intent=replace(one.intent, plan="{"))
    assert "what it adopted cannot be told" in shown(damaged)


def test_what_became_of_protection_is_shown() -> None:
    protecting = plan(protects=("a",), unprotects=("b",))
    one = replace(APPLIED, intent=replace(APPLIED.intent, steps=(), plan=codec.dump_plan(protecting)))
    assert "  = protect    a  recorded\n  = unprotect  b  recorded\nNo steps" in shown(one)
    assert "  = protect    a  not recorded\n" in shown(replace(one, state=TransactionState.REVERSED))
    screen = Screen("json")
    screen.view.transaction(one)
    found = document(screen)
    assert (found["protects"], found["unprotects"]) == (["a"], ["b"])


@pytest.mark.parametrize("width", [24, 40, 80, 120])
def test_one_fits_every_terminal(width: int) -> None:
    lines = shown(replace(LONG, marks=(CellMark(1, StepState.UNDONE, note="n " * 50),)), COLUMNS=str(width))
    assert max(width_of(line) for line in lines.splitlines()) <= width


def test_nothing_that_a_terminal_would_obey() -> None:
    steps = (Step(1, Action.CREATE, Cell(WILD, "node01"), WILD),)
    one = replace(
        APPLIED,
        cluster=WILD,
        message=WILD,
        holder=WILD,
        notes=(Note(WILD, WILD, WILD),),
        started=WILD,
        finished=WILD,
        intent=replace(APPLIED.intent, command=WILD, steps=steps, allowances=(WILD,), source=WILD),
        marks=(CellMark(1, StepState.DONE, note=WILD),),
    )
    for text in (printed(one), shown(one)):
        assert WILD_SHOWN in text
        assert not any(ord(char) < 32 and char != "\n" for char in text)
        assert "\x1b" not in text
        assert "\u202e" not in text


# The plan of an undo.


def undo(forgets: bool) -> str:
    cell = Cell("here", "node01")
    screen = Screen()
    screen.plan(
        plan(forgets=(cell,), bystanders=(Seen(cell, Presence.PRESENT),)) if forgets else plan(), undoes=7
    )
    return screen.stdout


def test_an_undo_without_requests() -> None:
    assert undo(forgets=False) == "Nothing of TX 7 is left to undo.\n"
    assert undo(forgets=True) == (
        "    forget  here  on node01  stays, no longer managed\n\n"
        "Plan: 1 adopted cell to forget (no requests).\n"
    )


# JSON.


def document(screen: Screen) -> Any:
    assert screen.stdout.isascii()
    return json.loads(screen.stdout)


def test_history_as_json() -> None:
    screen = Screen("json")
    screen.view.history([REVERSED, APPLIED])
    found = document(screen)
    assert (found["format"], found["version"]) == ("planner.history", 1)
    assert found["transactions"][1] == {
        "number": 7,
        "command": "apply",
        "allowances": [],
        "state": "applied",
        "message": "",
        "started": "2026-01-01T23:59:58Z",
        "finished": "2026-01-02T00:00:03Z",
        "holder": "ci@host",
        "cluster": "production",
        "seconds": 5,
        "notes": [],
        "partial": False,
        "creates": 9,
        "deletes": 3,
    }


def test_a_transaction_as_json() -> None:
    screen = Screen("json")
    screen.view.transaction(
        replace(record(StepState.UNKNOWN), marks=(CellMark(1, StepState.UNKNOWN, True, True, True, WILD),))
    )
    found = document(screen)
    assert (found["format"], found["version"]) == ("planner.transaction", 1)
    assert found["steps"] == [
        {
            "number": 1,
            "action": "delete",
            "kind": "delete",
            "group": "legacy",
            "node": "node03",
            "reason": "state: absent",
            "state": "unknown",
            "note": WILD,
            "tried": True,
            "unanswered": True,
            "suspect": True,
        }
    ]
    assert [found[key] for key in ("adopts", "protects", "unprotects")] == [[]] * 3
    assert found["nodes"][0] == {"name": "node01", "url": "http://node01.app.internal.com"}


def test_what_cannot_be_told_is_null_and_no_error() -> None:
    screen = Screen("json")
    screen.view.transaction(replace(APPLIED, intent=replace(APPLIED.intent, plan="{")))
    found = document(screen)
    assert [found[key] for key in ("adopts", "protects", "unprotects")] == [None] * 3


def test_as_events() -> None:
    screen = Screen("json", events=True)
    screen.view.history([APPLIED])
    screen.view.transaction(APPLIED)
    lines = [json.loads(line) for line in screen.stdout.splitlines()]
    kinds = [line["document"]["format"] for line in lines if line["type"] == "document"]
    assert kinds == ["planner.history", "planner.transaction"]
