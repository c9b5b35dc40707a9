"""Whole commands against two good nodes and one that is not to be trusted.

Whatever it sends: the run ends with an error that names it and says why, no group is called absent there,
nothing is written anywhere, and no terminal and no build server obeys what came from it.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.town import BAD, PATH, SEQUENCE, WILD, Always, Honest, Town, harmless
from tests.http.server import Action, Peer, ScriptedServer, answer, close, drip, group, hang, raw, reset

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def town(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Town]:
    town = Town(tmp_path, capsys)
    yield town
    town.close()


def located(location: str) -> Action:
    return answer(302, b"", f"Location: {location}")


HOSTILE: dict[str, tuple[Action, str]] = {
    "says nothing": (hang, "no answer in time"),
    "closes": (close, "the connection was closed without an answer"),
    "resets": (reset, "the connection was reset"),
    "drips a header": (drip(OK + b"X: ", b"x"), "no answer in time"),
    "drips a body": (drip(OK + b"Content-Length: 999\r\n\r\n"), "no answer in time"),
    "drips trailers": (
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: x\r\n"),
        "no answer in time",
    ),
    "never finishes its headers": (drip(OK, b"X: " + b"x" * 60_000 + b"\r\n", 0.0), "header is larger than"),
    "continues for ever": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.0), "header is larger than"),
    "sends a body without end": (drip(OK + b"\r\n", b" " * 65536, 0.0), "the answer is larger than 64 KiB"),
    "sends a bomb": (
        answer(200, gzip.compress(b" " * 9_000_000), "Content-Encoding: gzip"),
        "the answer is larger than 64 KiB",
    ),
    "packs for ever": (
        answer(200, b"x", f"Content-Encoding: {', '.join(['gzip'] * 99)}"),
        "packed in a way that was not asked for",
    ),
    "is a portal": (
        answer(200, b"<html>Log in</html>", "Content-Type: application/json"),
        "the answer is not JSON: b'<html>Log in</html>'",
    ),
    "is a list": (answer(200, b"[]"), "the answer is not an object: []"),
    "names another group": (group("other"), "the answer is about another group: 'other'"),
    "names a wild group": (group(WILD), "the answer is about another group: 'a ::error::b"),
    "names a number": (answer(200, {"groupId": 10**4000}), "the field 'groupId' is not a string: 1000"),
    "names nothing": (answer(200, {"groupId": None}), "the field 'groupId' is not a string: None"),
    "nests": (answer(200, b'{"groupId":' + b"[" * 60_000), "the answer is not JSON"),
    "says it twice": (answer(200, b'{"groupId":"kept","groupId":"kept"}'), "the field 'groupId' twice"),
    "has wild fields": (answer(200, {WILD: 1}), "the answer has no field 'groupId', only 'a ::error::b"),
    "breaks its JSON": (answer(200, b'{"groupId":"kept"'), "the answer is not JSON"),
    "speaks Latin-1": (answer(200, b'{"groupId":"\xfc"}'), "the answer is not JSON"),
    "shows a wild body": (answer(200, WILD.encode()), "the answer is not JSON: b'a ::error::b"),
    "is no HTTP": (raw(WILD.encode()), "the answer is not HTTP: 'a ::error::b"),
    "has a status of its own": (raw(b"HTTP/1.1 99999 \x1b[2J\r\n\r\n"), "the answer is not HTTP"),
    "breaks its header off": (raw(b"HTTP/1.1 404 Not Found\r\nX: x\r\n"), "the answer broke off"),
    "breaks its header": (
        raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\x1b[2J\r\nX: x\r\n\r\n"),
        "the answer's header has a line that is none",
    ),
    "says 304": (answer(304), "304"),
    "says 999": (answer(999, WILD.encode()), "999"),
    "says 204": (answer(204), "204"),
    "leads elsewhere": (located("//evil.test/v1/group/"), "a redirect (302) to '//evil.test/v1/group/'"),
    "leads to a script": (located("javascript:alert(1)"), "a redirect (302) to 'javascript:alert(1)'"),
    "leads to a wild place": (
        located(WILD.encode().decode("latin-1")),
        "a redirect (302) to 'a ::error::b",
    ),
    "leads in circles": (answer(307, b"", "Location: ?"), "a redirect (307) to '?'"),
    "asks for patience": (
        answer(503, b"", f"Retry-After: {'9' * 400}", "Retry-After: nan"),
        "503",
    ),
}


def squeezed(text: str) -> str:
    """Without what wrapping has added."""
    return re.sub(r"\s+", "", text).replace(r"\x3a", ":")


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_planned_or_applied_with_such_a_node(town: Town, name: str) -> None:
    action, why = HOSTILE[name]
    town.let(action)
    town.file("kept", "new")
    if why == "no answer in time":
        town.shop.settings["PLANNER_READ_TIMEOUT"] = "300ms"
    for arguments in (("plan",), ("apply", "--yes"), ("nodes", "--count", "1")):
        ended = town.run(*arguments, COLUMNS="40")  # so that the node's words begin lines
        assert ended.code == 1
        assert ended.out == "" or "nodes" in arguments
        assert BAD in ended.err
        assert squeezed(why) in squeezed(ended.err)
        assert "absent" not in ended.out + ended.err
        assert harmless(ended.out + ended.err)
    assert not town.good[0].writes + town.good[1].writes
    assert all(request.method == "GET" for request in town.servers[2].received)


# Answers to writes.


LIES: dict[str, Action] = {
    "applied": answer(201),
    "a portal": answer(200, b"<html>", "Content-Type: text/html"),
    "wild": raw(WILD.encode()),
    "broken": raw(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\x1b[2J\r\n\r\n"),
    "endless": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.0),
    "elsewhere": located("http://evil.test/"),
    "unknown": answer(999),
}


@pytest.mark.parametrize("name", LIES)
def test_a_create_that_took_no_effect_is_never_applied(town: Town, name: str) -> None:
    """Whatever was answered: it is read back, and all is reversed."""
    bad = Honest("kept", "old")
    bad.takes_effect, bad.on_write = False, LIES[name]
    town.let(bad)
    town.file("kept", "new")
    ended = town.run("apply", "--yes")
    assert ended.code == 3
    assert BAD in ended.err
    assert "Apply complete" not in ended.out
    assert [node.held for node in (*town.good, bad)] == [{"kept", "old"}] * 3
    assert harmless(ended.out + ended.err)


@pytest.mark.parametrize("name", [*LIES, "missing"])
def test_a_delete_that_took_no_effect_is_never_absent(town: Town, name: str) -> None:
    bad = Honest("kept", "old")
    bad.takes_effect, bad.on_write = False, answer(404) if name == "missing" else LIES[name]
    town.let(bad)
    town.file("kept", "{id: old, state: absent}")
    ended = town.run("apply", "--yes", "--allow-delete-adopted")
    assert ended.code == 3
    assert BAD in ended.err
    assert "Apply complete" not in ended.out
    assert [node.held for node in (*town.good, bad)] == [{"kept", "old"}] * 3


@pytest.mark.parametrize("name", [*LIES])
def test_a_create_that_took_effect_is_seen_to_have(town: Town, name: str) -> None:
    bad = Honest("kept", "old")
    bad.on_write = LIES[name]
    town.let(bad)
    town.file("kept", "new")
    ended = town.run("apply", "--yes")
    expected = {"kept", "old"} | ({"new"} if ended.code == 0 else set())
    assert ended.code in (0, 3)
    assert [node.held for node in (*town.good, bad)] == [expected] * 3


@pytest.mark.parametrize("name", ["is a portal", "names a wild group", "breaks its header off", "says 999"])
def test_a_node_that_turns_bad_leaves_a_transaction_that_names_it(town: Town, name: str) -> None:
    """After its first write it can be neither read nor reversed: that is exit 4, and no 'reversed'."""
    bad, turned = Honest("kept", "old"), [False]

    def turning(peer: Peer) -> bool:
        turned[0] = turned[0] or peer.request.method == "POST"
        return (HOSTILE[name][0] if turned[0] else bad)(peer)

    town.let(turning)
    town.file("kept", "new")
    ended = town.run("apply", "--yes", "--reverse-timeout", "200ms")
    assert ended.code == 4
    assert f"new on {BAD}" in ended.err
    assert [node.held for node in town.good] == [{"kept", "old"}] * 2
    assert harmless(ended.out + ended.err)
    town.let(bad)
    assert town.run("recover").code == 0


def test_nothing_is_sent_where_a_redirect_of_a_write_leads(town: Town) -> None:
    bad, other = Honest("kept"), ScriptedServer()
    other.script = Always([answer(201)])
    bad.takes_effect, bad.on_write = False, answer(307, b"", f"Location: {other.url}{PATH}")
    town.let(bad)
    town.file("kept", "new")
    try:
        assert town.run("apply", "--yes").code == 3
        assert other.connections == 0
    finally:
        other.close()


LISTS: dict[str, tuple[Action, str]] = {
    "a portal": (
        answer(200, b"<html>", "Content-Type: application/json"),
        "the answer is not JSON: b'<html>'",
    ),
    "numbers": (answer(200, [1, 2]), "the list has an entry without an id: 1"),
    "an object": (answer(200, {WILD: []}), "the answer is not a list: {'a ::error::b"),
    "no id": (answer(200, [{WILD: 1}]), "the list has an entry without an id: {'a ::error::b"),
    "ten megabytes": (answer(200, ["x" * 10_000_000]), "the list has an id that is none: 'xxx"),
    "half a character": (answer(200, b'["\\ud800"]'), r"the list has an id that is none: '\ud800'"),
    "an id twice": (answer(200, b'[{"groupId":"a","groupId":"b"}]'), "has the field 'groupId' twice"),
    "a redirect": (located("http://evil.test/"), "a redirect (302) to 'http://evil.test/'"),
    "304": (answer(304), "304"),
    "a page": (answer(200, [], 'Link: </?page=2>; rel="next"'), "the answer is one page of several"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_cannot_be_used_is_no_empty_one(town: Town, name: str) -> None:
    action, why = LISTS[name]
    honest = Honest("kept")
    town.let(lambda peer: (action if peer.request.target == PATH else honest)(peer))
    town.file("kept", more="prune: true\n", api="{list: /v1/group/}")
    for arguments in (("plan",), ("apply", "--yes"), ("nodes", "--count", "1"), ("import",)):
        ended = town.run(*arguments, COLUMNS="40")
        assert ended.code == 1
        assert BAD in ended.err
        assert squeezed(why) in squeezed(ended.err)
        assert harmless(ended.out + ended.err)
    assert not town.good[0].writes + town.good[1].writes + honest.writes


# Ids in a list: they may be anything, and stand in every output.

IDS = (
    re.sub("[\x1b\x07\x9b\u202e]", "", WILD),  # one that a file can hold
    WILD,
    "::error::a",
    "x\n::set-output name=a::b\n",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "@everyone",
    "#1",
    "a|b`c```d\n```",
    "[x](javascript:alert(1))",
    "![x](http://evil.test/x)",
    "http://evil.test/",
    "</code></td></table>",
    "y" * 300,
)
SPAN = re.compile(r"`[^`\n]+`|<code>[^<\n]*</code>")


def listing(town: Town) -> Honest:
    """Let the bad node hold groups with these ids, and let the file ask for their deletion."""
    bad = Honest("kept", *IDS)
    town.let(bad)
    for good in town.good:
        good.held = {"kept"}
    town.file(
        "kept",
        more="prune: true\nlimits: {max_deletes: 99, max_delete_percent: 100}\n",
        api="{list: /v1/group/}",
    )
    return bad


def test_wild_ids_in_every_format_of_a_plan(town: Town) -> None:
    listing(town)
    reports = [f"report.{ending}" for ending in ("md", "html", "json")]
    flags = [flag for name in reports for flag in ("--report", name)]
    ended = town.run("plan", "--out", "plan.json", *flags, COLUMNS="50")
    assert ended.code == 0
    files = {name: (town.shop.folder / name).read_text("utf-8") for name in ("plan.json", *reports)}
    shown = {form: town.run("plan", "--format", form).out for form in ("text", "json", "markdown", "html")}
    logged = town.run("plan", "--log-format", "json", "--log-level", "debug")
    imported = town.run("import")
    texts = [ended.out, ended.err, *files.values(), *shown.values(), logged.err, imported.out, imported.err]
    assert all(map(harmless, texts))
    for page in (shown["html"], files["report.html"]):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert page.count("</table>") == page.count("<table")
    for text in (shown["markdown"], files["report.md"]):
        rest = SPAN.sub("", text)
        assert not re.search(r"@everyone|alert|evil|#1|!\[x|```", rest)
        assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("|"))
    assert json.loads(files["plan.json"])["plan"] == json.loads(files["report.json"])["plan"]
    assert WILD not in {step["group"] for step in json.loads(files["plan.json"])["plan"]["steps"]}
    assert IDS[0] in {step["group"] for step in json.loads(files["plan.json"])["plan"]["steps"]}


def test_wild_ids_and_words_in_every_format_of_an_apply(town: Town) -> None:
    bad = listing(town)
    bad.takes_effect, bad.on_write = False, raw(WILD.encode())
    outlets = ["--summary", "run.json", "--metrics-file", "run.prom"]
    written = town.run("apply", "--yes", *outlets, COLUMNS="50", GITHUB_ACTIONS="true")
    events = town.run("apply", "--yes", "--format", "json", "--log-format", "json", "--log-level", "debug")
    debug = town.run("apply", "--yes", "--log-level", "debug")
    assert written.code == events.code == debug.code == 3
    shown = [town.run("show", "1", *form).out for form in ((), ("--format", "json"))]
    files = [(town.shop.folder / name).read_text("utf-8") for name in ("run.json", "run.prom")]
    texts = [written.out, written.err, events.out, events.err, debug.err, *shown, *files]
    assert all(map(harmless, texts))
    assert any("evil.test" in text for text in texts)
    assert len(bad.held) == len(IDS) + 1


def test_a_terminal_obeys_nothing_of_a_node(town: Town) -> None:
    """With colors and a bar, wide and narrow: what is left without our own sequences is harmless."""
    town.file("kept", "new")
    for arguments, columns in (
        (("apply", "--yes"), 50),
        (("plan", "--format", "json"), 50),
        (("nodes", "--count", "1"), 200),
    ):
        town.let(answer(200, b"::error::a " * 9 if columns == 50 else WILD.encode()))
        shown = town.terminal(*arguments, columns=columns)
        assert ("\x1b[" in shown) is ("json" not in arguments)  # it did use them
        assert "\x1b]" not in shown
        assert harmless(SEQUENCE.sub("", shown))
        assert "theanswerisnotJSON:b'" in squeezed(SEQUENCE.sub("", shown))
