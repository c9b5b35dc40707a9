"""The one line about a run: short enough whatever happened, and what its schema says."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from planner.telemetry.outlets import Outlets
from planner.telemetry.summary import LONGEST, Complaint, Drift, line_of
from tests.schemas import check_document
from tests.strangers import needs_root, sticky, strangers
from tests.telemetry.samples import summary, unreadable, waiting


def test_it_is_what_its_schema_says() -> None:
    for each in (summary(), unreadable(), waiting(), summary(cluster="", doubts=None, steps=None)):
        line = line_of(each)
        assert "\n" not in line
        check_document(json.loads(line))


def test_what_it_tells() -> None:
    told = json.loads(line_of(waiting()))
    assert told["drift"] == {"found": 2, "groups": 1, "left": 2, "nodes": 1, "by_node": {"node02": 2}}
    assert told["requests"] == {"total": 9, "retried": 1, "by_end": {"200": 8, "503": 1}}
    assert told["error"]["why"] == "403"
    why = Complaint("nodes-unreadable", "1 cannot be read", details=("node03: refused", "b", "c", "d"))
    assert json.loads(line_of(summary(error=why)))["error"]["details"] == ["node03: refused", "b", "c"]
    assert json.loads(line_of(unreadable()))["drift"] is None, "not read is not 'no drift'"


def test_the_nodes_with_the_most_drift_are_named_first() -> None:
    left = {f"node{number:03}": number for number in range(100)}
    told = json.loads(line_of(summary(drift=Drift(4950, 1, left))))["drift"]
    assert (told["left"], told["nodes"]) == (4950, 99)
    assert list(told["by_node"]) == [f"node{number:03}" for number in range(99, 89, -1)]


def test_a_pod_keeps_all_of_it() -> None:
    """Kubernetes cuts a termination message at 4096 bytes, and half a line of JSON says nothing."""
    long = "\x00" * 5000
    names = tuple(f"{number}{'ü' * 252}" for number in range(500))
    worst = summary(
        cluster="ü" * 253,
        unreadable=names,
        drift=Drift(10**9, 10**6, dict.fromkeys(names, 10**6)),
        error=Complaint("error", long, long, long, long, (long,) * 9),
    )
    line = line_of(worst)
    assert len(line.encode()) < LONGEST
    told = json.loads(line)
    check_document(told)
    assert told["unreadable"]["nodes"] == 500
    assert told["drift"]["nodes"] == 500


def told(place: Path | str, **more: Any) -> list[str]:
    warnings: list[str] = []
    Outlets(line=str(place)).send(summary(**more), warnings.append)
    return warnings


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "summary.json"
    place.write_text("old")
    with place.open() as reader:
        assert told(place) == []
        assert reader.read() == "old", "whoever reads it now reads it to its end"
    check_document(json.loads(place.read_text()))
    assert list(tmp_path.iterdir()) == [place]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    assert told(tmp_path / "link") == []
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().endswith("}\n")


def test_a_draft_whose_name_could_be_foreseen_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    (tmp_path / f".planner-{os.getpid()}-summary").symlink_to(tmp_path / "precious")
    assert told(tmp_path / "summary.json") == []
    assert (tmp_path / "precious").read_text() == "old"


@needs_root
def test_where_a_stranger_leads_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    link = sticky(tmp_path / "shared") / "summary.json"
    link.symlink_to(tmp_path / "precious")
    strangers(link)
    (warning,) = told(link)
    assert warning.startswith("The summary cannot be written: ")
    assert "was made by another user" in warning
    assert (tmp_path / "precious").read_text() == "old"


def test_what_cannot_be_replaced_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pod's termination message: a mounted file, which the system replaces by no other (EBUSY)."""

    def busy(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    place = tmp_path / "termination-log"
    place.write_text("x" * 9000)
    assert told(place) == []
    check_document(json.loads(place.read_text()))
    assert list(tmp_path.iterdir()) == [place]


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert told(place) == []
        check_document(json.loads(os.read(reader, LONGEST)))
    finally:
        os.close(reader)
    assert place.is_fifo()


def test_a_place_that_cannot_be_is_a_warning(tmp_path: Path) -> None:
    (warning,) = told(tmp_path / "no" / "summary.json")
    assert warning == "The summary cannot be written: No such file or directory"
