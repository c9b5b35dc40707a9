"""The HTML report as text: self-contained, escaped, whole without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from planner import codec
from planner.model import Cell
from planner.views.html import html_of
from planner.views.report import report_of
from tests.views.samples import ALL, EXAMPLE, MIXED, REFUSED, WILD, WILD_SHOWN, Screen, plan
from tests.views.test_report import PARTIAL, survey_of


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of what has an id or is raw."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": [], "title": [], "h1": []}
        self.text = ""
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.raw:
            self.raw[self._open][-1] += data
        if self._open not in ("style", "script"):
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.raw["script"][0])

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(work: Any = MIXED, **known: Any) -> Page:
    return Page(html_of(report_of(work, **known)))


def test_nothing_is_fetched_and_only_our_own_script_and_style_run() -> None:
    page = page_of()
    (policy,) = [
        str(each["content"])
        for each in page.all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for kind, text in (("style", page.raw["style"][0]), ("script", page.raw["script"][1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {}
    assert not any({"src", "href", "style", "onclick"} & set(attributes) for _, attributes in page.tags)
    assert "url(" not in page.html
    assert "@import" not in page.html


def test_it_is_ascii_and_says_its_language_and_title() -> None:
    page = page_of()
    assert page.html.isascii()
    assert page.tags[0] == ("html", {"lang": "en"})
    assert page.raw["title"] == [
        "Plan: 1 to create, 2 to repair, 1 to delete, 2 to adopt, on 3 nodes (8 requests). – production"
    ]


def test_it_tells_what_the_other_formats_tell() -> None:
    work = replace(MIXED, created="2026-01-01T00:00:00Z", allowances=("deletes=5",))
    page = page_of(work, file="g.yaml", saved="plan.json")
    for text in ("2026-01-01 00:00:00 UTC", "g.yaml", "up to 5 deletes", codec.digest(work)):
        assert text in page.text
    assert "node node01 is called node09 now (same URL)." in page.text
    assert "planner apply plan.json" in page.text
    refused = page_of(REFUSED, saved="plan.json").text
    assert "1 protected group would be deleted." in refused
    assert "Groups: a" in refused
    partial = page_of(PARTIAL).text
    assert "Partial plan: only groups matching pay*: 7 of 9 groups are left out." in partial
    assert "2 groups that nobody declared or manages: no plan touches them" in partial
    assert "s|1" in partial
    assert "As it is, this plan cannot be applied." in refused
    assert "planner apply plan.json" not in refused


def test_tables_say_what_their_headers_are_for() -> None:
    heads = page_of().all("th")
    assert {each.get("scope") for each in heads} == {"row", "col"}
    assert sum(each["scope"] == "row" for each in heads) == 8 + 7, "rows of the list, groups of the matrix"


def test_wild_ids_are_inert_everywhere() -> None:
    wild = ("<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\"'`&lt;", WILD, "<!--")
    work = plan(
        *(("create", each, ("node01",), each) for each in wild),
        adopts=(Cell("]]>", "node02"),),
        warnings=wild,
    )
    work = replace(work, cluster=wild[0])
    page = page_of(work, file=wild[1], saved=wild[2])
    assert len(page.all("script")) == 2
    assert not set("<>&") & set(page.raw["script"][0]), "the data cannot end its element"
    assert page.all("img") == []
    assert page.data["groups"] == [*wild[:3], WILD_SHOWN, wild[4], "]]>"]
    for each in (*wild[:3], WILD_SHOWN, wild[4]):
        assert each in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page.html)


def test_the_data_holds_every_group_that_was_read() -> None:
    data = page_of(survey=survey_of(MIXED, "search", "billing")).data
    assert data["nodes"] == list(ALL)
    assert data["groups"][:3] == ["search", "billing", "fresh"]
    assert data["cells"][:4] == ["ooo", "ooo", "+++", ".!."]
    rows = [
        (data["groups"][group], data["kinds"][kind][0], data["reasons"][why])
        for group, kind, why in data["rows"]
    ]
    assert rows[:3] == [
        ("old", "delete", "no longer declared"),
        ("drifted", "repair", "drift"),
        ("partial", "repair", ""),
    ]


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"survey": survey_of(MIXED, "a")}, "All 8 groups that were read, on 3 nodes."),
        ({"undoes": 7}, "Only the 7 groups that the plan touches: the others were not read."),
        ({"offline": True}, "Only the 7 groups that the plan touches: a plan file does not hold the others."),
    ],
)
def test_it_says_which_groups_it_shows(known: dict[str, Any], says: str) -> None:
    assert says in page_of(**known).text


def test_a_large_plan_is_bounded_where_no_script_runs_and_whole_in_its_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("planner.views.html.STATIC_ROWS", 30)
    monkeypatch.setattr("planner.views.html.STATIC_CELLS", 100)
    changes = [("create", f"c{n}", ALL, "declared") for n in range(2_000)]
    changes += [("delete", f"d{n}", ALL, "state: absent") for n in range(20)]
    page = page_of(plan(*changes), saved="plan.json")
    assert len(page.all("tr")) == 1 + 30 + 1 + 100 // 3
    assert "… and 1,990 more: planner show plan.json." in page.text
    assert "The first 33 of 2,020 groups that the plan touches." in page.text
    assert page.text.index("d19") < page.text.index("c0"), "deletes come first"
    assert len(page.data["rows"]) == len(page.data["groups"]) == 2_020


def test_a_plan_without_changes_has_neither_list_nor_counts() -> None:
    page = page_of(plan(), file="g.yaml")
    assert page.raw["h1"] == ["No changes. Every node matches g.yaml."]
    assert page.all("table") == []


def test_the_view_prints_it() -> None:
    screen = Screen("html", tty=True)
    screen.plan(EXAMPLE, saved="plan.json")
    assert screen.stdout == html_of(report_of(EXAMPLE, saved="plan.json"))
