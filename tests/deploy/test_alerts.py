"""The alerts and the dashboard: they parse, fire when they should, and ask for metrics that there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.telemetry.metrics import METRICS, OUTCOMES, samples_of, write_textfile
from tests.telemetry.samples import summary

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "manifests/files/alerts.yaml"
DASHBOARD = ROOT / "manifests/files/dashboard.json"
MONITORING = (ROOT / "docs/monitoring.md").read_text("utf-8")
PROMTOOL = shutil.which("promtool")
LABELS = {name: set(samples[0][0]) for name, samples in samples_of(summary(), now=0).items()}
"""The labels of every metric besides `cluster`, from a run that knows everything."""
NAMES = {
    "PlannerIncomplete": "critical",
    "PlannerNotSucceeding": "warning",
    "PlannerNotRunning": "warning",
    "PlannerDriftStays": "warning",
    "PlannerNodeUnreadable": "warning",
    "PlannerReversed": "warning",
    "PlannerRefused": "warning",
}

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and not os.environ.get("CI"), reason="no promtool; in CI that is a failure"
)


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    """The panels that show something: not the titles of rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def promtool(*words: str, given: str = "") -> str:
    assert PROMTOOL, "the alerts must be checked by promtool: install Prometheus"
    done = subprocess.run(
        [PROMTOOL, *words], input=given, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    assert f"{len(NAMES)} rules found" in promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "tests/deploy/alerts_test.yaml")


@needs_promtool
def test_prometheus_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    recorded = [
        {"record": f"panel:{number}", "expr": query.replace("$cluster", "prod")}
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), "utf-8")
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(file))


@needs_promtool
def test_prometheus_finds_no_fault_with_the_metrics(tmp_path: Path) -> None:
    file = tmp_path / "planner.prom"
    assert write_textfile(str(file), summary(), now=0) == ""
    promtool("check", "metrics", given=file.read_text("utf-8"))


def test_every_alert_says_what_to_do() -> None:
    assert {rule["alert"]: rule["labels"]["severity"] for rule in rules()} == NAMES
    for rule in rules():
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook"}
        assert notes["summary"].startswith("planner: ")
        assert "$labels.cluster" in notes["summary"]
        assert re.search(r"\bRun `(planner|kubectl) [^`]+`", notes["description"]), rule["alert"]
        assert notes["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["for"]
        assert f"[{rule['alert']}](operations.md#{rule['alert'].lower()})" in MONITORING


def test_every_metric_that_is_asked_for_is_one_of_planners() -> None:
    asked = {name for rule in rules() for name in metrics_in(rule["expr"])}
    assert asked <= set(METRICS)
    shown = {name for panel in panels() for target in panel["targets"] for name in metrics_in(target["expr"])}
    assert shown == set(METRICS)


def metrics_in(query: str) -> list[str]:
    return re.findall(r"\bplanner_\w+", query)


def test_every_outcome_that_is_asked_for_is_counted() -> None:
    for text in (ALERTS.read_text("utf-8"), json.dumps(dashboard())):
        for outcome in re.findall(r'outcome=\\?"(\w+)', text):
            assert outcome in OUTCOMES


def test_dashboard_fits_any_grafana() -> None:
    board = dashboard()
    assert board["uid"] == "planner"
    assert "id" not in board
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert set(variables) == {"datasource", "cluster"}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["cluster"]["multi"]
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all('cluster=~"$cluster"' in target["expr"] for target in panel["targets"])


def test_panels_do_not_overlap_and_leave_no_gap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
    height = 1 + max(y for _, y in taken)
    assert set(taken) == {(x, y) for x in range(24) for y in range(height)}


def test_every_label_is_one_of_its_metric() -> None:
    queries = [(rule["expr"], "") for rule in rules()]
    queries += [(each["expr"], each["legendFormat"]) for panel in panels() for each in panel["targets"]]
    for query, legend in queries:
        known = {"cluster"}.union(*(LABELS[name] for name in metrics_in(query)))
        grouped = re.findall(r"by \(([\w, ]+)\)", query)
        asked = {label for group in grouped for label in group.split(", ")}
        assert asked <= known, query
        assert set(re.findall(r"{{(\w+)}}", legend)) <= known, query


def test_the_document_has_every_metric_and_its_labels() -> None:
    rows = re.findall(r"^\| `(planner_\w+)` \|(?: (.+))? \| (.+) \|$", MONITORING, re.MULTILINE)
    assert {name: meaning for name, _, meaning in rows} == METRICS
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels, _ in rows} == LABELS
