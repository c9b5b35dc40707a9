"""One spelling for every base URL: it is the identity of a node, and two nodes must never share one."""

from __future__ import annotations

import ipaddress
import re

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?")
_HOST_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_LIKE_IPV4 = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_MAX_HOST = 253  # RFC 1035, without the final dot
_MAX_URL = 2048


def canonical_url(url: str) -> str:
    """Return the one spelling of a node's base URL.

    Scheme and host in lower case, the host in ASCII (IDNA), IPv6 literals compressed, the default port and
    trailing slashes dropped, a path prefix kept with its escapes normalised. Idempotent.

    Raises:
        ValueError: with one sentence that says what is wrong. A URL with credentials is not repeated in it.
    """
    if len(url) > _MAX_URL:
        raise ValueError(f"the URL is longer than {_MAX_URL} characters")
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("a URL must begin with `http://` or `https://`")
    scheme, authority, path = match[1].lower(), match[2], match[3]
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"a URL must begin with `http://` or `https://`, not `{scheme}://`")
    if "@" in authority:
        raise ValueError("a URL must not hold a user name or password: they would end up in plans and logs")
    if match[4] is not None or match[5] is not None:
        raise ValueError("a base URL must not have a query (`?`) or a fragment (`#`)")
    host, port = _host_and_port(authority)
    canonical_port = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host}{canonical_port}{canonical_path(path).rstrip('/')}"


def canonical_path(path: str) -> str:
    """Return a URL path with its escapes as requests sends them: upper case, none for unreserved characters.

    Raises:
        ValueError: with one sentence: dot segments and empty ones, characters that no path can hold.
    """
    encoded = "".join(c if c.isascii() else _percent(c) for c in path)
    if not _PATH.fullmatch(encoded):
        raise ValueError("the path holds a character that must be percent-encoded, or a stray `%`")
    normal = _ESCAPE.sub(_normal_escape, encoded)
    segments = normal.strip("/").split("/")
    if "." in segments or ".." in segments:
        raise ValueError("the path must not hold `.` or `..` segments")
    if "" in segments[1:]:
        raise ValueError("the path must not hold empty segments (`//`)")
    return normal


def _percent(character: str) -> str:
    try:
        return "".join(f"%{byte:02X}" for byte in character.encode())
    except UnicodeEncodeError:
        raise ValueError("the path holds half of a surrogate pair") from None


def _normal_escape(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    if code < _FIRST_PRINTABLE or code == _DELETE:
        raise ValueError("the path must not hold control characters, not even percent-encoded")
    return chr(code) if chr(code) in _UNRESERVED else match[0].upper()


def _host_and_port(authority: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(authority)
    if match is None:
        raise ValueError(
            "host and port cannot be told apart: an IPv6 address is written in brackets, `[::1]`"
        )
    host, port = match[1], match[2]
    if not host:
        raise ValueError("the URL names no host")
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= _MAX_PORT):
        raise ValueError(f"the port must be a number from 1 to {_MAX_PORT}")
    number = None if port is None else int(port)
    return (_ipv6(host[1:-1]) if host.startswith("[") else _host(host)), number


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("the host is not a valid IPv6 address") from None
    if address.scope_id is not None:
        raise ValueError("an IPv6 address with a zone (`%eth0`) means another machine on every host")
    if address.ipv4_mapped is not None:  # Python 3.13 began to spell these in another way than 3.11
        return f"[::ffff:{address.ipv4_mapped}]"
    return f"[{address.compressed}]"


def _host(text: str) -> str:
    host = text.lower() if text.isascii() else _idna(text)
    if host.endswith("."):
        raise ValueError("the host must not end with a dot")
    if _LOOKS_LIKE_IPV4.fullmatch(host):
        # Resolvers take `127.1`, `0x7f.1` and `2130706433` for 127.0.0.1: one machine, many spellings.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError("the host is not a valid IPv4 address (four decimal numbers)") from None
    if len(host) > _MAX_HOST or not all(_HOST_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("the host is not a valid name")
    return host


def _idna(text: str) -> str:
    import idna  # requests brings it, and encodes hosts by it too

    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise ValueError("the host is not a valid international name") from None
