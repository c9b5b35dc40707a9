"""From a node's dialect and a call to the request, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from requests.models import PreparedRequest

from planner import __version__, hints
from planner.nodes.credentials import check_may_leave, check_places, header_for
from planner.verdict import Call, Method

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Retry, Timeout

    from planner.access import Places
    from planner.model import Dialect, Node
    from planner.nodes.adapter import Ways

_PATH = "/%:@!$&'()*+,;=~"
"""What stays as it is in a path that is written in the file or in a `Location` (RFC 3986, 3.3)."""

_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where a request goes, and with which body."""

    method: str
    url: str
    body: bytes | None = None


class Route:
    """How to talk to one node: all that its requests share is prepared once.

    Attributes:
        node: the node.
        dialect: its own.
        reports: whether its connections report to the ledger.
    """

    def __init__(self, node: Node, ways: Ways, places: Places) -> None:
        """Find the way and prepare the headers.

        Args:
            node: the node.
            ways: where its way is found.
            places: where its secrets may be taken from.

        Raises:
            SecretUnresolved: its credential or its certificates cannot be had, or must not be sent.
            ValueError: the URL or a header cannot be used (requests' `InvalidURL`, `InvalidHeader` are such).
            OSError: the way cannot be found; see `Ways.find`.
        """
        check_places(node, places)
        self.node = node
        self.dialect: Dialect = node.dialect
        template = PreparedRequest()
        # Prepared without a session: nothing of .netrc, no cookies.
        template.prepare(method="GET", url=node.url, headers=_headers(self.dialect))
        url = urlsplit(str(template.url))
        self._origin = f"{url.scheme}://{url.netloc}"
        self._base = f"{self._origin}{url.path.rstrip('/')}"
        way = ways.find(template, node.tls)
        check_may_leave(node, proxied=way.proxied)
        self._pool, self._whole_url, self.reports = way.pool, way.whole_url, way.reports
        shown = header_for(node)
        if shown is not None:
            template.headers.update({shown.name: shown.value})  # type: ignore[dict-item]  # bytes; see `_headers`
        self._headers = template.headers
        self._headers_of_bodies = template.headers.copy()
        self._headers_of_bodies.setdefault(
            "Content-Type", "application/json"
        )  # `api.headers` may want another

    def send(self, target: Target, retries: Retry, timeout: Timeout, etag: str = "") -> BaseHTTPResponse:
        """Send a request, and again as `retries` says; its body is not read yet.

        The URL is sent as it is; requests would normalise it again.

        Args:
            target: where it goes; of the same origin as the node.
            retries: decides, pauses and takes note.
            timeout: of every try.
            etag: of what is known already; for a conditional read (RFC 9110, 13.1.2).

        Raises:
            urllib3.exceptions.HTTPError, OSError: there was no answer.
        """
        headers = self._headers if target.body is None else self._headers_of_bodies
        if etag:
            headers = headers.copy()
            headers["If-None-Match"] = etag
        return self._pool.urlopen(
            target.method,
            target.url if self._whole_url else target.url[len(self._origin) :],
            target.body,
            headers,
            retries,
            redirect=False,
            assert_same_host=False,
            timeout=timeout,
            preload_content=False,
            decode_content=False,
        )

    def follow(self, target: Target, url: str, location: str) -> str | None:
        """Where a 307 or 308 from `url` leads, for this call; None where it must not go.

        Other nodes may be behind the same host and port. So a read stays below the node's base URL, and a
        write goes where it was meant to, but for the slash at its end.

        Args:
            target: where the call went first.
            url: where it went last.
            location: what the answer says.
        """
        led = follow(url, location)
        if led is None:
            return None
        if target.method != "GET":
            asked = follow(target.url, target.url)
            return led if asked is not None and _same_but_slash(asked, led) else None
        return led if led.startswith(f"{self._base}/") else None

    def target(self, call: Call) -> Target:
        """Where a call goes.

        Raises:
            ValueError: the id cannot be sent.
        """
        style = self.dialect.delete_style
        if call.method is Method.READ:
            return Target("GET", self._item(call.group))
        if call.method is Method.LIST:
            return self._listing()
        if call.method is Method.CREATE:
            return Target("POST", self._collection(), self._id_body(call.group))
        if style == "path":
            return Target("DELETE", self._item(call.group))
        if style == "query":
            query = f"{quote(self.dialect.id_field, safe='')}={quote(call.group, safe='')}"
            return Target("DELETE", f"{self._collection()}?{query}")
        return Target("DELETE", self._collection(), self._id_body(call.group))

    def _listing(self) -> Target:
        """Where the list of all ids is."""
        path, _, query = (self.dialect.list_path or "").partition("?")
        url = self._base + quote("/" + path.lstrip("/"), safe=_PATH)
        return Target("GET", f"{url}?{quote(query, safe=_PATH + '?')}" if query else url)

    def _collection(self) -> str:
        return self._base + self._path() + self._slash()

    def _item(self, group: str) -> str:
        if group in ("", ".", ".."):
            # A dot segment would be resolved on the way: another resource, whose 404 would read as 'absent'.
            raise ValueError(f"the id {group!r} cannot be part of a URL")
        return f"{self._base}{self._path()}/{quote(group, safe='')}{self._slash()}"

    def _path(self) -> str:
        path = self.dialect.path.strip("/")
        return quote("/" + path, safe=_PATH) if path else ""

    def _slash(self) -> str:
        return "/" if self.dialect.trailing_slash else ""

    def _id_body(self, group: str) -> bytes:
        text = json.dumps({self.dialect.id_field: group}, ensure_ascii=False, separators=(",", ":"))
        return text.encode()


