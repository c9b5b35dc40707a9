"""What is written for Prometheus: what a run knows, never what it does not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from planner.telemetry.metrics import METRICS, push, samples_of, write_textfile
from planner.telemetry.summary import Doubts, RunSummary
from tests.strangers import needs_root, sticky, strangers
from tests.telemetry.receiver import Receiver
from tests.telemetry.samples import summary, unreadable, waiting

NOW = 1_800_000_000.0


def values(text: str) -> dict[str, float]:
    """Every sample as ``name{label=value,…}``, without the label that all have."""
    found = {}
    for family in parsed(text):
        for sample in family.samples:
            assert sample.labels["cluster"] == "test"
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "cluster" and v)
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_every_metric_is_written_after_a_good_run_and_none_that_is_not_in_the_table() -> None:
    assert samples_of(summary(), NOW).keys() == METRICS.keys()


def test_a_textfile_is_no_way_into_another_file(tmp_path: Path) -> None:
    """Not through its name, not through that of its draft; what is no file stays what it is, unread."""
    precious, path = tmp_path / "precious", tmp_path / "planner.prom"
    precious.write_text("old")
    precious.chmod(0o666)
    foreseen = f"{path}.{os.getpid()}.{threading.get_ident()}"
    for link in (path, Path(foreseen)):
        link.symlink_to(precious)
    before = os.umask(0)
    try:
        assert write_textfile(str(path), summary(), NOW) == ""
    finally:
        os.umask(before)
    assert (precious.read_text(), path.is_symlink(), path.stat().st_mode & 0o777) == ("old", False, 0o644)
    path.unlink()
    os.mkfifo(path)
    assert write_textfile(str(path), unreadable(), NOW) == "it is no regular file"
    assert path.is_fifo()


@needs_root
def test_a_textfile_is_not_written_into_a_strangers_folder(tmp_path: Path) -> None:
    folder = sticky(tmp_path / "shared") / "textfile"
    folder.mkdir()
    strangers(folder)
    assert "was made by another user" in write_textfile(str(folder / "planner.prom"), summary(), NOW)
    assert list(folder.iterdir()) == []


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
        "planner_transactions_total{outcome=closed-with-exceptions}": 0,
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


def test_an_unfinished_transaction_stays_while_the_store_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "planner.prom"
    write_textfile(str(path), summary(doubts=Doubts(True, 4, 0, 0, {})), NOW)
    write_textfile(str(path), summary(outcome="failed", exit_code=1, doubts=None), NOW)
    found = values(path.read_text())
    assert (found["planner_incomplete"], found["planner_open_cells"]) == (1, 4)
    assert "planner_watched_cells" not in found


def test_a_part_of_a_cluster_is_no_success_of_the_whole() -> None:
    assert "planner_last_success_timestamp_seconds" not in samples_of(summary(whole=False), NOW)


def test_a_textfile_that_cannot_be_written_or_was_somebody_elses(tmp_path: Path) -> None:
    assert "No such file" in write_textfile(str(tmp_path / "no" / "planner.prom"), summary(), NOW)
    path = tmp_path / "planner.prom"
    for theirs in (b"\xff{{", '{r="",\u2028=l5'.encode()):  # the second is an IndexError of the parser
        path.write_bytes(theirs)
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
    assert "reached" in push("http://127.0.0.1:1", summary(), NOW)
    receiver.taken.clear()
    receiver.statuses = [302]
    assert "302" in push(receiver.url, summary(), NOW), "what is asked for elsewhere is not pushed"
    assert [path for _, path, _ in receiver.taken] == ["/metrics/job/planner/cluster/test"]


def test_a_part_tells_nothing_of_the_drift_of_the_rest() -> None:
    assert "planner_drifted_cells" not in samples_of(summary(whole=False), NOW)


@pytest.mark.parametrize(("exit_code", "known"), [(4, True), (1, False)])
def test_a_store_that_fails_leaves_what_the_exit_code_says(exit_code: int, known: bool) -> None:
    found = samples_of(summary(outcome="lock lost", exit_code=exit_code, doubts=None), NOW)
    assert ("planner_incomplete" in found) is known
    assert found.get("planner_incomplete", [({}, 1)]) == [({}, 1)]
    assert "planner_open_cells" not in found


def test_a_transaction_is_counted_when_it_is_finished() -> None:
    doubts = Doubts(True, 1, 0, 0, {"applied": 2, "reverse-incomplete": 1})
    found = {
        labels["outcome"]: n
        for labels, n in samples_of(summary(doubts=doubts), NOW)["planner_transactions_total"]
    }
    assert found == {"applied": 2, "reversed": 0, "closed-with-exceptions": 0}


class Pushed:
    """What a Pushgateway holds of one group: POST replaces the metrics of the same names, and no others."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.held: dict[str, dict[str, float]] = {}

    def push(self, about: RunSummary, now: float) -> dict[str, float]:
        self.receiver.taken.clear()
        assert push(self.receiver.url, about, now) == ""
        ((method, path, body),) = self.receiver.taken
        assert (method, path) == ("POST", "/metrics/job/planner/cluster/test")
        for family in parsed(body):
            if family.samples:  # its reader of the text format drops a family without any
                text = "".join(line for line in body.splitlines(True) if line.startswith(family.name))
                self.held[family.name] = values(text)
        return {name: value for each in self.held.values() for name, value in each.items()}


def test_on_a_pushgateway_a_failed_run_wipes_no_success_and_claims_no_drift(receiver: Receiver) -> None:
    gateway = Pushed(receiver)
    gateway.push(summary(), NOW)
    gateway.push(waiting(), NOW + 600)
    found = gateway.push(unreadable(), NOW + 1200)
    assert found["planner_last_success_timestamp_seconds"] == NOW
    assert found["planner_last_run_timestamp_seconds"] == NOW + 1200
    assert found["planner_last_run_exit_code"] == 1
    assert found["planner_drifted_cells{node=node02}"] == 2, "as it was last read"
    found = gateway.push(summary(outcome="locked", exit_code=5, requests={}, retries={}), NOW + 1800)
    assert found["planner_run_requests"] == 0, "and none of those of the run before"
    assert not any(name.startswith("planner_run_requests{") for name in found)
