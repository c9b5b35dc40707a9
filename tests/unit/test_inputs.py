"""Files and standard input of a user: what has no end, or would be waited for, is refused at once."""

from __future__ import annotations

import errno
import io
import os
import socket
import sys
from pathlib import Path

import pytest

from planner.errors import WrongUsage
from planner.inputs import MIB, PIECE, asks_nobody, read_file, read_standard_input
from planner.settings import MAX_DOTENV, read_dotenv


def why(path: Path, limit: int = MIB) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011  (what is said is looked at by the callers)
        read_file(path, limit)
    return str(caught.value.strerror)


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_file_within_the_limit_is_read_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(os.urandom(size))
    (tmp_path / "link").symlink_to("f")
    assert read_file(tmp_path / "link", 2 * PIECE) == (tmp_path / "f").read_bytes()


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(2**40)  # a terabyte of nothing
    monkeypatch.setattr("planner.inputs._read", None)
    assert why(tmp_path / "f", 100 * MIB) == "it is larger than 100 MB"


def test_a_file_that_says_nothing_of_its_size_is_read_to_the_limit(tmp_path: Path) -> None:
    """As those of /proc; here: a file that grows while it is read."""
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert read_file(path, MIB).startswith(b"Name:")
    assert why(path, 1024 // 2) == "it is larger than 0 KB"


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(tmp_path / "socket"))
        assert why(tmp_path / "socket") == os.strerror(errno.ENXIO)
    assert "no regular file" in why(tmp_path / "fifo")
    assert "no regular file" in why(Path("/dev/zero"))
    assert why(tmp_path) == "Is a directory"
    assert why(tmp_path / "none") == "No such file or directory"
    assert why(tmp_path / ("x" * 5000)) == "File name too long"
    (tmp_path / "loop").symlink_to("loop")
    assert why(tmp_path / "loop") == os.strerror(errno.ELOOP)


def test_standard_input_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/zero") as zero:  # noqa: PTH123  (as standard input is: text over a buffer)
        monkeypatch.setattr("sys.stdin", zero)
        with pytest.raises(OSError, match="larger than 3 MB"):
            read_standard_input(3 * MIB)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x" * MIB)))
    assert len(read_standard_input(MIB)) == MIB


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has None then, as under some schedulers."""
    monkeypatch.setattr("sys.stdin", None)
    assert sys.stdin is None
    assert asks_nobody()
    with pytest.raises(OSError, match="it is closed"):
        read_standard_input(MIB)


# .env


@pytest.mark.parametrize("kind", ["fifo", "device", "large", "utf-16"])
def test_a_dotenv_that_is_no_small_text_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".env"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"#" * (MAX_DOTENV + 1) if kind == "large" else "PLANNER_RETRIES=1".encode("utf-16"))
    with pytest.raises(WrongUsage) as caught:
        read_dotenv(path)
    assert caught.value.why


def test_a_dotenv_that_would_take_a_quadratic_time(tmp_path: Path) -> None:
    """Its reader looks for a comment behind every one of many blanks."""
    path = tmp_path / ".env"
    path.write_text("A=1\nB=x" + " " * (MAX_DOTENV - 20) + "x\n")
    with pytest.raises(WrongUsage) as caught:
        read_dotenv(path)
    assert caught.value.where == f"{path}:2"


def test_a_dotenv_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes("\ufeffA=a\0b\x85\u2028\u202e\nA=2\nB='\\ud800'\n".encode())
    assert read_dotenv(path) == {"A": "2", "B": "\\ud800"}
