"""A partial plan says what it leaves out, wherever a whole one would be taken for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from planner.codec import seal
from planner.model import Cell, Plan, TransactionState
from planner.ports import Intent, Record
from planner.results import Applied
from planner.scope import PlanScope, Scope
from planner.views.render import render
from planner.views.report import report_of
from planner.views.sentences import partial_sentence
from tests.views.samples import ALL, EXAMPLE, WILD, WILD_SHOWN, Screen, plan, record

SCOPE = PlanScope(Scope(groups=("pay*",), exclude_nodes=("node03",)), 12, 40, 1, 3)
PARTIAL = (
    "Partial plan: only groups matching pay*, without node03: "
    "12 of 40 groups and 1 of 3 nodes are left out.\n"
)
TWO = ALL[:2]


def part(*changes: tuple[str, str, tuple[str, ...], str], scope: PlanScope = SCOPE) -> Plan:
    return plan(*changes, count=2, scope=scope)


PAYMENTS = part(("create", "payments", TWO, "declared"), ("delete", "pay.old", ("node01",), "state: absent"))


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope(groups=("a",)), "only group a"),
        (Scope(groups=("a", "b")), "only groups a, b"),
        (Scope(groups=("a", "b*")), "only groups matching a, b*"),
        (Scope(exclude_groups=("a?",)), "without groups matching a?"),
        (Scope(nodes=("n1", "n2")), "only n1, n2"),
        (Scope(nodes=("n*",)), "only nodes matching n*"),
        (
            Scope(("a",), ("b",), ("c*",), ("d",)),
            "only group a, without group b, only nodes matching c*, without d",
        ),
        (Scope(exclude_groups=tuple("abcdef")), "without groups a, b, c and 3 more"),
        (Scope(groups=(WILD,)), f"only groups matching {WILD_SHOWN}"),
    ],
)
def test_what_was_asked_for_in_words(scope: Scope, text: str) -> None:
    assert partial_sentence(PlanScope(scope, 0, 2, 0, 3)) == f"Partial plan: {text}: nothing is left out."


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((1, 2, 0, 3), "1 of 2 groups is left out"),
        ((0, 2, 1, 3), "1 of 3 nodes is left out"),
        ((0, 2, 2, 3), "2 of 3 nodes are left out"),
        ((9, 2000, 0, 3), "9 of 2,000 groups are left out"),
        ((1, 2, 1, 3), "1 of 2 groups and 1 of 3 nodes are left out"),
    ],
)
def test_what_is_left_out_in_words(counts: tuple[int, int, int, int], text: str) -> None:
    assert partial_sentence(PlanScope(Scope(("a",)), *counts)) == f"Partial plan: only group a: {text}."


def test_a_partial_plan() -> None:
    screen = Screen()
    screen.plan(PAYMENTS)
    assert screen.stdout == (
        "  + create  payments  on all 2 nodes of the plan\n"
        "  - delete  pay.old   on node01                   state: absent\n"
        "\n"
        "Plan: 1 to create, 1 to delete, on 2 nodes (3 requests).\n" + PARTIAL
    )


def test_all_nodes_are_all_where_only_groups_are_left_out() -> None:
    screen = Screen()
    scope = PlanScope(Scope(groups=("pay*",)), 12, 40, 0, 3)
    screen.plan(plan(("create", "payments", ALL, "declared"), scope=scope))
    assert screen.stdout.startswith("  + create  payments  on all 3 nodes\n")


def test_no_changes_in_a_part_is_not_every_node() -> None:
    empty = part()
    for result in (None, Applied(empty)):
        screen = Screen()
        screen.view.applied(result) if result else screen.plan(empty)
        assert screen.stdout == (
            "No changes in the part that was looked at: it matches groups.yaml.\n" + PARTIAL
        )


def test_a_partial_apply() -> None:
    screen = Screen()
    screen.view.applied(Applied(PAYMENTS, 8))
    assert screen.stdout == (
        "Apply complete: 1 group created, 1 deleted, on 2 nodes.\n" + PARTIAL + "Transaction 8.\n"
    )


def test_a_partial_undo() -> None:
    screen = Screen()
    scope = PlanScope(Scope(nodes=TWO), 0, 4, 1, 3)
    screen.plan(part(scope=scope), undoes=7)
    assert screen.stdout == (
        "Nothing of TX 7 is left to undo.\nPartial plan: only node01, node02: 1 of 3 nodes is left out.\n"
    )


def done(work: Plan) -> Record:
    """The transaction of a plan, as the journal holds it."""
    intent = Intent("apply", work.nodes, work.steps, record().intent.policy, plan=seal(work).line())
    return replace(record(), state=TransactionState.APPLIED, intent=intent)


def test_history_and_show() -> None:
    adopting = replace(
        PAYMENTS,
        adopts=(Cell("pay.old", "node02"),),
    )
    screen = Screen()
    screen.view.history([done(adopting), done(EXAMPLE)])
    lines = screen.stdout.splitlines()[1:]
    assert [line.split("  ")[5] for line in lines] == ["apply (partial)", "apply"]
    screen = Screen()
    screen.view.transaction(done(adopting))
    assert PARTIAL in screen.stdout
    assert "  + create  payments  on all 2 nodes of the plan" in screen.stdout
    screen = Screen()
    screen.view.transaction(done(EXAMPLE))
    assert "artial" not in screen.stdout
    assert "on all 3 nodes " in screen.stdout


def test_as_json() -> None:
    scope = json.loads(seal(PAYMENTS).canonical)["scope"]
    screen = Screen("json")
    screen.plan(PAYMENTS)
    document = json.loads(screen.stdout)
    assert document["summary"]["scope"] == document["plan"]["scope"] == scope
    assert scope["groups_left_out"] == 12
    screen = Screen("json")
    screen.view.history([done(PAYMENTS), done(EXAMPLE)])
    assert [each["partial"] for each in json.loads(screen.stdout)["transactions"]] == [True, False]
    for work, wanted in ((PAYMENTS, scope), (EXAMPLE, None)):
        screen = Screen("json")
        screen.view.transaction(done(work))
        assert json.loads(screen.stdout)["scope"] == wanted


def test_a_report_warns_of_what_is_left_out_before_all_else() -> None:
    assert report_of(PAYMENTS).partial == PARTIAL.rstrip("\n")
    assert report_of(EXAMPLE).partial == ""
    text = "".join(render(report_of(replace(PAYMENTS, warnings=("w",))), "markdown"))
    assert "> [!IMPORTANT]\n> Partial plan: only groups" in text
    assert text.index("Partial plan") < text.index("> [!WARNING]\n> w.")
    assert "12 of 40 groups and 1 of 3 nodes are left out" in text
