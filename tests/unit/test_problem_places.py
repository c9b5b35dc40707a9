"""Where a problem is: the characters that are meant, and the line that they are in."""

from __future__ import annotations

import pytest

from planner.desired import parse
from planner.errors import FileInvalid, Problem
from tests.unit.desired_texts import groups


def found(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(FileInvalid) as caught:
        parse(text, origin="f")
    return caught.value.problems


def meant(text: str | bytes) -> list[str]:
    """The characters that each problem is about."""
    return [each.source[each.column - 1 : each.end_column - 1] for each in found(text)]


@pytest.mark.parametrize(
    ("line", "characters"),
    [
        ("- {id: a, protet: true}", "protet"),
        ('- {id: a, "pro tet": true}', '"pro tet"'),
        ("- {id: a, state: 'absnt'}", "'absnt'"),
        ("- {id: 東京, nodes: [node01, 名前]}", "名前"),
        ("- {id: cafe\u0301, nodes: [nod]}", "nod"),
        ("- 7", "7"),
        ("- {id: a, nodes: {zone: q}}", "{"),
        ("- &x {id: a, nodes: *x}", "*x"),
        ("- !foo a", "!foo a"),
        ("- {id: a, id: b}", "id"),
        ('- {id: a, state: "b\n    c"}', '"'),
    ],
)
def test_what_is_meant(line: str, characters: str) -> None:
    assert meant(groups(line)) == [characters]  # the first one, where a block or several lines are meant


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark(end: str, mark: str) -> None:
    text = mark + groups("- a", "- {id: b, protet: true}", "- 7").replace("\n", end)
    first, second = found(text.encode())
    assert (first.line, first.column, first.end_column) == (10, 13, 19)
    assert first.source == "  - {id: b, protet: true}"
    assert (second.line, second.source) == (11, "  - 7")


def test_hints_are_apart_from_the_text() -> None:
    typo, number = found(groups("- {id: a, protet: true}", "- 7"))
    assert (typo.text, typo.hint) == ("unknown key `protet` in a group", "did you mean `protect`?")
    assert typo.sentence == "unknown key `protet` in a group (did you mean `protect`?)"
    assert number.hint == "put it in quotes"
    assert number.sentence.endswith(" is a number for YAML: put it in quotes")


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ('a: "open\nb: 1\n', (1, 4), 'the quote `"` is never closed'),
        ("a: 1\nb: 'open", (2, 4), "the quote `'` is never closed"),
        (
            "a: [1, 2\nb: 3\n",
            (2, 2),
            "the `[` of line 1 is not closed: look at the brackets, commas and quotes",
        ),
        ("a: 1\nb: {c: 1\nd: 2\n", (3, 2), "the `{` of line 2 is not closed"),
        ("a:\n\t- b\n", (2, 1), "a tab cannot indent: use spaces"),
        ("a: @x\n", (1, 4), "text that begins with `@` must be in quotes"),
        ("a: b: c\n", (1, 5), "a second `:` in one line"),
        ("a: 'it's'\n", (1, 8), "look at the indentation, brackets and quotes"),
        (b"a: 1\nb: \xff\xfe\n", (2, 4), "save it as UTF-8"),
        (b"\xef\xbb\xbfa\xff: 1\n", (1, 2), "save it as UTF-8"),
        ("\ufeffa\x00: 1\n", (1, 2), "write it as an escape in double quotes"),
        ("a: 1\na: 2\n", (2, 1), ""),
        ("", (1, 1), ""),
    ],
)
def test_text_that_is_no_yaml(text: str | bytes, place: tuple[int, int], hint: str) -> None:
    problem = next(each for each in found(text) if (each.line, each.column) == place)
    assert hint in problem.hint
    assert problem.end_column > problem.column


def test_the_line_of_a_bad_byte_can_be_shown() -> None:
    (only,) = found("ü: ".encode() + b"\xff # b\n")
    assert only.source == "ü: \udcff # b"
    assert only.source[only.column - 1] == "\udcff"
