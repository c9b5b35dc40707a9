"""What `status` and `recover` show: what matters first, cells as rows, and lists that end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.model import Cell, Presence, Step, StepState, TransactionState
from planner.ports import CellMark, Holder, Note, Record, Unfinished, Watched
from planner.results import Aside, Recovered, Status
from planner.views.words import width_of
from tests.views.samples import ALL, WILD, WILD_SHOWN, Screen, plan, record

WEEK = 604_800.0
URLS = {f"http://{name}": name for name in ALL}
S = StepState


def shown(status: Status, **environ: str) -> str:
    screen = Screen(environ=environ)
    screen.view.status(status)
    assert screen.stderr == ""
    return screen.stdout


def left(*states: StepState, note: str = "", **fields: Any) -> Record:
    """A transaction that was to create `a` and `b` everywhere."""
    work = plan(("create", "a", ALL, "declared"), ("create", "b", ALL, "declared"))
    return replace(record(*states, note=note, work=work), **fields)


def recovering(one: Record, *, dry_run: bool = True, aside: tuple[int, ...] = ()) -> str:
    screen = Screen()
    screen.view.recovering(one, dry_run=dry_run, aside=aside)
    return screen.stdout


# Status.


def test_nothing_to_do() -> None:
    done = left(*[S.DONE] * 6, number=3, state=TransactionState.APPLIED, finished="2026-01-01T00:00:09Z")
    assert shown(Status("production", "store-1", 6, last=done, last_applied=done)) == (
        "Nothing is unfinished.\n"
        "\n"
        "cluster: production, 6 managed cells\n"
        "store: store-1\n"
        "lock: free\n"
        "last: TX 3 (apply): applied, finished 2026-01-01 00:00:09 UTC, by ci@host\n"
    )
    assert "last: none yet\n" in shown(Status("production", "store-1"))


def test_an_unfinished_transaction_comes_first_with_its_cells_and_what_to_do() -> None:
    open_ = left(
        S.DONE, S.DONE, S.DONE, S.UNDONE, S.UNDO_FAILED, S.PENDING,
        note="405", state=TransactionState.REVERSE_INCOMPLETE, message="step 6: 500 after 5 tries",
        notes=(Note("2026-01-01T00:01:00Z", "me", "recover: 5 cells to bring back"),),
    )  # fmt: skip
    applied = replace(left(), number=6, state=TransactionState.APPLIED, finished="2025-12-31T00:00:00Z")
    status = Status(
        "production", "store-1", 12, unfinished=open_, next="run `planner recover --api-from-file`",
        last=open_, last_applied=applied,
    )  # fmt: skip
    assert shown(status) == (
        "Transaction 7 (apply) is unfinished (reverse-incomplete): 4 cells may not be as they were.\n"
        "  left by ci@host, begun 2026-01-01 00:00:00 UTC: step 6: 500 after 5 tries\n"
        "  then me, 2026-01-01 00:01:00 UTC: recover: 5 cells to bring back\n"
        "  next: run `planner recover --api-from-file`\n"
        "\n"
        "Open: 4 cells\n"
        "  a  on all 3 nodes  should be absent  done (on the way: 405)\n"
        "  b  on node02       should be absent  not undone: 405\n"
        "\n"
        "cluster: production, 12 managed cells\n"
        "store: store-1\n"
        "lock: free\n"
        "last applied: TX 6 (apply): applied, finished 2025-12-31 00:00:00 UTC, by ci@host\n"
    )


def test_a_run_that_goes_on_is_no_alarm() -> None:
    holder = Holder("me", "apply", "2026-01-01T00:00:00Z")
    text = shown(Status("c", "s", 1, holder, left(S.DONE), running=True))
    assert text.startswith("Transaction 7 (apply) is running now.\n\ncluster: c, 1 managed cell\n")
    assert "lock: held by me (apply) since 2026-01-01 00:00:00 UTC\n" in text
    assert "planner recover" not in text
    assert "Open" not in text
    starting = Holder("a run that is just starting", "", "")
    assert "lock: held by a run that is just starting\n" in shown(Status("c", "s", 1, starting))


def test_what_is_set_aside_is_named_with_what_it_should_be() -> None:
    aside = (
        Aside(5, Cell("a", "node01"), "http://node01", Presence.PRESENT, "t"),
        Aside(5, Cell("a", "node02"), "http://node02", Presence.PRESENT, "t"),
        Aside(6, Cell("b", "gone"), "http://gone", Presence.ABSENT, "t"),
        Aside(6, Cell("b", "old"), "http://node03", Presence.ABSENT, "t"),
    )
    text = shown(Status("c", "s", set_aside=aside, names=URLS, next="do this"))
    assert text.startswith(
        "4 cells are set aside by hand, and may not be as they should be.\n"
        "  next: do this\n"
        "\n"
        "Set aside: 4 cells\n"
        "  a  on node01, node02          should be present  TX 5\n"
        "  b  on gone, old (now node03)  should be absent  TX 6\n"
    )
    assert shown(Status("c", "s", set_aside=aside[:1])).startswith(
        "1 cell is set aside by hand, and may not be as it should be.\n"
    )


def test_thousands_of_watched_cells_are_ten_lines() -> None:
    watched = tuple(
        Watched(f"g{n:04}", url, 4, Presence.ABSENT, f"2026-01-0{1 + n % 2}T00:00:00Z")
        for n in range(1000)
        for url in (*URLS, "http://unknown")
    )
    lines = shown(Status("c", "s", watched=watched, watch=WEEK, names=URLS)).splitlines()
    begin = lines.index("Watched for late effects: 4,000 cells, until 2026-01-09 00:00:00 UTC")
    assert lines[begin + 1] == ("  g0000  on node01, node02, node03, http://unknown  should be absent  TX 4")
    assert lines[begin + 11] == "  … and 3,960 more cells (see --format json)"
    assert lines[begin + 12] == ""
    one = Watched("g", "http://node02", 4, Presence.ABSENT, "some time")
    assert "Watched for late effects: 1 cell\n  g  on node02  " in shown(
        Status("c", "s", watched=(one,), watch=WEEK, names=URLS)
    )


def test_many_open_cells_end_too_and_are_all_counted() -> None:
    work = plan(*(("create", f"g{n}", ALL, "declared") for n in range(100)))
    open_ = record(*[S.DONE] * 300, work=work)
    text = shown(Status("c", "s", unfinished=open_))
    assert "300 cells may not be as they were" in text
    assert "  … and 240 more cells (planner recover --dry-run)\n" in text


def test_another_name_of_the_cluster() -> None:
    elsewhere = (Unfinished("old", 3, frozenset({"http://node01"})),)
    text = shown(Status("c", "s", elsewhere=elsewhere, next="run `planner recover --cluster old`"))
    assert text.startswith(
        "Transaction 3 of cluster old is unfinished, on nodes of this cluster.\n"
        "  next: run `planner recover --cluster old`\n"
    )


def everything() -> Status:
    """Long names and notes, and every list."""
    open_ = left(S.DONE, S.UNKNOWN, S.UNDO_FAILED, note="the node says no, " * 5, message="why " * 30 + "not")
    open_ = replace(open_, intent=replace(open_.intent, steps=(*open_.intent.steps, _long_step())))
    marks = (*open_.marks, CellMark(7, S.UNDO_FAILED, note="no"))
    return Status(
        "production", "0f1e2d3c-" * 4, 12, Holder("me@" + "host" * 10, "apply", "2026-01-01T00:00:00Z"),
        unfinished=replace(open_, marks=marks),
        set_aside=(Aside(5, Cell("a" * 70, "node01"), "http://node01", Presence.PRESENT, "t"),),
        watched=(Watched("b", "http://node02", 4, Presence.ABSENT, "2026-01-01T00:00:00Z"),),
        watch=WEEK, names=URLS, next="run this " * 10, last=open_,
    )  # fmt: skip


def _long_step() -> Step:
    return plan(("create", "long-" * 20, ("node01",), "")).steps[0]._replace(number=7)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_it_fits_every_terminal(width: int) -> None:
    lines = shown(everything(), COLUMNS=str(width)).splitlines()
    assert max(width_of(line) for line in lines) <= width
    assert not any(line.endswith(" ") for line in lines)


def test_a_second_remark_stands_beside_the_others_or_below_them() -> None:
    status = Status("c", "s", unfinished=left(S.DONE, note="a rather long reason " * 4))
    wide, narrow = shown(status, COLUMNS="80"), shown(status, COLUMNS="40")
    assert "  a  on node01  should be absent  done (on the way: a rather long reason a\n" in wide
    assert f"\n{' ' * 16}rather long reason a rather long reason a rather long reason)\n" in wide
    assert "  a  on node01\n    should be absent  done (on the way:\n    a rather long reason " in narrow


def test_nothing_that_a_terminal_would_obey() -> None:
    wild = replace(left(S.UNDO_FAILED, note=WILD), holder=WILD, message=WILD, notes=(Note(WILD, WILD, WILD),))
    status = Status(
        WILD, WILD, 1, Holder(WILD, WILD, WILD), wild, names={"http://node01": WILD}, next=WILD,
        set_aside=(Aside(1, Cell(WILD, WILD), "http://node01", Presence.ABSENT, WILD),),
        watched=(Watched(WILD, "http://node01", 1, Presence.ABSENT, WILD),),
        elsewhere=(Unfinished(WILD, 1, frozenset()),), last=replace(wild, number=9), watch=1.0,
    )  # fmt: skip
    screen = Screen()
    screen.view.status(status)
    screen.view.recovering(wild, dry_run=True, aside=(1,))
    screen.view.recovered(Recovered(1, not_ours=(Cell(WILD, WILD),), set_aside=(Cell(WILD, WILD),)))
    screen.view.recovered(Recovered(given_up=status.set_aside))
    screen.plan(plan(("create", "a", ALL, "")), doubts={Cell("a", "node01"): WILD})
    assert screen.stdout.count(WILD_SHOWN) >= 20
    assert not any(ord(char) < 32 and char != "\n" for char in screen.stdout)
    assert "\u202e" not in screen.stdout


# Recover.


def test_recovering_shows_rows_in_the_order_in_which_it_is_done() -> None:
    one = left(S.DONE, S.UNKNOWN, S.UNKNOWN, S.NOT_OURS, S.STARTED, S.PENDING, note="time-out")
    assert recovering(one) == (
        "Transaction 7 (open) would be reversed: 4 cells.\n"
        "  - b  on node02          back to absent  outcome not known: time-out\n"
        "  - a  on node02, node03  back to absent  outcome not known: time-out\n"
        "  - a  on node01          back to absent  done (on the way: time-out)\n"
    )
    assert recovering(left(S.PENDING)) == "Transaction 7 (open) would be reversed: nothing was written.\n"


def test_what_is_set_aside_is_not_said_to_be_reversed() -> None:
    one = left(S.DONE, S.DONE, S.DONE)
    assert recovering(one, dry_run=False, aside=(2, 3)) == (
        "Transaction 7 (open) is being reversed: 1 cell.\n"
        "  - a  on node01  back to absent  done\n"
        "Set aside by hand, and left as it is: 2 cells.\n"
        "  - a  on node02, node03  should be absent  done\n"
    )
    assert recovering(one, aside=(1, 2, 3)) == (
        "Transaction 7 (open) would be closed, with these set aside: 3 cells.\n"
        "  - a  on all 3 nodes  should be absent  done\n"
    )


def test_recovered_with_exceptions_names_them() -> None:
    screen = Screen()
    cells = (Cell("a", "node01"), Cell("a", "node02"), Cell("b", "node01"))
    screen.view.recovered(Recovered(7, set_aside=cells, not_ours=(Cell("c", "node03"),)))
    assert screen.stdout == (
        "Transaction 7 is closed with exceptions: 3 cells set aside. Everything else is as it was.\n"
        "  a  on node01, node02\n"
        "  b  on node01\n"
        "`planner status` names them until a later apply has verified them.\n"
        "Not ours, somebody else was first:\n"
        "  c  on node03\n"
    )


def test_given_up() -> None:
    screen = Screen()
    aside = Aside(5, Cell("a", "node03"), "http://node03", Presence.ABSENT, "t")
    screen.view.recovered(Recovered(given_up=(aside,)))
    assert screen.stdout == (
        "Given up for good: 1 cell that had been set aside.\n"
        "  a  on node03  should be absent  TX 5\n"
        "`planner show` of the transaction tells of it.\n"
    )


# A plan beside an unfinished transaction.


def test_cells_in_doubt_have_rows_of_their_own_and_count_once() -> None:
    work = plan(("create", "a", ALL, "declared"), adopts=(Cell("b", "node01"), Cell("b", "node02")))
    doubts = {Cell("a", "node02"): "in the middle of TX 2", Cell("b", "node01"): "in the middle of TX 2"}
    screen = Screen()
    screen.plan(work, doubts=doubts)
    assert screen.stdout.splitlines() == [
        "  + create  a  on node01, node03",
        "  + create  a  on node02          in the middle of TX 2",
        "  = adopt   b  on node01          in the middle of TX 2, exists already",
        "  = adopt   b  on node02          exists already",
        "",
        "Plan: 1 to create, 1 to adopt, on 3 nodes (3 requests).",
    ]
