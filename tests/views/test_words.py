"""The pure parts: widths, wrapping, rows."""

from __future__ import annotations

import pytest

from planner.model import Cell, Presence, Seen, StepState
from planner.views.layout import Span, harmless, plain, wrap
from planner.views.summary import Summary, rows_of, summarize
from planner.views.words import cut, duration, shorten, shown, width_of
from tests.views.samples import EXAMPLE, MIXED, Screen, plan, record


def test_widths() -> None:
    assert [width_of(text) for text in ("abc", "組組", "e\u0301", "")] == [3, 4, 1, 0]
    assert cut("組組組", 5) == ("組組", "組")
    assert cut("組", 1) == ("組", ""), "at least one character, or folding would never end"


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "ab…efg"), ("組組組組", 6, "組…組")],
)
def test_shorten(text: str, columns: int, cut: str) -> None:
    assert shorten(text, columns) == cut


@pytest.mark.parametrize(
    "raw",
    [
        *("\x00", "\x1b", "\x7f", "\x9b", "\u200b", "\u202e", "\u2028", "\ud800", "\ue000"),
        *("\u034f", "\u115f", "\u2800", "\u3164", "\ufe0f", "\uffa0", "\U000e0100"),
    ],
)
def test_what_is_not_shown_raw(raw: str) -> None:
    assert shown(raw).isascii()
    assert shown(raw).startswith("\\")


@pytest.mark.parametrize(
    "command", ["##[error]", "a ##[set-output name=b]c", "##vso[task.x]", "##teamcity[x]"]
)
def test_no_command_to_a_build_server_is_shown(command: str) -> None:
    assert shown(command) == command.replace("##", r"#\x23")
    assert shown(shown(command)) == shown(command)


@pytest.mark.parametrize("text", ["## a", "a#b", "##", "#[a]", "##A["])
def test_what_is_no_command_is_shown(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("spans", "begins"),
    [
        (("::error::a",), r"\x3a:error::a"),
        (("    ", "::error::a"), r"    \x3a:error::a"),
        (("\u3000", "", " ::a"), "\u3000 " + r"\x3a:a"),
        ((":", ":a::b"), r"\x3a:a::b"),
        (("a ::error::b",), "a ::error::b"),
        ((":a",), ":a"),
        ((), ""),
    ],
)
def test_no_line_begins_like_a_command(spans: tuple[str, ...], begins: str) -> None:
    assert plain(harmless(tuple(Span(text, "bold") for text in spans))) == begins


def test_what_is_shown_raw() -> None:
    assert shown("foo.bar é 組 🙂 [red]") == "foo.bar é 組 🙂 [red]"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("aaa bbb ccc ddd eee", ["aaa", "bbb ccc", "ddd eee"]),
        ("abcdefghijklmnop", ["abcd", "efghijk", "lmnop"]),
        ("a  b c", ["a  b", "c"]),
        ("", [""]),
    ],
)
def test_wrap(text: str, lines: list[str]) -> None:
    assert wrap(text, 7, 4) == lines


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.9, 59.9, 60, 3605)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "60 min 05 s",
    ]


def test_counts_are_rows() -> None:
    assert summarize(EXAMPLE) == Summary(create=3, delete=1, nodes=3, requests=12)
    assert summarize(MIXED) == Summary(1, 2, 1, 2, 3, 8)
    assert summarize(plan()) == Summary()


def test_a_group_that_is_absent_elsewhere_is_created() -> None:
    work = plan(("create", "a", ("node01",), ""), bystanders=(Seen(Cell("a", "node02"), Presence.ABSENT),))
    assert [row.kind for row in rows_of(work)] == ["create"]


def test_reasons_and_nodes_are_collected_in_order() -> None:
    work = plan(
        ("create", "a", ("node03", "node01"), "drift"),
        ("create", "a", ("node02",), "declared"),
    )
    (row,) = rows_of(work)
    assert (row.kind, row.nodes, row.reason) == ("repair", ("node01", "node02", "node03"), "drift")


def test_long_lists_of_cells_are_cut() -> None:
    work = plan(*((("create"), f"g{n}", ("node01",), "") for n in range(250)))
    screen = Screen()
    screen.view.recovering(record(*[StepState.DONE] * 250, work=work), dry_run=True)
    lines = screen.stdout.splitlines()
    assert len(lines) == 202
    assert lines[-1] == "  … and 50 more cells (see --format json)"
