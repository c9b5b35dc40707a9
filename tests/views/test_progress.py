"""Progress: plain lines by a fake clock, and a bar that leaves nothing behind."""

from __future__ import annotations

import re

import pytest

from planner.events import EVENT_KINDS, Event
from planner.views.bar import BarReporter
from planner.views.tally import Tally
from tests.views.samples import EXAMPLE, WILD, Screen

STEP = EXAMPLE.steps[0]


def test_plain_lines_at_a_steady_pace() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=300))
        for number in range(250):
            screen.clock.seconds += 0.125
            reporter.emit(Event("progress"))
            if number in (10, 20, 30):
                reporter.emit(Event("retried"))
        reporter.emit(Event("phase", "create", total=1))
        screen.clock.seconds += 65
        reporter.emit(Event("done", "", STEP))
    assert screen.stderr == (
        "Reading: 300 cells\n"
        "Reading: 80 of 300 cells (10 s, 3 retries)\n"
        "Reading: 160 of 300 cells (20 s, 3 retries)\n"
        "Reading: 240 of 300 cells (30 s, 3 retries)\n"
        "Reading: 250 of 300 cells (31 s, 3 retries)\n"
        "Creating: 1 cell\n"
        "Creating: done (1 min 05 s)\n"
    )
    assert screen.stdout == ""


def test_every_phase_counts_its_own_events() -> None:
    screen = Screen()
    phases = {
        "read": "progress",
        "create": "done",
        "delete": "not-ours",
        "read back": "verified",
        "settle": "verified",
        "verify": "verified",
        "reverse": "undone",
        "something new": "done",
    }
    with screen.view.reporter() as reporter:
        for name, kind in phases.items():
            reporter.emit(Event("phase", name, total=2))
            reporter.emit(Event("started", "", STEP))
            reporter.emit(Event(kind, "", STEP))
            reporter.emit(Event(kind, "", STEP))
    ends = [line for line in screen.stderr.splitlines() if line.endswith(": done (0 s)")]
    assert [line.split(":")[0] for line in ends] == [
        "Reading",
        "Creating",
        "Deleting",
        "Reading back",
        "Waiting for late effects",
        "Verifying",
        "Reversing",
        "Something new",
    ]
    assert "Waiting for late effects: 2 cells with unanswered requests\n" in screen.stderr


def test_trouble_is_a_line_of_its_own_and_does_not_flood() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "create", total=100))
        for _ in range(50):
            reporter.emit(Event("unknown", "time-out", STEP))
        reporter.emit(Event("failed", "500 after 5 tries", STEP))
    lines = screen.stderr.splitlines()
    assert lines.count("  not known yet, step 1 (create foo.bar on node01) is read back: time-out") == 20
    assert lines.count("  further cells (unknown) are only counted") == 1
    assert "  failed at step 1 (create foo.bar on node01): 500 after 5 tries" in lines
    assert lines[-1] == "Creating: 1 of 100 cells (0 s, 50 unknown, 1 failed)"


def test_a_failed_phase_is_not_called_done() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "create", total=1))
        reporter.emit(Event("failed", "500", STEP))
    assert screen.stderr.endswith("Creating: 1 of 1 cell (0 s, 1 failed)\n")


def test_every_phase_has_lines_of_its_own() -> None:
    tally = Tally()
    said = []
    for _ in range(3):
        assert tally.take(Event("phase", "create", total=100))
        said += [tally.remark(Event("unknown", "time-out", STEP)) for _ in range(30)]
    assert sum("is read back" in line for line in said) == 60
    assert sum("are only counted" in line for line in said) == 3


def test_quiet_progress_says_only_what_is_wrong() -> None:
    screen = Screen(quiet=True, tty=True)
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "create", total=2))
        reporter.emit(Event("unknown", "time-out", STEP))
        reporter.emit(Event("done", "", STEP))
        reporter.emit(Event("warning", "mind this"))
        screen.clock.seconds += 60
        reporter.emit(Event("undo-failed", "500", STEP))
    assert screen.stderr == (
        "Warning: mind this.\n  could not be reversed: step 1 (create foo.bar on node01): 500\n"
    )


@pytest.mark.parametrize("tty", [True, False])
def test_wild_events_are_shown_escaped(tty: bool) -> None:
    screen = Screen(tty=tty, environ={"NO_COLOR": "1", "COLUMNS": "80"})
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", WILD, total=2))
        for kind in EVENT_KINDS:
            if kind != "phase":
                reporter.emit(Event(kind, WILD, None, WILD, WILD))
    assert "\x1b[31m" not in screen.stderr
    assert not re.search("[\x9b\u202e]", screen.stderr)


