"""Nothing is installed that poetry.lock has no hash of: the lock, what pip is told, and who installs."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.deploy.github import ACTION, ROOT

LOCK: dict[str, Any] = tomllib.loads((ROOT / "poetry.lock").read_text("utf-8"))
GROUPS = sorted({group for package in LOCK["package"] for group in package["groups"]})
SCRIPT = ROOT / ".ci" / "requirements.py"
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
ZEROS = 64 * "0"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("requirements_of_ci", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REQUIREMENTS = load()


def problems(lock: dict[str, Any]) -> list[str]:
    """What is wrong with the files of a lock."""
    found = []
    for package in lock["package"]:
        name, files = package["name"], package.get("files", [])
        if not files:
            found.append(f"{name} has no file")
        if "source" in package:
            found.append(f"{name} is not from the index")
        for file in files:
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", file.get("hash", "")):
                found.append(f"{file['file']} has no SHA-256")
            begin = re.match(r"(.+?)-\d", file["file"])
            if begin is None or canonicalize_name(begin[1]) != canonicalize_name(name):
                found.append(f"{file['file']} is no file of {name}")
        if len({file["file"] for file in files}) != len(files):
            found.append(f"{name} has one file twice")
    return found


def test_every_file_of_the_lock_has_a_hash() -> None:
    assert len(LOCK["package"]) > 150
    assert problems(LOCK) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda files: files.clear(), "certifi has no file"),
        (lambda files: files[0].pop("hash"), "has no SHA-256"),
        (lambda files: files[0].update(hash="md5:" + 32 * "0"), "has no SHA-256"),
        (lambda files: files[0].update(hash="sha256:" + 63 * "0"), "has no SHA-256"),
        (lambda files: files[0].update(file="evil-1.0.tar.gz"), "is no file of certifi"),
        (lambda files: files.append(files[0]), "one file twice"),
    ],
)
def test_a_lock_without_a_hash_is_found(damage: Callable[[list[dict[str, str]]], Any], said: str) -> None:
    lock = tomllib.loads((ROOT / "poetry.lock").read_text("utf-8"))
    (package,) = (each for each in lock["package"] if each["name"] == "certifi")
    damage(package["files"])
    (found,) = problems(lock)
    assert said in found


def test_what_pip_is_told_has_a_hash_or_there_is_nothing_told() -> None:
    good = [{"file": "a", "hash": f"sha256:{ZEROS}"}]
    package: dict[str, Any] = {"name": "a", "version": "1", "groups": ["main"], "files": good}
    assert REQUIREMENTS.requirements({"package": [package]}, set()) == [f"a==1 --hash=sha256:{ZEROS}"]
    for files in ([], [{"file": "a"}], [{"file": "a", "hash": "md5:0"}], [*good, {"file": "b"}]):
        with pytest.raises(SystemExit) as stopped:
            REQUIREMENTS.requirements({"package": [package | {"files": files}]}, set())
        assert "lacks a SHA-256 of a file of a 1" in str(stopped.value)
        assert "make lock" in str(stopped.value)


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--with", "nothing"], ["nothing"]])
def test_a_mistyped_word_is_an_error_and_not_a_package_less(words: list[str]) -> None:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "poetry.lock has no 'nothing'" in done.stderr


@pytest.mark.parametrize("group", GROUPS)
def test_pip_is_told_every_group_whole(group: str) -> None:
    """Its packages, and only they, each with every hash that the lock has."""
    lines = REQUIREMENTS.requirements(LOCK, set(LOCK["extras"]), (group,))
    printed = {line.split()[0]: set(re.findall(r"--hash=(\S+)", line)) for line in lines}
    assert len(printed) == len(lines)
    assert printed == {
        f"{package['name']}=={package['version']}": {file["hash"] for file in package["files"]}
        for package in LOCK["package"]
        if group in package["groups"]
    }


# Who installs.


def shell_texts() -> dict[str, str]:
    """All that runs commands, by its name."""
    names = ("Makefile", "Dockerfile", ".ci/run", "examples/ci/gitlab/.gitlab-ci.yml")
    texts = {name: (ROOT / name).read_text("utf-8") for name in names}
    texts["action.yml"] = "\n".join(step["run"] for step in ACTION["runs"]["steps"])
    for path in (ROOT / "examples" / "ci" / "github").iterdir():
        steps = [
            step for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values() for step in job["steps"]
        ]
        texts[path.name] = "\n".join(step.get("run", "") for step in steps)
    return texts


def installs(text: str) -> list[str]:
    """Every command that installs packages, on one line; so is one kept in an array, as in action.yml."""
    code = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
    parts = re.split(r"&&|\n|;", re.sub(r"\\\n\s*", "", code))
    installing = r"(?i)\b(?:pip3?|pipx|poetry|uv)\b.*\s(?:install|sync|add|run)\b|\$\{pip\[@\]\}"
    return [part.strip() for part in parts if re.search(installing, part)]


def test_whatever_is_fetched_is_checked() -> None:
    """An installation names a file with hashes, or fetches nothing: it is planner itself."""
    found = {name: installs(text) for name, text in shell_texts().items()}
    assert {name for name, lines in found.items() if lines} == {"Makefile", "Dockerfile", "action.yml"}
    assert sum(len(lines) for lines in found.values()) > 10
    (array,) = (line for line in found["action.yml"] if line.startswith("pip=("))
    assert array.endswith(" install)")
    found["action.yml"].remove(array)
    for name, lines in found.items():
        for line in lines:
            fetches_nothing = {"--no-deps", "--no-build-isolation"} <= set(line.split())
            assert fetches_nothing or "--require-hashes" in line, (name, line)


@pytest.mark.parametrize(
    "line",
    [
        "\t@$(PIP) install poetry==2.5.1",
        "\t@$(PIP) --python $(TOOLS)/bin/python install x",
        "RUN pip3 install x",
        '"${pip[@]}" x',
        "\t$(POETRY) install",
        "uv sync",
    ],
)
def test_an_installation_without_hashes_would_be_found(line: str) -> None:
    assert len(installs(line)) == 1
    assert installs(f"# {line}") == []


def test_what_is_checked_comes_from_the_lock() -> None:
    assert "LOCKED  = $(BIN)/python .ci/requirements.py\n" in MAKEFILE
    files = re.findall(r"--require-hashes -r (\S+)", MAKEFILE)
    assert len(files) == MAKEFILE.count("--require-hashes") > 4
    assert files[0] == "$<"
    assert "$(TOOLS)/.installed: $(VENV)/tools.txt\n" in MAKEFILE  # its $<, which is made of:
    for file in [*files[1:], "$@.new"]:
        assert re.search(rf"@\$\(LOCKED\) .* >{re.escape(file)}$", MAKEFILE, re.MULTILINE), file


def test_what_builds_planner_and_what_locks_are_locked_themselves() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (backend,) = project["build-system"]["requires"]
    assert project["dependency-groups"]["build"] == [backend]
    groups = {package["name"]: package["groups"] for package in LOCK["package"]}
    assert "build" in groups["poetry-core"]
    versions = {package["name"]: package["version"] for package in LOCK["package"]}
    tools = [text.split("==") for text in project["dependency-groups"]["tools"]]
    assert "poetry" in [name for name, _ in tools]
    for name, version in tools:
        assert "tools" in groups[name]
        assert versions[name] == version


# pip, really run, with a wheel that is made here.


def wheel(folder: Path, body: str) -> Path:
    """A wheel of one module; the same body is the same bytes."""
    path = folder / "tampered-1.0-py3-none-any.whl"
    about = "tampered-1.0.dist-info"
    files = {
        "tampered.py": body,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: tampered\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


@pytest.mark.parametrize(
    ("served", "hashed", "said"),
    [
        ("good = True\n", True, ""),
        ("good = False\n", True, "THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("good = True\n", False, "Hashes are required in --require-hashes mode"),
    ],
    ids=["as-locked", "tampered", "no-hash"],
)
def test_pip_takes_the_locked_file_only(tmp_path: Path, served: str, hashed: bool, said: str) -> None:
    locked = hashlib.sha256(wheel(tmp_path, "good = True\n").read_bytes()).hexdigest()
    file = {"file": "tampered-1.0-py3-none-any.whl", "hash": f"sha256:{locked}"}
    package = {"name": "tampered", "version": "1.0", "groups": ["main"], "files": [file]}
    (line,) = REQUIREMENTS.requirements({"package": [package]}, set())
    (tmp_path / "locked.txt").write_text(line if hashed else line.partition(" --hash")[0], "utf-8")
    wheel(tmp_path, served)
    words: list[str | Path] = [sys.executable, "-m", "pip", "install", "-q", "--no-compile"]
    words += ["--no-index", "--find-links", tmp_path, "--target", tmp_path / "into"]
    words += ["--require-hashes", "-r", tmp_path / "locked.txt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said in done.stderr
    assert (done.returncode == 0) == (not said), done.stderr
    assert (tmp_path / "into" / "tampered.py").exists() == (not said)
