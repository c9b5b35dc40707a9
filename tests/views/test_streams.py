"""Streams that fail, encodings that are poor, imports that are cheap."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from planner.errors import PlannerError
from planner.events import Event
from planner.results import Applied, Status
from planner.views import open_view
from planner.views.picture import svg_of
from planner.views.report import report_of
from planner.views.summary import UNTOUCHED
from tests.views.samples import ALL, EXAMPLE, FakeClock, Screen, Terminal, plan


class Broken(Terminal):
    """A terminal or a disk that takes nothing any more."""

    def __init__(self, number: int = errno.ENOSPC) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(("format", "events"), [("text", False), ("json", False), ("json", True)])
@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_broken_stream_never_breaks_a_run(format: str, events: bool, number: int) -> None:
    view = open_view(
        format, events=events, stdout=Broken(number), stderr=Broken(number), environ={}, clock=FakeClock()
    )
    with view.reporter() as reporter:
        reporter.emit(Event("phase", "create", total=9))
        reporter.emit(Event("failed", "500", EXAMPLE.steps[0]))
        view.warning("mind this")
        view.info("by the way")
    view.applied(Applied(EXAMPLE, 7))
    view.error(PlannerError("No"))


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_lost_result_is_an_error(format: str) -> None:
    view = open_view(format, stdout=Broken(), stderr=io.StringIO(), environ={})
    with pytest.raises(PlannerError) as failure:
        view.report(report_of(EXAMPLE))
    assert failure.value.why == os.strerror(errno.ENOSPC)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_reader_that_left_is_no_error(format: str) -> None:
    view = open_view(format, stdout=Broken(errno.EPIPE), stderr=io.StringIO(), environ={})
    view.report(report_of(EXAMPLE))
    view.status(Status("c", "s"))


def test_a_lost_result_of_an_apply_is_a_warning() -> None:
    err = io.StringIO()
    open_view("text", stdout=Broken(), stderr=err, environ={}).applied(Applied(EXAMPLE, 7))
    assert err.getvalue() == f"Warning: the result could not be written: {os.strerror(errno.ENOSPC)}.\n"


def test_a_closed_pipe_leaves_the_exit_code_alone() -> None:
    program = (
        "import sys, os\n"
        "from planner.views import open_view\n"
        "from planner.results import Status\n"
        "v = open_view('text', stdout=sys.stdout, stderr=sys.stderr, environ={})\n"
        "for _ in range(3): v.status(Status('c', 's'))\n"
        "sys.exit(7)\n"
    )
    read, write = os.pipe()
    os.close(read)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=buffered,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_poor_encoding_is_no_crash(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    changes = [("create", f"組é{n}", ALL, "") for n in range(300)]
    open_view("text", stdout=stream, stderr=stream, environ={}).report(report_of(plan(*changes)))
    text = raw.getvalue().decode(encoding)
    assert "and 100 more groups" in text
    shown = {"ascii": r"\u7d44\xe90", "latin-1": r"\u7d44é0", "utf-8": "組é0"}
    assert shown[encoding] in text


def test_json_needs_no_encoding() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    view = open_view("json", stdout=stream, stderr=stream, environ={})
    view.report(report_of(plan(("create", "組", ALL, ""))))
    assert json.loads(raw.getvalue())["plan"]["steps"][0]["group"] == "組"


@pytest.mark.parametrize(
    ("work", "unwanted"),
    [
        ("import planner.views", "rich planner.codec planner.views.text click"),
        ("from tests.views.samples import *; Screen('json').plan(EXAMPLE)", "rich click"),
        (
            "from tests.views.samples import *; s = Screen('json', events=True); s.plan(EXAMPLE)",
            "rich click",
        ),
        ("from tests.views.samples import *; Screen('text').plan(EXAMPLE)", "click rich.progress jinja2"),
    ],
)
def test_imports_are_lazy(work: str, unwanted: str) -> None:
    check = f"{work}\nimport sys\nprint(sorted(set({unwanted.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        Screen("yaml")
    with pytest.raises(ValueError, match="unknown"):
        Screen("text", color="blue")


def test_the_views_bring_back_what_the_transaction_does() -> None:
    from planner.transaction.recovery import FINISHED

    assert UNTOUCHED == FINISHED


def test_a_picture() -> None:
    screen = Screen(color="always")
    screen.plan(EXAMPLE)
    lines = ["$ planner plan", *screen.stdout.splitlines()]
    picture = svg_of(lines, title="planner plan")
    assert picture.startswith("<svg")
    assert "foo.bar" in picture
    assert "@font-face" not in picture
    assert picture == svg_of(lines, title="planner plan")
