"""The docstring of every package is its index: it names each of its modules, and none that is not there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    path.parent
    for path in sorted((ROOT / "planner").rglob("__init__.py"))
    if len(list(path.parent.glob("*.py"))) > 2 and path.parent.name not in ("commands", "versions")
]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_package_names_its_modules(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    folders = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.name for path in package.glob("[!_]*.py")}
    assert set(re.findall(r"\b\w+\.py\b", text)) == modules
    assert set(re.findall(r"(?<![\w./])\w+/(?!\w)", text)) == folders
