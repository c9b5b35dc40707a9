"""JSON in pieces is the JSON that the standard library writes whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planner.jsontext import PIECE, Rows, canonical, harmless, laid_out, plain, strict


def numbered(count: int) -> Rows:
    """So many rows."""
    return Rows(lambda number: {"n": number, "a": "é\u2028"}, range(count))


def document(count: int) -> dict[str, Any]:
    """A document with rows at its top, and in an object."""
    return {
        "b": numbered(count),
        "a": {"rows": numbered(count), "more": [], "none": {}},
        "c": ["x", [1, 2]],
        "d": None,
    }


COUNTS = (0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 1)


@pytest.mark.parametrize("count", COUNTS)
def test_rows_become_lists(count: int) -> None:
    found = plain(document(count))
    assert found["b"] == found["a"]["rows"] == [{"n": n, "a": "é\u2028"} for n in range(count)]
    assert len(numbered(count)) == count


@pytest.mark.parametrize("count", COUNTS)
def test_canonical_is_one_line_with_sorted_keys(count: int) -> None:
    lazy = {"b": numbered(count), "a": {"z": 1, "y": []}}
    whole = json.dumps(plain(lazy), sort_keys=True, separators=(",", ":"))
    assert "".join(canonical(lazy)) == "".join(canonical(plain(lazy))) == whole


@pytest.mark.parametrize("empty", [{}, {"a": []}, {"a": numbered(0)}])
def test_nothing_is_written_as_nothing(empty: dict[str, Any]) -> None:
    assert json.loads("".join(canonical(empty))) == json.loads("".join(laid_out(empty))) == plain(empty)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_laid_out_document_is_the_same_with_one_row_in_a_line(count: int, ensure_ascii: bool) -> None:
    text = "".join(laid_out(document(count), ensure_ascii=ensure_ascii))
    assert json.loads(text) == plain(document(count))
    assert text == "".join(laid_out(plain(document(count)), ensure_ascii=ensure_ascii))
    assert text.isascii() is (ensure_ascii or count == 0)
    assert text.count('"n": ') == sum('"n": ' in line for line in text.splitlines()) == 2 * count


def test_no_piece_is_longer_than_some_rows() -> None:
    for pieces in (canonical({"a": numbered(5 * PIECE)}), laid_out({"a": numbered(5 * PIECE)})):
        assert max(map(len, pieces)) < 100 * PIECE


WILD = "##[error]a ##vso[b] \x1b\x9b2J\u202e\u200b\u2028\u034f\ufeff\ud800\U000e0041 é組"


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_what_a_terminal_or_a_build_server_obeys_is_written_otherwise(ensure_ascii: bool) -> None:
    text = "".join(laid_out({"a": [WILD], WILD: WILD}, ensure_ascii=ensure_ascii))
    assert json.loads(text) == {"a": [WILD], WILD: WILD}
    assert "##[" not in text
    assert "##vso[" not in text
    assert text.isascii() or set(text) - set(map(chr, range(128))) == set("é組")


def test_only_a_command_is_written_otherwise() -> None:
    assert harmless('["##", "## a", "\\\\##[a]"]') == '["##", "## a", "\\\\#\\u0023[a]"]'
    assert json.loads(harmless('["\\\\##[a]"]')) == ["\\##[a]"]


# From outside.


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, "\\ud83d\\ude00", null]}', b'\xef\xbb\xbf{"a": "\xc3\xa9"}', "[1e3]"]
)
def test_good_json_is_read_as_ever(text: str | bytes) -> None:
    assert strict(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "the key 'c' is there twice"),
        ('{"a": 1, "\\u0061": 1}', "the key 'a' is there twice"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is no number"),
        ("[-1E400]", "-1E400 is no number"),
        ("[" + "9" * 5000 + "]", "Exceeds the limit"),
        ('["\\ud800"]', "surrogates not allowed"),
        ('{"\\uDFff": 1}', "surrogates not allowed"),
        ('["\ud800"]', "surrogates not allowed"),
        (b'["\xed\xa0\x80"]', "invalid continuation byte"),
        ('{"a": 1}'.encode("utf-16"), "codec can't decode"),
        ('{"a": 1}'.encode("utf-32"), "codec can't decode"),
        ('{"a": "\0"}', "Invalid control character"),
        ("[1] [2]", "Extra data"),
        ("{'a': 1}", "property name"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_what_readers_would_not_agree_on_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        strict(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_deep_nesting_is_one_error(text: str) -> None:
    with pytest.raises((RecursionError, ValueError)):
        strict(text)
