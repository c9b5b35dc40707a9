"""Signed plans: only a plan that one of the keys has signed, to the last byte, is accepted."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.codec import document_of, document_text, load_plan
from planner.errors import StalePlan
from planner.jsontext import canonical, strict
from planner.model import Action, Cell, Node, Plan, Step
from planner.signing import PlanKey, open_plan, plan_key, signed
from tests.unit.test_codec import a_plan, plans

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = plan_key(SECRET)
OTHER = plan_key(SECRET[::-1])


def text_of(plan: Plan, key: PlanKey | None = KEY, **more: object) -> str:
    return "".join(document_text(signed({**document_of(plan), **more}, key)))


TEXT = text_of(a_plan())


def refused(text: str | bytes, *keys: PlanKey) -> str:
    with pytest.raises(StalePlan) as caught:
        open_plan(text, keys or (KEY,), "plan.json")
    error = caught.value
    assert (error.exit_code, error.where) == (6, "plan.json")
    assert error.next.startswith("make a new one")
    return error.why


# What is accepted.


@given(plan=plans(), more=st.dictionaries(st.sampled_from(["summary", "x"]), st.text() | st.integers()))
@settings(deadline=None, max_examples=50)
def test_a_signed_plan_is_read_back_with_its_key(plan: Plan, more: dict[str, Any]) -> None:
    text = text_of(plan, **more)
    opened = open_plan(text.encode(), (OTHER, KEY))
    assert (opened.plan, opened.signed_with, opened.key) == (plan, KEY.id, KEY)
    assert load_plan(text) == plan, "whoever knows no signatures reads it, too"
    again = json.dumps(json.loads(text), indent=3)
    assert open_plan(again, (KEY,)).plan == plan, "how it is laid out has no meaning"


def test_without_keys_the_digest_decides_as_ever() -> None:
    assert open_plan(TEXT, ()).signed_with == KEY.id
    assert open_plan(TEXT, ()).key is None
    unsigned = text_of(a_plan(), None)
    assert "signature" not in unsigned
    assert (open_plan(unsigned, ()).plan, open_plan(unsigned, ()).signed_with) == (a_plan(), "")


def test_the_signature_is_what_the_schema_tells() -> None:
    """Worked out here once more, from the words alone."""
    document = json.loads(TEXT)
    signature = document["signature"]
    value = signature.pop("value")
    plan = document.pop("plan")
    message = b"planner plan v1\0" + b"\n".join(
        json.dumps(part, sort_keys=True, separators=(",", ":")).encode() for part in (plan, document)
    )
    derived = hmac.digest(SECRET, b"planner plan v1\0", "sha256")
    assert value == hmac.new(derived, message, hashlib.sha256).hexdigest()
    assert signature == {
        "algorithm": "HMAC-SHA256",
        "key": hmac.digest(SECRET, b"key id", "sha256").hex()[:8],
    }
    assert list(json.loads(TEXT)) == ["format", "version", "digest", "signature", "plan"]


def test_the_secret_signs_nothing_itself_and_is_never_shown() -> None:
    assert SECRET not in KEY.signs
    assert repr(KEY) == f"PlanKey(id='{KEY.id}')"


def test_codes_are_compared_in_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can see how long it took; so, that it is left to the function that is made for it."""
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda *both: compared.append(both))
    assert "was altered" in refused(TEXT)
    assert compared == [(json.loads(TEXT)["signature"]["value"],) * 2]


def test_a_short_key_is_refused_without_a_word_of_it() -> None:
    assert len(plan_key(b"x" * 32).id) == 8
    with pytest.raises(ValueError, match=r"31 bytes.* needs 32") as caught:
        plan_key(SECRET[:31])
    assert "0123" not in str(caught.value)


# What is refused, and the three reasons.


