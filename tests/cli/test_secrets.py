"""Secrets are in the requests, where they must be, and nowhere else: all outputs and files are searched."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from planner import references
from planner.cli import logs
from tests.cli.conftest import QUICK, Ended, Shop
from tests.cli.foreign import Deviation, ForeignNode
from tests.telemetry.receiver import receiving

if TYPE_CHECKING:
    from tests.cli.forks import Forks

TOKEN, PASSWORD, KEY = "planted-token-1f", "planted-passwörd-2e", "planted-key-3d"
PAIR = base64.b64encode(f"planner:{PASSWORD}".encode()).decode()
SHOWN = {
    "east": ("Authorization", f"Bearer {TOKEN}"),
    "west": ("Authorization", f"Basic {PAIR}"),
    "north": ("X-API-Key", KEY),
}
CREDENTIALS = {
    "east": "env:EAST_TOKEN",
    "west": {"basic": {"user": "planner", "password": "file:{folder}/west.password"}},
    "north": {"header": {"name": "X-API-Key", "value": "env:NORTH_KEY"}},
}
WANTED = ("a", "b", "kept", {"id": "old", "state": "absent"})


class Guarded:
    """A folder, and three nodes that ask for credentials; one of them for a certificate, too."""

    def __init__(self, shop: Shop, nodes: dict[str, ForeignNode], planted: set[str]) -> None:
        self.shop = shop
        self.nodes = nodes
        self.planted = planted
        self.said: list[Ended] = []

    def file(self, *groups: object, **changes: Any) -> None:
        """Write groups.yaml; a change is further keys of a node."""
        nodes = [
            {"name": name, "url": node.url, "credential": CREDENTIALS[name], **changes.get(name, {})}
            for name, node in self.nodes.items()
        ]
        folder = self.shop.folder
        tls = {"ca": f"file:{folder}/ca.pem", "certificate": "env:OUR_CERTIFICATE"}
        cluster = {"name": "guarded", "tls": tls, "nodes": nodes}
        limits = {"max_delete_percent": 100}
        text = json.dumps({"version": 1, "cluster": cluster, "limits": limits, "groups": groups})
        (folder / "groups.yaml").write_text(text.replace("{folder}", str(folder)), encoding="utf-8")

    def run(self, *arguments: str) -> Ended:
        ended = self.shop.run(*arguments)
        self.said.append(ended)
        return ended

    def found(self) -> list[str]:
        """Where a planted secret is that should not be there."""
        places = [
            f"{number}: out" for number, ended in enumerate(self.said) if self._holds(ended.out.encode())
        ]
        places += [
            f"{number}: err" for number, ended in enumerate(self.said) if self._holds(ended.err.encode())
        ]
        kept = {self.shop.folder / "west.password"}
        files = [path for path in self.shop.folder.rglob("*") if path.is_file() and path not in kept]
        assert any(path.name == "planner.db" for path in files)
        return places + [str(path) for path in files if self._holds(path.read_bytes())]

    def _holds(self, content: bytes) -> bool:
        return any(secret.encode() in content for secret in self.planted)


@pytest.fixture
def guarded(tmp_path: Path, forks: Forks) -> Iterator[Guarded]:
    authority, ours = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ours.configure_trust(context)
    certificate = ours.issue_cert("planner@example.com").private_key_and_cert_chain_pem.bytes().decode()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "west.password").write_text(f"{PASSWORD}\n")
    key_line = certificate.splitlines()[3]
    shop = Shop(tmp_path, {}, dict(QUICK), forks)
    with ExitStack() as stack:
        nodes = {
            name: ForeignNode(
                Deviation(
                    header=header,
                    unheard=401,
                    echoes=frozenset({"echo"}),
                    stubborn=frozenset({"stubborn"}),
                    listing="",
                ),
                ("kept", "old", "stubborn"),
                context if name == "north" else None,
            )
            for name, header in SHOWN.items()
        }
        for node in nodes.values():
            stack.enter_context(node)
        receiver = stack.enter_context(receiving())
        shop.settings |= {
            "PLANNER_NODES": "",
            "EAST_TOKEN": TOKEN,
            "NORTH_KEY": KEY,
            "OUR_CERTIFICATE": certificate,
            "PLANNER_NOTIFY": f"{receiver.url}/planted-hook-4c",
            "PLANNER_METRICS_FILE": str(tmp_path / "planner.prom"),
            "PLANNER_SUMMARY": "on",
        }
        planted = {TOKEN, PASSWORD, KEY, PAIR, key_line, "planted-hook-4c"}
        planted |= {json.dumps(PASSWORD)[1:-1], repr(PASSWORD.encode())[2:-1]}
        yield Guarded(shop, nodes, planted)


def test_no_output_and_no_file_holds_a_secret(guarded: Guarded) -> None:
    """A whole life, at `debug`: every command and format, a failure, a node that shows what it got."""
    run = guarded.run
    loud = ("--log-level", "debug")
    guarded.file(*WANTED)
    assert run("validate").code == 0
    assert run("nodes", "--format", "json").code == 0
    reports = [part for end in ("md", "html", "json") for part in ("--report", f"report.{end}")]
    assert run("plan", "--out", "plan.json", *reports, *loud).code == 0
    applied = run("apply", "plan.json", *loud)
    assert applied.code == 0, applied.err
    assert all(node.groups == {"a", "b", "kept", "stubborn"} for node in guarded.nodes.values())

    guarded.file(*WANTED, {"id": "stubborn", "state": "absent"})
    assert run("apply", "--yes", "--format", "json", *loud).code == 3
    guarded.file(*WANTED, "c")
    assert run("apply", "--yes", "--log-format", "json", *loud).code == 0
    for form in ("text", "json", "markdown", "html"):
        assert run("plan", "--format", form).code == 0
    guarded.file(*WANTED, "c", "echo")
    echoed = run("plan", *loud)
    assert echoed.code == 1
    assert echoed.err.count("•••") == 3  # each node has shown what it got
    assert run("plan", "--log-format", "json", *loud).code == 1
    assert run("apply", "--yes", "--executor", "processes", *loud).code == 1

    guarded.shop.settings |= {"EAST_TOKEN": "planted-wrong-5b", "PLANNER_RETRIES": "0"}
    guarded.planted.add("planted-wrong-5b")
    guarded.file(*WANTED, "c", "d")
    assert run("plan", *loud).code == 1
    assert run("reconcile", "--format", "json", "--apply-changes", *loud).code == 1
    guarded.shop.settings["EAST_TOKEN"] = TOKEN
    assert run("reconcile", "--apply-changes", *loud).code == 0
    guarded.file(*WANTED, "c", "d", **{name: {"api": {"list": "/v1/group/"}} for name in SHOWN})
    for command in (("status",), ("history",), ("show", "1"), ("recover",), ("import", "--out", "new.yaml")):
        ended = run(*command, *loud)
        assert ended.code == 0, ended.err
        if command[0] != "import":
            assert run(*command, "--format", "json").code == 0
    guarded.file(*WANTED, "c", "d")
    assert run("undo", "1", "--out", "undo.json", *loud).code == 0
    assert run("store", "copy", "--to", f"sqlite:///{guarded.shop.folder}/copy.db").code == 0
    assert guarded.found() == []


def test_the_search_finds_what_is_there(guarded: Guarded) -> None:
    guarded.file(*WANTED)
    assert guarded.run("apply", "--yes").code == 0
    assert guarded.found() == []
    guarded.said[0].out += f"x{PAIR}x"
    (guarded.shop.folder / "leak").write_bytes(b"x" + PASSWORD.encode())
    assert [Path(place).name for place in guarded.found()] == ["0: out", "leak"]


def test_a_recovery_finds_the_secrets_by_the_references_of_its_journal(guarded: Guarded) -> None:
    """A variable that is gone fails its own node only. The file may say where a secret is by now."""
    for node in guarded.nodes.values():
        node.become(stubborn=frozenset({"stubborn", "a"}))
    guarded.file("a", {"id": "stubborn", "state": "absent"})
    guarded.shop.settings["PLANNER_REVERSE_TIMEOUT"] = "100ms"
    assert guarded.run("apply", "--yes").code == 4
    for node in guarded.nodes.values():
        node.become(stubborn=frozenset({"stubborn"}))
    guarded.shop.settings["MOVED_TOKEN"] = guarded.shop.settings.pop("EAST_TOKEN")
    ended = guarded.run("recover")
    assert ended.code == 4
    assert "env:EAST_TOKEN" in ended.err
    assert [name for name, node in guarded.nodes.items() if "a" in node.groups] == ["east"]
    guarded.file("a", east={"credential": "env:MOVED_TOKEN"})
    ended = guarded.run("recover", "--api-from-file")
    assert ended.code == 0, ended.err
    assert all(node.groups == {"kept", "old", "stubborn"} for node in guarded.nodes.values())
    assert guarded.found() == []


@pytest.mark.parametrize("how", ["unset", "no file"])
def test_a_secret_that_is_not_there_is_an_error_that_names_its_place(guarded: Guarded, how: str) -> None:
    guarded.file(*WANTED)
    if how == "unset":
        del guarded.shop.settings["EAST_TOKEN"]
    else:
        (guarded.shop.folder / "west.password").unlink()
    ended = guarded.run("apply", "--yes")
    assert ended.code == 1
    words = " ".join(ended.err.split())
    if how == "unset":
        assert (
            "Cannot get the bearer token of east: env:EAST_TOKEN: the environment variable is not set"
            in words
        )
    else:
        assert "Cannot get the password of west: file:" in words
    assert all(not node.writes for node in guarded.nodes.values())


def test_an_unverified_node_is_warned_of_once(guarded: Guarded) -> None:
    guarded.file(*WANTED, north={"tls": {"verify": False}})
    ended = guarded.run("apply", "--yes")
    assert ended.code == 0, ended.err
    words = " ".join(ended.err.split())
    assert words.count("Warning: north: its certificate is not looked at (`tls.verify: false`)") == 1
    assert "be shown its credential" in words
    assert "InsecureRequestWarning" not in words
    guarded.file(*WANTED)
    assert "not looked at" not in guarded.run("plan").err


@pytest.mark.parametrize("form", ["text", "json"])
def test_not_even_the_traceback_of_a_bug_holds_one(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(references, "_KNOWN", set())
    monkeypatch.setenv("TOKEN", TOKEN)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    secret = references.resolve("env:TOKEN", purpose="a test")
    logs.configure("info", form)
    try:
        raise ValueError(f"Invalid header value b'Bearer {secret}'")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    finally:
        logs.configure("info", "text")
    said = capsys.readouterr().err
    assert "Invalid header value b'Bearer" in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("env:*,file:/**", ""),
        ("env:EAST_*,env:NORTH_KEY,env:OUR_CERTIFICATE,file:{folder}/*", ""),
        ("env:EAST_*,env:OUR_*,file:{folder}/*", "env:NORTH_KEY"),
        ("env:*,file:{folder}/ca.pem", "west.password"),
        ("env:*,file:{folder}/west*", "ca.pem"),
        ("env:*,file:/*", "west.password"),
    ],
)
def test_a_file_names_no_place_that_the_settings_do_not_allow(
    guarded: Guarded, allowed: str, refused: str
) -> None:
    guarded.shop.settings["PLANNER_REFERENCES"] = allowed.replace("{folder}", str(guarded.shop.folder))
    guarded.file(*WANTED)
    for command in (("plan",), ("apply", "--yes"), ("nodes",), ("reconcile", "--apply-changes")):
        ended = guarded.run(*command)
        assert ended.code == (1 if refused else 0), ended.err
        said = ended.err + ended.out
        assert (refused in said and "PLANNER_REFERENCES" in said) is bool(refused)
    assert any(node.writes for node in guarded.nodes.values()) is not bool(refused)


@pytest.mark.parametrize("spelling", ["env:PLAN_KEY", "file:{folder}/plan.key", "file:{folder}/link"])
def test_the_key_of_plans_is_shown_to_no_node(guarded: Guarded, spelling: str) -> None:
    folder = guarded.shop.folder
    secret = "planted-key-of-plans-0123456789abcdef"
    (folder / "plan.key").write_text(secret)
    (folder / "link").symlink_to("plan.key")
    guarded.shop.settings |= {"PLAN_KEY": secret, "PLANNER_PLAN_KEY": f"env:PLAN_KEY,file:{folder}/plan.key"}
    guarded.file(*WANTED, east={"credential": spelling.replace("{folder}", str(folder))})
    ended = guarded.run("plan")
    assert ended.code == 1
    assert "the key of plan files, which no node is shown" in " ".join(ended.err.split())


def test_a_place_that_is_not_allowed_any_more_fails_its_own_node_in_a_recovery(guarded: Guarded) -> None:
    for node in guarded.nodes.values():
        node.become(stubborn=frozenset({"stubborn", "a"}))
    guarded.file("a", {"id": "stubborn", "state": "absent"})
    guarded.shop.settings["PLANNER_REVERSE_TIMEOUT"] = "100ms"
    assert guarded.run("apply", "--yes").code == 4
    for node in guarded.nodes.values():
        node.become(stubborn=frozenset({"stubborn"}))
    guarded.shop.settings["PLANNER_REFERENCES"] = "env:NORTH_*,env:OUR_*,file:/**"
    ended = guarded.run("recover")
    assert ended.code == 4
    assert "PLANNER_REFERENCES" in ended.err
    assert [name for name, node in guarded.nodes.items() if "a" in node.groups] == ["east"]
