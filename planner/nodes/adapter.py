"""One session with one mounted adapter for all calls of a run, and connections that report to the ledger."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from planner.nodes.deadline import DeadlineResponse
from planner.nodes.retry import CURRENT, NodeRetry

if TYPE_CHECKING:
    from urllib3.util.retry import Retry


class _Reporting(HTTPConnection):
    """A connection that tells the ledger when the first byte of a request is about to be written.

    Everything that fails before (name, connection, proxy, tunnel, TLS) was surely not sent; everything that
    fails after may have reached the node. No error's class says that as exactly.
    """

    response_class = DeadlineResponse

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Connect, report, send."""
        if self.is_closed:
            self.connect()
        CURRENT.get().ledger.sending(self)
        super().request(*args, **kwargs)

    def abort(self) -> None:
        """End what waits for an answer, from another thread."""
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class NodeHTTPConnection(_Reporting):
    """Without TLS."""


class NodeHTTPSConnection(_Reporting, HTTPSConnection):
    """With TLS."""


class NodeHTTPPool(HTTPConnectionPool):
    """Connections to one node, without TLS."""

    ConnectionCls = NodeHTTPConnection


class NodeHTTPSPool(HTTPSConnectionPool):
    """Connections to one node, with TLS."""

    ConnectionCls = NodeHTTPSConnection


_POOLS = {"http": NodeHTTPPool, "https": NodeHTTPSPool}


class NodeAdapter(HTTPAdapter):
    """requests' adapter; its `max_retries` is that of the call that the thread carries out."""

    def __init__(self, nodes: int, parallelism: int) -> None:
        self._proxies_lock = threading.Lock()
        # One pool per node, none of them ever full: a discarded connection would be logged as a warning.
        super().__init__(pool_connections=max(nodes, 1), pool_maxsize=parallelism)

    @property
    def max_retries(self) -> Retry:
        """The retry of the thread's call: an attribute of requests' own, per thread here."""
        return CURRENT.get()

    @max_retries.setter
    def max_retries(self, value: Retry) -> None:
        """Do nothing: requests sets a default when it makes an adapter, and it is never used."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools' manager, with the connections of this module."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Likewise for a proxy; a SOCKS proxy keeps its own connections."""
        with self._proxies_lock:
            manager = super().proxy_manager_for(proxy, **kwargs)
            if not proxy.lower().startswith("socks"):
                manager.pool_classes_by_scheme = _POOLS
            return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool for a request; the ledger is told whether its connections report."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        current: NodeRetry = CURRENT.get()
        current.ledger.watched = isinstance(pool, NodeHTTPPool | NodeHTTPSPool)
        return pool


class NodeSession(requests.Session):
    """A session that keeps no cookies and leaves redirects alone."""

    def __init__(self, nodes: int, parallelism: int) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = NodeAdapter(nodes, parallelism)
        for prefix in ("https://", "http://"):
            self.get_adapter(prefix).close()
            self.mount(prefix, adapter)

    def environment(self, url: str) -> dict[str, Any]:
        """Arguments of `send` for a URL: proxies, NO_PROXY and the CA bundle, as requests finds them.

        Looked up once per node, not for every request.
        """
        found = dict(self.merge_environment_settings(url, {}, None, None, None))
        return {name: found[name] for name in ("proxies", "verify", "cert")}

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Nowhere: the exchange follows redirects itself.

        Even with `allow_redirects=False`, `Session.send` works out the next request, and to do so reads the
        whole body of the redirect, without a limit, asks .netrc for credentials, and fails on a malformed
        `Location`.
        """
        return None
