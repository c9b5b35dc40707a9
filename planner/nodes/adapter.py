"""The way to every node, as requests' adapter finds it, and connections that report to the ledger."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from planner.nodes.deadline import DeadlineResponse
from planner.nodes.retry import CURRENT
from planner.nodes.tls import context_for
from planner.references import remember

if TYPE_CHECKING:
    import ssl

    from planner.access import Tls


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
    """requests' adapter: it knows which connections a URL needs, with which proxy and which certificates."""

    def __init__(self, nodes: int, parallelism: int) -> None:
        self._proxies_lock = threading.Lock()
        self._contexts: dict[tuple[Tls, str | None], ssl.SSLContext] = {}
        # One pool per node, none of them ever full: a discarded connection would be logged as a warning.
        super().__init__(pool_connections=max(nodes, 1), pool_maxsize=parallelism)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools' manager, with the connections of this module."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: Any,
        cert: Any = None,  # noqa: ARG002  (a node's own settings decide)
    ) -> tuple[Any, Any]:
        """Where a request goes, and with which TLS: nodes with the same settings share a context.

        `verify` is what `Ways.find` passes: the node's settings, and the environment's authorities.
        """
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        if host["scheme"] != "https":
            return host, {}
        if verify not in self._contexts:
            self._contexts[verify] = context_for(*verify)
        return host, {"ssl_context": self._contexts[verify]}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Likewise for a proxy; a SOCKS proxy keeps its own connections."""
        with self._proxies_lock:
            manager = super().proxy_manager_for(proxy, **kwargs)
            if not proxy.lower().startswith("socks"):
                manager.pool_classes_by_scheme = _POOLS
            return manager


def _remember_password(proxy: str) -> None:
    """Let nobody repeat the password of a proxy, in any of the forms in which it is sent."""
    parts = urlsplit(proxy)
    if parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password)
        for secret in (parts.password, password, base64.b64encode(f"{user}:{password}".encode()).decode()):
            remember(secret)


class Way(NamedTuple):
    """How a node is reached.

    Attributes:
        pool: its connections.
        whole_url: whether a request names the whole URL, and not the path alone: to a proxy, without TLS.
        reports: whether the connections report to the ledger.
        proxied: whether a proxy is on the way.
    """

    pool: HTTPConnectionPool
    whole_url: bool
    reports: bool
    proxied: bool


class Ways:
    """The ways to all nodes of a run, as requests finds them: proxies, NO_PROXY, certificates.

    `requests.Session.send` would find them again for every request, and do some things that are not wanted:
    keep cookies, ask .netrc, prepare redirects. So its adapter is asked once per node, and the requests go to
    the adapter's pools, with urllib3's `Retry` as ever.
    """

    def __init__(self, nodes: int, parallelism: int) -> None:
        """`nodes`: how many there are; `parallelism`: connections that are kept per node."""
        self._session = requests.Session()
        self._adapter = NodeAdapter(nodes, parallelism)
        for prefix in ("https://", "http://"):
            self._session.get_adapter(prefix).close()
            self._session.mount(prefix, self._adapter)

    def find(self, request: requests.PreparedRequest, tls: Tls) -> Way:
        """The way of a request, and of all others to the same node.

        Raises:
            SecretUnresolved: a certificate or a key cannot be had.
            OSError: the certificates that the environment names are not there.
            requests.exceptions.RequestException: the URL or the proxy's URL cannot be used.
        """
        url = str(request.url)
        found = self._session.merge_environment_settings(url, {}, None, None, None)
        proxies, bundle = found["proxies"], found["verify"]
        proxy = select_proxy(url, proxies)
        _remember_password(proxy or "")
        verify: Any = (tls, bundle if isinstance(bundle, str) else None)
        pool = self._adapter.get_connection_with_tls_context(request, verify, proxies)
        whole = self._adapter.request_url(request, proxies) != request.path_url
        reports = isinstance(pool, NodeHTTPPool | NodeHTTPSPool)
        return Way(cast("HTTPConnectionPool", pool), whole, reports, proxy is not None)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._session.close()