def _headers(dialect: Dialect) -> dict[str, Any]:
    headers: dict[str, str] = {
        "User-Agent": f"planner/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # the answers are small, and what is not packed needs no unpacking
    }
    headers.update(dialect.headers)
    # Bytes: http.client would refuse text outside Latin-1 in the middle of sending.
    return {name: value.encode() for name, value in headers.items()}


def follow(url: str, location: str) -> str | None:
    """The URL that a 307 or 308 from `url` leads to; None when it leads to another origin, or nowhere.

    Nor is a path with dot segments followed, however they are written: where they lead is for the server to
    say, and it may be another node. `Location` may be relative (RFC 9110, 10.2.2); its origin is scheme, host
    and port (RFC 9110, 4.3.1).
    """
    try:
        text = location.encode("latin-1").decode("utf-8", "replace")  # http.client reads headers as Latin-1
        here, there = urlsplit(url), urlsplit(urljoin(url, text))
        if (here.scheme, here.hostname, _port(here)) != (there.scheme, there.hostname, _port(there)):
            return None
    except ValueError:
        return None
    if not {".", ".."}.isdisjoint(unquote(there.path).replace("\\", "/").split("/")):
        return None
    path = quote(there.path or "/", safe=_PATH)
    query = f"?{quote(there.query, safe=_PATH + '?')}" if there.query else ""
    return f"{here.scheme}://{here.netloc}{path}{query}"


def slash_hint(url: str, location: str) -> str:
    """What may help where a redirect from `url` only adds or drops the slash at the end of the path."""
    here, there = follow(url, url), follow(url, location)
    if here is None or there is None or here == there or not _same_but_slash(here, there):
        return ""
    return hints.after_redirect(to_slash=there.partition("?")[0].endswith("/"))


def _same_but_slash(one: str, other: str) -> bool:
    (path, *query), (path_too, *query_too) = one.split("?"), other.split("?")
    return query == query_too and path.rstrip("/") == path_too.rstrip("/")


def same_resource(one: str, other: str) -> bool:
    """Whether two URLs end in the same name: a redirect that only adds or drops a slash or a prefix."""
    names = [unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) for url in (one, other)]
    return names[0] == names[1]


def _port(url: Any) -> int | None:
    return url.port or _PORTS.get(url.scheme)
