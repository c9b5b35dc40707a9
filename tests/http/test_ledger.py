"""Every try of a call is in its answer, once, and a verdict over all of them is the right one."""

from __future__ import annotations

import pytest

from planner.model import Dialect, Presence
from planner.nodes.ledger import Grant, Ledger
from planner.verdict import Effect, Method, TryEnd, judge_read, judge_write
from tests.http.conftest import Run, Start, ends
from tests.http.server import Action, answer, close, drip, group, hang, last, raw, reset

UNANSWERED, NOT_SENT = TryEnd.UNANSWERED, TryEnd.NOT_SENT


def effect(run: Run, method: Method = Method.CREATE) -> tuple[list[int | TryEnd], Effect, bool, bool]:
    told = run.call(method)
    verdict = judge_write(told, run.dialect)
    return ends(told), verdict.effect, verdict.suspect_since is not None, verdict.first


def test_a_clean_create(start: Start) -> None:
    assert effect(start(answer(201))) == ([201], Effect.APPLIED, False, True)


def test_a_create_after_500_is_suspect(start: Start) -> None:
    assert effect(start(answer(500), answer(201))) == ([500, 201], Effect.APPLIED, True, False)


def test_400_after_500_is_no_foreign_group(start: Start) -> None:
    assert effect(start(answer(500), answer(400))) == ([500, 400], Effect.CONFLICT, True, False)


def test_400_at_once_is_somebody_elses(start: Start) -> None:
    assert effect(start(answer(400))) == ([400], Effect.CONFLICT, False, True)


def test_used_up_statuses_stand_once_each(start: Start) -> None:
    run = start(answer(500), answer(503), answer(429))
    assert effect(run) == ([500, 503, 429], Effect.UNKNOWN, True, False)
    assert len(run.server.received) == 3


def test_one_try_means_one_request(start: Start) -> None:
    run = start(answer(500), answer(201))
    assert ends(run.create(tries=1)) == [500]
    assert len(run.server.received) == 1


def test_refused_then_created(start: Start) -> None:
    run = start(answer(201), listen=False)
    run.between.append(run.server.listen)
    assert effect(run) == ([NOT_SENT, 201], Effect.APPLIED, False, True)


def test_refused_to_the_end_was_not_applied(start: Start) -> None:
    run = start(listen=False)
    told = run.create()
    assert ends(told) == [NOT_SENT] * 3
    assert judge_write(told, run.dialect).effect is Effect.NOT_APPLIED
    assert judge_write(told, run.dialect).why == "connection refused after 3 tries"


def test_each_try_is_judged_by_itself(start: Start) -> None:
    """The first reached the node; the others did not even leave, and nothing of the first sticks to them."""
    run = start()
    run.server.add(last(answer(500)))
    run.between.append(run.server.deafen)
    told = run.create()
    assert ends(told) == [500, NOT_SENT, NOT_SENT]
    assert judge_write(told, run.dialect).effect is Effect.UNKNOWN


def test_an_unknown_host_was_not_sent(start: Start) -> None:
    told = start(url="http://no-such-host.invalid").create(tries=1)
    assert ends(told) == [NOT_SENT]
    assert str(told.tries[0]) == "the host's name cannot be resolved"


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_host_that_cannot_be_was_not_sent(start: Start, host: str) -> None:
    """Such names raise before urllib3 counts anything."""
    assert set(ends(start(url=f"http://{host}").create())) == {NOT_SENT}


