"""Little real HTTP servers that deviate from the contract of the node API, and a cluster of two of them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.cli.conftest import Ended, Shop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

HELD = ("kept", "old")
"""The groups of every node at the beginning."""

GONE = {"id": "old", "state": "absent"}


@dataclass(frozen=True, slots=True)
class Deviation:
    """How a server differs; the defaults are the contract.

    Attributes:
        path: of the collection, with a slash at both ends.
        slash: whether its paths end with a slash; others are not found.
        redirect: where one leads: ``slash`` adds the missing one or drops it, ``away`` leads to `other`.
        moved: the status of a redirect.
        other: the base URL of another host, for ``away``.
        id_field: the name of the id.
        delete_style: where a delete names the group: ``body``, ``path`` or ``query``.
        misplaced: the status of a delete that names it elsewhere.
        misnamed: the status of a write whose body has no id.
        created: the status of a create.
        deleted: the status of a delete.
        exists: the status of a create of a group that exists.
        missing: the status of a delete of a group that does not.
        gone: the status of a read of a group that does not.
        header: a header that every request needs.
        unheard: the status of a request without it.
        lies: how many reads of a group that exists are answered with 404 after the first create of it
            that was asked for, and before that.
        surprise: groups that somebody else creates right before the first create of them.
        vanishing: groups that somebody else deletes right before the first delete of them.
        stubborn: groups whose delete is refused with 403.
        echoes: groups whose read is answered with a page that shows the request, as a debugging proxy does.
        listing: the field of the answer to a GET of the collection that holds all ids; empty: the answer is
            the list; None: there is no such answer.
    """

    path: str = "/v1/group/"
    slash: bool = True
    redirect: str = ""
    moved: int = 307
    other: str = ""
    id_field: str = "groupId"
    delete_style: str = "body"
    misplaced: int = 405
    misnamed: int = 400
    created: int = 201
    deleted: int = 200
    exists: int = 400
    missing: int = 404
    gone: int = 404
    header: tuple[str, str] | None = None
    unheard: int = 400
    lies: int = 0
    surprise: frozenset[str] = frozenset()
    vanishing: frozenset[str] = frozenset()
    stubborn: frozenset[str] = frozenset()
    echoes: frozenset[str] = frozenset()
    listing: str | None = None


@dataclass(slots=True)
class Reply:
    """A status, and what goes with it."""

    status: int
    body: Any = None
    location: str = ""


@dataclass(slots=True)
class State:
    """What a node holds, and which writes it carried out or turned down."""

    deviation: Deviation
    groups: set[str]
    writes: list[tuple[str, str]] = field(default_factory=list)
    lied: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, method: str, target: str, headers: Any, body: bytes) -> Reply:
        """Answer one request."""
        with self.lock:
            d = self.deviation
            if d.header is not None and headers.get(d.header[0]) != d.header[1]:
                return Reply(d.unheard, {"error": "who is meant?"})
            url = urlsplit(target)
            bare = url.path.rstrip("/")
            if d.redirect == "away":
                return Reply(d.moved, location=d.other + target)
            if url.path.endswith("/") is not d.slash:
                wanted = bare + "/" * d.slash + (f"?{url.query}" if url.query else "")
                return Reply(d.moved, location=wanted) if d.redirect else Reply(404)
            collection = d.path.rstrip("/")
            if bare == collection:
                return self._collection(method, url.query, body)
            if not bare.startswith(f"{collection}/") or "/" in bare.removeprefix(f"{collection}/"):
                return Reply(404)
            group = unquote(bare.removeprefix(f"{collection}/"))
            if group in d.echoes:
                return Reply(200, f"<html>{headers}</html>")
            if method == "GET":
                return self._get(group)
            if method != "DELETE":
                return Reply(405)
            return self._delete(group) if d.delete_style == "path" else Reply(d.misplaced)

    def _collection(self, method: str, query: str, body: bytes) -> Reply:
        d = self.deviation
        if method == "POST":
            group = self._id(body)
            return Reply(d.misnamed, {"error": "bad request"}) if group is None else self._post(group)
        if method == "GET":
            return Reply(405) if d.listing is None else self._list()
        if d.delete_style == "path":
            return Reply(d.misplaced)
        named = parse_qs(query).get(d.id_field, [None])[0] if d.delete_style == "query" else self._id(body)
        return Reply(d.misplaced) if named is None else self._delete(named)

    def _id(self, body: bytes) -> str | None:
        try:
            value = json.loads(body)[self.deviation.id_field]
        except (ValueError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) else None

    def _get(self, group: str) -> Reply:
        if group in self.groups and self.lied[group] < self.deviation.lies:
            self.lied[group] += 1
            return Reply(self.deviation.gone)
        there = group in self.groups
        return Reply(200, {self.deviation.id_field: group}) if there else Reply(self.deviation.gone)

    def _list(self) -> Reply:
        ids = sorted(self.groups)
        return Reply(200, {self.deviation.listing: ids} if self.deviation.listing else ids)

    def _post(self, group: str) -> Reply:
        first = ("POST", group) not in self.writes
        self.writes.append(("POST", group))
        if first:
            self.lied[group] = 0
            if group in self.deviation.surprise:
                self.groups.add(group)
        if group in self.groups:
            return Reply(self.deviation.exists, {"error": "exists"})
        self.groups.add(group)
        return Reply(self.deviation.created)

    def _delete(self, group: str) -> Reply:
        if group in self.deviation.stubborn:
            return Reply(403)
        if ("DELETE", group) not in self.writes and group in self.deviation.vanishing:
            self.groups.discard(group)
        self.writes.append(("DELETE", group))
        if group not in self.groups:
            return Reply(self.deviation.missing)
        self.groups.remove(group)
        return Reply(self.deviation.deleted)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, state: State) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state
        self.others: dict[str, State] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: it would be among the output of the tests."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        others = self.server.others
        state = next((others[place] for place in others if self.path.startswith(place)), self.server.state)
        reply = state.serve(self.command, self.path, self.headers, body)
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        if reply.location:
            self.send_header("Location", reply.location)
        if reply.status != 204:  # which has no body, and no length (RFC 9110, 8.6)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class ForeignNode:
    """One such server on a free port of loopback; a context manager."""

    def __init__(
        self, deviation: Deviation, groups: Iterable[str] = (), tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = _Server(State(deviation, set(groups)))
        self._scheme = "https" if tls else "http"
        if tls is not None:  # the handshake is made where the request is read, not where it is accepted
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def at(self, place: str, state: State) -> None:
        """Be another node, too, for all paths that begin so."""
        self._server.others[place] = state

    def become(self, **changes: Any) -> None:
        """Deviate in another way from now on."""
        with self._server.state.lock:
            self._server.state.deviation = replace(self._server.state.deviation, **changes)

    def add(self, group: str) -> None:
        """Let it hold one group more."""
        with self._server.state.lock:
            self._server.state.groups.add(group)

    @property
    def groups(self) -> set[str]:
        """What it holds."""
        with self._server.state.lock:
            return set(self._server.state.groups)

    @property
    def writes(self) -> Counter[tuple[str, str]]:
        """How often each write was understood, by method and group."""
        with self._server.state.lock:
            return Counter(self._server.state.writes)


class Two:
    """A folder, and two nodes that are named in its groups.yaml."""

    def __init__(self, folder: Path, nodes: Mapping[str, ForeignNode]) -> None:
        self.shop = Shop(folder, {})
        self.nodes = nodes

    def file(self, api: Mapping[str, Any], *groups: object, **own: Mapping[str, Any]) -> None:
        """Write groups.yaml (JSON is YAML); `own` is a node's own api."""
        nodes = [
            {"name": name, "url": node.url, "api": own.get(name, {})} for name, node in self.nodes.items()
        ]
        cluster = {"name": "foreign", "nodes": nodes, "api": api}
        limits = {"max_delete_percent": 100}
        document = {"version": 1, "cluster": cluster, "limits": limits, "groups": groups}
        (self.shop.folder / "groups.yaml").write_text(json.dumps(document), encoding="utf-8")

    def all_hold(self, *groups: str) -> bool:
        """Whether every node holds just these."""
        return all(node.groups == set(groups) for node in self.nodes.values())

    def apply(self) -> Ended:
        """Plan, show and apply."""
        return self.shop.run("apply", "--yes")


@contextmanager
def two(folder: Path, *deviations: Deviation) -> Iterator[Two]:
    """Run two nodes."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(ForeignNode(each, HELD)) for each in deviations]
        yield Two(folder, {"east": nodes[0], "west": nodes[1]})
