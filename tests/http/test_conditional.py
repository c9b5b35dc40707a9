"""Conditional reads: where a node sends ETags, what it has said already is not said again."""

from __future__ import annotations

import pytest

from planner.model import Dialect, Presence
from planner.nodes import known
from planner.verdict import Method, judge_list, judge_read
from tests.http.conftest import Start, ends
from tests.http.server import answer, group

LISTS = Dialect(list_path="/v1/group/")
ETAG = 'ETag: W/"7"'


def test_a_record_that_has_not_changed_is_not_sent_again(start: Start) -> None:
    run = start(answer(200, {"groupId": "foo", "more": 1}, ETAG), answer(304))
    first, second = run.read(), run.read()
    assert ends(second) == [304]
    assert judge_read(second, run.dialect) == judge_read(first, run.dialect)
    assert judge_read(second, run.dialect).extra
    asked = [received.headers.get("if-none-match") for received in run.server.received]
    assert asked == [None, 'W/"7"']


def test_a_list_likewise(start: Start) -> None:
    run = start(answer(200, ["a", "b"], ETAG), answer(304), dialect=LISTS)
    first, second = run.list(), run.list()
    assert judge_list(first).groups == judge_list(second).groups == ("a", "b")


def test_what_has_changed_is_sent_and_kept_in_its_place(start: Start) -> None:
    run = start(answer(200, ["a"], ETAG), answer(200, ["a", "b"], 'ETag: "8"'), answer(304), dialect=LISTS)
    assert [judge_list(run.list()).groups for _ in range(3)] == [("a",), ("a", "b"), ("a", "b")]
    assert run.server.received[2].headers["if-none-match"] == '"8"'


def test_absence_has_no_etag(start: Start) -> None:
    run = start(group("foo"), answer(404, {}, ETAG), answer(404))
    run.read()
    assert judge_read(run.read(), run.dialect).presence is Presence.ABSENT
    run.read()
    assert all("if-none-match" not in received.headers for received in run.server.received)


def test_a_304_that_nobody_asked_for_is_an_error_and_no_presence(start: Start) -> None:
    run = start(answer(304), answer(304), dialect=LISTS)
    assert judge_read(run.read(), run.dialect).presence is None
    assert judge_list(run.list()).groups is None


def test_a_faulty_answer_is_not_kept(start: Start) -> None:
    run = start(answer(200, {"other": 1}, ETAG), group("foo"))
    assert judge_read(run.read(), run.dialect).presence is None
    assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
    assert "if-none-match" not in run.server.received[1].headers


@pytest.mark.parametrize("method", [Method.CREATE, Method.DELETE])
def test_a_write_has_no_condition(start: Start, method: Method) -> None:
    run = start(group("foo"), answer(200, {"groupId": "foo"}, ETAG), answer(200))
    run.read()
    run.read()
    run.call(method)
    assert "if-none-match" not in run.server.received[2].headers


def test_what_is_kept_is_bounded() -> None:
    kept = known.Known()
    for number in range(known.MOST + 10):
        kept.keep(f"url{number}", "e", number)
    assert not kept.get("url9").etag
    assert kept.get("url10").answer == 10
