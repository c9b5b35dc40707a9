"""Whole commands over hostile input: the exit code, one clear error, no traceback, and not one request."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.hostile import GOOD, HEAD, Runner

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[SimulatedCluster]:
    """They see next to nothing here: all tests share them."""
    with SimulatedCluster(3, seed=7) as simulated:
        yield simulated


@pytest.fixture
def cluster(nodes: SimulatedCluster) -> SimulatedCluster:
    """The same nodes, empty again."""
    nodes.set_groups(dict.fromkeys(nodes.names, ()))
    nodes.reset_requests()
    return nodes


@pytest.fixture
def runner(
    shop: Shop,
    in_process: None,
    cluster: SimulatedCluster,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Runner:
    """A folder with a good file; the nodes are in the environment."""
    (shop.folder / "groups.yaml").write_text(GOOD, encoding="utf-8")
    return Runner(shop, cluster, capfd, monkeypatch)


# groups.yaml: what it holds.

FILES: dict[str, tuple[str | bytes, str]] = {
    "an alias bomb": (BOMB, "more than 1,000,000 values"),
    "an alias within itself": (HEAD + "groups: &a [*a]\n", ":3:13: the alias `*a` stands inside"),
    "deep lists": ("[" * 100_000, "nested more than 50 levels deep"),
    "deep mappings": ("{a: " * 100_000, "nested more than 50 levels deep"),
    "too large": (GOOD + "#" * (10 * 1024 * 1024), "it is larger than 10 MB"),
    "empty": ("", "the file is empty"),
    "a python object": (HEAD + "groups: !!python/object/apply:os.system [id]\n", "the tag"),
    "a python name": (HEAD + "groups: [!!python/name:os.system a]\n", "the tag"),
    "a set": (HEAD + "groups: !!set {a, b}\n", "the tag `!!set`"),
    "binary": (HEAD + "groups: [!!binary aGk=]\n", "the tag `!!binary`"),
    "a tag of its own": (HEAD + "groups: !<tag:evil,2000:x> [a]\n", "the tag"),
    "a key twice": (GOOD + "groups: [b]\n", ":4:1: the key `groups` is there twice, first in line 3"),
    "a merge of no mapping": (HEAD + "<<: [a]\ngroups: []\n", "`<<` takes a mapping"),
    "a NUL": (GOOD + "\0", "the character `\\x00` is not allowed"),
    "bad UTF-8": (GOOD.encode() + b"# \xff\n", ":4:3: the file is not UTF-8 here"),
    "UTF-16": (GOOD.encode("utf-16"), "the file is not UTF-8 here"),
    "UTF-32": (GOOD.encode("utf-32"), "the file is not UTF-8 here"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "the character `\\x00` is not allowed"),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD.encode(), "not allowed"),
    "a C1 control": (HEAD + 'groups: ["a\x9bb"]\n', "the character `\\x9b` is not allowed"),
    "an escaped C1 control": (HEAD + 'groups: ["a\\x9bb"]\n', "must not hold control characters"),
    "an override of direction": (HEAD + "groups: [a\u202eb]\n", "the character `\\u202e` is not allowed"),
    "an escaped override": (HEAD + 'groups: ["a\\u202eb"]\n', "must not hold control characters"),
    "a direction mark": (HEAD + "groups: [a\u200fb]\n", ":3:10: a group must not hold control characters"),
    "a line separator": (HEAD + 'groups: ["a\\u2028b"]\n', "must not hold control characters"),
    "half a surrogate pair": (HEAD + 'groups: ["a\\ud800"]\n', "not valid YAML"),
    "infinity": (HEAD + "groups: [.inf]\n", "`.inf` is a number for YAML"),
    "a huge float": (
        HEAD + "groups: [1e999]\nlimits: {max_deletes: 1e999}\n",
        "`max_deletes` must be a whole",
    ),
    "a huge number": (HEAD + f"groups: [{'9' * 5000}]\n", "is a number for YAML"),
    "a huge limit": (GOOD + f"limits: {{max_deletes: {'9' * 5000}}}\n", "`max_deletes` must be a whole"),
    "a number to the base of sixty": (GOOD + "limits: {max_deletes: 1:30}\n", "not `1:30`"),
    "an octal number": (GOOD + "limits: {max_deletes: 010}\n", "not `010`"),
    "a date": (HEAD + "groups: [2001-12-14]\n", "is a date for YAML"),
    "a dot": (HEAD + "groups: [.]\n", "cannot be `.` or `..`"),
    "two dots": (HEAD + "groups: [{id: ..}]\n", "cannot be `.` or `..`"),
    "a long id": (HEAD + f"groups: [{'x' * 10_000}]\n", ":3:10: a group must not be longer than 1024"),
    "a URL with a fragment": (
        "version: 1\ncluster: {name: test, nodes: [{name: n, url: 'http://x/#@evil'}]}\ngroups: []\n",
        "must not have a query",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file(runner: Runner, name: str) -> None:
    text, words = FILES[name]
    if "nodes:" in str(text):
        runner.monkeypatch.delenv("PLANNER_NODES")
    (runner.shop.folder / "groups.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    runner.refused(1, "apply", "--yes", words=words)


def test_what_only_looks_hostile(runner: Runner) -> None:
    """A byte order mark, merged mappings and harmless tags: as YAML has them."""
    text = (
        "version: 1\ncluster: {name: test}\ngroups:\n- &a {id: a, protect: true}\n- {<<: *a, id: !!str b}\n"
    )
    (runner.shop.folder / "groups.yaml").write_bytes(text.encode("utf-8-sig"))
    assert runner.run("validate")[0] == 0


# What is no file of a sensible size.


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *(("apply --yes", kind) for kind in ("fifo", "device", "folder", "endless")),
        *((command, "fifo") for command in ("validate", "plan", "import", "reconcile")),
    ],
)
def test_a_file_that_is_none(runner: Runner, command: str, kind: str) -> None:
    path = runner.shop.folder / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    runner.refused(1, *command.split(), "--file", "odd", words="odd cannot be read")


def test_a_file_of_the_kernel_is_read_to_the_limit(runner: Runner) -> None:
    runner.refused(1, "plan", "--file", "/proc/self/mem", words="/proc/self/mem cannot be read")
    runner.refused(1, "plan", "--file", "/proc/self/environ")
    assert runner.run("plan", "--file", "/proc/self/status")[0] == 1


@pytest.mark.parametrize("command", ["validate -", "plan --file -", "apply --yes --file -"])
def test_standard_input_without_end_or_closed(runner: Runner, command: str) -> None:
    with open("/dev/zero") as zero:  # noqa: PTH123  (as standard input is: text over a buffer)
        runner.standard_input(zero)
        runner.refused(1, *command.split(), words="standard input cannot be read")
    runner.standard_input(None)
    runner.refused(1, *command.split(), words="why: it is closed")


def test_ids_on_standard_input(runner: Runner) -> None:
    with open("/dev/zero") as zero:  # noqa: PTH123
        runner.standard_input(zero)
        runner.refused(64, "import", "-", words="it is larger than 10 MB")
    runner.standard_input(None)
    runner.refused(64, "import", "-", words="it is closed")
    runner.standard_input(io.TextIOWrapper(io.BytesIO("a\n\u202eb\n..\n".encode())))
    err = runner.refused(64, "import", "-", words="These are no ids of groups")
    assert err.count("an id must be text") == 2


def test_nobody_can_be_asked_where_standard_input_is_closed(runner: Runner) -> None:
    runner.standard_input(None)
    runner.refused(64, "apply", words="There is no terminal to ask at")


# Settings and patterns.

SETTINGS: dict[str, tuple[str, str]] = {
    "PLANNER_RETRIES": ("9" * 5000, "must be a whole number"),
    "PLANNER_PARALLELISM": ("-1", "must be a whole number"),
    "PLANNER_READ_TIMEOUT": ("1e999s", "must be a duration"),
    "PLANNER_SETTLE": ("nan", "must be a duration"),
    "PLANNER_WATCH": ("999999999999999d", "must not be longer than"),
    "PLANNER_BACKOFF": ("\u0661s", "must be a duration"),
    "PLANNER_RETRY_STATUS": ("500," * 10_000, "must be statuses"),
    "PLANNER_LOG_LEVEL": ("\x1b[31mdebug", "must be `debug`"),
    "PLANNER_NODES": ("a=http://x/%2e%2e/admin", "must not hold `.` or `..`"),
    "PLANNER_STORE": ("sqlite:////dev/\x01zero", "must be `sqlite:///"),
    "PLANNER_NOTIFY": ("http://x/\x7f", "must be a URL"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_hostile_setting(runner: Runner, name: str) -> None:
    value, words = SETTINGS[name]
    runner.monkeypatch.setenv(name, value)
    runner.refused(64, "apply", "--yes", words=words)


def test_bytes_in_the_environment_that_are_no_text(runner: Runner) -> None:
    runner.monkeypatch.setenv("PLANNER_COLOR", "\udcff")
    runner.refused(64, "apply", "--yes", words="must be `auto`")
    runner.monkeypatch.delenv("PLANNER_COLOR")
    runner.monkeypatch.setenv("PLANNER_FILE", "\udcff\udcfe")
    runner.refused(1, "apply", "--yes", words="cannot be read")


DOTENV: dict[str, tuple[bytes, str]] = {
    "no text": (b"PLANNER_RETRIES=\xff\n", "it is not UTF-8"),
    "UTF-16": ("PLANNER_RETRIES=3\n".encode("utf-16"), "it is not UTF-8"),
    "too large": (b"#" * (256 * 1024 + 1), "it is larger than 256 KB"),
    "many blanks": (b"A=x" + b" " * 100_000, "200 blanks in a row"),
    "no assignment": (b"'\n", ":1: this is not NAME=value"),
    "a NUL": (b"PLANNER_FILE=a\0b\n", "PLANNER_FILE (.env): must"),
    "a huge number": (b"PLANNER_RETRIES=" + b"9" * 5000, "must be a whole number"),
}


@pytest.mark.parametrize("name", DOTENV)
def test_a_hostile_dotenv(runner: Runner, name: str) -> None:
    content, words = DOTENV[name]
    (runner.shop.folder / ".env").write_bytes(content)
    runner.refused(64, "apply", "--yes", words=words)


def test_a_dotenv_that_is_a_pipe(runner: Runner) -> None:
    os.mkfifo(runner.shop.folder / ".env")
    runner.refused(64, "apply", "--yes", words="it is no regular file")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("[" * 100_000, "is longer than 2048 characters"),
        ("\udcff*", "is not UTF-8 text"),
        ("[z-a]", "matches no group"),
        ("[" * 1500, "matches no group"),
        ("*a" * 750 + "b", "matches no group"),
        ("(?:x+x+)+y", "matches no group"),
        ("\u202e\x1b[2J", "matches no group"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_hostile_pattern(runner: Runner, pattern: str, words: str) -> None:
    runner.refused(64, "apply", "--yes", "--group", pattern, words=words)
    if "matches" not in words:
        for option in ("--exclude-group", "--node", "--exclude-node"):
            runner.refused(64, "plan", "--out", "p.json", option, pattern, words=words)


# Ids.

IDS = (
    *("a/b", "../x", "..x", "...", "a/../b", "%2e", "%2e%2e", "%2F", "%252F", "a%00b", "%", "//x"),
    *("http://other/", "?x=1", "#x", ";x", "a;b?c#d", "&=", "a b", "+", "\\", "'", '"', "`", "{id}", "~"),
    *("null", "1e3", "A", "a", "\u00e9", "e\u0301", "\u212b", "\u00c5", "\u0130", "\u200d", "\U0001f600"),
    *("\U0010ffff", "x" * 1024),
)


def test_every_odd_id_arrives_as_one_segment_and_as_it_is(runner: Runner) -> None:
    text = HEAD + "groups: " + json.dumps(IDS, ensure_ascii=False) + "\n"
    (runner.shop.folder / "groups.yaml").write_text(text, encoding="utf-8")
    before = runner.cluster.groups()
    code, _, err = runner.run("apply", "--yes")
    assert code == 0, err
    for name, held in runner.cluster.groups().items():
        assert set(held) - set(before[name]) == set(IDS)
    code, out, err = runner.run("plan")
    assert (code, "No changes." in out) == (0, True), err
    (runner.shop.folder / "groups.yaml").write_text(
        HEAD + "groups: []\nlimits: {max_delete_percent: null, max_deletes: null}\n"
    )
    assert runner.run("apply", "--yes")[0] == 0
    assert runner.cluster.groups() == before
