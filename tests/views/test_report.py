"""The model that every format shows, and the matrix of groups by nodes."""

from __future__ import annotations

from dataclasses import replace

from planner import codec
from planner.model import Action, Cell, Presence, Seen
from planner.results import Survey
from planner.scope import PlanScope, Scope
from planner.views.report import Matrix, matrix_of, report_of
from planner.views.summary import rows_of, summarize
from tests.views.samples import ALL, EXAMPLE, MIXED, plan, present

PARTIAL = plan(
    ("create", "pay", ALL, "declared"),
    protects=("pay",),
    unprotects=("open",),
    scope=PlanScope(Scope(groups=("pay*",)), 7, 9, 0, 3),
    unmanaged=(Cell("s|1", "node01"), Cell("s2", "node01"), Cell("s2", "node02")),
)
"""A plan with everything that is told besides the changes."""


def survey_of(work: object = MIXED, *unchanged: str) -> Survey:
    """What was read for a plan: its own cells, and groups that exist everywhere."""
    assert isinstance(work, type(MIXED))
    seen = {step.cell: step.before for step in work.steps}
    seen |= {each.cell: each.presence for each in work.bystanders}
    seen |= {Cell(group, name): Presence.PRESENT for group in unchanged for name in ALL}
    return Survey(tuple(dict.fromkeys([*unchanged, *(cell.group for cell in seen)])), seen)


def test_it_holds_what_the_formats_tell() -> None:
    report = report_of(MIXED, file="g.yaml", saved="plan.json")
    assert report.rows == rows_of(MIXED)
    assert report.summary == summarize(MIXED)
    assert report.digest == codec.digest(MIXED)
    assert report.title == "Plan"
    assert report.can_be_applied


def test_sentences() -> None:
    assert report_of(EXAMPLE).sentence == "Plan: 3 to create, 1 to delete, on 3 nodes (12 requests)."
    assert report_of(plan(), file="g.yaml").sentence == "No changes. Every node matches g.yaml."
    shown = "No changes. Every node matches the file that this plan was made from."
    assert report_of(plan(), offline=True).sentence == shown
    assert report_of(plan(), undoes=7).sentence == "Nothing of TX 7 is left to undo."
    assert report_of(plan(), undoes=7).title == "Undo of TX 7"
    assert not report_of(plan()).can_be_applied


def test_matrix_of_a_plan_alone_has_the_groups_that_it_touches() -> None:
    matrix = matrix_of(report_of(MIXED))
    assert matrix.nodes == ALL
    assert not matrix.whole
    assert dict(zip(matrix.groups, matrix.lines, strict=True)) == {
        "fresh": "+++",
        "drifted": ".!.",
        "partial": "~=~",
        "here.already": "=..",
        "old": "--.",
        "kept": "k??",  # no cell of a group that only stays is in a plan
        "gone": ".f.",
    }


def test_matrix_with_a_survey_has_every_group_in_the_order_of_the_file() -> None:
    matrix = matrix_of(report_of(MIXED, survey=survey_of(MIXED, "search")))
    assert matrix.whole
    assert matrix.groups[0] == "search"
    assert matrix.lines[0] == "ooo"
    assert matrix.lines[1:5] == ("+++", ".!.", "~=~", "--.")


def test_what_is_told_besides_the_changes() -> None:
    report = report_of(PARTIAL)
    assert report.partial == "Partial plan: only groups matching pay*: 7 of 9 groups are left out."
    assert [(row.group, row.nodes) for row in report.unmanaged] == [
        ("s|1", ("node01",)),
        ("s2", ("node01", "node02")),
    ]
    matrix = matrix_of(report)
    assert dict(zip(matrix.groups, matrix.lines, strict=True)) == {"pay": "+++", "open": "???"}
    assert report_of(plan(scope=PARTIAL.scope)).sentence.startswith("No changes in the part that was looked")
    assert report_of(EXAMPLE).partial == ""


def test_what_was_not_read_is_never_absent() -> None:
    survey = Survey(("half",), {Cell("half", "node02"): Presence.ABSENT})
    assert matrix_of(report_of(plan(), survey=survey)) == Matrix(ALL, ("half",), ("?.?",), whole=True)


def test_a_late_effect_is_drift_and_an_undone_adoption_stays() -> None:
    late = plan(("create", "a", ("node01",), "late effect of TX 3"), bystanders=present(("a", "node02")))
    assert matrix_of(report_of(late)).lines == ("!o.",)
    undone = plan(forgets=(Cell("b", "node01"),), bystanders=present(("b", "node01"), ("b", "node03")))
    assert matrix_of(report_of(undone)).lines == ("f.o",)


def test_letters_tell_what_a_step_does() -> None:
    """Whatever the plan: a cell is marked as changed just where a step changes it."""
    matrix = matrix_of(report_of(MIXED, survey=survey_of()))
    marked = {
        Cell(group, node): letter
        for group, line in zip(matrix.groups, matrix.lines, strict=True)
        for node, letter in zip(matrix.nodes, line, strict=True)
        if letter in "+~!-"
    }
    assert {cell: letter == "-" for cell, letter in marked.items()} == {
        step.cell: step.action is Action.DELETE for step in MIXED.steps
    }


def test_cells_of_nodes_that_are_not_in_the_plan_are_left_out() -> None:
    odd = replace(MIXED, bystanders=(*MIXED.bystanders, Seen(Cell("fresh", "gone"), Presence.PRESENT)))
    assert matrix_of(report_of(odd)).nodes == ALL
