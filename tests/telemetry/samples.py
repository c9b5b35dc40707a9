"""Summaries of runs for the tests of the outlets."""

from __future__ import annotations

from typing import Any

from planner.counts import StepCounts
from planner.telemetry.summary import Complaint, Doubts, Drift, RunSummary


def summary(**more: Any) -> RunSummary:
    """A repair of two cells on node02, with some retries."""
    return RunSummary(
        **{
            "command": "reconcile",
            "cluster": "test",
            "started": "2026-03-01T12:00:00Z",
            "seconds": 1.25,
            "outcome": "applied",
            "exit_code": 0,
            "whole": True,
            "transaction": 7,
            "recovered": None,
            "drift": Drift(2, 1, {"node01": 0, "node02": 0}),
            "unreadable": (),
            "steps": StepCounts(applied=2),
            "requests": {("node01", "200"): 4, ("node02", "503"): 1, ("node02", "200"): 4},
            "retries": {("node02", "503"): 1},
            "doubts": Doubts(False, 0, 0, 1, {"applied": 6, "reversed": 1}),
            "error": None,
            **more,
        }
    )


def unreadable() -> RunSummary:
    """A run that could not read a node."""
    return summary(
        outcome="failed",
        exit_code=1,
        whole=False,
        transaction=None,
        drift=None,
        unreadable=("node03",),
        steps=None,
        error=Complaint("nodes-unreadable", "1 of 3 nodes cannot be read", "node03"),
    )


def waiting() -> RunSummary:
    """A run in the pause after a failure."""
    return summary(
        outcome="changes pending",
        exit_code=2,
        transaction=None,
        drift=Drift(2, 1, {"node01": 0, "node02": 2}),
        steps=None,
        error=Complaint("changes-pending", "These changes failed, and are not tried again", "TX 7", "403"),
    )
