"""As much of GitLab as its recipe uses: jobs whose scripts really run, and the notes of a merge request."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.github import ROOT

RECIPE = ROOT / "examples" / "ci" / "gitlab" / ".gitlab-ci.yml"


class GitLab:
    """As much of GitLab as the recipe uses; the folder of the repository is where every job runs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self.environment = environment
        self._jobs = yaml.safe_load(RECIPE.read_text("utf-8"))

    def run(self, name: str, *, merged: bool = False) -> int:
        """Run one job, of a merge request or of what was `merged`; its exit code."""
        job = self._jobs[name]
        rule = next(each for each in job["rules"] if ("CI_DEFAULT_BRANCH" in each["if"]) == merged)
        variables = job.get("variables", {}) | rule.get("variables", {})
        artifacts = job.get("artifacts", {}).get("paths", [])
        for path in artifacts:
            (self._folder / path).unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])],
            cwd=self._folder,
            env=self.environment | variables,
            check=False,
        )
        report = self._folder / job.get("artifacts", {}).get("reports", {}).get("dotenv", "none")
        if report.exists():
            self.environment |= dict(line.split("=", 1) for line in report.read_text().splitlines())
        if done.returncode in (0, 7):
            assert all((self._folder / path).exists() for path in artifacts)
        return done.returncode


@contextmanager
def notes_of_a_merge_request() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """GitLab's API, as far as notes go: its address, and the notes, three of which quote the marker."""
    notes: list[dict[str, Any]] = [
        {"id": number, "author": {"id": 3}, "body": "<!-- planner:plan:test -->\nI quote it"}
        for number in (1, 2, 3)
    ]
    base = "/projects/5/merge_requests/12/notes"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = re.fullmatch(re.escape(base) + r"\?per_page=100&page=(\d+)", self.path)
            if page is None:
                assert self.path == "/user"
                self.reply({"id": 77})
            else:
                first = 2 * int(page[1]) - 2
                self.reply(notes[first : first + 2])

        def do_POST(self) -> None:
            assert self.path == base
            notes.append({"id": len(notes) + 1, "author": {"id": 77}, **self.body()})
            self.reply(notes[-1])

        def do_PUT(self) -> None:
            folder, _, number = self.path.rpartition("/")
            assert folder == base
            notes[int(number) - 1] |= self.body()
            self.reply(notes[int(number) - 1])

        def body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def reply(self, answer: object) -> None:
            assert self.headers["PRIVATE-TOKEN"] == "a-token"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", notes
        finally:
            server.shutdown()
            thread.join()
