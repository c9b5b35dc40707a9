"""Print poetry.lock as requirements with hashes, for a pip that knows no Poetry.

Usage: ``requirements.py [EXTRA]... [--all-extras] [--with GROUP]... [--only GROUP]``. What it prints is
what planner needs to run, with these extras, the backend that builds it, and the groups asked for; or one
group alone. Only the standard library is used, so that nothing has to be installed before the hashes are
known.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "poetry.lock"
GROUPS = ("main", "build")
_EXTRA = re.compile(r"""extra == ["']([\w-]+)["']""")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def line_of(package: dict[str, Any], extras: set[str], groups: tuple[str, ...] = GROUPS) -> str | None:
    """The requirement of one locked package; None where these extras and groups do not ask for it."""
    markers = package.get("markers", "")
    wanted = []
    for group in groups:
        if group not in package["groups"]:
            continue
        marker = markers.get(group, "") if isinstance(markers, dict) else markers
        names = set(_EXTRA.findall(marker))
        if names and not names & extras:
            continue
        # pip knows no extra here: those that are wanted are true, and the others false.
        wanted.append(_EXTRA.sub(lambda found: _truth(found[1] in extras), marker))
    if not wanted:
        return None
    condition = "" if "" in wanted else " ; " + " or ".join(f"({marker})" for marker in wanted)
    return f"{package['name']}=={package['version']}{condition} {hashes_of(package)}"


def hashes_of(package: dict[str, Any]) -> str:
    """Its hashes as options of pip.

    A package without files, or with one that has no SHA-256, ends the program: pip would trust what it gets.
    """
    hashes = [str(file.get("hash", "")) for file in package.get("files", ())]
    if not hashes or not all(map(_HASH.fullmatch, hashes)):
        sys.exit(
            f"error: {LOCK.name} lacks a SHA-256 of a file of {package['name']} {package['version']}\n"
            "       next: run `make lock`, and look at what it changed"
        )
    return " ".join(f"--hash={each}" for each in hashes)


def _truth(value: bool) -> str:
    """A marker that always has this value: the language of markers has no constants."""
    return f"python_version {'>=' if value else '<'} '3'"


def requirements(lock: dict[str, Any], extras: set[str], groups: tuple[str, ...] = GROUPS) -> list[str]:
    """One line for each package."""
    lines = (line_of(package, extras, groups) for package in lock["package"])
    return [line for line in lines if line is not None]


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(description="Print poetry.lock as requirements with hashes.")
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    parser.add_argument("--all-extras", action="store_true")
    parser.add_argument("--with", action="append", default=[], metavar="GROUP", dest="more")
    parser.add_argument("--only", metavar="GROUP")
    given = parser.parse_args()
    lock = tomllib.loads(LOCK.read_text("utf-8"))
    known = {group for package in lock["package"] for group in package["groups"]}
    groups = (given.only,) if given.only else (*GROUPS, *given.more)
    for unknown in [*(set(groups) - known), *(set(given.extras) - lock["extras"].keys())]:
        parser.error(f"{LOCK.name} has no {unknown!r}")
    extras = set(lock["extras"] if given.all_extras else given.extras)
    sys.stdout.write("\n".join(requirements(lock, extras, groups)) + "\n")


if __name__ == "__main__":
    main()
