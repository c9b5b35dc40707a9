"""Who is told of what, and that a receiver can do nothing to a run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from planner.counts import StepCounts
from planner.telemetry import outlets
from planner.telemetry.notification import KINDS, kind_of, notification_of
from planner.telemetry.outlets import Outlets
from planner.telemetry.posting import send as post
from planner.telemetry.summary import Complaint, RunSummary
from tests.http.server import ScriptedServer, answer
from tests.schemas import check_document
from tests.telemetry.receiver import Receiver
from tests.telemetry.samples import summary, unreadable, waiting


def ended(outcome: str, exit_code: int) -> RunSummary:
    return summary(outcome=outcome, exit_code=exit_code, error=Complaint("error", "It went wrong", "", "why"))


CASES: list[tuple[RunSummary, str | None]] = [
    (summary(), "repair"),
    (summary(command="apply"), "applied"),
    (summary(steps=StepCounts()), None),
    (summary(outcome="no changes", steps=None), None),
    (summary(outcome="no changes", steps=None, recovered=3), "recovered"),
    (summary(outcome="already applied", steps=None), None),
    (waiting(), "drift"),
    (unreadable(), "failed"),
    (ended("reversed", 3), "reversed"),
    (ended("incomplete", 4), "incomplete"),
    (ended("lock lost", 4), "incomplete"),
    (ended("refused", 7), "refused"),
    (ended("stale", 6), "refused"),
    (ended("wrong usage", 64), "failed"),
    (ended("locked", 5), None),
    (ended("interrupted", 130), None),
]


@pytest.mark.parametrize(("about", "kind"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_told(about: RunSummary, kind: str | None) -> None:
    assert kind_of(about) == kind
    told = notification_of(about)
    if kind is None:
        assert told is None
        return
    assert told is not None
    check_document(told)
    assert told["kind"] == kind
    assert told["text"].startswith(f"planner {about.command} of test: ")
    assert "\n" not in told["text"]


def test_words_of_a_node_call_nobody_and_are_no_link() -> None:
    """What Slack, Mattermost and others read in a text; the summary has it as it is."""
    wild = "<!channel> <http://evil.test|ok> @all [x](http://evil.test)\n\x1b[2J\u202e\u034f" + "y" * 5000
    about = summary(outcome="failed", exit_code=1, error=Complaint("error", "It failed", details=(wild,)))
    told = notification_of(about)
    assert told is not None
    text = told["text"]
    assert not set("<>@[\n") & set(text)
    assert text.isprintable()
    assert "\u034f" not in text
    assert len(text) < 1100
    assert told["summary"]["error"]["details"][0].startswith("<!channel>")


def test_every_kind_is_told_of_something() -> None:
    assert {kind for _, kind in CASES if kind} == set(KINDS)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (summary(), "planner reconcile of test: 2 cells repaired (transaction 7)"),
        (waiting(), "planner reconcile of test: These changes failed, and are not tried again: 403"),
        (unreadable(), "planner reconcile of test: 1 of 3 nodes cannot be read: node03"),
        (
            summary(outcome="changes pending", exit_code=2, steps=None),
            "planner reconcile of test: 2 cells differ from the file",
        ),
        (
            summary(outcome="no changes", steps=None, recovered=3),
            "planner reconcile of test: transaction 3, which a dead run had left, is reversed",
        ),
    ],
)
def test_the_line_for_people(about: RunSummary, text: str) -> None:
    told = notification_of(about)
    assert told is not None
    assert told["text"] == text


def send(url: str, about: RunSummary | None = None) -> list[str]:
    warnings: list[str] = []
    Outlets(webhook=url).send(about or summary(), warnings.append)
    return warnings


def test_it_is_posted_once_and_silence_is_kept_where_there_is_nothing_to_tell(receiver: Receiver) -> None:
    assert send(f"{receiver.url}/hook?token=SECRET") == []
    ((method, path, _),) = receiver.taken
    assert (method, path) == ("POST", "/hook?token=SECRET")
    (body,) = receiver.notifications
    check_document(body)
    assert send(receiver.url, summary(outcome="no changes", steps=None)) == []
    assert len(receiver.taken) == 1


def test_it_is_posted_again_after_an_error_a_few_times(receiver: Receiver) -> None:
    receiver.statuses = [503, 429]
    assert send(receiver.url) == []
    receiver.statuses = [500] * 10
    assert send(receiver.url) == ["The notification was not taken: it answered 500"]
    assert len(receiver.taken) == 6


@pytest.mark.parametrize("status", [302, 307, 400, 404])
def test_it_goes_nowhere_else(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    assert send(receiver.url) == [f"The notification was not taken: it answered {status}"]
    assert [path for _, path, _ in receiver.taken] == ["/"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/SECRET", "http://SECRET.invalid/", "https://:SECRET@[", "http://a:b/SECRET"]
)
def test_a_warning_never_repeats_the_url(url: str) -> None:
    (warning,) = send(url)
    assert warning.startswith("The notification was not taken: it ")
    assert "SECRET" not in warning
    assert "SECRET" not in repr(Outlets(webhook=url, gateway=url))


def test_nobody_waits_for_a_receiver_that_never_answers(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test would hang, or see no warning, if anybody did."""
    receiver.silent = True
    monkeypatch.setattr(outlets, "PATIENCE", 0.2)
    assert send(receiver.url) == ["The notification was not taken: it took longer than 0.2 s"]


def test_all_outlets_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one time: a pod has 15 seconds between the end of its grace period and SIGKILL."""
    notified = threading.Event()

    def line(*_: Any) -> str:
        return "" if notified.wait(60) else "nobody else was told meanwhile"

    def notify(*_: Any) -> str:
        notified.set()
        return ""

    monkeypatch.setattr(outlets, "_write_line", line)
    monkeypatch.setattr(outlets, "_notify", notify)
    warnings: list[str] = []
    Outlets(line="x", webhook="http://x").send(summary(), warnings.append)
    assert warnings == []


def test_a_bug_in_an_outlet_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("planner.telemetry.posting.send", broken)
    assert send("http://x") == ["The notification was not taken: a bug in planner: ZeroDivisionError"]


def test_a_thread_that_cannot_be_had_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", full)
    assert send("http://x") == ["The notification was not taken: can't start new thread"]


def test_post_reads_no_answer(receiver: Receiver) -> None:
    assert post(receiver.url, b"{}", {}) == ""


def test_netrc_adds_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = ScriptedServer(answer(200), answer(200))
    try:
        assert post(server.url, b"{}", {}) == ""
        assert post(server.url.replace("//", "//a:b@"), b"{}", {}) == ""
    finally:
        server.close()
    none, own = (request.headers.get("authorization", "") for request in server.received)
    assert (none, own) == ("", "Basic YTpi")
