"""The HTML report in a real browser: filter, keyboard, colors, paper, and nothing hostile that runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from planner.model import Cell, Plan, Presence
from planner.results import Survey
from planner.views.html import html_of
from planner.views.report import report_of
from tests.views.samples import MIXED, REFUSED, nodes, plan
from tests.views.test_report import PARTIAL, survey_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no chromium; in CI that is a failure"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the report must be tested in a real browser: install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Opener:
    """Opens reports; what a page complains of, and what it asks the network for, is kept."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._contexts: list[Any] = []

    def __call__(self, html: str, **options: Any) -> Page:
        file = self._folder / "report.html"
        file.write_text(html, encoding="utf-8")
        context = self._browser.new_context(**options)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Every page must be quiet, and ask for nothing but itself."""
    opener = Opener(browser, tmp_path)
    yield opener
    opener.close()
    assert opener.complaints == []
    assert set(opener.requests) == {(tmp_path / "report.html").as_uri()}


MIXED_PAGE = html_of(report_of(MIXED, survey=survey_of(MIXED, "search", "billing"), saved="plan.json"))


def texts(page: Page, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def groups(page: Page) -> list[str]:
    return texts(page, "#cells tr[data-at] th")


def columns(page: Page) -> list[str]:
    return texts(page, "#grid thead th")[1:]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent"))


def test_the_filter_chooses_groups_and_nodes(opened: Opener) -> None:
    page = opened(MIXED_PAGE)
    assert groups(page) == ["fresh", "drifted", "partial", "old", "here.already", "gone", "kept"]
    assert page.inner_text("#found") == "7 of 9 groups"
    page.fill("#find", "PART")
    expect(page.locator("#found")).to_have_text("1 of 9 groups")
    assert groups(page) == ["partial"]
    assert texts(page, "#list tr") == [
        "~ repair\tpartial\tnode01, node03",
        "= adopt\tpartial\tnode02\texists already",
    ]
    page.fill("#find", "node03")
    expect(page.locator("#found")).to_have_text("2 of 9 groups on 1 node")
    assert (groups(page), columns(page)) == (["fresh", "partial"], ["node03"])
    assert [line.split("\t")[:2] for line in texts(page, "#list tr")] == [
        ["~ repair", "partial"],
        ["+ create", "fresh"],
    ]
    page.fill("#find", "nowhere")
    expect(page.locator("#found")).to_have_text("0 of 9 groups")
    assert groups(page) == []
    assert page.inner_text("#more-line") == "Nothing matches the filter."
    page.keyboard.press("Escape")
    assert page.input_value("#find") == ""
    assert len(groups(page)) == 7


def test_kinds_and_unchanged_groups_are_switched(opened: Opener) -> None:
    page = opened(MIXED_PAGE)
    page.uncheck("#only")
    assert groups(page)[:2] == ["search", "billing"]
    page.check("#only")
    assert texts(page, "#kinds button") == ["− delete", "~ repair", "+ create", "= adopt", "keep", "forget"]
    page.click("#kinds >> text=− delete")
    assert page.get_attribute("#kinds button >> nth=0", "aria-pressed") == "false"
    assert "old" not in groups(page)
    assert "− delete" not in "".join(texts(page, "#list tr"))


def test_protection_is_a_change_of_a_whole_group(opened: Opener) -> None:
    page = opened(html_of(report_of(PARTIAL)))
    assert groups(page) == ["pay", "open"]
    assert texts(page, "#list tr") == [
        "= unprotect\topen\t\tmay be deleted from now on",
        "+ create\tpay\tall 3 nodes\tprotected",
    ]
    page.click("#kinds >> text== unprotect")
    assert groups(page) == ["pay"]
    page.click("summary")
    assert page.is_visible("text=s|1")


def test_the_keyboard_is_enough(opened: Opener) -> None:
    page = opened(MIXED_PAGE)
    page.keyboard.press("/")
    assert focused(page) == "find"
    assert page.input_value("#find") == "", "the key itself is not typed"
    page.focus("#only")
    page.keyboard.press("/")
    assert focused(page) == "find", "a checkbox is not typed into"
    order: list[str] = []
    while not order or order[-1] != "fresh":
        page.keyboard.press("Tab")
        order.append(focused(page))
        assert len(order) < 15, order
    assert order == ["− delete", "~ repair", "+ create", "= adopt", "keep", "forget", "only", "fresh"]
    for key, cell in (
        ("ArrowRight", "fresh on node01: to create"),
        ("ArrowDown", "drifted on node01: absent, no change"),
        ("ArrowRight", "drifted on node02: to repair: it drifted"),
        ("End", "drifted on node03: absent, no change"),
        ("ArrowRight", "drifted on node03: absent, no change"),
        ("Control+End", "kept on node03: not known"),
        ("Home", "kept"),
        ("Control+Home", "fresh"),
        ("PageDown", "kept"),
        ("ArrowUp", "gone"),
    ):
        page.keyboard.press(key)
        assert page.inner_text("#where") == cell, key
    assert page.locator("#cells [tabindex='0']").count() == 1
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"


def test_colors_follow_the_system_and_the_button_and_can_be_read(opened: Opener) -> None:
    page = opened(
        html_of(report_of(replace(MIXED, refusals=REFUSED.refusals), survey=survey_of())),
        color_scheme="dark",
        reduced_motion="reduce",
    )
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate(CONTRAST) == []
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert page.inner_text("#theme") == "Dark"
    assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const back = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const [one, two] = [light(parse(getComputedStyle(node).color)), light(back(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) poor.push(`${node.tagName}.${node.className} ${node.textContent}`);
  }
  return poor;
}"""
"""Every text whose contrast is below 4.5 (WCAG AA)."""