def test_not_signed_signed_otherwise_and_altered_are_told_apart() -> None:
    assert refused(text_of(a_plan(), None)) == (
        f"it is not signed, and only plans signed with {KEY.id} are accepted (--plan-key, PLANNER_PLAN_KEY)"
    )
    assert refused(text_of(a_plan(), OTHER), KEY).startswith(
        f"it is signed with another key, {OTHER.id}, and"
    )
    third = plan_key(b"t" * 32)
    assert f"signed with {KEY.id} and {third.id} are" in refused(text_of(a_plan(), OTHER), KEY, third)
    altered = TEXT.replace('"group": "new"', '"group": "old"')
    assert refused(altered) == f"it was altered since it was signed with key {KEY.id}"


def redone(document: dict[str, Any]) -> str:
    """With the digest of whoever knows how to compute it."""
    plan = json.dumps(document["plan"], sort_keys=True, separators=(",", ":"))
    return json.dumps({**document, "digest": hashlib.sha256(plan.encode()).hexdigest()})


@pytest.mark.parametrize(
    "path",
    [
        ("plan", "cluster"), ("plan", "store"), ("plan", "created"), ("plan", "nodes", 0, "url"),
        ("plan", "nodes", 0, "credential"), ("plan", "steps", 0, "group"), ("plan", "steps", 0, "reason"),
        ("plan", "x"), ("plan", "steps", 0, "x"), ("plan", "limits", "x"), ("x",), ("summary",),
    ],
    ids=lambda path: ".".join(map(str, path)),
)  # fmt: skip
def test_everything_is_signed_also_what_nobody_reads(path: tuple[Any, ...]) -> None:
    document = json.loads(TEXT)
    at: Any = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = "forged"
    assert "was altered since" in refused(redone(document))


def test_a_signature_counts_for_its_document_alone() -> None:
    one, two = json.loads(TEXT), json.loads(text_of(a_plan(), summary={"create": 1}))
    assert "was altered since" in refused(json.dumps({**two, "signature": one["signature"]}))
    assert "was altered since" in refused(json.dumps({**one, "signature": two["signature"]}))
    assert "was altered since" in refused(json.dumps({**one, "digest": "0" * 64}))
    assert "its version is true" in refused(json.dumps({**one, "version": True}))


@pytest.mark.parametrize(
    "signature",
    [
        None, {}, [], "x", 1,
        {"algorithm": "none", "key": KEY.id, "value": "0" * 64},
        {"algorithm": "HMAC-SHA256", "key": KEY.id},
        {"algorithm": "HMAC-SHA256", "key": KEY.id, "value": ""},
        {"algorithm": "HMAC-SHA256", "key": KEY.id, "value": None},
        {"algorithm": "HMAC-SHA256", "key": KEY.id.upper() + "A", "value": "0" * 64},
        {"algorithm": "HMAC-SHA256", "key": KEY.id, "value": "0" * 64, "more": 1},
    ],
)  # fmt: skip
def test_a_signature_of_another_shape_is_refused_with_a_key_and_without(signature: object) -> None:
    text = json.dumps({**json.loads(TEXT), "signature": signature})
    assert "its signature is none of this planner's" in refused(text)
    with pytest.raises(StalePlan):
        open_plan(text, ())


def test_keys_with_one_id_are_all_tried() -> None:
    twin = PlanKey(KEY.id, OTHER.signs)
    assert open_plan(TEXT, (twin, KEY)).key == KEY
    assert "was altered" in refused(TEXT, twin)


def test_no_single_byte_can_be_changed() -> None:
    """Every bit of every byte, and every byte by some that are likely to pass."""
    content = text_of(SMALL).encode()
    accepted = set()
    for at, byte in enumerate(content):
        for other in {byte ^ 1 << bit for bit in range(8)} | LIKELY:
            try:
                opened = open_plan(content[:at] + bytes([other]) + content[at + 1 :], (KEY,))
            except StalePlan as stale:
                assert stale.exit_code == 6  # noqa: PT017  (some ten thousand times: `raises` is slow)
                continue
            assert opened.plan == SMALL
            accepted.add((byte, other))
    assert (ord(" "), ord("\t")) in accepted
    assert all(a == b or {a, b} <= set(b" \t\r\n") for a, b in accepted), "only one blank for another"


