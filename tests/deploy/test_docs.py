"""The documentation: it builds offline and whole, says everything that there is, and nothing that is not."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest
import yaml
from jsonschema import Draft202012Validator

from docs import generate
from planner import errors
from planner.cli.codes import EXIT_CODES
from planner.cli.main import COMMANDS, cli
from planner.desired import parse
from planner.settings.table import SETTINGS
from tests.deploy.github import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PAGES}
REFERENCE = "".join(text for name, text in TEXTS.items() if name.startswith("docs/reference/"))


class Page(HTMLParser):
    """What a page loads, where it leads, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") != "canonical":
            self.loads.append(given["href"])
        self.loads.extend(given[name] for name in ("src", "srcset", "poster", "data") if name in given)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: strictly. With --quiet no warning would count."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path, built: dict[Path, Page]) -> None:
    assert len(built) > 7
    for path, page in built.items():
        for target in page.loads:
            there = urlsplit(target)
            assert (there.scheme, there.netloc) == ("", ""), (path.name, target)
    for style in site.rglob("*.css"):
        urls = re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]*", style.read_text("utf-8"))
        assert urls == [], style.name


def test_every_link_inside_leads_somewhere(site: Path, built: dict[Path, Page]) -> None:
    count = 0
    for path, page in built.items():
        for link in page.links:
            there = urlsplit(link)
            if there.scheme or path.name == "404.html":
                continue
            target = (path.parent / unquote(there.path)).resolve() if there.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), (path.name, link)
            if target in built:
                assert unquote(there.fragment) in built[target].anchors, (path.name, link)
            count += 1
    assert count > 100


def test_reference_is_what_the_program_says() -> None:
    for name, page in generate.PAGES.items():
        text = TEXTS[f"docs/reference/{name}"]
        assert text == page().rstrip() + "\n", "run `make docs`, and commit what it wrote"


def commands() -> Iterator[tuple[str, click.Context]]:
    root = click.Context(cli, info_name="planner")
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root)
        yield name, context
        if isinstance(command, click.Group):
            for inner, member in command.commands.items():
                yield f"{name} {inner}", click.Context(member, info_name=inner, parent=context)


def test_nothing_is_undocumented() -> None:
    for name, context in commands():
        assert f"# planner {name}\n" in REFERENCE
        section = REFERENCE.split(f"# planner {name}\n")[1].split("\n## ")[0]
        for option in context.command.get_params(context):
            if isinstance(option, click.Option) and not option.hidden:
                assert f"`{option.opts[-1]}`" in section, (name, option.name)
    for setting in SETTINGS:
        assert f"`{setting.env}`" in REFERENCE
    schema = json.loads((generate.SCHEMAS / "groups.schema.json").read_text("utf-8"))
    for key in keys_of(schema):
        assert f"| `{key}` |" in REFERENCE, key
    events = json.loads((generate.SCHEMAS / "events.schema.json").read_text("utf-8"))
    for kind in events["properties"]["type"]["anyOf"][0]["enum"]:
        assert f"`{kind}`" in TEXTS["docs/json.md"], kind
    ends = [one for one in vars(errors).values() if inspect.isclass(one) and hasattr(one, "exit_code")]
    assert len(ends) > 10
    for code in {0, *(end.exit_code for end in ends)}:
        for page in ("docs/reference/commands.md", "docs/operations.md", "README.md"):
            assert f"\n| {code} | " in TEXTS[page], (code, page)


