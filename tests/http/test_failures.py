"""Errors in a user's words."""

from __future__ import annotations

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, SSLError

from planner.nodes.failures import surely_not_connected, words
from planner.words import plain


def refused() -> NewConnectionError:
    error = NewConnectionError(HTTPConnection("h"), "no")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


SAID = [
    (refused(), "connection refused"),
    (MaxRetryError(None, "/x", refused()), "connection refused"),  # type: ignore[arg-type]
    (ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")), "the connection was reset"),
    (SSLError("odd"), "SSLError: odd"),
    (
        OSError("Tunnel connection failed: 503 \x1b[2J\r\n"),
        r"OSError: Tunnel connection failed: 503 \x1b[2J\r\n",
    ),
    (ValueError(), "ValueError"),
]


@pytest.mark.parametrize(("error", "said"), SAID, ids=[said for _, said in SAID])
def test_words(error: Exception, said: str) -> None:
    assert words(error) == said


def test_foreign_text_is_short_and_plain() -> None:
    assert plain("ü\t\u202e\ud800") == r"ü\t\u202e\ud800"
    assert plain("x" * 500) == "x" * 200 + "…"


def test_only_a_failed_connection_is_surely_none() -> None:
    assert surely_not_connected(MaxRetryError(None, "/x", refused()))  # type: ignore[arg-type]
    assert not surely_not_connected(ProtocolError("Connection aborted.", TimeoutError()))
