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

from planner.nodes.deadline import BadHeader
from planner.words import plain, quoted


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


def words(error: BaseException) -> str:
    """Say what happened, without the names of classes where a cause is known."""
    real = cause(error)
    if isinstance(real, ProxyError):
        return f"the proxy could not be used: {words(real.original_error)}"
    if isinstance(real, NameResolutionError):
        return "the host's name cannot be resolved"
    if isinstance(real, NewConnectionError):
        system = real.__cause__
        reason = system.strerror if isinstance(system, OSError) and system.strerror else str(real)
        return plain(reason[:1].lower() + reason[1:])
    known: tuple[tuple[type[BaseException], str], ...] = (
        (ConnectTimeoutError, "no connection in time"),
        (ReadTimeoutError, "no answer in time"),
        (TimeoutError, "no answer in time"),
        (RemoteDisconnected, "the connection was closed without an answer"),
        (ConnectionResetError, "the connection was reset"),
        (BrokenPipeError, "the connection was closed while the request was sent"),
        (IncompleteRead, "the answer broke off"),
        (DecodeError, "the answer's content encoding is broken"),
    )
    for kind, text in known:
        if isinstance(real, kind):
            return text
    if isinstance(real, LineTooLong) or (type(real) is HTTPException and "headers" in str(real)):
        return "the answer's header is too large"
    if isinstance(real, BadStatusLine):
        return f"the answer is not HTTP: {quoted(str(real))}"
    if isinstance(real, BadHeader):
        return str(real)
    if isinstance(real, ssl.SSLCertVerificationError):
        return plain(f"the certificate was refused: {real.verify_message}")
    if isinstance(real, ssl.SSLError):
        return plain(f"TLS failed: {real.reason or real}")
    return plain(f"{type(real).__name__}: {real}" if str(real) else type(real).__name__)
