"""The licence of everything that planner runs on, and which licences are let in.

``python -m docs.supply.licences`` writes docs/reference/licences.md (``make docs`` does), or says what stands
against it: a licence that nobody let in, or one that is not known. tests/deploy/test_licences.py holds that
the page is of this lock.

The lock names no licence, so the installed package is asked: License-Expression, then the classifiers, then
the field License. Not every package is installed on every platform. One that is not keeps what the page
says of the same version, so the page is the same wherever it is written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from docs.supply.lock import ROOT, Locked, Runtime, read

PAGE = ROOT / "docs" / "reference" / "licences.md"

ANY = ()
ALLOWED: dict[str, tuple[tuple[str, ...], str]] = {
    "Apache-2.0": (ANY, "Permissive; asks to keep the notice, and grants patents."),
    "BSD-2-Clause": (ANY, "Permissive; asks to keep the notice."),
    "BSD-3-Clause": (ANY, "Permissive; asks to keep the notice."),
    "ISC": (ANY, "Permissive; asks to keep the notice."),
    "MIT": (ANY, "Permissive; asks to keep the notice."),
    "PSF-2.0": (ANY, "Permissive; the licence of Python itself."),
    "MPL-2.0": (
        ("certifi",),
        "Copyleft for its own files, which planner does not change: a list of certificates.",
    ),
    "LGPL-3.0-only": (
        ("psycopg", "psycopg-binary"),
        (
            "Copyleft for the library itself. planner imports it, unchanged and replaceable, and only with "
            "the extra `postgresql`. Whoever hands out an image with it hands out its licence: the package "
            "has it."
        ),
    ),
}
"""Each licence that is let in: for which packages (none named: for any), and why."""

REVIEWED = {
    # What the metadata says is no licence, or more than one: somebody has read the text that comes with it.
    ("jinja2", "BSD License"): "BSD-3-Clause",
    ("partd", "BSD"): "BSD-3-Clause",
    ("uvloop", "Apache Software License, MIT License"): "Apache-2.0 OR MIT",
    ("zict", "BSD License"): "BSD-3-Clause",
}
"""Package and what its metadata says: its licence."""

NAMES = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Classifiers that mean one licence. `BSD License` may be any of several."""

HEAD = """\
<!-- Written by docs/supply/licences.py (make docs): a change here is lost. -->
# Licences

planner itself is under the licence {licence}. This is everything that it runs on, on any platform and with
every extra, in the versions of `poetry.lock`. `make sbom` writes the same for machines (CycloneDX), with
the hashes of the files and who needs what.

A licence that is not in the first table stops `make docs` and the tests, and so does a package whose licence
nobody knows: a new dependency, or a new version of one, is let in by a person.

## Let in

| licence | for | why |
| --- | --- | --- |
"""
PACKAGES = """
## Packages

| package | version | licence | comes with |
| --- | --- | --- | --- |
"""


class Metadata(Protocol):
    """The metadata of a package, as `importlib.metadata` has it."""

    def get_all(self, name: str, failobj: None = None) -> list[str] | None:
        """Every value of a header."""


class Refused(Exception):
    """What stands against the licences, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


def said(name: str, metadata: Metadata) -> str | None:
    """The licence that a package's metadata means, as SPDX; None where that is not known."""
    (expression,) = metadata.get_all("License-Expression") or [""]
    if expression:
        return _spdx(expression)
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License :: ")]
    names = sorted(names[-1] for each in classifiers if len(names := each.split(" :: ")) > 2)  # noqa: PLR2004
    (text,) = metadata.get_all("License") or [""]
    if (name, ", ".join(names)) in REVIEWED:
        return REVIEWED[name, ", ".join(names)]
    if len(names) == 1 and names[0] in NAMES:
        return NAMES[names[0]]
    if len(names) > 1:
        return None
    return REVIEWED.get((name, text)) or _spdx(text)


def _spdx(text: str) -> str | None:
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def installed(package: Locked) -> tuple[bool, str | None]:
    """Whether exactly this version is installed, and the licence that its metadata means."""
    try:
        found = distribution(package.name)
    except PackageNotFoundError:
        return False, None
    if found.version != package.version:
        return False, None
    return True, said(package.name, found.metadata)


def written(page: str) -> dict[tuple[str, str], str]:
    """What a page says: package and version to licence."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([^|]+?) \| .*\|$", page.partition(PACKAGES)[2], re.MULTILINE)
    return {(name, version): licence for name, version, licence in rows}


def of(packages: tuple[Locked, ...], known: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """The licence of every package, as SPDX.

    Args:
        packages: what to ask for.
        known: package and version to licence, for what is not installed.

    Raises:
        Refused: one is not known, or not let in.
    """
    licences: dict[str, str] = {}
    problems: list[str] = []
    for package in packages:
        here, licence = installed(package)
        if not here:
            licence = known.get((package.name, package.version))
        if licence is not None:
            licences[package.name] = licence
            problems.extend(against(package.name, licence))
        elif here:
            problems.append(
                f"{package.name} {package.version}: its metadata names no licence that is understood. "
                "Read the text that comes with it, and add it to REVIEWED in docs/supply/licences.py."
            )
        else:
            problems.append(
                f"{package.name} {package.version}: it is not installed, and {PAGE.name} does not have this "
                f"version. Install it once (pip install --no-deps {package.name}=={package.version}), and "
                "run `make docs`."
            )
    if problems:
        raise Refused(problems)
    return licences


def against(name: str, licence: str) -> Iterator[str]:
    """What stands against a package with this licence. Of a choice, too, every one has to be let in."""
    for one in re.findall(r"[\w.+-]+", re.sub(r"\b(AND|OR|WITH)\b", " ", licence)):
        only, _ = ALLOWED.get(one, ((), ""))
        if one not in ALLOWED or (only and name not in only):
            yield (
                f"{name}: {one} is not let in{' for it' if one in ALLOWED else ''}. Do without it, or add it "
                "to ALLOWED in docs/supply/licences.py and say why."
            )


def page(found: Runtime, known: Mapping[tuple[str, str], str]) -> str:
    """The page, whole.

    Raises:
        Refused: see `of`.
    """
    licences = of(found.packages, known)
    lines = [HEAD.format(licence=found.licence)]
    for name, (only, why) in sorted(ALLOWED.items()):
        lines.append(f"| {name} | {', '.join(only) or 'any'} | {why} |\n")
    lines.append(PACKAGES)
    for each in found.packages:
        comes = ", ".join(f"`{extra}`" for extra in each.extras) or "planner"
        lines.append(f"| {each.name} | {each.version} | {licences[each.name]} | {comes} |\n")
    return "".join(lines)


def main(path: Path = PAGE) -> None:
    """Write the page where it is not as it should be."""
    before = path.read_text("utf-8") if path.exists() else ""
    try:
        text = page(read(), written(before))
    except Refused as refused:
        sys.exit("".join(f"error: {line}\n" for line in str(refused).splitlines()))
    if text != before:
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"Wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
