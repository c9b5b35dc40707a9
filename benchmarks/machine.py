"""Where it was measured, and with which versions: without that, a figure says little."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess  # asks programs for their version  # nosec B404
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.clients import terraform
from benchmarks.cluster import ROOT

PACKAGES = ("requests", "urllib3", "aiohttp", "ansible-core", "SQLAlchemy", "uvloop")


def machine(where: Path) -> dict[str, str]:
    """This machine, what runs on it, and the file system of the directory where stores are made."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text("utf-8"))
    return {
        "CPU": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "RAM": f"{int(memory[1]) / 2**20:.1f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "store on": filesystem(where),
        "Python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "Terraform": _terraform(),
        "curl": _first_line("curl", "--version").split(" (")[0].removeprefix("curl "),
    }


def made() -> dict[str, str]:
    """The day, and the commit of what was measured; ``+`` where it has changed since the commit."""
    commit = _git("rev-parse", "--short=10", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--", "planner", "benchmarks/*.py")
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": commit + ("+" if changed else "")}


def filesystem(path: Path) -> str:
    """The type of the file system on which a path lies."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text("utf-8").splitlines():
        _, point, its, *_ = line.split(" ")
        if path.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, its
    return kind


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _terraform() -> str:
    if not terraform.PROGRAM:
        return "not on this machine"
    return _first_line(terraform.PROGRAM, "version").split(" v")[-1]


def _first_line(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return "not on this machine"
    environment = {"PATH": os.environ.get("PATH", os.defpath), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(  # a program that is named here  # nosec B603
        words, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()[0]


def _git(*words: str) -> str:
    words = ("git", *words)
    done = subprocess.run(  # git, with fixed arguments  # nosec B603
        words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip()
