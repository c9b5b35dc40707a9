"""What is asked all the time is answered at once: nothing is imported that an answer does not need."""

import subprocess
import sys

import pytest

HEAVY = ("alembic", "asyncio", "difflib", "jinja2", "jsonschema", "requests", "rich", "sqlalchemy", "yaml")
CHECK = """\
import sys
from planner.cli import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    ("arguments", "more"), [(["--version"], ("click",)), (["--help"], ()), (["plan", "--help"], ())], ids=str
)
def test_an_answer_imports_only_what_it_needs(arguments: list[str], more: tuple[str, ...]) -> None:
    words = [sys.executable, "-c", CHECK, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout
    assert {"planner.cli", *HEAVY, *more} & set(done.stderr.split()) == {"planner.cli"}
