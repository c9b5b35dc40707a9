"""'A verdict is taken over all tries, never over the last one': the table of the node API."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.model import Dialect, Presence
from planner.verdict import Answer, Body, Call, Effect, Method, judge_read, judge_write, met_already, writes
from tests.builders import CREATE, DELETE, READ, answer, tries

CONTRACT = Dialect()
APPLIED, NOT_APPLIED, UNKNOWN = Effect.APPLIED, Effect.NOT_APPLIED, Effect.UNKNOWN
CONFLICT, AMBIGUOUS, REFUSED = Effect.CONFLICT, Effect.AMBIGUOUS, Effect.REFUSED
POST, DEL = Method.CREATE, Method.DELETE
Ledger = list[int | str]

# A ledger has one try a second, so a try's place is its time, and the time at which its suspicion starts.
WRITES: list[tuple[Method, Ledger, Effect, float | None]] = [
    # Every try surely not sent.
    (POST, ["refused"], NOT_APPLIED, None),
    (POST, ["refused", "refused", "refused"], NOT_APPLIED, None),
    (DEL, ["refused", "refused"], NOT_APPLIED, None),
    (POST, ["stopped"], NOT_APPLIED, None),
    (POST, ["refused", "stopped"], NOT_APPLIED, None),
    # 201 and 200, without a suspect try.
    (POST, [201], APPLIED, None),
    (DEL, [200], APPLIED, None),
    (POST, ["refused", "refused", 201], APPLIED, None),
    # Any try unanswered, 5xx or 429: suspect, whatever the final answer.
    (POST, ["timeout"], UNKNOWN, 0),
    (DEL, ["timeout"], UNKNOWN, 0),
    (POST, [500], UNKNOWN, 0),
    (POST, [429], UNKNOWN, 0),
    (DEL, [503, 503, 504], UNKNOWN, 2),
    (POST, [500, 201], APPLIED, 0),
    (POST, [429, 201], APPLIED, 0),
    (DEL, [502, 500, 200], APPLIED, 1),
    (POST, [500, "refused"], UNKNOWN, 0),
    (POST, ["timeout", "refused", "refused"], UNKNOWN, 0),
    (POST, ["refused", 500, "stopped"], UNKNOWN, 1),
    (DEL, ["timeout", "stopped"], UNKNOWN, 0),
    # 'Exists' and 'missing': to be read back.
    (POST, [400], CONFLICT, None),
    (POST, [409], CONFLICT, None),
    (POST, ["refused", 400], CONFLICT, None),
    (POST, [500, 400], CONFLICT, 0),
    (POST, ["timeout", 409], CONFLICT, 0),
    (DEL, [404], CONFLICT, None),
    (DEL, [400], CONFLICT, None),
    (DEL, [500, 404], CONFLICT, 0),
    # The node understood, and does not want to.
    (POST, [403], REFUSED, None),
    (POST, [404], REFUSED, None),
    (DEL, [409], REFUSED, None),
    (POST, [500, 403], REFUSED, 0),
    # A success that the contract does not know, or a redirect, may well have taken effect.
    (POST, [200], REFUSED, 0),
    (POST, ["refused", 302], REFUSED, 1),
    (DEL, [204], REFUSED, 0),
]


@pytest.mark.parametrize(("method", "ends", "effect", "since"), WRITES)
def test_what_a_ledger_of_a_write_means(
    method: Method, ends: Ledger, effect: Effect, since: float | None
) -> None:
    verdict = judge_write(answer(method, *ends), CONTRACT)
    assert (verdict.effect, verdict.suspect_since) == (effect, since)


@pytest.mark.parametrize(
    ("ends", "tried_before", "first"),
    [
        ([400], False, True),
        (["refused", "refused", 400], False, True),
        ([400], True, False),
        ([500, 400], False, False),
        (["timeout", 400], False, False),
        ([429, 409], False, False),
    ],
)
def test_a_conflict_is_somebody_elses_only_without_an_earlier_try_of_ours(
    ends: Ledger, tried_before: bool, first: bool
) -> None:
    for method in (POST, DEL):
        verdict = judge_write(answer(method, *ends), CONTRACT, tried_before=tried_before)
        assert verdict.first is first


def test_tries_that_were_never_begun_are_not_counted() -> None:
    assert judge_write(answer(POST, "refused", 500, "stopped"), CONTRACT).tries == 2
    assert judge_write(answer(POST, "stopped"), CONTRACT).tries == 0
    assert judge_write(Answer(Call(1, POST, "g", "node01", 5), ()), CONTRACT).effect is NOT_APPLIED


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([500, 500, 500, 500, 500], "500 after 5 tries"),
        ([422], "422"),
        ([403], "403; the node does not accept these credentials"),
        (["refused", "refused"], "refused after 2 tries"),
        ([500, "stopped"], "500"),
        (["stopped"], "stopped before it was sent"),
    ],
)
def test_the_words_are_of_the_last_try_that_was_made(ends: Ledger, words: str) -> None:
    assert judge_write(answer(POST, *ends), CONTRACT).why == words


@given(
    st.sampled_from([POST, DEL]),
    st.lists(st.sampled_from(["refused", "timeout", "stopped", 200, 201, 400, 403, 404, 429, 500, 503])),
)
def test_no_ledger_hides_a_suspicious_try(method: Method, ends: Ledger) -> None:
    """Whatever came after it, and in whichever order."""
    verdict = judge_write(answer(method, *ends), CONTRACT)
    suspicious = [at for at, end in enumerate(ends) if end in ("timeout", 429, 500, 503)]
    if suspicious:
        assert verdict.suspect_since is not None
        assert verdict.suspect_since >= suspicious[-1]
        assert verdict.effect is not NOT_APPLIED
    assert (verdict.effect is NOT_APPLIED) == all(end in ("refused", "stopped") for end in ends)
    assert not verdict.first or sum(end not in ("refused", "stopped") for end in ends) <= 1


# Deviations.


@pytest.mark.parametrize(
    ("dialect", "method", "ends", "effect"),
    [
        (Dialect(created=(200,)), POST, [200], APPLIED),
        (Dialect(created=(200, 204)), POST, [204], APPLIED),
        (Dialect(created=(200,)), POST, [201], REFUSED),
        (Dialect(deleted=(204,)), DEL, [204], APPLIED),
        (Dialect(exists=(422,)), POST, [422], CONFLICT),
        (Dialect(exists=(422,)), POST, [400], REFUSED),
        (Dialect(exists=(400, 500)), POST, [500], AMBIGUOUS),
        (Dialect(exists=(400, 500)), POST, [502, 500], AMBIGUOUS),
        (Dialect(exists=(400, 500)), POST, [500, 502], UNKNOWN),
        (Dialect(exists=(400, 500)), POST, [500, 400], CONFLICT),
        (Dialect(exists=(429,)), POST, [429], AMBIGUOUS),
        (Dialect(exists=(500,)), DEL, [500], UNKNOWN),
        (Dialect(missing=(404, 500)), DEL, [500], AMBIGUOUS),
        (Dialect(missing=(404, 500)), POST, [500], UNKNOWN),
        (Dialect(missing=(404, 410)), DEL, [410], CONFLICT),
        (Dialect(missing=(404, 410)), POST, [410], REFUSED),
    ],
)
def test_a_dialect_moves_the_statuses(dialect: Dialect, method: Method, ends: Ledger, effect: Effect) -> None:
    assert judge_write(answer(method, *ends), dialect).effect is effect


def test_a_status_that_says_exists_and_may_be_an_error_stays_suspect() -> None:
    verdict = judge_write(answer(POST, "refused", 500), Dialect(exists=(500,)))
    assert (verdict.suspect_since, verdict.first) == (1, True)
    assert not judge_write(answer(POST, 502, 500), Dialect(exists=(500,))).first


def test_what_says_that_a_request_is_met_depends_on_the_request() -> None:
    dialect = Dialect(exists=(409, 500), missing=(404, 410))
    assert met_already(POST, dialect) == {409, 500}
    assert met_already(DEL, dialect) == {400, 404, 410}
    assert met_already(READ, dialect) == set()


@pytest.mark.parametrize(
    ("method", "status", "key"),
    [
        (POST, 200, "cluster.api.created"),
        (POST, 204, "cluster.api.created"),
        (DEL, 202, "cluster.api.deleted"),
        (POST, 404, "cluster.api.path"),
        (POST, 405, "cluster.api.path"),
        (DEL, 405, "cluster.api.delete_style"),
        (DEL, 415, "cluster.api.delete_style"),
    ],
)
def test_a_refusal_that_looks_like_a_deviation_names_the_key(method: Method, status: int, key: str) -> None:
    assert key in judge_write(answer(method, status), CONTRACT).why


# Reads.

READS: list[tuple[Ledger, Body | None, Presence | None]] = [
    ([200], Body("g"), Presence.PRESENT),
    ([500, "timeout", 200], Body("g"), Presence.PRESENT),
    ([404], None, Presence.ABSENT),
    ([503, 404], None, Presence.ABSENT),
    ([200], None, None),
    ([200], Body("another"), None),
    ([200], Body("g", fault="not JSON"), None),
    ([404], Body(fault="404 after a redirect to another resource"), None),
    ([302], None, None),
    ([301], Body(fault="a redirect (301) to http://elsewhere"), None),
    ([400], None, None),
    ([403], None, None),
    ([410], None, None),
    ([500], None, None),
    ([404, 500], None, None),
    (["timeout"], None, None),
    ([404, "timeout"], None, None),
    (["refused"], None, None),
    (["stopped"], None, None),
    ([], None, None),
]


@pytest.mark.parametrize(("ends", "body", "presence"), READS)
def test_what_a_read_means(ends: Ledger, body: Body | None, presence: Presence | None) -> None:
    reading = judge_read(answer(READ, *ends, body=body), CONTRACT)
    assert reading.presence is presence
    assert bool(reading.why) is (presence is None)


def test_a_read_tells_what_is_wrong_with_a_broken_node() -> None:
    assert judge_read(answer(READ, 200, body=Body(fault="not JSON")), CONTRACT).why == "not JSON"
    assert "'another'" in judge_read(answer(READ, 200, body=Body("another")), CONTRACT).why
    assert judge_read(answer(READ, 500, 503), CONTRACT).why == "503 after 2 tries"


def test_a_read_says_whether_there_is_more_than_the_id() -> None:
    assert judge_read(answer(READ, 200, body=Body("g", extra=True)), CONTRACT).extra
    assert not judge_read(answer(READ, 200, body=Body("g")), CONTRACT).extra


def test_a_read_is_absent_by_404_and_410_only_and_only_where_the_dialect_says_so() -> None:
    """A 400 among `missing` is about deletes: to a GET it is a broken request, and no absence."""
    wide = Dialect(missing=(404, 410, 400))
    found = {status: judge_read(answer(READ, status), wide).presence for status in (404, 410, 400)}
    assert found == {404: Presence.ABSENT, 410: Presence.ABSENT, 400: None}


# Words.


def test_a_try_knows_whether_it_reached_the_node() -> None:
    reached = {str(t): t.reached for t in tries("refused", "timeout", "stopped", 201)}
    assert reached == {"refused": False, "timeout": True, "stopped": False, "201": True}


def test_actions_are_carried_out_by_their_writes() -> None:
    assert (writes(CREATE), writes(DELETE)) == (POST, DEL)
