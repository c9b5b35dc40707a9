"""How what a run tells goes over HTTP: bounded, and with proxies and certificates as requests has them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest

_CONNECT, _READ = 3.0, 5.0
_FURTHER_TRIES = 2


def send(url: str, data: bytes, headers: Mapping[str, str]) -> str:
    """Post data; say why it was not taken, or nothing. The answer is not read, redirects are not followed.

    No text holds the URL: it may hold a token, or a password.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from requests.utils import get_auth_from_url
    from urllib3.util.retry import Retry

    retry = Retry(
        total=_FURTHER_TRIES,
        redirect=0,
        allowed_methods=None,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.2,
        respect_retry_after_header=False,
        raise_on_status=False,
        raise_on_redirect=False,
    )
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            answer = session.post(
                url,
                data=data,
                headers={**headers, "User-Agent": "planner"},
                timeout=(_CONNECT, _READ),
                allow_redirects=False,
                # What stands in the URL, or nobody: `.netrc` would be asked before either.
                auth=get_auth_from_url(url) if "@" in urlsplit(url).netloc else _nobody,
                stream=True,  # the header says all; nothing of a body is read
            )
        except (requests.RequestException, ValueError, OSError) as error:
            return _why(error)
        with answer:
            return "" if answer.ok and not answer.is_redirect else f"it answered {answer.status_code}"


def _nobody(request: PreparedRequest) -> PreparedRequest:
    return request


def _why(error: Exception) -> str:
    """The kind of an error: its words may hold the URL."""
    import requests

    if isinstance(error, requests.Timeout):
        return "it gave no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached"
    return f"it cannot be asked ({type(error).__name__})"
