"""The text view: exact words, layout at every width, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from planner.errors import FileInvalid, PlannerError
from planner.model import Cell, Node, Presence, Refusal, StepState
from planner.ports import Holder, Watched
from planner.results import Applied, Recovered, Status
from planner.views.words import width_of
from tests.views.samples import (
    ALL,
    EXAMPLE,
    MIXED,
    REFUSED,
    WILD,
    WILD_SHOWN,
    Screen,
    plan,
    present,
    record,
)

COMMANDS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")
"""Anything that a terminal obeys, but for the newline."""


# The plan.


def test_what_nobody_declared_is_a_dim_remark_and_no_change() -> None:
    old = tuple(Cell("old.one", name) for name in ALL[:2])
    screen = Screen()
    screen.plan(plan(("create", "a", ALL, "declared"), unmanaged=(*old, Cell("x", "node03"))))
    assert screen.stdout == (
        "  + create  a  on all 3 nodes\n"
        "  ? unmanaged  old.one  on node01, node02\n"
        "  ? unmanaged  x        on node03\n"
        "\n"
        "Plan: 1 to create, on 3 nodes (3 requests).\n"
    )
    dim = Screen(color="always", tty=True)
    dim.plan(plan(unmanaged=old))
    assert "\x1b[2m  ? unmanaged  \x1b[0m" in dim.stdout
    assert "No changes. Every node matches groups.yaml." in dim.stdout


def test_a_hundred_thousand_unmanaged_groups_take_eleven_lines() -> None:
    screen = Screen()
    screen.plan(plan(unmanaged=tuple(Cell(f"g{n:06}", "node01") for n in range(100_000))))
    assert screen.stdout.count("\n") == 13
    assert "  … and 99,990 more unmanaged groups (see --format json)\n" in screen.stdout


def test_the_example_of_the_product() -> None:
    screen = Screen()
    screen.plan(EXAMPLE, saved="plan.json")
    assert screen.stdout == (
        "  + create  foo.bar   on all 3 nodes\n"
        "  + create  foo.baz   on all 3 nodes\n"
        "  + create  payments  on all 3 nodes\n"
        "  - delete  legacy    on all 3 nodes  state: absent\n"
        "\n"
        "Plan: 3 to create, 1 to delete, on 3 nodes (12 requests).\n"
        "Saved to plan.json. Apply exactly this: planner apply plan.json\n"
    )
    assert screen.stderr == ""


def test_every_kind_of_row() -> None:
    screen = Screen()
    screen.plan(MIXED)
    assert screen.stdout == (
        "  + create  fresh         on all 3 nodes\n"
        "  ~ repair  drifted       on node02          drift\n"
        "  ~ repair  partial       on node01, node03\n"
        "  = adopt   partial       on node02          exists already\n"
        "  = adopt   here.already  on node01          exists already\n"
        "  - delete  old           on node01, node02  no longer declared\n"
        "    keep    kept          on node01          adopted, no longer declared: stays\n"
        "    forget  gone          on node02          gone already, no longer managed\n"
        "\n"
        "Plan: 1 to create, 2 to repair, 1 to delete, 2 to adopt, on 3 nodes (8 requests).\n"
        "Warning: node node01 is called node09 now (same URL).\n"
    )


def test_no_changes() -> None:
    screen = Screen()
    screen.plan(plan(), file="groups.yaml")
    assert screen.stdout == "No changes. Every node matches groups.yaml.\n"


def test_forgetting_alone_is_no_change() -> None:
    screen = Screen()
    screen.plan(plan(forgets=(Cell("gone", "node01"),)))
    assert screen.stdout.endswith("\nNo changes. Every node matches groups.yaml.\n")


def test_only_adoptions() -> None:
    screen = Screen()
    screen.plan(plan(adopts=(Cell("a", "node01"), Cell("a", "node02"), Cell("b", "node01"))))
    assert screen.stdout.splitlines()[-1] == "Plan: 2 to adopt (no requests)."


def test_singular() -> None:
    screen = Screen()
    screen.plan(plan(("delete", "a", ("node02",), "")))
    assert screen.stdout.splitlines()[-1] == "Plan: 1 to delete, on 1 node (1 request)."


def test_many_nodes_are_counted() -> None:
    names = tuple(f"node{n:02}" for n in range(1, 16))
    screen = Screen()
    screen.plan(plan(("create", "a", names, ""), ("create", "b", names[1:], ""), count=15))
    first, second = screen.stdout.splitlines()[:2]
    assert first.endswith("on all 15 nodes")
    assert second.endswith("on node02, node03, node04 and 11 more")


def test_one_node_of_one_is_named() -> None:
    screen = Screen()
    screen.plan(plan(("create", "a", ("node01",), ""), count=1))
    assert screen.stdout.splitlines()[0] == "  + create  a  on node01"


def test_a_moved_group_is_two_rows_side_by_side() -> None:
    screen = Screen()
    moved = plan(
        ("create", "moved", ("node02",), ""),
        ("create", "other", ALL, ""),
        ("delete", "moved", ("node01",), "no longer declared"),
    )
    screen.plan(moved)
    assert [line[2:3] for line in screen.stdout.splitlines()[:3]] == ["+", "-", "+"]
    assert screen.stdout.splitlines()[-1] == "Plan: 2 to create, 1 to delete, on 3 nodes (5 requests)."


def test_a_refusal_says_why_and_the_cure_and_is_not_offered() -> None:
    screen = Screen()
    screen.plan(REFUSED, saved="plan.json")
    assert screen.stdout.splitlines()[-6:] == [
        "Plan: 1 to delete, on 3 nodes (3 requests).",
        "! Refused: 1 protected group would be deleted.",
        "  groups: a",
        "  next: remove `protect: true` from the file first",
        "As it is, this plan cannot be applied.",
        "Saved to plan.json.",
    ]


def test_the_groups_of_a_refusal_are_named_once_and_not_all() -> None:
    many = tuple(f"g{n}" for n in range(12))
    both = (Refusal("max_deletes", "one", "cure", many), Refusal("max_delete_percent", "two", "cure", many))
    screen = Screen()
    screen.plan(plan(("delete", "a", ALL, ""), refusals=(*both, Refusal("lossy", "three", "cure", ("a",)))))
    assert [line for line in screen.stdout.splitlines() if line.startswith("  groups: ")] == [
        "  groups: g0, g1, g2, g3, g4, g5, g6, g7, g8, g9 and 2 more",
        "  groups: a",
    ]


def test_what_was_allowed_is_said() -> None:
    screen = Screen()
    screen.plan(plan(("delete", "a", ALL, ""), allowances=("deletes=5", "delete-adopted")))
    assert screen.stdout.splitlines()[-1] == "Allowed knowingly: up to 5 deletes, deletes of adopted groups."


def test_what_becomes_protected_is_shown_with_the_change_or_on_its_own() -> None:
    screen = Screen()
    screen.plan(
        plan(
            ("create", "new", ALL, "declared"),
            ("delete", "old", ALL, "state: absent"),
            adopts=(Cell("here", "node01"),),
            forgets=(Cell("gone", "node01"),),
            kept=(Cell("kept", "node01"),),
            protects=("new", "here", "same", "kept"),
            unprotects=("old", "gone"),
        )
    )
    assert screen.stdout.splitlines() == [
        "  + create     new   on all 3 nodes  protected",
        "  = adopt      here  on node01       exists already, protected",
        "  - delete     old   on all 3 nodes  state: absent, no longer protected",
        "    keep       kept  on node01       adopted, no longer declared: stays",
        "  = protect    kept  may not be deleted from now on",
        "    forget     gone  on node01       gone already, no longer managed",
        "  = unprotect  gone  may be deleted from now on",
        "  = protect    same  may not be deleted from now on",
        "",
        "Plan: 1 to create, 1 to delete, 1 to adopt, 2 to protect, 1 to unprotect, on 3 nodes (6 requests).",
    ]


def test_only_protection_changes() -> None:
    screen = Screen()
    only = plan(protects=("a",), unprotects=("b",))
    screen.plan(only)
    screen.view.applied(Applied(only, 7))
    assert "Plan: 1 to protect, 1 to unprotect (no requests).\n" in screen.stdout
    assert "Apply complete: 1 group protected, 1 no longer protected.\nTransaction 7.\n" in screen.stdout


def test_a_plan_file_with_a_space_can_be_copied() -> None:
    screen = Screen()
    screen.plan(EXAMPLE, saved="my plan.json")
    assert screen.stdout.endswith("planner apply 'my plan.json'\n")


def test_ten_thousand_groups() -> None:
    changes = [("create", f"g{n}", ALL, "declared") for n in range(9_990)]
    changes += [("delete", f"d{n}", ALL, "state: absent") for n in range(10)]
    screen = Screen()
    screen.plan(plan(*changes))
    lines = screen.stdout.splitlines()
    assert len(lines) == 203
    assert lines[200] == "  … and 9,800 more groups (see --format json)"
    assert lines[202] == "Plan: 9,990 to create, 10 to delete, on 3 nodes (30,000 requests)."
    assert sum("- delete" in line for line in lines) == 10, "deletes never hide behind creates"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_leaves_the_screen(width: int) -> None:
    long = plan(
        ("create", "x" * 500, ALL, "declared"),
        ("create", "組" * 100, ("node01", "node02"), "drift"),
        ("delete", "short", ALL, "state: absent"),
        warnings=("a warning that goes on " * 10,),
        refusals=REFUSED.refusals,
    )
    screen = Screen(environ={"COLUMNS": str(width)})
    screen.plan(long, saved="plan.json")
    screen.view.error(FileInvalid("what " * 40, where="w" * 300, why="why " * 40, details=["d " * 200]))
    lines = (screen.stdout + screen.stderr).splitlines()
    assert max(width_of(line) for line in lines) <= width
    assert "…" in screen.stdout or width == 200, "an id takes three lines at most"
    assert re.search(r"- delete  short\s+on all 3 nodes", screen.stdout)


def test_a_long_id_does_not_push_the_others_away() -> None:
    screen = Screen(environ={"COLUMNS": "80"})
    screen.plan(plan(("create", "x" * 60, ALL, ""), ("create", "short", ALL, "")))
    assert screen.stdout.splitlines()[:3] == [
        f"  + create  {'x' * 60}",
        "            on all 3 nodes",
        "  + create  short  on all 3 nodes",
    ]


def test_a_pipe_keeps_lines_whole() -> None:
    screen = Screen()
    screen.plan(plan(("create", "x" * 500, ALL, "drift")))
    assert screen.stdout.splitlines()[0] == f"  ~ repair  {'x' * 500}  on all 3 nodes  drift"


# What a terminal must not obey.


@pytest.mark.parametrize("color", ["always", "never"])
def test_nothing_of_an_id_or_a_message_is_obeyed(color: str) -> None:
    wild = plan((("create"), WILD, ("node01",), WILD), warnings=(WILD,), refusals=(
        replace(REFUSED.refusals[0], why=WILD, cure=WILD),
    ))  # fmt: skip
    wild = replace(wild, nodes=(Node("node01", WILD),))
    screen = Screen(color=color)
    screen.plan(wild, file=WILD, saved=WILD)
    screen.plan(plan(), file=WILD)
    screen.view.error(PlannerError(WILD, where=WILD, why=WILD, next=WILD, details=[WILD]))
    screen.view.warning(WILD)
    screen.view.info(WILD)
    screen.view.applied(Applied(wild, 1, not_ours=(Cell(WILD, "node01"), Cell("b", "node01"))))
    screen.view.status(
        Status(
            WILD, WILD, 1, Holder(WILD, WILD, WILD), watched=(Watched(WILD, WILD, 1, Presence.ABSENT, WILD),)
        )
    )
    screen.view.recovering(record(StepState.UNKNOWN, note=WILD), dry_run=True)
    text = screen.stdout + screen.stderr
    text = re.sub(r"\x1b\[[0-9;]*m", "", text) if color == "always" else text
    assert not COMMANDS.search(text)
    assert text.count(WILD_SHOWN) >= 20


def test_wild_text_cannot_color() -> None:
    screen = Screen(color="always")
    screen.plan(plan(("create", "[red]x[/red]\x1b[31m", ("node01",), "")))
    assert r"[red]x[/red]\x1b[31m" in screen.stdout


# Color.


@pytest.mark.parametrize(
    ("tty", "environ", "color", "colored"),
    [
        (True, {}, "auto", True),
        (True, {"NO_COLOR": "1"}, "auto", False),
        (True, {"NO_COLOR": ""}, "auto", True),
        (True, {"TERM": "dumb"}, "auto", False),
        (False, {}, "auto", False),
        (False, {"CI": "true"}, "auto", False),
        (False, {"CI": "true", "FORCE_COLOR": "1"}, "auto", True),
        (False, {"CLICOLOR_FORCE": "1"}, "auto", True),
        (False, {"FORCE_COLOR": "0"}, "auto", False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        (True, {"FORCE_COLOR": "1", "TERM": "dumb"}, "auto", True),
        (False, {"NO_COLOR": "1"}, "always", True),
        (True, {"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_color(tty: bool, environ: dict[str, str], color: str, colored: bool) -> None:
    screen = Screen(tty=tty, environ=environ, color=color)
    screen.plan(MIXED)
    screen.view.error(PlannerError("x"))
    assert ("\x1b[" in screen.stdout) is colored
    assert ("\x1b[" in screen.stderr) is colored


def test_colors_of_the_actions() -> None:
    screen = Screen(color="always")
    screen.plan(MIXED)
    for symbol, code in {"+": 32, "~": 33, "-": 31, "=": 34}.items():
        assert f"\x1b[{code}m  {symbol} " in screen.stdout
    assert "\x1b[2m    keep" in screen.stdout


# Results.


def test_applied() -> None:
    screen = Screen()
    screen.view.applied(Applied(EXAMPLE, 7))
    assert screen.stdout == "Apply complete: 3 groups created, 1 deleted, on 3 nodes.\nTransaction 7.\n"


def test_applied_of_every_kind() -> None:
    screen = Screen()
    screen.view.applied(Applied(MIXED, 7))
    assert screen.stdout.splitlines()[0] == (
        "Apply complete: 1 group created, 2 repaired, 1 deleted, 2 adopted, on 3 nodes."
    )


def test_applied_only_adoptions() -> None:
    screen = Screen()
    screen.view.applied(Applied(plan(adopts=(Cell("a", "node01"),)), 7))
    assert screen.stdout.splitlines()[0] == "Apply complete: 1 group adopted."


def test_what_somebody_else_did_is_not_counted_as_ours() -> None:
    work = plan(("create", "a", ALL, ""), ("create", "b", ("node01",), ""))
    screen = Screen()
    screen.view.applied(Applied(work, 7, not_ours=(Cell("b", "node01"), Cell("a", "node03"))))
    assert screen.stdout.splitlines() == [
        "Apply complete: 1 group created, on 2 nodes.",
        "Not ours, somebody else was first:",
        "  - b on node01",
        "  - a on node03",
        "Transaction 7.",
    ]


def test_already_applied_and_nothing_to_do() -> None:
    screen = Screen()
    screen.view.applied(Applied(EXAMPLE, already=7))
    screen.view.applied(Applied(plan()), "mine.yaml")
    assert screen.stdout == "Already applied by TX 7.\nNo changes. Every node matches mine.yaml.\n"


def test_recovered() -> None:
    screen = Screen()
    screen.view.recovered(Recovered(7))
    screen.view.recovered(Recovered())
    assert screen.stdout == (
        "Recovered: transaction 7 is reversed, every node is as it was.\nNothing to recover.\n"
    )


def test_quiet_keeps_results_and_warnings() -> None:
    screen = Screen(quiet=True)
    screen.plan(EXAMPLE)
    screen.view.warning("mind this")
    screen.view.info("by the way")
    assert screen.stdout.endswith("(12 requests).\n")
    assert screen.stderr == "Warning: mind this.\n"


def test_a_kept_adopted_cell_makes_a_create_no_repair() -> None:
    screen = Screen()
    screen.plan(
        plan(
            ("create", "a", ("node02",), "declared"),
            kept=(Cell("a", "node01"),),
            bystanders=present(("a", "node01")),
        )
    )
    assert screen.stdout.splitlines()[0].startswith("  + create")


def test_a_quiet_recovery_says_only_what_it_came_to() -> None:
    screen = Screen(quiet=True)
    left = record(StepState.UNKNOWN)
    screen.view.recovering(left, dry_run=False)
    assert screen.stdout == ""
    screen.view.recovering(left, dry_run=True)
    assert "foo.bar" in screen.stdout or "legacy" in screen.stdout
