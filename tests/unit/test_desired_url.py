"""One spelling for every base URL."""

from __future__ import annotations

import contextlib

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner.desired import canonical_url
from planner.desired.url import canonical_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://node01.app.internal.com", "http://node01.app.internal.com"),
        ("HTTP://Node01.App.Internal.COM/", "http://node01.app.internal.com"),
        ("http://a:80", "http://a"),
        ("https://a:443/", "https://a"),
        ("http://a:443", "http://a:443"),
        ("https://a:80", "https://a:80"),
        ("http://a:08001", "http://a:8001"),
        ("http://a/Base/Path", "http://a/Base/Path"),
        ("http://a/base///", "http://a/base"),
        ("http://a/%7euser/%e4%2F", "http://a/~user/%E4%2F"),
        ("http://a/ü", "http://a/%C3%BC"),
        ("http://a/...", "http://a/..."),
        ("http://under_score:1", "http://under_score:1"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("http://BÜCHER.example", "http://xn--bcher-kva.example"),
        ("http://straße.example", "http://xn--strae-oqa.example"),
        ("http://a。b", "http://a.b"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://\uff11\uff12\uff17.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[2001:DB8::00a]:81/x/", "http://[2001:db8::a]:81/x"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:127.0.0.1]"),
        ("http://[::ffff:7f00:1]", "http://[::ffff:127.0.0.1]"),
        ("http://1a.2b", "http://1a.2b"),
    ],
)
def test_one_spelling(url: str, expected: str) -> None:
    assert canonical_url(url) == expected
    assert canonical_url(expected) == expected


SCHEME = "a URL must begin with `http://` or `https://`"
PORT = "the port must be a number from 1 to 65535"
NAME = "the host is not a valid name"
IPV4 = "the host is not a valid IPv4 address (four decimal numbers)"
BRACKETS = "host and port cannot be told apart: an IPv6 address is written in brackets, `[::1]`"
ZONE = "an IPv6 address with a zone (`%eth0`) means another machine on every host"
USER = "a URL must not hold a user name or password: they would end up in plans and logs"
QUERY = "a base URL must not have a query (`?`) or a fragment (`#`)"
DOTS = "the path must not hold `.` or `..` segments"
CHARACTER = "the path holds a character that must be percent-encoded, or a stray `%`"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", SCHEME),
        ("node01", SCHEME),
        ("//a", SCHEME),
        (" http://a", SCHEME),
        ("http:/a", SCHEME),
        ("http:\\\\a", SCHEME),
        ("ftp://a", f"{SCHEME}, not `ftp://`"),
        ("http+unix://a", f"{SCHEME}, not `http+unix://`"),
        ("http://", "the URL names no host"),
        ("http:///x", "the URL names no host"),
        ("http://:80", "the URL names no host"),
        ("http://user:secret@a", USER),
        ("http://@a", USER),
        ("http://a?", QUERY),
        ("http://a/?x=1", QUERY),
        ("http://a#", QUERY),
        ("http://a:", PORT),
        ("http://a:0", PORT),
        ("http://a:65536", PORT),
        ("http://a:-1", PORT),
        ("http://a:\uff180", PORT),
        ("http://a:8 0", PORT),
        ("http://a:80\n", PORT),
        ("http://a b", NAME),
        ("http://a\tb", NAME),
        ("http://a\n", NAME),
        ("http://a..b", NAME),
        ("http://-a", NAME),
        ("http://a%41", NAME),
        ("http://" + "a" * 64, NAME),
        ("http://" + ".".join(["a" * 63] * 4), NAME),
        ("http://*.a", NAME),
        ("http://a.", "the host must not end with a dot"),
        ("http://\u2488com", "the host is not a valid international name"),
        ("http://a\ud800", "the host is not a valid international name"),
        ("http://127.1", IPV4),
        ("http://2130706433", IPV4),
        ("http://0x7f.0.0.1", IPV4),
        ("http://127.0.0.01", IPV4),
        ("http://256.0.0.1", IPV4),
        ("http://a.b.1", IPV4),
        ("http://::1", BRACKETS),
        ("http://[::1", BRACKETS),
        ("http://[::1]x", BRACKETS),
        ("http://[1.2.3.4]", "the host is not a valid IPv6 address"),
        ("http://[]", "the host is not a valid IPv6 address"),
        ("http://[fe80::1%eth0]", ZONE),
        ("http://a/.", DOTS),
        ("http://a/x/../y", DOTS),
        ("http://a/%2e%2E/y", DOTS),
        ("http://a/.%2e", DOTS),
        ("http://a/b//c", "the path must not hold empty segments (`//`)"),
        ("http://a/%", CHARACTER),
        ("http://a/%zz", CHARACTER),
        ("http://a/b c", CHARACTER),
        ("http://a/b\\c", CHARACTER),
        ("http://a/b\n", CHARACTER),
        ("http://a/%00", "the path must not hold control characters, not even percent-encoded"),
        ("http://a/%7F", "the path must not hold control characters, not even percent-encoded"),
        ("http://a/\ud800", "the path holds half of a surrogate pair"),
        ("http://a/" + "x" * 2048, "the URL is longer than 2048 characters"),
    ],
)  # fmt: skip
def test_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the whole text is compared)
        canonical_url(url)
    assert str(caught.value) == why


URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "HTTPS", "ftp"]),
    st.text("aB1.-_ü:[]@%", max_size=8)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map("[{}]".format),
    st.sampled_from(["", ":80", ":443", ":8001", ":"]),
    st.text("/.aB%2eE?#ü ~", max_size=8),
)


@settings(deadline=None)
@given(st.text() | URLS)
@example("http://a//")
@example("http://xn--/")
@example("http://a/%25%32%65")
def test_idempotent_and_ascii(url: str) -> None:
    with contextlib.suppress(ValueError):
        canonical = canonical_url(url)
        assert canonical_url(canonical) == canonical
        assert canonical.isascii()
        assert not canonical.endswith("/")


@settings(deadline=None)
@given(URLS)
@example("http://a/%7E%2f%e4")
@example("http://[::FFFF:1.2.3.4]/x/")
@example("http://straße.example/ü")
def test_requests_sends_it_as_it_is(url: str) -> None:
    """The identity in the store and the URL on the wire must never differ."""
    with contextlib.suppress(ValueError):
        canonical = canonical_url(url)
        sent = requests.Request("GET", canonical + "/v1/group/").prepare().url
        assert sent == canonical + "/v1/group/"


def test_a_path_is_checked_in_the_same_way() -> None:
    assert canonical_path("/v1/group/") == "/v1/group/"
    assert canonical_path("") == ""
    with pytest.raises(ValueError, match="segments"):
        canonical_path("/v1/%2E%2E/x")
