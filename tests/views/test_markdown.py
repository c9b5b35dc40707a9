"""Markdown for a pull request: the words, the bound, and ids that cannot break out."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import markdown
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from planner import codec
from planner.model import Cell, Refusal
from planner.views.markdown import MAX_BYTES, markdown_of
from planner.views.marked import clip, code, comment, prose, row
from planner.views.report import report_of
from tests.views.samples import ALL, EXAMPLE, MIXED, REFUSED, WILD, WILD_SHOWN, Screen, plan
from tests.views.test_report import PARTIAL

GITHUB = MarkdownIt("commonmark").enable("table")
"""The same grammar as GitHub's, without its automatic links: those need what the text has only in code."""

HOSTILE = (
    "a|b",
    "a\\|b",
    "`",
    "``a``",
    "a`|`b",
    "<img src=x onerror=alert(1)>",
    "</code></td></details>",
    "<!--",
    "-->",
    "@octocat",
    "me@example.com",
    "#1",
    "x/y#2",
    "https://example.com",
    "www.example.com",
    "[a](https://example.com)",
    "![a](b)",
    "**a** _b_ ~~c~~",
    "&lt;&#64;&amp;",
    "1. a",
    "- a",
    "# a",
    "> a",
    "+1",
    ":smile:",
    "$x$",
    " a  b ",
    "\\",
    "a\\",
    WILD,
    "\u202eevil\u2066",
    "a\nb\r\n|c\x00\x85\u2028",
    "\u0300" * 200,
    "'\"",
)

ANY = st.text(st.one_of(st.sampled_from("`|\\<>&@#*_~[]()!-+:./ \n\t\u202e"), st.characters()), min_size=1)


