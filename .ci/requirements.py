"""Print poetry.lock as requirements with hashes, for a pip that knows no Poetry.

Usage: ``requirements.py [EXTRA]...``. What it prints is what planner needs to run, with these extras, and the
backend that builds it. Only the standard library is used, so that nothing has to be installed before the
hashes are known.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "poetry.lock"
GROUPS = ("main", "build")
_EXTRA = re.compile(r"""extra == ["']([\w-]+)["']""")


def line_of(package: dict[str, Any], extras: set[str]) -> str | None:
    """The requirement of one locked package; None where these extras do not ask for it."""
    markers = package.get("markers", "")
    wanted = []
    for group in GROUPS:
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
    hashes = " ".join(f"--hash={file['hash']}" for file in package["files"])
    return f"{package['name']}=={package['version']}{condition} {hashes}"


def _truth(value: bool) -> str:
    """A marker that always has this value: the language of markers has no constants."""
    return f"python_version {'>=' if value else '<'} '3'"


def requirements(extras: set[str]) -> list[str]:
    """One line for each package."""
    packages = tomllib.loads(LOCK.read_text("utf-8"))["package"]
    return [line for package in packages if (line := line_of(package, extras)) is not None]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(set(sys.argv[1:]))) + "\n")