LIKELY = set(b'0a"\t\n')
SMALL = Plan(
    "test",
    "5f0c",
    3,
    (Node("a", "http://a"),),
    (Step(1, Action.CREATE, Cell("x", "a"), "\N{LATIN SMALL LETTER E WITH ACUTE}"),),
)


# One signature, two meanings.


def both(text: str, old: str, new: str | bytes) -> bytes:
    assert text.count(old) >= 1
    return text.encode().replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"cluster":', '"cluster": "other", "cluster":'),
        ('"cluster":', '"cl\\u0075ster": "other", "cluster":'),
        ('"action":', '"action": "delete", "action":'),
        ('"plan": {', '"plan": {"steps": []}, "plan": {'),
        ('"format":', '"format": "planner.plan", "format":'),
        ('"key":', '"key": "00000000", "key":'),
    ],
)
def test_a_key_that_stands_twice_is_refused_signed_or_not(old: str, new: str) -> None:
    changed = both(TEXT, old, new)
    assert json.loads(changed) == json.loads(TEXT), "the standard library sees no difference"
    assert "is there twice" in refused(changed)
    with pytest.raises(StalePlan, match="cannot be used"):
        load_plan(changed)


def test_halves_of_a_character_are_not_the_character() -> None:
    text = text_of(a_plan(), more="\N{GRINNING FACE}")
    halves = both(text, "\N{GRINNING FACE}", b"\xed\xa0\xbd\xed\xb8\x80")
    assert json.loads(halves)["more"] != json.loads(text)["more"]
    assert json.dumps(json.loads(halves)) == json.dumps(json.loads(text)), "and one canonical text"
    assert "it is not JSON" in refused(halves)


@pytest.mark.parametrize("text", [b"\xff\xfe{\0}\0", '{"a": NaN}', '{"a": -Infinity}', '[{"a": 1, "a": 1}]'])
def test_what_has_more_than_one_meaning_is_no_json(text: str | bytes) -> None:
    json.loads(text)  # which the standard library takes
    with pytest.raises(ValueError, match=r"."):
        strict(text)


PARTS = (
    "\\ud83d",
    "\\ude00",
    "\N{GRINNING FACE}",
    b"\xed\xa0\xbd",
    b"\xed\xb8\x80",
    "a",
    "\\u0061",
    "\\\\u0061",
)
STRINGS = st.lists(st.sampled_from([p if isinstance(p, bytes) else p.encode() for p in PARTS]), max_size=3)


@given(STRINGS, STRINGS)
@settings(deadline=None, max_examples=500)
def test_what_is_written_alike_means_alike(one: list[bytes], two: list[bytes]) -> None:
    found = []
    for parts in (one, two):
        with contextlib.suppress(ValueError):
            found.append(strict(b'{"a": "' + b"".join(parts) + b'"}'))
    alike = len({"".join(canonical(each)) for each in found}) == 1
    assert not alike or all(each == found[0] for each in found)


def test_a_mark_at_the_beginning_and_blanks_do_no_harm() -> None:
    assert open_plan(b"\xef\xbb\xbf" + TEXT.encode(), (KEY,)).plan == a_plan()
    assert open_plan(re.sub(r"\n *", "\r\n\t", TEXT), (KEY,)).plan == a_plan()


@pytest.mark.parametrize("key", ["x", "plan"])
def test_deep_nesting_is_a_refusal_however_deep(key: str) -> None:
    """What can just be read must not be too deep to be written down, and so to be verified."""
    for depth in (*range(sys.getrecursionlimit() - 250, sys.getrecursionlimit()), 100_000):
        deep = "[" * depth + "]" * depth
        more = f'"plan": {{"y": {deep},' if key == "plan" else f'"x": {deep}, "plan": {{'
        assert refused(TEXT.replace('"plan": {', more)).startswith("it ")
