"""The small parts: mounts, rows, errors, keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from planner.errors import StoreFailed
from planner.model import Policy
from planner.store.faults import explained
from planner.store.mounts import network_type
from planner.store.postgres import halves, lock_key
from planner.store.rows import clean, nodes_text, policy_text, to_nodes, to_policy
from tests.store.bench import NODES

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw shared:2 - nfs4 server:/home rw
31 30 8:2 / /home/local rw - xfs /dev/sdb rw
32 22 0:41 / /mnt/with\040blank rw - cifs //server/share rw
33 22 0:42 / /fuse rw master:1 - fuse.sshfs host: rw
34 22 0:43 / /overlay rw - fuse.fuse-overlayfs x rw
35 22 8:3 / /over rw - ext4 /dev/sdc rw
36 35 0:44 / /over rw - 9p host rw
nonsense
37 22 0:45 / /broken rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/planner.db", ""),
        ("/home/me/planner.db", "nfs4"),
        ("/homes/me/planner.db", ""),
        ("/home/local/planner.db", ""),
        ("/mnt/with blank/planner.db", "cifs"),
        ("/fuse/planner.db", "fuse.sshfs"),
        ("/overlay/planner.db", ""),
        ("/over/planner.db", "9p"),
        ("/broken/planner.db", ""),
    ],
)
def test_network_file_systems(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert network_type(Path(path), tmp_path / "mountinfo") == kind


def test_a_platform_that_does_not_tell(tmp_path: Path) -> None:
    assert network_type(Path("/x"), tmp_path / "missing") == ""


def test_this_machine_can_run_the_tests(tmp_path: Path) -> None:
    assert network_type(tmp_path) == ""


def test_nodes_and_policy_come_back() -> None:
    assert to_nodes(nodes_text(NODES)) == NODES
    assert to_policy(policy_text(Policy(tries=9))) == Policy(tries=9)


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "n", "url": "u", "new": 1}]',
        '[{"name": "n", "url": "u", "dialect": {"new": 1}}]',
        "[1]",
        "{",
    ],
)
def test_what_this_version_does_not_know_is_not_dropped(text: str) -> None:
    with pytest.raises(StoreFailed) as caught:
        to_nodes(text)
    assert caught.value.next


def test_a_node_of_an_older_version_has_defaults() -> None:
    assert to_nodes('[{"name": "n1", "url": "http://n1"}]') == NODES[:1]


def test_clean() -> None:
    assert clean("plain é") == "plain é"
    assert clean("a\x00\ud800é") == "a\ufffd?é"


def test_a_password_is_never_repeated() -> None:
    error = OperationalError("x", None, sqlite3.OperationalError("no route for me:geheim@host\nmore"))
    found = explained(error, "what", "where", "geheim")
    assert "geheim" not in found.why
    assert "***" in found.why


class Postgres(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("words")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("53100", "full"),
        ("25006", "read"),
        ("28P01", "credentials"),
        ("08006", "reached"),
        ("57P01", "shutting"),
        ("XX000", "error"),
    ],
)
def test_sqlstates(state: str, word: str) -> None:
    found = explained(OperationalError("x", None, Postgres(state)), "what", "where")
    assert word in found.why
    assert found.next


def test_keys_differ_and_fit() -> None:
    keys = {lock_key("s", "a"), lock_key("s", "b"), lock_key("t", "a"), lock_key("sa"), lock_key("schema")}
    assert len(keys) == 5
    for key in keys:
        assert -(2**63) <= key < 2**63
        high, low = halves(key).values()
        assert (high << 32 | low) == key % 2**64
