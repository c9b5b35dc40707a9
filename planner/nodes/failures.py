"""A library's errors in a user's words, safe for a terminal."""

from __future__ import annotations

import ssl
from http.client import BadStatusLine, HTTPException, IncompleteRead, LineTooLong, RemoteDisconnected

from requests.exceptions import RequestException
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from planner import words as texts
from planner.errors import PlannerError
from planner.nodes.deadline import BadHeader
from planner.references import hide

LONGEST_OWN = 1200
"""Characters of our own sentences."""


def plain(text: str, longest: int = texts.LONGEST) -> str:
    """`planner.words.plain`, without a secret of ours that a node repeats.

    It is hidden before the text is cut: a piece of it would not be known.
    """
    return texts.plain(hide(text), longest)


def quoted(value: object) -> str:
    """`planner.words.quoted`, likewise."""
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        hidden = hide(text)
        return texts.quoted(value if hidden == text else hidden)
    return texts.quoted(value, hide)


def cause(error: BaseException) -> BaseException:
    """What really happened, under the wrappings of requests and urllib3."""
    inner: object = None
    if isinstance(error, MaxRetryError):
        inner = error.reason
    elif isinstance(error, ProtocolError) and len(error.args) > 1:
        inner = error.args[1]
    elif isinstance(error, RequestException | SSLError) and error.args:
        inner = error.args[0]
    return cause(inner) if isinstance(inner, BaseException) else error


def surely_not_connected(error: BaseException) -> bool:
    """Whether there was not even a connection, as far as the error's class alone can tell."""
    real = cause(error)
    if isinstance(real, ProxyError):
        real = cause(real.original_error)
    return isinstance(real, ConnectTimeoutError)  # NewConnectionError and NameResolutionError are such


_KNOWN: tuple[tuple[type[BaseException], str], ...] = (
    (NameResolutionError, "the host's name cannot be resolved"),
    (ConnectTimeoutError, "no connection in time"),
    (ReadTimeoutError, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (RemoteDisconnected, "the connection was closed without an answer"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was closed while the request was sent"),
    (IncompleteRead, "the answer broke off"),
    (DecodeError, "the answer's content encoding is broken"),
    (LineTooLong, "the answer's header is too large"),
)


def words(error: BaseException) -> str:
    """Say what happened, without the names of classes where a cause is known."""
    real = cause(error)
    if isinstance(real, PlannerError):
        return plain(": ".join(filter(None, (real.what, real.where, real.why))), LONGEST_OWN)
    if isinstance(real, ProxyError):
        return f"the proxy could not be used: {words(real.original_error)}"
    if isinstance(real, NewConnectionError) and not isinstance(real, NameResolutionError):
        system = real.__cause__
        reason = system.strerror if isinstance(system, OSError) and system.strerror else str(real)
        return plain(reason[:1].lower() + reason[1:])
    for kind, text in _KNOWN:
        if isinstance(real, kind):
            return text
    return plain(_of_http(real) or _of_tls(real) or ": ".join(filter(None, (type(real).__name__, str(real)))))


def _of_http(error: BaseException) -> str:
    if type(error) is HTTPException and "headers" in str(error):
        return "the answer's header is too large"
    if isinstance(error, BadStatusLine):
        return f"the answer is not HTTP: {quoted(str(error))}"
    return str(error) if isinstance(error, BadHeader) else ""


def _of_tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was refused: {error.verify_message}"
    return f"TLS failed: {error.reason or error}" if isinstance(error, ssl.SSLError) else ""
