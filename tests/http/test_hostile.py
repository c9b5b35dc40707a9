"""Nodes that are not trusted: whatever they send is an error on that node, small, and never 'absent'."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from planner.model import Dialect, Presence
from planner.nodes import body, deadline, known
from planner.verdict import Effect, TryEnd, judge_list, judge_read, judge_write
from tests.http.conftest import Start, ends
from tests.http.server import Action, Peer, answer, drip, group, raw

LISTS = Dialect(list_path="/v1/group/")
RECORD = b'{"groupId":"foo"}'
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + RECORD + b"\r\n0\r\n"
MEGABYTE = 1024 * 1024


def flood(bit: bytes, head: bytes = b"") -> Action:
    """As fast as it is read, and for ever."""
    return drip(head, bit, 0.0)


def packed(content: bytes, coding: str, status: int = 200) -> Action:
    return answer(status, content, f"Content-Encoding: {coding}")


def twice(content: bytes) -> bytes:
    return gzip.compress(gzip.compress(content))


UNUSABLE: dict[str, tuple[Action, str]] = {
    # Encodings.
    "brotli": (
        packed(b"\x0b\x08\x80" + RECORD + b"\x03", "br"),
        "packed in a way that was not asked for: 'br'",
    ),
    "zstd": (packed(b"\x28\xb5\x2f\xfd", "zstd"), "packed in a way that was not asked for: 'zstd'"),
    "packed twice": (packed(twice(RECORD), "gzip, gzip"), "not asked for: 'gzip, gzip'"),
    "packed for ever": (packed(RECORD, ", ".join(["gzip"] * 2000)), "not asked for: 'gzip, gzip, "),
    "packed in two headers": (
        answer(200, twice(RECORD), "Content-Encoding: gzip", "Content-Encoding: gzip"),
        "not asked for: 'gzip, gzip'",
    ),
    "a bomb": (packed(gzip.compress(b" " * 5_000_000), "gzip"), "larger than 64 KiB"),
    "a bomb by deflate": (packed(zlib.compress(b" " * 5_000_000), "deflate"), "larger than 64 KiB"),
    # JSON that may be read in two ways, or is none.
    "the id twice": (answer(200, b'{"groupId":"bar","groupId":"foo"}'), "has the field 'groupId' twice"),
    "the id twice, written otherwise": (answer(200, b'{"groupId":"bar","group\\u0049d":"foo"}'), "twice"),
    "a field twice below": (answer(200, b'{"groupId":"foo","x":{"a":1,"a":2}}'), "has the field 'a' twice"),
    "NaN": (answer(200, b'{"groupId":"foo","x":NaN}'), "the answer is not JSON"),
    "Infinity": (answer(200, b'{"groupId":"foo","x":-Infinity}'), "the answer is not JSON"),
    "a huge number": (answer(200, b'{"groupId":"foo","x":' + b"9" * 6000 + b"}"), "the answer is not JSON"),
    "deep beside the id": (answer(200, b'{"groupId":"foo","x":' + b"[" * 60_000), "the answer is not JSON"),
    "deep and whole": (
        answer(200, b'{"groupId":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        "[[[[[",  # how deep is too deep is a matter of Python's version
    ),
    "a surrogate in bytes": (answer(200, b'{"groupId":"foo","x":"\xed\xa0\x80"}'), "the answer is not JSON"),
    "bad text": (answer(200, b'{"groupId":"foo","x":"\xff"}'), "the answer is not JSON"),
    "more behind it": (answer(200, RECORD + RECORD), "the answer is not JSON"),
    "a portal": (answer(200, b"<html>Log in</html>", "Content-Type: text/html"), "b'<html>Log in</html>'"),
    "a portal in disguise": (
        answer(200, b"<!doctype html>", "Content-Type: application/json"),
        "the answer is not JSON: b'<!doctype html>'",
    ),
    # Ids.
    "null": (answer(200, {"groupId": None}), "the field 'groupId' is not a string: None"),
    "a list": (answer(200, {"groupId": ["foo"]}), "is not a string: ['foo']"),
    "an object": (answer(200, {"groupId": {"groupId": "foo"}}), "is not a string: {'groupId': 'foo'}"),
    "a deep id": (
        answer(200, b'{"groupId":' + b"[" * 500 + b"]" * 500 + b"}"),
        "is not a string: [[[[[",
    ),
    "another group": (group("foo2"), "the answer is about another group: 'foo2'"),
    "another group, and long": (group("x" * 60_000), "the answer is about another group: 'xxxx"),
    "another by a blank": (group("foo "), "another group: 'foo '"),
    "another by nothing that is seen": (group("foo\u200b"), "another group: 'foo\\u200b'"),
    "half a character": (answer(200, b'{"groupId":"\\ud800"}'), "another group: '\\ud800'"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_a_fault_in_a_few_printable_words(start: Start, name: str) -> None:
    action, why = UNUSABLE[name]
    run = start(action)
    told = run.read()
    reading = judge_read(told, run.dialect)
    assert ends(told) == [200]
    assert reading.presence is None
    assert why in reading.why
    assert reading.why.isprintable()
    assert len(reading.why) < 400


BROKEN: dict[str, tuple[Action, str]] = {
    "one long header": (raw(OK + b"X: " + b"x" * 70_000), "the answer's header is too large"),
    "an endless header": (flood(b"x" * 4096, OK + b"X: "), "the answer's header is too large"),
    "many headers": (raw(OK + b"X: x\r\n" * 101 + b"\r\n"), "the answer's header is too large"),
    "many long headers": (
        flood(b"X: " + b"x" * 60_000 + b"\r\n", OK),
        "the answer's header is larger than 256 KiB",
    ),
    "endless 100 Continue": (
        flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "the answer's header is larger than 256 KiB",
    ),
    "endless hints": (
        flood(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100),
        "the answer's header is larger than 256 KiB",
    ),
    "a line without a colon": (
        raw(OK + b"Content-Length: 17\r\nbroken\r\nX: y\r\n\r\n" + RECORD, keep=True),
        "the answer's header has a line that is none",
    ),
    "a header that breaks off": (
        raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"),
        "the answer broke off",
    ),
    "a status line that breaks off": (raw(b"HTTP/1.1 404"), "the answer broke off"),
    "no HTTP": (raw(b"SSH-2.0-\x1b[2J\x9b31m\r\n"), r"the answer is not HTTP: 'SSH-2.0-\x1b[2J\x9b31m\r\n'"),
    "no status": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), "the answer is not HTTP: 'HTTP/1.1 abc OK"),
    "status 0": (raw(b"HTTP/1.1 000 OK\r\n\r\n"), "the answer is not HTTP: 'HTTP/1.1 000 OK"),
    "status -404": (raw(b"HTTP/1.1 -404 OK\r\n\r\n"), "the answer is not HTTP: 'HTTP/1.1 -404 OK"),
    "status 40404": (raw(b"HTTP/1.1 40404 OK\r\n\r\n"), "the answer is not HTTP: 'HTTP/1.1 40404 OK"),
    "a long status": (
        raw(b"HTTP/1.1 404" + b"4" * 9000 + b"\r\n\r\n"),
        "the answer is not HTTP: 'HTTP/1.1 404",
    ),
    "two lengths": (
        raw(OK + b"Content-Length: 17\r\nContent-Length: 2\r\n\r\n" + RECORD),
        "Content-Length contained multiple unmatching values",
    ),
    "a long size of a chunk": (
        flood(b"0" * 4096, OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        "the answer's header is too large",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_answer_is_unanswered_and_says_why(
    start: Start, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The read time-out is ten seconds, and ends none of these; and no library logs what came."""
    action, why = BROKEN[name]
    run = start(action)
    told = run.read(tries=1)
    reading = judge_read(told, run.dialect)
    assert ends(told) == [TryEnd.UNANSWERED]
    assert reading.presence is None
    assert why in reading.why
    assert reading.why.isprintable()
    assert "Failed to parse" not in caplog.text


