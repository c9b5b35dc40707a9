"""The commands a newcomer types first: `make` and `.ci/run`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The suite itself runs under make: what that one was told must not reach this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_make_alone_lists_every_target() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    listed = re.findall(r"^  make (\w+) +\S", make().stdout, re.MULTILINE)
    assert sorted(listed) == sorted(targets.split())


def test_make_test_runs_every_check(tmp_path: Path) -> None:
    planned = make("--dry-run", "test", f"VENV={tmp_path}/venv").stdout
    checks = (
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
        "bandit",
        "check --lock",
        "pytest -n",
    )
    for check in checks:
        assert check in planned
    assert planned.count("--require-hashes") == 2  # what a developer needs, and Poetry to check the lock


def test_make_demo_installs_no_development_tool(tmp_path: Path) -> None:
    planned = make("--dry-run", "demo", f"VENV={tmp_path}/venv").stdout
    assert "requirements.py simulator >" in planned
    assert not re.search("--with |--all-extras|poetry", planned.lower())
    assert planned.rstrip().endswith("-m planner.cli demo")


def test_make_fuzz_installs_its_fuzzer_from_the_lock_and_runs_every_target(tmp_path: Path) -> None:
    planned = make("--dry-run", "fuzz", f"VENV={tmp_path}/venv", "FUZZ_SECONDS=7").stdout
    assert "--with dev --with docs --with fuzz >" in planned
    assert planned.count("--require-hashes") == 2
    assert "-max_total_time=7" in planned
    for target in TARGETS:
        assert re.search(rf"for target in [^;]*\b{target}\b", planned)


def test_an_old_python_is_refused_in_plain_words(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.13 && exit 0\nexit 1\n', "utf-8")
    old.chmod(0o755)
    done = make("install", f"PYTHON={old}", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.10.13" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_is_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text("utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert "make test" in lines
    assert "tests/deploy/test_image.py" in lines[-1]
