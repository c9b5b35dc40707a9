"""JSON in pieces is the JSON that the standard library writes whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planner.jsontext import PIECE, Rows, canonical, harmless, laid_out, plain


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
