"""As much of GitHub Actions as the recipes use: jobs, conditions, outputs, artifacts.

Their scripts really run, in bash as a runner calls it. Played are only the checkout, the artifacts and `gh`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
OURS = "your-org/planner@"

_TOKEN = re.compile(r"'(?:[^']|'')*'|&&|\|\||!=|==|!|[()]|[A-Za-z_][\w.-]*|\s+")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\(\)")


@dataclass(slots=True)
class Job:
    """How a job ended: `success`, `failure` or `skipped`, its outputs, and what its scripts printed."""

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass(slots=True)
class Runner:
    """Runs workflows over a repository's files, with its secrets.

    Attributes:
        repository: the files that a checkout yields.
        folder: where workspaces, artifacts and the stub of `gh` are.
        secrets: by name.
        environment: what the machine of the runner has set.
    """

    repository: Path
    folder: Path
    secrets: Mapping[str, str]
    environment: Mapping[str, str]
    artifacts: dict[str, Path] = field(default_factory=dict)
    runs: int = 0

    def run(
        self, path: Path, github: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> dict[str, Job]:
        """Run the jobs of a workflow, in order; every environment is approved at once."""
        jobs: dict[str, Job] = {}
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
            jobs[name] = self.job(job, github, inputs or {}, jobs)
        return jobs

    def job(
        self, job: dict[str, Any], github: Mapping[str, Any], inputs: Mapping[str, Any], done: dict[str, Job]
    ) -> Job:
        """Run one job, unless its condition is against it."""
        needs = {job["needs"]: done[job["needs"]]} if "needs" in job else {}
        context: dict[str, Any] = {
            "github": github,
            "inputs": inputs,
            "needs": {name: {"outputs": need.outputs, "result": need.result} for name, need in needs.items()},
            "secrets": self.secrets,
            "steps": {},
        }
        if not _holds(job.get("if"), context, all(need.result == "success" for need in needs.values())):
            return Job("skipped")
        self.runs += 1
        workspace = self.folder / f"workspace-{self.runs}"
        workspace.mkdir()
        ended = Job("success")
        self._steps(job["steps"], context, workspace, ended)
        ended.outputs = {name: _text(value, context) for name, value in job.get("outputs", {}).items()}
        return ended

    def _steps(self, steps: list[dict[str, Any]], context: dict[str, Any], space: Path, job: Job) -> None:
        for step in steps:
            if not _holds(step.get("if"), context, job.result == "success"):
                continue
            outputs: dict[str, str] = {}
            env = {name: _text(value, context) for name, value in step.get("env", {}).items()}
            if "run" in step:
                passed = self._script(step, env, space, outputs, job)
            else:
                given = {name: _text(value, context) for name, value in step.get("with", {}).items()}
                passed = self._uses(step["uses"], given, env, space, outputs, job)
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": outputs}
            if not passed:
                job.result = "failure"

    def _uses(
        self,
        action: str,
        given: dict[str, str],
        env: dict[str, str],
        space: Path,
        outputs: dict[str, str],
        job: Job,
    ) -> bool:
        if action.startswith(OURS):
            inputs = {name: item.get("default", "") for name, item in ACTION["inputs"].items()}
            assert given.keys() <= inputs.keys()
            context = {"inputs": inputs | given, "steps": {}}
            inner = Job("success")
            steps = [step | {"env": step.get("env", {}) | env} for step in ACTION["runs"]["steps"]]
            self._steps(steps, context, space, inner)
            job.log += inner.log
            job.summary += inner.summary
            outputs |= {name: _text(item["value"], context) for name, item in ACTION["outputs"].items()}
            return inner.result == "success"
        name = action.partition("@")[0].removeprefix("actions/")
        if name == "checkout":
            shutil.copytree(self.repository, space, dirs_exist_ok=True)
        elif name == "upload-artifact":
            kept = self.artifacts[given["name"]] = self.folder / f"artifact-{self.runs}"
            kept.mkdir()
            for path in given["path"].split():
                shutil.copy(space / path, kept)  # a file that is missing fails the test, as the recipe has it
        elif name == "download-artifact":
            shutil.copytree(self.artifacts[given["name"]], space, dirs_exist_ok=True)
        else:
            raise AssertionError(f"{action} is not played here")
        return True

    def _script(
        self, step: dict[str, Any], env: dict[str, str], space: Path, outputs: dict[str, str], job: Job
    ) -> bool:
        assert step["shell"] == "bash"
        output, summary = self.folder / "output", self.folder / "summary"
        for file in (output, summary):
            file.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=space,
            env={
                **self.environment,
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "RUNNER_TEMP": str(self.folder),
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        outputs |= dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
        job.summary += summary.read_text("utf-8")
        job.log += done.stdout
        return done.returncode == 0


def command(path: Path, script: Path) -> None:
    """Write an executable that runs a Python script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def plain_environment(*folders: Path) -> dict[str, str]:
    """PATH, with these folders first, and the language; nothing else of ours."""
    kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH") if name in os.environ}
    return kept | {"PATH": ":".join([*map(str, folders), os.environ["PATH"]])}


def _holds(condition: str | None, context: Mapping[str, Any], good: bool) -> bool:
    """Whether an `if` holds; without a word on the status it also asks that everything before went well."""
    text = re.sub(r"^\$\{\{|\}\}$", "", (condition or "success()").strip())
    if not _STATUS.search(text):
        text = f"success() && ({text})"
    return bool(_value(text, context, good))


def _text(value: object, context: Mapping[str, Any]) -> str:
    def shown(found: re.Match[str]) -> str:
        result = _value(found[1], context, True)
        return str(result).lower() if isinstance(result, bool) else str(result)

    return re.sub(r"\$\{\{(.*?)\}\}", shown, str(value))


def _value(text: str, context: Mapping[str, Any], good: bool) -> Any:
    """The value of an expression, worked out as Python."""

    def get(path: str) -> Any:
        found: Any = context
        for part in path.split("."):
            found = found.get(part, "") if isinstance(found, Mapping) else ""
        return found

    python, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token is not None, f"not an expression that is played here: {text[position:]}"
        position, word = token.end(), token[0]
        called = text.startswith("()", position)
        if called or not re.match(r"[A-Za-z_]", word) or word in _WORDS:
            python.append(_WORDS.get(word, word))
        else:
            python.append(f"get({word!r})")
    functions = {
        "success": lambda: good,
        "failure": lambda: not good,
        "always": lambda: True,
        "cancelled": lambda: False,
    }
    return eval("".join(python).strip(), {"__builtins__": {}, "get": get, **functions})
