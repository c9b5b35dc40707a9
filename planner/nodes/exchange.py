"""One call, from its first try to its answer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, MaxRetryError

from planner.nodes.body import Faulty, receive
from planner.nodes.deadline import hurry
from planner.nodes.failures import quoted
from planner.nodes.ledger import Ledger, Stopped
from planner.nodes.retry import CURRENT, NodeRetry, Patience
from planner.nodes.wire import Route, Target, follow, same_resource, slash_hint
from planner.verdict import OK, READ_MISSING, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from planner.nodes.adapter import NodeSession

T = TypeVar("T")

MOST_REDIRECTS = 3
"""Redirects that one call follows."""

FOLLOWED = frozenset({307, 308})
"""Redirects that keep method and body (RFC 9110, 15.4.8 and 15.4.9)."""

REDIRECTS = range(300, 400)

DRAINED = 64 * 1024
"""Bytes of an irrelevant body that are read so that its connection can be used again."""


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
    """Carries out calls over one session. Shared by all threads.

    Attributes:
        session: the run's.
        patience: pauses and statuses.
        timeout: connect and read time-out, seconds.
    """

    session: NodeSession
    patience: Patience
    timeout: tuple[float, float]

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
        except (Stopped, MaxRetryError, RequestException, HTTPError):
            return None  # the ledger tells
        finally:
            CURRENT.reset(token)

    def _once(self, ledger: Ledger, route: Route, target: Target, reader: Reader[T] | None) -> T | None:
        """Send, follow redirects, and take the answer. urllib3's own retries happen within."""
        url = target.url
        for hops in range(MOST_REDIRECTS + 1):
            response = self.session.send(
                route.request(Target(target.method, url, target.body)),
                stream=True,
                timeout=self.timeout,
                allow_redirects=False,
                **route.environment,
            )
            try:
                following = _following(response, url) if hops < MOST_REDIRECTS else None
                if following is None:
                    return _take(ledger, response, reader, target.url, url)
                _drain(response)
            finally:
                response.close()
            ledger.redirected(response.status_code)
            url = following
        raise AssertionError("the last hop returns")


def _following(response: Response, url: str) -> str | None:
    if response.status_code not in FOLLOWED:
        return None
    return follow(url, response.headers.get("Location", ""))


def _take(ledger: Ledger, response: Response, reader: Reader[T] | None, asked: str, url: str) -> T | None:
    """Take the final answer. A read's try ends with its body; of a write only the status counts.

    `asked` is the URL of the call, `url` the one that redirects led to.
    """
    status = response.status_code
    fault = hint = ""
    if reader is not None and status == OK:
        try:
            made = reader.parse(receive(response.raw, reader.largest))
            if reader.whole and "next" in response.links:
                made = reader.fault("the answer is one page of several, and the rest is not asked for")
        except Faulty as error:
            made = reader.fault(str(error))
        ledger.answered(status)
        return made
    if status in REDIRECTS:
        location = response.headers.get("Location", "")
        fault, hint = f"a redirect ({status}) to {quoted(location)}", slash_hint(asked, location)
    elif status in READ_MISSING and not same_resource(url, asked):
        fault = f"{status} after a redirect to another resource"
    ledger.answered(status, fault, hint)
    _drain(response)
    return reader.fault(fault) if reader is not None and fault else None


def _drain(response: Response) -> None:
    """Read a little that nobody needs: a connection can only be used again when its answer was read."""
    hurry(response.raw)
    with suppress(HTTPError, OSError):
        response.raw.read(DRAINED, decode_content=False)
