"""The audits: bandit over all code, and that zizmor sees every workflow. Each exception has its reason."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.github import ROOT
from tests.deploy.test_recipes import PLAN, RECIPES

TOOLS = Path(sys.executable).parent
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
AUDITED = re.findall(r"^AUDITED := (.*)$", MAKEFILE, re.MULTILINE)[0].split()


def tracked(*patterns: str) -> list[str]:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def bandit(*paths: str | Path) -> tuple[int, str]:
    words: list[str | Path] = [TOOLS / "bandit", "--quiet", "--recursive", "--format", "custom"]
    words += ["--msg-template", "{relpath}:{line} {test_id}", *paths]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_bandit_looks_at_all_code_that_is_not_a_test() -> None:
    folders = {name.partition("/")[0] for name in tracked("*.py")}
    assert folders - {"tests"} == set(AUDITED)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "bandit" not in project["tool"]  # no rule and no file is left out for good
    assert not list(ROOT.glob(".bandit*"))
    assert "\t$(BIN)/bandit --quiet --recursive $(AUDITED)\n" in MAKEFILE  # of `make lint`


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import subprocess  # nosec B404\nsubprocess.run('id', shell=True)\n", "B602"),
        ("import yaml\nyaml.load('a', yaml.Loader)\n", "B506"),
        ("import requests\nrequests.get('https://a', verify=False, timeout=1)\n", "B501"),
        ("password = 'hunter2'\n", "B105"),
        ("assert True\n", "B101"),
    ],
)
def test_bandit_would_find_a_mistake(tmp_path: Path, code: str, rule: str) -> None:
    (tmp_path / "mistake.py").write_text(code, "utf-8")
    status, found = bandit(tmp_path)
    assert status == 1
    assert rule in found


def exceptions() -> Iterator[tuple[str, str, str]]:
    """Where, the line above, and the line, of every mark for bandit."""
    for name in tracked(*(f"{folder}/*.py" for folder in AUDITED)):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if "nosec" in line.lower():
                yield f"{name}:{number}", lines[number - 2] if number > 1 else "", line


def test_every_exception_is_of_one_rule_and_has_its_reason() -> None:
    """Beside a `noqa` of ruff its reason counts; else a remark before the mark, or the line above."""
    found = list(exceptions())
    assert len(found) > 30
    for where, above, line in found:
        assert re.search(r"  # nosec B\d{3}$", line), where
        remarks = re.split(r"  # ", line.partition("  # nosec")[0])[1:]
        reasons = [re.sub(r"^noqa: \w+\s*", "", remark).strip(" ()") for remark in remarks]
        assert any(reasons) or above.strip().startswith("# "), where
        for rule in re.findall(r"# noqa: S(\d+)", line):
            assert line.endswith(f"B{rule}"), where


def test_zizmor_sees_every_workflow_and_action() -> None:
    """Whatever file looks like one is among those that tests/deploy/test_recipes.py hands over."""
    looks = set()
    for name in tracked("*.yml", "*.yaml"):
        if "/templates/" in name:
            continue  # of Helm: no YAML yet
        for document in yaml.safe_load_all((ROOT / name).read_text("utf-8")):
            if not isinstance(document, dict):
                continue
            workflow = "jobs" in document and True in document  # YAML reads the key `on` as true
            if workflow or "using" in str(document.get("runs")):
                looks.add(ROOT / name)
    assert looks == set(RECIPES)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", "unpinned-uses"),
        ("          set -euo pipefail\n", "          echo ${{ github.head_ref }}\n", "template-injection"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ],
)
def test_zizmor_would_find_a_mistake(tmp_path: Path, old: str, new: str, rule: str) -> None:
    text = PLAN.read_text("utf-8")
    assert old in text
    file = tmp_path / ".github" / "workflows" / "plan.yml"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(old, new), "utf-8")
    words: list[str | Path] = [TOOLS / "zizmor", "--offline", "--no-config", "--persona=auditor", file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert rule in done.stdout
