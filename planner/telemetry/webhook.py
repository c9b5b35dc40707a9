"""A notification about a run that somebody should know of, posted as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from planner.telemetry.summary import Json, document_of
from planner.words import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.telemetry.summary import Complaint, RunSummary

FORMAT = "planner.notification"
VERSION = 1
KINDS = ("drift", "repair", "applied", "recovered", "reversed", "incomplete", "refused", "failed")
"""What a notification can be about."""
_BY_OUTCOME = {
    "changes pending": "drift",
    "reversed": "reversed",
    "incomplete": "incomplete",
    "lock lost": "incomplete",
    "refused": "refused",
    "stale": "refused",
    "failed": "failed",
    "wrong usage": "failed",
}
_CONNECT, _READ = 3.0, 5.0
_FURTHER_TRIES = 2


def notification_of(summary: RunSummary) -> Json | None:
    """What to post; None where there is nothing to tell: no change, or another run is at work."""
    kind = kind_of(summary)
    if kind is None:
        return None
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "text": _text(kind, summary),
        "summary": document_of(summary),
    }


def kind_of(summary: RunSummary) -> str | None:
    """One of `KINDS`, or None."""
    if summary.outcome == "applied" and summary.steps is not None and summary.steps.total:
        return "repair" if summary.command == "reconcile" else "applied"
    if summary.outcome in ("applied", "already applied", "no changes"):
        return None if summary.recovered is None else "recovered"
    return _BY_OUTCOME.get(summary.outcome)


def _text(kind: str, summary: RunSummary) -> str:
    """One line for people; many receivers show only a field of this name."""
    name = summary.cluster or "a cluster that could not be told"
    if summary.error is not None:
        said = _of_error(kind, summary.error)
        if summary.recovered is not None:
            said += f"; before that, transaction {summary.recovered} of a dead run was reversed"
    elif kind == "recovered":
        said = f"transaction {summary.recovered}, which a dead run had left, is reversed"
    elif kind == "drift":
        found = summary.drift.found if summary.drift else 0
        said = (
            f"{count(found, 'cell')} differ from the file" if found != 1 else "1 cell differs from the file"
        )
    else:
        done = summary.steps.applied if summary.steps else 0
        verb = "repaired" if kind == "repair" else "changed"
        said = f"{count(done, 'cell')} {verb} (transaction {summary.transaction})"
    return f"planner {summary.command} of {name}: {said}"


def _of_error(kind: str, error: Complaint) -> str:
    """What failed, and the one thing that helps to see why: a cause, the first detail, or the place."""
    more = error.why if kind == "drift" else next(iter(error.details), error.where)
    return f"{error.what}: {more}" if more and more not in error.what else error.what


def post(url: str, body: Json) -> str:
    """Post JSON; say why it was not taken, or nothing."""
    return send(url, json.dumps(body).encode(), {"Content-Type": "application/json"})


def send(url: str, data: bytes, headers: Mapping[str, str]) -> str:
    """Post data; say why it was not taken, or nothing. The answer is not read, redirects are not followed.

    No text holds the URL: it may hold a token, or a password.
    """
    import requests
    from requests.adapters import HTTPAdapter
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
                stream=True,  # the header says all; nothing of a body is read
            )
        except (requests.RequestException, ValueError, OSError) as error:
            return _why(error)
        with answer:
            return "" if answer.ok and not answer.is_redirect else f"it answered {answer.status_code}"


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
