"""What is written for Prometheus: what a run knows, never what it does not."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parsed

from planner.telemetry.metrics import METRICS, push, samples_of, write_textfile
from tests.telemetry.receiver import Receiver
from tests.telemetry.samples import summary, unreadable, waiting

NOW = 1_800_000_000.0


def values(text: str) -> dict[str, float]:
    """Every sample as ``name{label=value,…}``, without the label that all have."""
    found = {}
    for family in parsed(text):
        for sample in family.samples:
            assert sample.labels["cluster"] == "test"
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "cluster")
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_every_metric_is_written_after_a_good_run_and_none_that_is_not_in_the_table() -> None:
    assert samples_of(summary(), NOW).keys() == METRICS.keys()


def test_a_textfile(tmp_path: Path) -> None:
    path = tmp_path / "planner.prom"
    assert write_textfile(str(path), summary(), NOW) == ""
    found = values(path.read_text())
    assert found == {
        "planner_last_run_timestamp_seconds": NOW,
        "planner_last_success_timestamp_seconds": NOW,
        "planner_last_run_exit_code": 0,
        "planner_run_duration_seconds": 1.25,
        "planner_drifted_cells{node=node01}": 0,
        "planner_drifted_cells{node=node02}": 0,
        "planner_repaired_cells": 2,
        "planner_unreadable_nodes": 0,
        "planner_run_requests{node=node01,status=200}": 4,
        "planner_run_requests{node=node02,status=200}": 4,
        "planner_run_requests{node=node02,status=503}": 1,
        "planner_run_retries{node=node02,status=503}": 1,
        "planner_transactions_total{outcome=applied}": 6,
        "planner_transactions_total{outcome=reversed}": 1,
        "planner_incomplete": 0,
        "planner_open_cells": 0,
        "planner_set_aside_cells": 0,
        "planner_watched_cells": 1,
    }
    assert [each.name for each in tmp_path.iterdir()] == ["planner.prom"]
    assert path.stat().st_mode & 0o044, "the node exporter is another user"


def test_a_failed_run_keeps_the_last_success_and_says_nothing_of_what_it_did_not_read(tmp_path: Path) -> None:
    path = tmp_path / "planner.prom"
    write_textfile(str(path), summary(), NOW)
    for later in (NOW + 600, NOW + 1200):
        write_textfile(str(path), unreadable(), later)
        found = values(path.read_text())
        assert found["planner_last_run_timestamp_seconds"] == later
        assert found["planner_last_success_timestamp_seconds"] == NOW
        assert found["planner_unreadable_nodes"] == 1
        assert not any(name.startswith("planner_drifted") for name in found)
    write_textfile(str(path), waiting(), NOW + 1800)
    found = values(path.read_text())
    assert found["planner_drifted_cells{node=node02}"] == 2
    assert found["planner_last_success_timestamp_seconds"] == NOW


def test_a_part_of_a_cluster_is_no_success_of_the_whole() -> None:
    assert "planner_last_success_timestamp_seconds" not in samples_of(summary(whole=False), NOW)


def test_a_textfile_that_cannot_be_written_or_was_somebody_elses(tmp_path: Path) -> None:
    assert "No such file" in write_textfile(str(tmp_path / "no" / "planner.prom"), summary(), NOW)
    path = tmp_path / "planner.prom"
    path.write_bytes(b"\xff{{")
    assert write_textfile(str(path), unreadable(), NOW) == ""
    assert "planner_last_success_timestamp_seconds" not in values(path.read_text())


def test_a_push_replaces_only_what_it_knows(receiver: Receiver) -> None:
    """POST: a Pushgateway keeps the metrics of other names. PUT would forget the last success."""
    assert push(receiver.url, unreadable(), NOW) == ""
    ((method, path, body),) = receiver.taken
    assert (method, path) == ("POST", "/metrics/job/planner/cluster/test")
    assert "planner_last_success_timestamp_seconds" not in values(body)
    assert values(body)["planner_last_run_exit_code"] == 1


def test_a_pushgateway_that_does_not_take_it(receiver: Receiver) -> None:
    receiver.statuses = [400]
    assert "400" in push(receiver.url, summary(), NOW)
    assert "refused" in push("http://127.0.0.1:1", summary(), NOW)
