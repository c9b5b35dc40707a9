"""References to secrets: what resolves, what never does, and that no error repeats a value."""

import os
from pathlib import Path

import pytest

from planner import references
from planner.errors import SecretUnresolved
from planner.references import MAX_SECRET, resolve

PLANTED = "planted-7f3a"


def test_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_TOKEN", PLANTED)
    assert resolve("env:NODE_TOKEN", purpose="the token") == PLANTED


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_loses_one_line_end(tmp_path: Path, end: str) -> None:
    (tmp_path / "token").write_bytes(f"{PLANTED}{end}".encode())
    assert resolve(f"file:{tmp_path}/token", purpose="the token") == PLANTED


def test_a_link_is_followed_as_kubernetes_mounts_secrets(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "token").write_text(PLANTED)
    (tmp_path / "token").symlink_to("..data/token")
    assert resolve(f"file:{tmp_path}/token", purpose="the token") == PLANTED


def test_lines_are_kept_for_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("one\ntwo\n")
    assert resolve(f"file:{tmp_path}/ca.pem", purpose="the CA", lines=True) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"  ", "empty"),
        (PLANTED.encode() + b"\nX-Evil: 1", "control character"),
        (PLANTED.encode() + b"\r\nX-Evil: 1\r\n", "control character"),
        (PLANTED.encode() + b"\0", "control character"),
        (b"\xff" + PLANTED.encode(), "UTF-8"),
        (PLANTED.encode() * (MAX_SECRET // len(PLANTED) + 1), "more than 65,536 bytes"),
    ],
    ids=["empty", "newline", "spaces", "two lines", "CRLF", "NUL", "bytes", "large"],
)
def test_what_is_no_secret_is_refused_unquoted(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(SecretUnresolved) as caught:
        resolve(f"file:{tmp_path}/token", purpose="the token of node01")
    assert why in caught.value.why
    assert caught.value.where == f"file:{tmp_path}/token"
    assert caught.value.what == "Cannot get the token of node01"
    assert PLANTED not in repr(vars(caught.value))
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("value", [None, "", "a\nb"], ids=["unset", "empty", "two lines"])
def test_a_variable_that_is_no_secret(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("NODE_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("NODE_TOKEN", value)
    with pytest.raises(SecretUnresolved):
        resolve("env:NODE_TOKEN", purpose="the token")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing", "No such file"),
        ("", "s a directory"),
        ("pipe", "no regular file"),
        ("zero", "no regular file"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, path: str, why: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(SecretUnresolved) as caught:
        resolve(f"file:{tmp_path}/{path}", purpose="the token")
    assert why in caught.value.why


@pytest.mark.parametrize(
    "reference",
    [
        PLANTED,
        f"env:{PLANTED}",
        f"file:{PLANTED}",
        "",
        "env:",
        "file:",
        f"env:A\n{PLANTED}",
        f"vault:{PLANTED}",
    ],
)
def test_what_is_no_reference_is_not_repeated_since_it_may_be_the_secret(reference: str) -> None:
    with pytest.raises(SecretUnresolved) as caught:
        resolve(reference, purpose="the token")
    assert PLANTED not in repr(vars(caught.value))
    assert "env:NAME" in caught.value.why


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_KNOWN", set())
    for secret in ("abcd", "abcdefgh", "efgh", "xyz", ""):
        references.remember(secret)
    assert references.hide("abcdefgh, abcd, xyz") == "•••, •••, xyz"