SLOW: dict[str, Action] = {
    "header": drip(OK + b"X: ", b"x"),
    "headers": drip(OK, b"X: x\r\n", 0.05),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drip(OK + b"Content-Length: 9999\r\n\r\n"),
    "trailer": drip(CHUNKED, b"X: x\r\n"),
    "a flood of trailers": flood(b"X: " + b"x" * 4000 + b"\r\n", CHUNKED),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_never_ends_is_ended(start: Start, name: str) -> None:
    run = start(SLOW[name], group("foo"), read_timeout=0.2)
    told = run.read(tries=1)
    assert ends(told) == [TryEnd.UNANSWERED]
    assert judge_read(told, run.dialect).why == "no answer in time"


@pytest.fixture
def peak() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


BLANKS = b" " * (32 * MEGABYTE)
BOMBS = {"gzip": gzip.compress(BLANKS, 1), "deflate": zlib.compress(BLANKS, 1)}


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_stays_small(start: Start, peak: None, coding: str, status: int) -> None:
    run = start(*[packed(BOMBS[coding], coding, status)] * 2)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert judge_read(run.read(tries=2), run.dialect).presence is None
    assert tracemalloc.get_traced_memory()[1] - before < 8 * MEGABYTE


def counted(sent: list[int], stopped: threading.Event) -> Action:
    """A 503 whose body has no end; `sent` counts its bytes."""

    def act(peer: Peer) -> bool:
        peer.send(b"HTTP/1.1 503 Busy\r\n\r\n")
        bit = b" " * 65536
        while not peer.server.closing.is_set() and peer.send(bit):
            sent[0] += len(bit)
        stopped.set()
        return False

    return act


def test_the_endless_body_of_a_status_that_is_tried_again_is_not_read(start: Start) -> None:
    """urllib3 reads it to the end of its deadline; more than what the sockets hold was never taken."""
    sent, stopped = [0], threading.Event()
    run = start(counted(sent, stopped), group("foo"))
    assert ends(run.read()) == [503, 200]
    assert stopped.wait(5)
    assert sent[0] < 40 * MEGABYTE


BEHIND = {
    "a whole answer": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "the beginning of one": b"HTTP/1.1 404 Not Found\r\nX: ",
    "a byte": b"x",
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("head", [OK + b"Content-Length: 17\r\n\r\n" + RECORD, CHUNKED + b"\r\n"])
def test_what_comes_behind_an_answer_is_not_the_next_one(start: Start, head: bytes, behind: bytes) -> None:
    run = start(raw(head + behind, keep=True), group("foo"))
    assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
    assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
    assert run.server.connections == 2


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_there_is_none_is_not_the_next_answer(start: Start, status: int) -> None:
    evil = f"HTTP/1.1 {status} X\r\nContent-Length: 45\r\n\r\n".encode() + BEHIND["a whole answer"]
    run = start(raw(evil, keep=True), group("foo"))
    assert judge_read(run.read(), run.dialect).presence is None
    assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
    assert run.server.connections == 2


ETAGS = ['"a\r\n b"', "\t", '"' + "x" * 300 + '"', '"a b"', '"\x1b[2J"']


@pytest.mark.parametrize("etag", ETAGS)
def test_an_etag_that_is_none_is_not_sent_back(start: Start, etag: str) -> None:
    run = start(answer(200, {"groupId": "foo"}, f"ETag: {etag}"), group("foo"))
    for _ in range(2):
        assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
    assert "if-none-match" not in run.server.received[1].headers


def test_what_is_kept_of_etags_is_bounded() -> None:
    assert known.MOST * 256 < 2 * MEGABYTE


LISTED: dict[str, tuple[bytes, str]] = {
    "a portal": (b"<html>", "the answer is not JSON: b'<html>'"),
    "numbers": (b"[1, 2]", "an entry without an id: 1"),
    "a long id": (json.dumps(["a", "x" * 10_000_000]).encode(), "has an id that is none: 'xxxx"),
    "half a character": (b'["a", "\\udc00"]', r"has an id that is none: '\udc00'"),
    "a large entry": (json.dumps([{"x": "y" * 5_000_000}]).encode(), "an entry without an id: {'x': 'yyyy"),
    "an id twice": (b'[{"groupId":"a","groupId":"b"}]', "has the field 'groupId' twice"),
    "deep": (b"[" * 400_000, "the answer is not JSON: b'[[["),
}


@pytest.mark.parametrize("name", LISTED)
def test_a_list_that_cannot_be_used_is_no_empty_one(start: Start, name: str) -> None:
    content, why = LISTED[name]
    listing = judge_list(start(answer(200, content), dialect=LISTS).list())
    assert listing.groups is None
    assert why in listing.why
    assert listing.why.isprintable()
    assert len(listing.why) < 400


def test_a_list_of_too_many_values_is_not_even_parsed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB of ``[],`` would be 22 million lists: more than a gigabyte."""
    assert 64 * body.MOST_VALUES < 350 * MEGABYTE
    monkeypatch.setattr(body, "MOST_VALUES", 1000)
    run = start(answer(200, [[]] * 1001), answer(200, [f"g{n}" for n in range(900)]), dialect=LISTS)
    assert judge_list(run.list()).why == "the answer holds more than 1,000 values"
    assert len(judge_list(run.list()).groups or ()) == 900


def test_many_ids_are_a_list_like_any_other(start: Start) -> None:
    ids = tuple(f"g{n}" for n in range(300_000))
    assert judge_list(start(answer(200, list(ids)), dialect=LISTS).list()).groups == ids


WRITTEN: dict[str, Action] = {
    **{
        name: BROKEN[name][0]
        for name in ("endless 100 Continue", "a line without a colon", "no HTTP", "status 0")
    },
    "a header that breaks off": raw(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"),
    "a status line that breaks off": raw(b"HTTP/1.1 200"),
    "a portal": answer(203, b"<html>", "Content-Type: text/html"),
    "nothing is modified": answer(304),
    "status 999": answer(999, RECORD),
    "status 600": answer(600),
    "to another host": answer(307, b"", "Location: //evil.test/v1/group/"),
    "to a script": answer(308, b"", "Location: javascript:alert(1)"),
    "to a file": answer(307, b"", "Location: file:///etc/passwd"),
    "to somebody": answer(307, b"", "Location: http://127.0.0.1@evil.test/"),
    "in circles": answer(307, b"", "Location: /v1/group/"),
    "three choices": answer(300, RECORD),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("write", ["create", "delete"])
def test_a_write_with_such_an_answer_may_have_been_carried_out(start: Start, write: str, name: str) -> None:
    """Neither 'applied' nor 'surely not': the engine reads back."""
    run = start(*[WRITTEN[name]] * 4)
    verdict = judge_write(getattr(run, write)(tries=1), run.dialect)
    assert verdict.effect in (Effect.UNKNOWN, Effect.REFUSED)
    assert verdict.suspect_since is not None
    assert verdict.failure.isprintable()


def test_a_header_has_room_for_what_real_ones_need(start: Start) -> None:
    assert deadline.LARGEST_HEADER >= 128 * 1024
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50
    more = b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(90))
    run = start(raw(hints + OK + more + b"Content-Length: 17\r\n\r\n" + RECORD, keep=True))
    assert judge_read(run.read(), run.dialect).presence is Presence.PRESENT
