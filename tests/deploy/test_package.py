"""What is handed out: the version, the lock, and the files in the wheel and in the sdist."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import planner

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / "poetry.lock").read_text("utf-8")

BUILD = "import sys; from poetry.core.masonry import api; api.build_{kind}(sys.argv[1])"


def package_files() -> set[str]:
    """Every file that is part of the package, as a path inside the archive."""
    found = (path for path in (ROOT / "planner").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def build(kind: str, into: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind=kind), str(into)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (archive,) = into.iterdir()
    return archive


def test_version_has_one_value() -> None:
    assert PROJECT["project"]["version"] == planner.__version__


def test_wheel_holds_the_package_with_its_data_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        scripts = wheel.read(entry_points).decode()
    assert "planner/py.typed" in names
    assert {name for name in names if ".dist-info/" not in name} == package_files()
    assert any(name.endswith("/LICENSE") for name in names)
    assert "planner=planner.cli:main" in scripts


def test_sdist_can_be_built_from(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert package_files() | {"pyproject.toml", "LICENSE", "README.md"} <= names


def test_lock_names_no_index() -> None:
    assert "://" not in LOCK
    assert "[package.source]" not in LOCK


def test_lock_has_a_hash_for_every_package() -> None:
    packages = tomllib.loads(LOCK)["package"]
    assert {locked["name"] for locked in packages} >= {"requests", "sqlalchemy", "pytest", "poetry-core"}
    for locked in packages:
        assert locked["files"], locked["name"]
        assert all(file["hash"].startswith("sha256:") for file in locked["files"]), locked["name"]


@pytest.mark.parametrize("name", ["pyproject.toml", "Makefile", ".ci/run", "Dockerfile"])
def test_no_index_is_chosen_in(name: str) -> None:
    """Where packages come from is pip's configuration on the machine, never ours."""
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"index-url[ =]|find-links|trusted-host|tool\.poetry\.source|https?://", text)


def test_every_module_is_under_an_import_contract() -> None:
    """A new module or package must be placed in pyproject.toml, or no contract would look at it."""
    contracts = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    layers = re.findall(r"planner\.\w+", " ".join(contracts["layers"]["layers"]))
    placed = {*layers, *contracts["adapters-independent"]["modules"]}
    modules = {f"planner.{path.stem}" for path in (ROOT / "planner").glob("[!_]*.py")}
    packages = {f"planner.{path.parent.name}" for path in (ROOT / "planner").glob("*/__init__.py")}
    assert modules | packages <= placed
