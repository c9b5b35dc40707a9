"""docs/json.md: its examples are what planner prints, and its tables are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.schemas import check_document, check_event, check_log, check_sum
from tests.unit.test_schemas import EVENTS, enum_of

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")


def rows(heading: str) -> set[str]:
    """The first column of the table with this heading."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def test_the_examples_are_what_planner_prints() -> None:
    document, stream, log = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    check_document(json.loads(document))
    events = [json.loads(line) for line in stream.splitlines()]
    for event in events:
        check_event(event)
    assert [events[0]["type"], events[-1]["type"]] == ["version", "summary"]
    check_sum(events[-1]["steps"])
    lines = check_log(log)
    assert [lines[0]["event"], lines[-1]["event"]] == ["run-started", "run-ended"]


def test_the_tables_are_complete() -> None:
    assert rows("type") == enum_of(EVENTS["properties"]["type"])
    assert rows("in `steps`") == set(EVENTS["$defs"]["stepCounts"]["properties"]) - {"total"}
    summary = EVENTS["$defs"]["summary"]["properties"]["outcome"]
    told = PAGE.partition("says the same in words:")[2].partition(".")[0]
    assert set(re.findall(r"`([^`]+)`", told)) == enum_of(summary)
