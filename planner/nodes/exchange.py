"""One call, from its first try to its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from requests.utils import parse_header_links
from urllib3.exceptions import HTTPError

from planner.nodes.body import Faulty, receive
from planner.nodes.deadline import drain
from planner.nodes.failures import quoted
from planner.nodes.known import NOTHING_KNOWN, Kept, Known
from planner.nodes.ledger import Ledger, Stopped
from planner.nodes.retry import CURRENT, NodeRetry, Patience
from planner.nodes.wire import Route, Target, same_resource, slash_hint
from planner.verdict import NOT_MODIFIED, OK, READ_MISSING, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Timeout


T = TypeVar("T")

MOST_REDIRECTS = 3
"""Redirects that one call follows."""

FOLLOWED = frozenset({307, 308})
"""Redirects that keep method and body (RFC 9110, 15.4.8 and 15.4.9)."""

REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """What is wanted of a read's 200: `parse` makes it of the body, `fault` of a sentence.

    Where the answer must be `whole`, a link to a next page is a fault.
    """

    largest: int
    parse: Callable[[bytes], T]
    fault: Callable[[str], T]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """Carries out calls. Shared by all threads.

    Attributes:
        patience: pauses and statuses.
        timeout: connect and read time-out.
        known: what nodes have answered with an ETag.
    """

    patience: Patience
    timeout: Timeout
    known: Known

    def run(
        self, call: Call, ledger: Ledger, route: Route, target: Target, reader: Reader[T] | None = None
    ) -> T | None:
        """Try a call until it is answered, used up or stopped. Every try is in the ledger then.

        Args:
            call: what is tried, and how often.
            ledger: of this call, empty.
            route: of the call's node.
            target: where the request goes.
            reader: what to make of a read's answer; None for a write.

        Returns:
            What the reader made; None for a write, and where the status says it all.
        """
        ledger.watched = route.reports
        token = CURRENT.set(NodeRetry.of(call, ledger, self.patience, route.dialect))
        try:
            ledger.begin()
            while True:
                try:
                    return self._once(ledger, route, target, reader)
                except Exception as error:
                    if isinstance(error, Stopped) or not ledger.open:
                        raise
                    # urllib3 has not counted this one: a broken body, or an error that is none of its own.
                    CURRENT.get().increment(target.method, target.url, error=error)
                    CURRENT.get().sleep()
        except (Stopped, HTTPError, OSError):
            return None  # the ledger tells
        finally:
            CURRENT.reset(token)

    def _once(self, ledger: Ledger, route: Route, target: Target, reader: Reader[T] | None) -> T | None:
        """Send, follow redirects, and take the answer. urllib3's own retries happen within."""
        url = target.url
        for hops in range(MOST_REDIRECTS + 1):
            kept = self.known.get(url) if reader is not None else NOTHING_KNOWN
            response = route.send(target._replace(url=url), CURRENT.get(), self.timeout, kept.etag)
            try:
                following = None
                if hops < MOST_REDIRECTS and response.status in FOLLOWED:
                    following = route.follow(target, url, response.headers.get("Location", ""))
                if following is None:
                    return self._take(ledger, response, reader, (target.url, url), kept)
                drain(response)
            finally:
                response.close()  # of a connection that is back in its pool nothing is closed
                response.release_conn()
            ledger.redirected(response.status)
            url = following
        raise AssertionError("the last hop returns")

    def _take(
        self,
        ledger: Ledger,
        response: BaseHTTPResponse,
        reader: Reader[T] | None,
        urls: tuple[str, str],
        kept: Kept,
    ) -> T | None:
        """Take the final answer. A read's try ends with its body; of a write only the status counts.

        `urls`: that of the call, and the one that redirects led to. `kept`: what was known when it was sent.
        """
        asked, url = urls
        status = response.status
        fault = hint = ""
        if reader is not None and status == OK:
            try:
                made = reader.parse(receive(response, reader.largest))
                if reader.whole and _has_more(response):
                    made = reader.fault("the answer is one page of several, and the rest is not asked for")
                else:
                    self.known.keep(url, response.headers.get("ETag", ""), made)
            except Faulty as error:
                made = reader.fault(str(error))
            ledger.answered(status)
            return made
        if status == NOT_MODIFIED and kept.etag:
            ledger.answered(status)
            drain(response)
            return cast("T", kept.answer)
        if status in REDIRECTS:
            location = response.headers.get("Location", "")
            fault, hint = f"a redirect ({status}) to {quoted(location)}", slash_hint(asked, location)
        elif status in READ_MISSING and not same_resource(url, asked):
            fault = f"{status} after a redirect to another resource"
        ledger.answered(status, fault, hint)
        drain(response)
        return reader.fault(fault) if reader is not None and fault else None


def _has_more(response: BaseHTTPResponse) -> bool:
    """Whether the answer links to a next page (RFC 8288)."""
    links = parse_header_links(response.headers.get("Link", ""))
    return any("next" in link.get("rel", "").split() for link in links)
