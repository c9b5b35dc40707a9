"""What is asked all the time is answered at once: nothing is imported that an answer does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

HEAVY = ("alembic", "asyncio", "difflib", "jinja2", "jsonschema", "requests", "rich", "sqlalchemy", "yaml")
IDLE = ("alembic", "dask", "distributed", "dotenv", "jinja2", "jsonschema", "psycopg", "rich")
"""What a plan needs only where its file is wrong, its store another one, or its reader at a terminal."""

POSTGRESQL = "sqlalchemy.dialects.postgresql"
CHECK = """\
import os, sys
from planner.cli import main
try:
    main()
finally:
    with open(os.environ["MODULES"], "w") as file:
        file.write(" ".join(sys.modules))
"""
LEAVE = """\
import atexit, os, sys, threading
from planner.cli import main
import planner.cli.main
class Torn:
    def __del__(self):
        os.write(1, b"torn apart")
kept = Torn()
kept.itself = kept
def run():
    print("whole")
    threading.Thread(target=print, args=("thread",)).start()
    atexit.register(print, "tidied up")
    {end}
sys.modules["planner.cli.main"].run = run
main()
"""


def imported(tmp_path: Path, *arguments: str, **environment: str) -> set[str]:
    """What a run has imported when it has done all its work."""
    told = tmp_path / "modules"
    words = [sys.executable, "-c", CHECK, *arguments]
    given = {"MODULES": str(told), "PYTHONPATH": ":".join(sys.path), **environment}
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path, env=given)
    assert done.stdout
    return set(told.read_text().split())


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(["--version"], ("click", "re", "typing")), (["--help"], ()), (["plan", "--help"], ())],
    ids=str,
)
def test_an_answer_imports_only_what_it_needs(
    tmp_path: Path, arguments: list[str], more: tuple[str, ...]
) -> None:
    assert {"planner.cli", *HEAVY, *more} & imported(tmp_path, *arguments) == {"planner.cli"}


def test_a_prompt_waits_for_no_store_and_no_node(shop: Shop, tmp_path: Path) -> None:
    asked = {"_PLANNER_COMPLETE": "bash_complete", "COMP_WORDS": "planner plan --node "}
    modules = imported(tmp_path, **shop.environment, **asked)
    assert {"planner.desired", "yaml", *HEAVY} & modules == {"planner.desired", "yaml"}


def test_a_plan_imports_only_what_it_needs(shop: Shop, cluster: SimulatedCluster, tmp_path: Path) -> None:
    shop.file("a", "kept")
    modules = imported(tmp_path, "plan", **shop.environment)
    assert {"requests", "sqlalchemy", POSTGRESQL, *IDLE} & modules == {"requests", "sqlalchemy"}


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [("sys.exit(7)", 7, ""), ("raise ValueError('a bug')", 1, "ValueError: a bug\n")],
)
def test_a_run_tidies_up_and_says_all_before_it_is_gone(end: str, code: int, said: str) -> None:
    words = [sys.executable, "-c", LEAVE.format(end=end)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[-len(said) :] if said else done.stderr) == (code, said)
    assert done.stdout.startswith("whole\nthread\ntidied up\n")
    assert ("torn apart" in done.stdout) is bool(said)  # a bug is left to Python
