"""Whole commands over hostile plan files and stores: one clear error, no traceback, and not one request."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop
from tests.cli.hostile import GOOD, Runner


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


# Plan files.


def altered(change: Callable[[dict[str, Any]], object], *, seal: bool) -> Callable[[str], str]:
    def alter(text: str) -> str:
        document = json.loads(text)
        change(document["plan"])
        if seal:
            canonical = json.dumps(document["plan"], sort_keys=True, separators=(",", ":"))
            document["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
        return json.dumps(document)

    return alter


def document(**parts: object) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | parts)


Change = Callable[[dict[str, Any]], object]


def sealed(change: Change) -> Callable[[str], str]:
    return altered(change, seal=True)


def step(**parts: object) -> Callable[[str], str]:
    return sealed(lambda plan: plan["steps"][0].update(parts))


def text_of(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


ODD = "is of the wrong type, or out of range"
DEEP = "[" * 900 + "]" * 900
PLANS: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "altered": (altered(lambda plan: plan["steps"].pop(), seal=False), "its digest does not match"),
    "cut off": (lambda text: text[: len(text) // 2], "it is not JSON"),
    "no digest": (document(digest=None), "its digest does not match"),
    "another version": (document(version=2), "its version is 2"),
    "no version": (document(version=True), "its version is true"),
    "another format": (document(format="terraform.plan"), "it is not a plan file"),
    "another cluster": (sealed(lambda plan: plan.update(cluster="prod")), "made for cluster 'prod'"),
    "another store": (sealed(lambda plan: plan.update(store="x")), "made with store x"),
    "another serial": (sealed(lambda plan: plan.update(serial=9)), "serial 9, now 0"),
    "a negative serial": (sealed(lambda plan: plan.update(serial=-9)), f"serial {ODD}"),
    "nodes elsewhere": (
        sealed(lambda plan: plan["nodes"][0].update(url="http://127.0.0.1:1")),
        "its nodes are not those of the file: node01",
    ),
    "a URL that is none": (
        sealed(lambda plan: plan["nodes"][0].update(url="javascript:alert(1)")),
        "its nodes are not those of the file",
    ),
    "a step of an unknown node": (step(node="node99"), "do not fit together"),
    "a negative number": (step(number=-1), f"steps[0].number {ODD}"),
    "a huge number": (step(number=10**3000), f"steps[0].number {ODD}"),
    "a number that is none": (step(number=True), f"steps[0].number {ODD}"),
    "another type": (sealed(lambda plan: plan.update(warnings=["x", 9])), f"warnings[1] {ODD}"),
    "a part is missing": (sealed(lambda plan: plan.pop("bystanders")), "'bystanders' is missing"),
    "a key twice": (text_of('"steps":', '"steps": [], "steps":'), "the key 'steps' is there twice"),
    "NaN": (text_of('"serial": 0', '"serial": NaN'), "NaN is no number of JSON"),
    "half a surrogate pair": (text_of('"created": "', '"created": "\\ud800'), "surrogates not allowed"),
    "deep": (lambda text: "[" * 100_000, "nested too deeply"),
    "deep within": (text_of('"warnings": []', f'"warnings": {DEEP}'), "plan.json"),
    "UTF-16": (lambda text: text.encode("utf-16"), "it is not JSON"),
    "no text": (lambda text: b"\xff" * 4096, "it is not JSON"),
    "nothing": (lambda text: "", "it is not JSON"),
    "an id with dots": (step(group=".."), "an id that cannot be sent"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_hostile_plan(runner: Runner, name: str) -> None:
    assert runner.run("plan", "--out", "plan.json")[0] == 0
    path = runner.shop.folder / "plan.json"
    alter, words = PLANS[name]
    made = alter(path.read_text("utf-8"))
    assert made not in ("", path.read_text("utf-8")) or name == "nothing"
    path.write_bytes(made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass"))
    runner.refused(6, "apply", "plan.json", words=words)
    assert runner.cluster.requests().total(method="POST") == 0


def test_a_plan_that_was_not_altered_is_applied(runner: Runner) -> None:
    assert runner.run("plan", "--out", "plan.json")[0] == 0
    assert runner.run("apply", "plan.json")[0] == 0
    assert runner.cluster.requests().total(method="POST") == 3


@pytest.mark.parametrize("command", ["apply", "show"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "endless", "missing"])
def test_a_plan_file_that_is_none(runner: Runner, command: str, kind: str) -> None:
    path = runner.shop.folder / "plan.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "endless":
        with path.open("wb") as file:
            file.truncate(2**40)
    runner.refused(1, command, "plan.json", words="The plan file plan.json cannot be read")


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_a_plan_whose_words_are_hostile_is_shown_harmless(runner: Runner, form: str) -> None:
    assert runner.run("plan", "--out", "plan.json")[0] == 0
    path = runner.shop.folder / "plan.json"
    evil = "\x1b]0;x\x07\u202e<script>alert(1)</script>\r\n::error::x"

    def poison(plan: dict[str, Any]) -> None:
        plan.update(warnings=[evil], created=evil, source=evil, cluster=evil)
        for row in (*plan["steps"], *plan["bystanders"]):
            row["group"] = evil
        for step in plan["steps"]:
            step["reason"] = evil
        plan["nodes"][0]["url"] = plan["nodes"][0]["labels"]["x"] = evil

    path.write_text(altered(poison, seal=True)(path.read_text("utf-8")), encoding="utf-8")
    code, out, err = runner.run("show", "plan.json", "--format", form)
    assert (code, "Traceback" in err) == (0, False)
    assert "\x1b]" not in out + err
    if form == "html":
        assert "<script>alert" not in out
    if form in ("text", "markdown"):
        assert "\u202e" not in out
        assert "\n::error" not in out + err


# A store that came from somewhere.


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE planner_cluster SET epoch = 'nonsense'",
        "UPDATE planner_cluster SET serial = X'ff'",
        "UPDATE planner_managed SET group_id = X'ff'",
        "UPDATE planner_managed SET creation = -1",
        "UPDATE planner_node SET url = X'ff'",
        "UPDATE planner_applied_file SET source = 5.5e5",
        "CREATE TRIGGER t AFTER INSERT ON planner_step BEGIN DELETE FROM planner_step; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE planner_watch",
        "DELETE FROM planner_meta",
    ],
)
def test_a_damaged_store(runner: Runner, damage: str) -> None:
    assert runner.run("apply", "--yes")[0] == 0
    path = runner.shop.folder / "planner.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        if damage.startswith("UPDATE"):  # a table without types takes anything
            table = damage.split()[1]
            connection.execute(f"CREATE TABLE free AS SELECT * FROM {table} WHERE 0")
            names = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute("DROP TABLE free")
            connection.execute(f"CREATE TABLE free ({names})")
            connection.execute(f"INSERT INTO free SELECT {names} FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE free RENAME TO {table}")
        connection.execute(damage)
        connection.commit()
    (runner.shop.folder / "groups.yaml").write_text(GOOD.replace("[a]", "[a, b]"))
    if "creation" in damage or "_file" in damage:  # of a number where text was, text is made
        assert "Traceback" not in runner.run("apply", "--yes")[2]
        return
    runner.refused(1, "apply", "--yes", words="planner.db")
    for command in ("status", "history"):
        assert "Traceback" not in runner.run(command)[2]