def test_without_scripts_the_page_is_whole(opened: Opener) -> None:
    page = opened(MIXED_PAGE, java_script_enabled=False)
    assert len(texts(page, "#list tr")) == 8
    assert texts(page, "#cells tr")[0].split("\t") == ["old", "−", "−"]
    assert page.is_visible("text=The 7 groups that the plan touches.")
    for hidden in ("#bar", "#theme", "#more", "#keys", "#coverage"):
        assert page.is_hidden(hidden)


def test_on_paper_is_what_the_filter_leaves(opened: Opener) -> None:
    page = opened(wide(8, 50))
    page.emulate_media(media="print")
    page.wait_for_selector("#print table >> nth=1")
    assert [len(columns) for columns in page.evaluate(PRINTED)] == [37, 15], "50 nodes in two blocks"
    for hidden in ("#bar", "#theme", "#scroll"):
        assert page.is_hidden(hidden)
    assert page.locator("#print tbody tr").count() == 2 * 4, "four groups change"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    expect(page.locator("#print table")).to_have_count(0)
    page.evaluate("addEventListener('beforeprint', () => document.body.dataset.printed = 'yes')")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert page.get_attribute("body", "data-printed") == "yes", "and a printer sees the same"


PRINTED = """[...document.querySelectorAll('#print table')].map(
  (table) => [...table.tHead.rows[0].cells].map((cell) => cell.title))"""


def wide(many: int, count: int) -> str:
    """A report of `many` groups on `count` nodes, where every second group changes."""
    names = tuple(node.name for node in nodes(count))
    ids = [f"team.{number:04}" for number in range(many)]
    work: Plan = plan(
        *(
            (("create", each, names[:2], "drift") if n % 4 else ("delete", each, names, ""))
            for n, each in enumerate(ids)
            if not n % 2
        ),
        count=count,
    )
    seen = {Cell(group, name): Presence.PRESENT for group in ids for name in names}
    seen |= {step.cell: step.before for step in work.steps}
    return html_of(report_of(work, survey=Survey(tuple(ids), seen)))


def test_hostile_ids_are_only_text(opened: Opener) -> None:
    hostile = ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "\"'><b>", "{{ 7 * 7 }}")
    work = plan(*(("create", each, ("node01",), each) for each in hostile), warnings=hostile)
    page = opened(html_of(report_of(replace(work, cluster=hostile[0]), file=hostile[1])))
    assert groups(page) == list(hostile)
    assert texts(page, "#list th") == list(hostile)
    page.hover("#cells td >> nth=0")
    assert page.inner_text("#where") == f"{hostile[0]} on node01: to create ({hostile[0]})"
    page.fill("#find", "<img")
    expect(page.locator("#found")).to_have_text("1 of 4 groups")
    assert page.locator("img, b, main script").count() == 0


def test_a_thousand_groups_on_a_hundred_nodes(opened: Opener) -> None:
    page = opened(wide(1_000, 100))
    assert page.inner_text("#found") == "500 of 1,000 groups"
    page.uncheck("#only")
    assert page.locator("#cells td").count() < 10_000, "only what can be seen is in the page"
    page.focus("#cells [tabindex='0']")
    page.keyboard.press("Control+End")
    assert page.inner_text("#where") == "team.0999 on node100: present, no change"
    box, frame = page.locator(":focus").bounding_box(), page.locator("#scroll").bounding_box()
    assert box
    assert frame
    assert frame["y"] <= box["y"]
    assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    assert " on node99: " in page.inner_text("#where")
    page.fill("#find", "0998 node07")
    expect(page.locator("#found")).to_have_text("1 of 1,000 groups on 1 node")
    assert texts(page, "#cells td") == ["•"]
    page.keyboard.press("Escape")
    assert page.inner_text("#found") == "1,000 of 1,000 groups"
    assert page.locator("#list tr").count() == 50
    page.click("#more")
    assert page.locator("#list tr").count() == 250