def test_an_empty_phase_is_not_mentioned() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "reverse", total=0))
    assert screen.stderr == ""


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_bar_in_ci_or_on_a_dumb_terminal(environ: dict[str, str]) -> None:
    screen = Screen(tty=True, environ=environ)
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=1))
    assert screen.stderr == "Reading: 1 cell\nReading: 0 of 1 cell (0 s)\n"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_bar_vanishes_and_its_lines_stay(width: int) -> None:
    screen = Screen(tty=True, environ={"COLUMNS": str(width), "NO_COLOR": "1"})
    with screen.view.reporter() as reporter:
        for name in ("read", "settle"):
            reporter.emit(Event("phase", name, total=1000))
            for _ in range(700):
                reporter.emit(Event("progress" if name == "read" else "verified"))
        reporter.emit(Event("failed", "500", STEP))
        screen.view.warning("mind this")
    written = screen.stderr
    assert "700/1,000" in written or width == 20
    assert "\x1b[?25l" in written
    assert "\x1b[?25h" in written, "the cursor comes back"
    left = visible(written)
    assert "Waiting" not in left
    assert re.sub(r"\s+", " ", left).strip() == (
        "failed at step 1 (create foo.bar on node01): 500 Warning: mind this."
    )
    assert screen.stdout == ""


def visible(written: str) -> str:
    """What stays on a terminal: a little one, that knows the sequences that a bar uses."""
    lines, row = [""], 0
    for piece in re.findall(r"\x1b\[[0-9?;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("A") and piece.startswith("\x1b["):
            row -= int(piece[2:-1])
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif not piece.startswith(("\x1b", "\r")):
            lines[row] += piece
    return "\n".join(lines)


def test_watched_cells_are_named_where_they_are_many() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=72, data={"watched": 66}))
        reporter.emit(Event("phase", "list", total=1))
        reporter.emit(Event("progress"))
    assert screen.stderr.splitlines()[::2] == ["Reading: 72 cells (66 watched)", "Listing: 1 node"]


def test_what_could_not_be_read_is_not_done() -> None:
    screen = Screen()
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=3))
        reporter.emit(Event("progress"))
        reporter.emit(Event("progress", "500 after 5 tries"))
        reporter.emit(Event("progress", "not read: its node cannot be read"))
    assert screen.stderr.splitlines()[-1] == "Reading: 1 of 3 cells (0 s, 2 not read)"


def test_color_in_a_pipe_is_no_bar() -> None:
    screen = Screen(environ={"FORCE_COLOR": "1"})
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "read", total=1))
        reporter.emit(Event("progress"))
    assert screen.stderr == "Reading: 1 cell\nReading: done (0 s)\n"


@pytest.mark.parametrize("width", [20, 40, 60])
def test_the_bar_is_one_line_of_a_narrow_terminal_whatever_goes_wrong(width: int) -> None:
    screen = Screen(tty=True, environ={"COLUMNS": str(width), "NO_COLOR": "1"})
    with screen.view.reporter() as reporter:
        reporter.emit(Event("phase", "settle", total=10_000))
        for _ in range(1_234):
            reporter.emit(Event("retried"))
            reporter.emit(Event("verified"))
        begun = len(screen.stderr)
        assert isinstance(reporter, BarReporter)
        reporter._progress.refresh()
        frame = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]|\r", "", screen.stderr[begun:])
    assert "1,234/10,000" in frame or width == 20
    assert "\n" not in frame, "of two lines, one would be left behind"
    assert 0 < len(frame) <= width


def test_events_do_not_draw_the_bar_and_an_exception_gives_the_cursor_back() -> None:
    screen = Screen(tty=True, environ={"COLUMNS": "80", "NO_COLOR": "1"})
    with pytest.raises(KeyboardInterrupt), screen.view.reporter() as reporter:  # noqa: PT012
        reporter.emit(Event("phase", "read", total=20_000))
        for _ in range(20_000):
            reporter.emit(Event("progress"))
        raise KeyboardInterrupt
    written = screen.stderr
    assert written.count("\x1b[2K") < 1_000, "the bar is drawn at its own pace, not with every event"
    assert written.index("\x1b[?25l") < written.rindex("\x1b[?25h")
    assert visible(written).strip() == ""
