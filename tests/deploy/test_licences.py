"""Licences: of everything that planner runs on, known and let in; the page and the bill are of this lock."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docs.supply import licences, sbom
from docs.supply.lock import ROOT, Locked, read, runtime

RUNTIME = read()
PAGE = licences.PAGE.read_text("utf-8")
WRITTEN = licences.written(PAGE)
LICENCE_OF = {name: licence for (name, _), licence in WRITTEN.items()}
NAMES = {each.name for each in RUNTIME.packages}
NEW = Locked("new", "1", (), (), ())


def metadata(**headers: str | list[str]) -> Message:
    message = Message()
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


# What planner runs on.


def test_the_graph_reaches_what_pip_is_told() -> None:
    """Two ways to read the lock: the graph of dependencies, and the groups and markers that pip gets."""
    words: list[str | Path] = [
        sys.executable,
        ROOT / ".ci" / "requirements.py",
        "--only",
        "main",
        "--all-extras",
    ]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    told = [line.split()[0] for line in lines]
    assert [f"{each.name}=={each.version}" for each in RUNTIME.packages] == told
    by_name = {each.name: each for each in RUNTIME.packages}
    assert by_name["requests"].extras == ()
    assert by_name["psycopg-binary"].extras == ("postgresql",)
    assert "psycopg-binary" in by_name["psycopg"].needs  # by an extra of its own
    assert "fqdn" not in NAMES  # jsonschema would need it for an extra that only a tool asks for
    assert "mako" in by_name["alembic"].needs
    assert "alembic" in RUNTIME.needs
    assert "tzdata" in by_name  # on Windows only


def test_a_package_that_is_not_locked_is_an_error() -> None:
    project = {"name": "p", "version": "1", "license": "MIT", "dependencies": ["a"]}
    a: dict[str, Any] = {"name": "a", "version": "1", "groups": ["main"], "files": []}
    with pytest.raises(ValueError, match="no b"):
        runtime(project, {"package": [a | {"dependencies": {"b": "*"}}]})
    with pytest.raises(ValueError, match="two versions of a"):
        runtime(project, {"package": [a, a | {"version": "2"}]})


# The licences.


def test_the_page_is_of_this_lock() -> None:
    assert licences.page(RUNTIME, WRITTEN) == PAGE, "run `make docs`, and look at what it changed"


def test_the_page_does_not_depend_on_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "installed", lambda package: (False, None))
    assert licences.page(RUNTIME, WRITTEN) == PAGE


def test_what_is_installed_is_asked_and_not_the_page() -> None:
    forged = dict.fromkeys(WRITTEN, "ISC")
    assert licences.of(RUNTIME.packages, forged)["click"] == "BSD-3-Clause"


def test_another_version_that_is_not_installed_has_to_be_looked_at() -> None:
    changed = tuple(
        replace(each, version="0") if each.name == "certifi" else each for each in RUNTIME.packages
    )
    with pytest.raises(licences.Refused, match=r"^certifi 0: it is not installed, and licences\.md does not"):
        licences.of(changed, WRITTEN)


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "LicenseRef-Own", "LGPL-3.0-only"])
def test_a_licence_that_nobody_let_in_is_refused(licence: str) -> None:
    for text in (licence, f"MIT AND {licence}", f"(MIT OR {licence})", f"{licence} WITH GCC-exception-3.1"):
        assert licence in " ".join(licences.against("requests", text))
    with pytest.raises(licences.Refused, match=f"new: {licence} is not let in"):
        licences.of((NEW,), {("new", "1"): licence})


def test_a_new_dependency_without_a_licence_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(licences.Refused, match="new 1: it is not installed"):
        licences.of((*RUNTIME.packages, NEW), WRITTEN)
    monkeypatch.setattr(licences, "installed", lambda package: (True, None))
    with pytest.raises(licences.Refused, match="new 1: its metadata names no licence that is understood"):
        licences.of((NEW,), WRITTEN | {("new", "1"): "MIT"})


def test_copyleft_is_let_in_for_those_that_are_named() -> None:
    assert list(licences.against("psycopg", "LGPL-3.0-only")) == []
    assert list(licences.against("certifi", "MPL-2.0")) == []
    assert list(licences.against("certifi", "LGPL-3.0-only")) != []
    assert {name for only, _ in licences.ALLOWED.values() for name in only} <= NAMES
    assert all(why.endswith(".") for _, why in licences.ALLOWED.values())


BSD = "License :: OSI Approved :: BSD License"
MIT = "License :: OSI Approved :: MIT License"
APACHE = "License :: OSI Approved :: Apache Software License"


@pytest.mark.parametrize(
    ("given", "licence"),
    [
        ({"License_Expression": "mit OR apache-2.0", "Classifier": BSD}, "MIT OR Apache-2.0"),
        ({"License_Expression": "see LICENSE", "License": "MIT"}, None),
        ({"Classifier": ["Typing :: Typed", MIT], "License": "GPL-3.0-only"}, "MIT"),
        ({"Classifier": [MIT, APACHE], "License": "MIT"}, None),
        ({"Classifier": BSD}, None),
        ({"Classifier": BSD, "License": "BSD-2-Clause"}, "BSD-2-Clause"),
        ({"Classifier": "License :: OSI Approved", "License": "isc"}, "ISC"),
        ({"License": "MIT License, see the file"}, None),
        ({"License": "UNKNOWN"}, None),
        ({}, None),
    ],
)
def test_what_metadata_means(given: dict[str, Any], licence: str | None) -> None:
    assert licences.said("some", metadata(**given)) == licence


def test_what_was_read_counts_for_just_what_was_said() -> None:
    assert licences.said("jinja2", metadata(Classifier=BSD)) == "BSD-3-Clause"
    assert licences.said("jinja2", metadata(License="BSD")) is None
    assert licences.said("other", metadata(Classifier=BSD)) is None
    assert {name for name, _ in licences.REVIEWED} <= NAMES


# The bill.


def bill(epoch: int | None = None) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(sbom.document(RUNTIME, LICENCE_OF, epoch))
    return said


def test_the_bill_is_valid() -> None:
    said = bill(epoch=0)
    files = [file for each in said["components"] for file in each["externalReferences"]]
    # Each address takes the validator some 50 milliseconds, so two stand for all that have their form.
    for file in files:
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[\w.]+\?file_name=[\w.%+-]+", file["url"])
    for each in said["components"]:
        each["externalReferences"] = []
    said["components"][0]["externalReferences"] = files[:2]
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(said)) is None
    said["components"][0]["externalReferences"][0]["hashes"][0]["content"] = "none"
    assert validator.validate_str(json.dumps(said)) is not None


def test_the_bill_is_whole() -> None:
    lock = tomllib.loads((ROOT / "poetry.lock").read_text("utf-8"))
    locked = {
        f"pkg:pypi/{package['name']}@{package['version']}": {file["hash"] for file in package["files"]}
        for package in lock["package"]
        if "main" in package["groups"]
    }
    components = bill()["components"]
    assert locked == {
        each["purl"]: {f"sha256:{file['hashes'][0]['content']}" for file in each["externalReferences"]}
        for each in components
    }
    for each in components:
        (licence,) = each["licenses"]
        assert LICENCE_OF[each["name"]] == licence.get("expression", licence.get("license", {}).get("id"))
        assert each["scope"] == ("optional" if "properties" in each else "required")


def test_the_bill_is_planners_and_says_who_needs_what() -> None:
    said = bill()
    root = said["metadata"]["component"]
    assert (root["name"], root["version"], root["type"]) == ("planner", RUNTIME.version, "application")
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in said["dependencies"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [project["dependencies"], *project["optional-dependencies"].values()]
    own = {re.split(r"[\[><=; ]", text)[0].lower() for texts in named for text in texts}
    assert {ref.partition("@")[0] for ref in needs["planner"]} == own
    reached: set[str] = set()
    ahead = ["planner"]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead.extend(needs[ref])
    assert reached == {"planner", *(each["bom-ref"] for each in said["components"])}


def test_the_bill_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    """In another process, time zone and order of sets."""
    elsewhere = {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONHASHSEED": "7", "TZ": "UTC-7"}
    words: list[str | Path] = [sys.executable, "-m", "docs.supply.sbom", tmp_path / "sbom.json"]
    subprocess.run(words, cwd=ROOT, env=os.environ | elsewhere, check=True, capture_output=True)
    text = (tmp_path / "sbom.json").read_text("utf-8")
    assert text == sbom.document(RUNTIME, LICENCE_OF, 1700000000)
    dated, undated = json.loads(text), bill()
    assert dated["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert "timestamp" not in undated["metadata"]
    assert undated == bill()
    assert len({said["serialNumber"] for said in (dated, undated, bill(epoch=1))}) == 3


def test_the_bill_names_no_place() -> None:
    text = sbom.document(RUNTIME, LICENCE_OF)
    assert re.findall(r"\w+://[^\"]*", text) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]
    assert str(ROOT) not in text


def test_the_bill_is_of_licences_that_the_page_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "licences.md"
    page.write_text(PAGE.replace("| certifi | ", "| certify | "), "utf-8")
    monkeypatch.setattr(licences, "PAGE", page)
    with pytest.raises(SystemExit, match=r"licences\.md does not have certifi .*\n.*make docs"):
        sbom.main(tmp_path / "sbom.json")
    assert not (tmp_path / "sbom.json").exists()