def test_every_exit_code_and_every_alert_has_its_section() -> None:
    page = TEXTS["docs/operations.md"]
    for code in EXIT_CODES:
        assert f"\n### Exit code {code}\n" in page
    alerts = page.split("\n## Alerts\n")[1].split("\n## ")[0]
    rules = yaml.safe_load((ROOT / "manifests" / "files" / "alerts.yaml").read_text("utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    sections = {part.splitlines()[0]: part for part in alerts.split("\n### ")[1:]}
    assert names <= set(sections)
    for name, text in sections.items():
        for label in ("**Means:**", "**First:**", "**Cure:**"):
            assert label in text, name


def test_the_values_in_operations_are_values_of_the_chart() -> None:
    page = TEXTS["docs/operations.md"]
    schema = json.loads((ROOT / "manifests" / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((ROOT / "manifests" / "values.yaml").read_text("utf-8"))
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 1
    for _, block in blocks:
        Draft202012Validator(schema).validate(merged(values, yaml.safe_load(textwrap.dedent(block))))
    named = set(re.findall(r"`((?:reconcile|store|settings|image)\.[\w.]+)(?:=[^`]*)?`", page))
    assert len(named) > 10
    for name in named - {"settings.reverseTimeout"}:
        place = values
        for key in name.split("."):
            assert key in place, name
            place = place[key]


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The values as Helm puts them together."""
    both = {
        key: merged(values[key], value) if isinstance(value, dict) and key in values else value
        for key, value in more.items()
    }
    return {**values, **both}


def keys_of(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties
        for value in schema.values():
            yield from keys_of(value)


def command_lines() -> Iterator[tuple[str, str]]:
    """Every `planner …` of a page: after a prompt, and between backticks."""
    for page, text in TEXTS.items():
        for block in re.findall(r"^ *```console\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
            yield from ((page, line) for line in re.findall(r"^ *\$ (planner .*)$", block, re.MULTILINE))
        yield from ((page, line) for line in re.findall(r"`(planner [a-z][^`]*)`", text))


def test_every_command_line_can_be_typed() -> None:
    lines = sorted(set(command_lines()))
    assert len(lines) > 40
    contexts = dict(commands())
    for page, line in lines:
        if "…" in line or "COMMAND" in line or "NAME" in line:
            continue
        for part in re.split(r" && | \|\| | \| | > ", line):
            words = shlex.split(part, comments=True)
            if words[0] != "planner":
                continue
            assert words[1] in contexts, (page, line)
            group = isinstance(contexts[words[1]].command, click.Group)
            depth = 3 if group and len(words) > 2 else 2
            context = contexts[" ".join(words[1:depth])]
            parser = context.command.make_parser(context)
            try:
                _, left, _ = parser.parse_args(words[depth:])
            except click.UsageError as error:
                raise AssertionError((page, line, error.message)) from error
            assert not left, (page, line)


@pytest.mark.parametrize("page", TEXTS)
def test_every_whole_file_in_a_page_is_valid(page: str) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```", TEXTS[page], re.DOTALL | re.MULTILINE):
        if block.startswith("version:") or "\nversion:" in block:
            parse(block.encode(), origin=page, nodes_override=None if "nodes:" in block else "n=http://n")
        else:
            yaml.safe_load(block)


def test_every_picture_is_shown_with_words_for_it() -> None:
    picture = re.compile(r"!\[([^\]]*)\]\((?:docs/)?([^)]*\.svg)\)")
    shown = {path: words for text in TEXTS.values() for words, path in picture.findall(text)}
    assert {path for path in shown if path.startswith("pictures/")} == {
        path.relative_to(DOCS).as_posix() for path in (DOCS / "pictures").glob("*.svg")
    }
    assert all(len(words) > 40 for words in shown.values())
    for path in DOCS.rglob("*.svg"):
        assert not re.search(r"(?:href|src|url)\W+https?:", path.read_text("utf-8")), path.name


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXTS["README.md"]):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_defence_names_a_test_that_is_there() -> None:
    """And of every actor it is said what is not stopped."""
    page = TEXTS["docs/threats.md"]
    rows = [line for line in page.splitlines() if re.match(r"\| (?!what |---)", line) and "tests/" in line]
    assert len(rows) > 40
    for row in rows:
        tests = row.removesuffix(" |").rpartition(" | ")[2]
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert ", ".join(f"`{name}`" for name in named) == tests, row
        for name in named:
            assert "def test_" in (ROOT / name).read_text("utf-8"), name
    assert set(re.findall(r"tests/[\w./]+", page)) == set(re.findall(r"(?<=`)tests/[\w/]+\.py(?=`)", page))
    actors = re.findall(r"^\| \[[^]]+\]\(#([\w-]+)\) \|", page, re.MULTILINE)
    sections = {part.splitlines()[0].lower().replace(" ", "-"): part for part in page.split("\n## ")[1:]}
    assert len(actors) == 9
    for actor in actors:
        assert "**Not stopped.**" in sections[actor], actor


def test_make_docs_is_as_strict() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"mkdocs build (.*?)(?:  #.*)?$", makefile, re.MULTILINE) == ["--strict"]


def test_security_policy_is_where_people_look_for_it() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for words in ("## Supported versions", "**Privately", "## What to expect", "## What counts"):
        assert words in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / target).exists(), target
    assert "docs/threats.md" in text
    assert "](SECURITY.md)" in TEXTS["README.md"]
    assert "`SECURITY.md`" in TEXTS["docs/threats.md"]
    for line in re.findall(r"^\$ make (\w+)", text, re.MULTILINE):
        assert f"\n{line}:" in (ROOT / "Makefile").read_text("utf-8"), line