WITHOUT_ANSWER: dict[str, Action] = {
    "reset": reset,
    "closed": close,
    "nonsense": raw(b"SMTP ready\r\n\r\n"),
    "half a status line": raw(b"HTTP/1.1 2"),
    "half a header": raw(b"HTTP/1.1 201 Created\r\nContent-Le"),
    "contradicting lengths": raw(b"HTTP/1.1 201 Created\r\nContent-Length: 1, 2\r\n\r\n"),
    "an endless header line": raw(b"HTTP/1.1 201 Created\r\nX: " + b"x" * 70_000),
    "too many headers": raw(b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
}


@pytest.mark.parametrize("fault", WITHOUT_ANSWER.values(), ids=WITHOUT_ANSWER)
@pytest.mark.parametrize("method", [Method.CREATE, Method.DELETE])
def test_a_write_without_an_answer_is_not_tried_again(start: Start, fault: Action, method: Method) -> None:
    run = start(fault, answer(201))
    assert effect(run, method) == ([UNANSWERED], Effect.UNKNOWN, True, True)
    assert len(run.server.received) == 1


@pytest.mark.parametrize("fault", WITHOUT_ANSWER.values(), ids=WITHOUT_ANSWER)
def test_a_read_without_an_answer_is_tried_again(start: Start, fault: Action) -> None:
    run = start(fault, fault, group("foo"))
    told = run.read()
    assert ends(told) == [UNANSWERED, UNANSWERED, 200]
    assert judge_read(told, run.dialect).presence is Presence.PRESENT


@pytest.mark.parametrize("slow", [hang, drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"), drip(b"", b"\r\n")])
def test_a_read_timeout(start: Start, slow: Action) -> None:
    """A header that drips is as slow as silence: the time-out is for the whole of it."""
    run = start(slow, group("foo"), read_timeout=0.2)
    assert ends(run.read()) == [UNANSWERED, 200]


def test_a_write_that_times_out_is_not_sent_again(start: Start) -> None:
    run = start(hang, answer(201), read_timeout=0.2)
    told = run.create()
    assert ends(told) == [UNANSWERED]
    assert str(told.tries[0]) == "no answer in time"
    assert len(run.server.received) == 1


def test_500_then_a_timeout(start: Start) -> None:
    run = start(answer(500), hang, read_timeout=0.2)
    assert effect(run) == ([500, UNANSWERED], Effect.UNKNOWN, True, False)


def test_a_read_that_is_never_answered_is_neither_absent_nor_present(start: Start) -> None:
    run = start(reset, close, answer(503))
    told = run.read()
    assert ends(told) == [UNANSWERED, UNANSWERED, 503]
    assert judge_read(told, run.dialect).presence is None
    assert judge_read(told, run.dialect).why == "503 after 3 tries"


def test_other_statuses_are_final(start: Start) -> None:
    """413 with a Retry-After too: urllib3 alone would try it again."""
    run = start(answer(413, b"", "Retry-After: 0"), answer(201))
    assert ends(run.create()) == [413]


def test_statuses_that_are_not_configured_are_final(start: Start) -> None:
    run = start(answer(503, b"", "Retry-After: 0"), answer(201), retry_statuses=(500,))
    assert ends(run.create()) == [503]


@pytest.mark.parametrize(
    ("method", "dialect", "status"),
    [
        (Method.CREATE, Dialect(exists=(400, 500)), 500),
        (Method.CREATE, Dialect(), 409),
        (Method.DELETE, Dialect(missing=(404, 503)), 503),
        (Method.DELETE, Dialect(), 404),
        (Method.DELETE, Dialect(), 400),
    ],
)
def test_what_says_that_a_write_is_met_already_comes_back_at_once(
    start: Start, method: Method, dialect: Dialect, status: int
) -> None:
    """Also where it is among the statuses that are tried again: the engine reads the cell back first."""
    statuses = (400, 404, 409, 500, 502, 503)
    run = start(answer(502), answer(status), answer(201), dialect=dialect, retry_statuses=statuses)
    assert ends(run.call(method)) == [502, status]
    assert len(run.server.received) == 2


def test_what_says_that_a_write_is_met_already_is_tried_again_for_other_requests(start: Start) -> None:
    dialect = Dialect(exists=(500,), missing=(404, 503))
    script = [answer(500), group("foo"), answer(500), answer(200), answer(503), answer(201)]
    run = start(*script, dialect=dialect)
    assert ends(run.read()) == [500, 200]
    assert ends(run.delete()) == [500, 200]
    assert ends(run.create()) == [503, 201]


def test_tries_are_in_order_and_in_time(start: Start) -> None:
    run = start(answer(500), reset, answer(500), group("foo"))
    before = run.clock.now()
    told = run.read(tries=4)
    times = [before, *(t.at for t in told.tries), run.clock.now()]
    assert ends(told) == [500, UNANSWERED, 500, 200]
    assert times == sorted(times)


def test_an_endless_body_of_an_error_does_not_hold_the_next_try(start: Start) -> None:
    """urllib3 drains the body of a 503 for as long as something comes."""
    run = start(drip(b"HTTP/1.1 503 No\r\nContent-Length: 9999999\r\n\r\n"), answer(201), read_timeout=0.2)
    assert ends(run.create()) == [503, 201]


def test_a_404_is_absent(start: Start) -> None:
    run = start(answer(404, b"no such group"))
    assert judge_read(run.read(), run.dialect).presence is Presence.ABSENT


def test_without_watching_only_the_error_tells(start: Start) -> None:
    """A SOCKS proxy's connections do not report the moment of sending."""
    run = start()
    ledger = Ledger(run.clock, Grant(lambda: True))
    for error, end in ((ConnectionResetError(), UNANSWERED), (ValueError("?"), UNANSWERED)):
        ledger.begin()
        ledger.watched = False
        assert ledger.failed(error) is end


def test_a_delete_of_a_missing_group(start: Start) -> None:
    run = start(answer(404), dialect=Dialect())
    assert effect(run, Method.DELETE) == ([404], Effect.CONFLICT, False, True)
