"""'A verdict is taken over all tries, never over the last one': the table of the node API."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.model import Dialect, Presence
from planner.verdict import (
    Answer,
    Body,
    Call,
    Effect,
    Method,
    Try,
    TryEnd,
    judge_read,
    judge_write,
    met_already,
    writes,
)
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


@pytest.mark.parametrize(
    ("end", "watched"),
    [
        ("timeout", True),
        (502, True),
        (504, True),
        (500, False),
        (503, False),
        (201, False),
        ("refused", False),
    ],
)
def test_what_a_gateway_says_in_a_nodes_place_is_no_answer_of_the_node(end: int | str, watched: bool) -> None:
    (made,) = tries(end)
    assert made.unanswered is watched


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
    ("method", "status", "keys"),
    [
        (POST, 200, "created"),
        (POST, 204, "created"),
        (POST, 400, "id_field headers"),
        (POST, 404, "path trailing_slash"),
        (POST, 405, "path trailing_slash"),
        (POST, 409, "confirm_absent"),  # it exists, and every read says that it does not
        (POST, 415, "headers"),
        (POST, 422, "id_field exists"),
        (POST, 501, "path trailing_slash"),
        (DEL, 202, "deleted"),
        (DEL, 204, "deleted"),
        (DEL, 400, "delete_style headers"),
        (DEL, 404, "delete_style"),
        (DEL, 405, "delete_style"),
        (DEL, 410, "missing"),
        (DEL, 411, "delete_style"),
        (DEL, 415, "delete_style headers"),
        (DEL, 422, "delete_style"),
        (DEL, 501, "delete_style"),
        (POST, 302, ""),
        (POST, 500, ""),
        (DEL, 503, ""),
    ],
)
def test_a_failure_that_looks_like_a_deviation_names_the_keys(method: Method, status: int, keys: str) -> None:
    verdict = judge_write(answer(method, status), CONTRACT)
    assert keys_in(verdict.failure) == keys.split()
    assert keys_in(verdict.why) == []  # what a met step is said to be has no hint


@pytest.mark.parametrize(
    ("method", "ends", "dialect", "key"),
    [
        (POST, ["timeout", 422], CONTRACT, "exists"),  # the first try may have created it
        (POST, [409], Dialect(exists=(500,)), "exists"),
        (POST, [500], Dialect(exists=(500,)), ""),
        (DEL, [410], Dialect(missing=(410,)), "delete_style"),
    ],
)
def test_the_key_depends_on_what_was_tried_and_set(
    method: Method, ends: Ledger, dialect: Dialect, key: str
) -> None:
    assert keys_in(judge_write(answer(method, *ends), dialect).failure) == ([key] if key else [])


def test_a_hint_of_the_client_goes_before_those_of_the_statuses() -> None:
    told = Answer(
        Call(1, POST, "g", "node01", 5), (Try(TryEnd.ANSWERED, 0.0, 301, "a redirect", "try this"),)
    )
    assert judge_write(told, CONTRACT).failure == "a redirect; try this"
    assert judge_read(told, CONTRACT).why == "a redirect; try this"


@pytest.mark.parametrize(
    ("ends", "keys"),
    [
        ([500, 500, 500], "exists"),
        ([500], ""),
        ([500, 503], ""),
        (["timeout", 500], ""),
        (["refused", 500], ""),
    ],
)
def test_a_create_that_is_met_although_every_try_was_answered_alike_names_exists(
    ends: Ledger, keys: str
) -> None:
    verdict = judge_write(answer(POST, *ends), CONTRACT)
    assert keys_in(verdict.if_met) == keys.split()
    assert keys_in(verdict.failure) == []
    assert judge_write(answer(DEL, *ends), CONTRACT).if_met == ""


def keys_in(text: str) -> list[str]:
    """The keys of `cluster.api` that a sentence names."""
    return re.findall(r"cluster\.api\.(\w+)", text)


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


@pytest.mark.parametrize(
    ("missing", "absent"),
    [((404,), {404}), ((400,), {404}), ((404, 410, 400), {404, 410}), ((410, 500), {404, 410}), ((), {404})],
)
def test_a_read_is_absent_by_404_always_and_by_410_where_it_is_set(
    missing: tuple[int, ...], absent: set[int]
) -> None:
    """A 400 among `missing` is about deletes: to a GET it is a broken request, and no absence."""
    dialect = Dialect(missing=missing)
    found = {status: judge_read(answer(READ, status), dialect).presence for status in (400, 404, 410, 500)}
    assert {status for status, presence in found.items() if presence is Presence.ABSENT} == absent
    assert all(found[status] is None for status in found.keys() - absent)
    assert judge_write(answer(DEL, 404), dialect).effect is CONFLICT


@pytest.mark.parametrize(
    ("status", "keys"),
    [
        (400, "headers"),
        (403, "headers"),
        (406, "headers"),
        (405, "path trailing_slash"),
        (501, "path trailing_slash"),
        (410, "missing"),
        (401, ""),
        (500, ""),
    ],
)
def test_a_read_that_looks_like_a_deviation_names_the_keys(status: int, keys: str) -> None:
    assert keys_in(judge_read(answer(READ, status), CONTRACT).why) == keys.split()


# Words.


def test_a_try_knows_whether_it_reached_the_node() -> None:
    reached = {str(t): t.reached for t in tries("refused", "timeout", "stopped", 201)}
    assert reached == {"refused": False, "timeout": True, "stopped": False, "201": True}


def test_actions_are_carried_out_by_their_writes() -> None:
    assert (writes(CREATE), writes(DELETE)) == (POST, DEL)