class Cells(HTMLParser):
    """The text of every table cell, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


TABLE = {"table", "thead", "tbody", "tr", "td", "th", "code"}


def rendered(text: str, parser: str) -> Cells:
    if parser == "github":
        return Cells(GITHUB.render(text))
    return Cells(markdown.markdown(text, extensions=["tables"]))


@pytest.mark.parametrize("parser", ["github", "python"])
@pytest.mark.parametrize("group", HOSTILE)
def test_hostile_ids_are_shown_as_they_are(group: str, parser: str) -> None:
    check_cell(group, parser)


@settings(max_examples=100, deadline=None)
@given(ANY)
@example("`\\`")
def test_no_id_leaves_its_cell(group: str) -> None:
    check_cell(group, "github")


def check_cell(group: str, parser: str) -> None:
    text = row(("a", "b", "c")) + row(("---",) * 3) + row(("x", code(group, 120), "y"))
    page = rendered(text, parser)
    assert page.tags <= TABLE
    assert page.cells[:4] == ["a", "b", "c", "x"]
    assert page.cells[5:] == ["y"]
    assert page.cells[4].split() == clip(group, 120).split()


@settings(max_examples=100, deadline=None)
@given(ANY)
@example("see `a` and b|c @me, 1. #2 <b> www.x.org")
@example("1) a")
@example("_a_ (b) it's 9,800 of 10,000 (98 %).")
def test_prose_is_only_words(text: str) -> None:
    page = GITHUB.render(prose(text, 300))
    assert Cells(page).tags <= {"p", "code"}
    outside = re.sub(r"<code>.*?</code>", "", page)
    assert not re.search(r"[@#_*]|://|www\.", re.sub(r"&#?\w+;", "", outside))


def test_plain_words_stay_readable() -> None:
    text = "3 of 10 groups (30 %) would be deleted, and max_deletes is 2; it's `protect: true`."
    assert prose(text, 300) == text.replace("max_deletes", "`max_deletes`")


def test_a_plan_in_full() -> None:
    assert markdown_of(report_of(MIXED, file="groups.yaml", saved="plan.json")) == (
        "<!-- planner:plan:production -->\n"
        "### `production` · Plan: 1 to create, 2 to repair, 1 to delete, 2 to adopt, "
        "on 3 nodes (8 requests)\n"
        "\n"
        "> [!WARNING]\n"
        "> node node01 is called node09 now (same URL).\n"
        "\n"
        "|  | action | group | nodes | reason |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `-` | delete | `old` | `node01`, `node02` | no longer declared |\n"
        "| `~` | repair | `drifted` | `node02` | drift |\n"
        "| `~` | repair | `partial` | `node01`, `node03` |  |\n"
        "| `+` | create | `fresh` | all 3 |  |\n"
        "| `=` | adopt | `partial` | `node02` | exists already |\n"
        "| `=` | adopt | `here.already` | `node01` | exists already |\n"
        "|  | keep | `kept` | `node01` | adopted, no longer declared: stays |\n"
        "|  | forget | `gone` | `node02` | gone already, no longer managed |\n"
        "\n"
        f"Plan `{codec.digest(MIXED)}`.  \n"
        "Apply exactly this: `planner apply plan.json`\n"
    )


def test_a_refusal_is_an_alert_and_the_plan_is_not_offered() -> None:
    text = markdown_of(report_of(REFUSED, saved="plan.json"))
    assert (
        "> [!CAUTION]\n"
        "> **Refused** (`protect`): 1 protected group would be deleted.\n"
        ">\n"
        "> Groups: `a`\n"
        ">\n"
        "> Next: remove `protect: true` from the file first\n"
        ">\n"
        "> As it is, this plan cannot be applied.\n"
    ) in text
    assert "planner apply plan.json" not in text


def test_what_it_was_made_from() -> None:
    text = markdown_of(report_of(replace(EXAMPLE, created="2026-01-01T00:00:00Z", allowances=("deletes=5",))))
    assert ", made from `groups.yaml` at `2026-01-01T00:00:00Z`." in text
    assert "Allowed knowingly: up to 5 deletes." in text
    assert "Not saved" in text


def test_a_partial_plan_protection_and_what_nobody_manages_are_told() -> None:
    text = markdown_of(report_of(PARTIAL))
    assert (
        "> [!IMPORTANT]\n> Partial plan: only groups matching `pay*`: 7 of 9 groups are left out.\n" in text
    )
    assert "| `=` | unprotect | `open` |  | may be deleted from now on |\n" in text
    assert "| `+` | create | `pay` | all 3 | protected |\n" in text
    unmanaged = "2 groups that nobody declared or manages, and that no plan touches"
    assert f"{unmanaged}: <code>s&#124;1</code>, `s2`\n" in text


def test_an_undo_says_so_in_its_title_and_its_marker() -> None:
    text = markdown_of(report_of(EXAMPLE, undoes=7))
    assert text.startswith("<!-- planner:undo:production -->\n### `production` · Undo of TX 7 · Plan: 3 to")


@pytest.mark.parametrize("name", ["a-->b", "a--b", "--", "-", "a b", "\n", "é", "x" * 999, WILD])
def test_no_cluster_ends_the_marker(name: str) -> None:
    (line, rest) = comment("planner", "plan", name).split("\n", 1)
    assert not rest
    assert re.fullmatch(r"<!-- planner:plan:[\w.~%:-]+ -->", line)
    assert "--" not in line[4:-4]


def many(creates: int, deletes: int, repairs: int = 0) -> str:
    changes: list[tuple[str, str, tuple[str, ...], str]] = [
        *(("create", f"c{n}", ALL, "declared") for n in range(creates)),
        *(("create", f"r{n}", ("node01",), "drift") for n in range(repairs)),
        *(("delete", f"d{n}", ALL, "state: absent") for n in range(deletes)),
    ]
    return markdown_of(report_of(plan(*changes), saved="plan.json", beside=("plan.html",)))


def count_of(text: str, action: str) -> int:
    return text.count(f" | {action} | ")


def test_ten_thousand_changes_fit_and_deletes_do_not_hide() -> None:
    text = many(9_890, 100, 10)
    assert len(text.encode()) <= MAX_BYTES
    assert count_of(text, "delete") == 100
    assert count_of(text, "repair") == 10
    listed = count_of(text, "create")
    assert listed > 500
    assert f"> {9_890 - listed:,} of 10,000 entries are not listed here" in text
    assert f"{9_890 - listed:,} to create. All are in `plan.html` and in `planner show plan.json`." in text
    assert f"… and {9_890 - listed:,} more groups to create.\n" in text
    assert "<details open>\n<summary>- 100 groups to delete</summary>" in text
    assert "<details>\n<summary>+ 9,890 groups to create</summary>" in text
    assert text.index("100 groups to delete") < text.index("10 groups to repair")


def test_deletes_have_half_of_the_room_and_all_of_it_where_they_are_alone() -> None:
    both, alone = many(5_000, 5_000), many(0, 10_000)
    assert count_of(both, "delete") > 500
    assert count_of(alone, "delete") > 1.8 * count_of(both, "delete")
    assert all(len(text.encode()) <= MAX_BYTES for text in (both, alone))


def test_a_fold_renders_as_tables() -> None:
    page = Cells(GITHUB.render(many(30, 30)))
    assert {"details", "summary", "table"} <= page.tags
    assert page.cells.count("create") == page.cells.count("delete") == 30


@pytest.mark.parametrize("bad", ["|" * 2_000, "😀" * 2_000, "` " * 2_000, "@x " * 2_000, "\x1b" * 10_000])
def test_whatever_the_names_it_fits(bad: str) -> None:
    work = plan(
        *(("create", f"{n}{bad}", ALL, bad) for n in range(60)),
        *(("delete", f"d{n}{bad}", ("node01",), bad) for n in range(60)),
        refusals=tuple(Refusal(bad, bad, bad) for _ in range(50)),
        warnings=(bad,) * 500,
        allowances=(bad,) * 100,
    )
    work = replace(work, cluster=bad, created=bad)
    text = markdown_of(report_of(work, file=bad, saved=bad, beside=(bad,) * 9))
    assert len(text.encode()) <= MAX_BYTES
    assert " more, for which there is no room here." in text
    assert count_of(text, "delete") > 0


def test_wild_ids_in_a_whole_plan() -> None:
    wild = plan(
        ("create", WILD, ("node01",), "declared"),
        adopts=(Cell("</details>", "node02"),),
        warnings=("mind @octocat and #12 in `x`|<b>",),
    )
    text = markdown_of(report_of(wild))
    page = Cells(GITHUB.render(text))
    assert WILD_SHOWN in page.cells
    assert "</details>" in page.cells
    assert "> mind `@octocat` and `#12` in `x`<code>" in text


def test_the_view_prints_it_and_errors_go_elsewhere() -> None:
    screen = Screen("markdown")
    screen.plan(EXAMPLE, saved="plan.json")
    assert screen.stdout == markdown_of(report_of(EXAMPLE, saved="plan.json"))
    assert screen.stderr == ""
