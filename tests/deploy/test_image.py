"""The image, really built in a closed network and really run: read-only, as nobody, as the first process.

The base image is Debian with its Python, made by debootstrap; the packages come over loopback, and their
place is handed over as a secret. Needs root, buildah and debootstrap (`apt-get install buildah debootstrap`).
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planner import __version__
from planner.simulator import SimulatedCluster
from tests.deploy.test_dockerfile import extras

ROOT = Path(__file__).parents[2]
# Several runs may be at it, each in a process of its own.
BASE = f"localhost/planner-test-base-{os.getpid()}"
IMAGE = f"localhost/planner-test-{os.getpid()}"
NOBODY = 65532
LIMIT = 110
"""Megabytes that planner adds to its base, a third of them for Dask: a worker runs the same image."""

MISSING = [tool for tool in ("buildah", "debootstrap", "unshare") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.geteuid() != 0 or bool(MISSING), reason=f"needs root, and {MISSING or 'its tools'}"
    ),
]

RUN = """\
set -e
mount --bind "$1" "$1"; mount --bind "$2" "$1/var/lib/planner"; mount --bind "$3" "$1/work"
mount -t proc proc "$1/proc"; mount -o remount,ro,bind "$1"; mount -o remount,ro,bind "$1/work"
root=$1; shift 3
exec chroot --userspec=65532:65532 "$root" "$@"
"""


def call(*words: str | Path) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def config() -> dict[str, Any]:
    """What the image says of itself."""
    said = json.loads(call("buildah", "inspect", "--type", "image", IMAGE))
    found: dict[str, Any] = said["OCIv1"]["config"]
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: it would be among the output of the tests."""


@pytest.fixture(scope="module")
def pip_conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a pip that reaches nothing but the locked packages, on loopback."""
    folder = tmp_path_factory.mktemp("packages")
    locked = call(sys.executable, ROOT / ".ci/requirements.py", *extras())
    (folder / "locked.txt").write_text(locked, "utf-8")
    download = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "--require-hashes"]
    # Debian's Python, not ours, runs in the image.
    call(*download, "--python-version", "3.11", "-r", folder / "locked.txt", "-d", folder)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = folder / "pip.conf"
        path.write_text(f"[global]\nno-index = true\nfind-links = http://127.0.0.1:{server.server_port}/\n")
        yield path
        server.shutdown()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the base image."""
    folder = tmp_path_factory.mktemp("base")
    call("debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm", folder / "root")
    call("tar", "-C", folder / "root", "-cf", folder / "root.tar", ".")
    (folder / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n", "utf-8")
    call("buildah", "build", "--isolation", "chroot", "--tag", BASE, folder)
    (folder / "root.tar").unlink()
    return folder / "root"


@pytest.fixture(scope="module")
def root(base: Path, pip_conf: Path) -> Iterator[Path]:
    """The root of the image, mounted."""
    secret = f"--isolation chroot --network host --secret id=pip.conf,src={pip_conf}"
    call("make", "image", f"BASE={BASE}", f"IMAGE={IMAGE}", "BUILDER=buildah", f"BUILD_ARGS={secret}")
    container = call("buildah", "from", IMAGE)
    yield Path(call("buildah", "mount", container))
    call("buildah", "rm", container)
    call("buildah", "rmi", IMAGE, BASE)


@dataclass(frozen=True, slots=True)
class Box:
    """A container of the image: its root and /work are read-only, and only its volume can be written."""

    root: Path
    folder: Path
    nodes: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a program as the first process, with the environment of the image."""
        environment = dict(line.split("=", 1) for line in config()["Env"])
        quick = {"PLANNER_READ_TIMEOUT": "60s", "PLANNER_SETTLE": "600ms", "PLANNER_NODES": self.nodes}
        isolate = ["unshare", "--mount", "--fork", "--pid", "--kill-child", "sh", "-c", RUN, "sh"]
        into = ["/usr/bin/env", "--chdir=/work", *arguments]
        return subprocess.Popen(
            [*isolate, self.root, self.folder / "volume", self.folder / "work", *into],
            env=environment | quick | {"PATH": f"{environment['PATH']}:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run it to its end."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=120)
        return process.returncode, out


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(3, seed=7, groups=["old", "kept"]) as simulated:
        yield simulated


@pytest.fixture
def box(root: Path, tmp_path: Path, cluster: SimulatedCluster) -> Box:
    for name in ("volume", "work"):
        (tmp_path / name).mkdir()
    shutil.chown(tmp_path / "volume", NOBODY, NOBODY)
    text = "version: 1\ncluster: {name: test}\ngroups: [a, kept, {id: old, state: absent}]\n"
    (tmp_path / "work/groups.yaml").write_text(text, "utf-8")
    return Box(root, tmp_path, ",".join(f"{name}={url}" for name, url in cluster.urls.items()))


def test_what_is_in_it(root: Path, base: Path) -> None:
    size = sum(int(call("du", "-sm", path).split()[0]) * sign for path, sign in ((root, 1), (base, -1)))
    assert size < LIMIT
    assert {path.name for path in (root / "opt").iterdir()} == {"planner"}
    names = {path.name for path in root.glob("opt/planner/lib/python*/site-packages/*")}
    assert {"planner", "psycopg", "prometheus_client", "distributed", "sqlalchemy"} <= names
    assert not {"pip", "poetry", "starlette", "uvicorn"} & names
    assert not list((root / "run").glob("**/pip.conf"))
    compiled = list(root.glob("opt/planner/**/planner/cli/__pycache__/main.*.pyc"))
    assert [int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled] == [1]  # unchecked


def test_what_it_says_of_itself(root: Path) -> None:
    said = config()
    assert (said["User"], said["Entrypoint"]) == (f"{NOBODY}:{NOBODY}", ["planner"])
    assert set(said["Volumes"]) == {"/var/lib/planner"}
    labels = {name.rpartition(".")[2]: value for name, value in said["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == call("git", "rev-parse", "HEAD")


def test_its_days(box: Box, cluster: SimulatedCluster) -> None:
    assert box.run("planner", "--version") == (0, f"planner {__version__}\n")
    assert box.run("sh", "-c", "id -u; touch /x 2>&1; test ! -e /x")[1].startswith(f"{NOBODY}\n")
    code, out = box.run("planner", "validate")
    assert code == 0, out
    code, out = box.run("planner", "plan", "--out", "/var/lib/planner/plan.json", "--detailed-exitcode")
    assert code == 2, out
    code, out = box.run("planner", "apply", "/var/lib/planner/plan.json")
    assert code == 0, out
    cluster.set_groups({"node02": ["kept"]})
    code, out = box.run("planner", "reconcile")
    assert code == 0, out
    assert all(set(held) == {"a", "kept"} for held in cluster.groups().values())


def test_a_pod_that_is_deleted_while_it_applies(box: Box, cluster: SimulatedCluster) -> None:
    before = cluster.groups()
    cluster.hold(2, "after")
    process = box.start("planner", "apply", "--yes")
    cluster.wait_held(120)
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    cluster.release()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3, out
    assert cluster.groups() == before
