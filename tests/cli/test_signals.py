"""A signal that comes when a run has ended, and before its process has: the run still says how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType

import pytest

from planner.cli import session
from planner.cli.main import invoke
from planner.signals import STOPPING
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop


@pytest.fixture
def leave(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command in this process, which is signalled when its session closes."""
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shop.folder)
    close = session.Session.__exit__

    def signalled(
        self: session.Session,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        close(self, kind, error, trace)

    monkeypatch.setattr(session.Session, "__exit__", signalled)
    return lambda *arguments: invoke(list(arguments))[0]


def test_an_apply_that_is_done(
    shop: Shop, cluster: SimulatedCluster, leave: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shop.file("a", "kept")
    before = [signal.getsignal(number) for number in STOPPING]
    assert leave("apply", "--yes") == 0
    assert "Apply complete" in capsys.readouterr().out
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_an_apply_that_was_reversed(
    shop: Shop, cluster: SimulatedCluster, leave: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shop.file("a", "kept")
    cluster.set_faults("node02:POST:error-before=1")
    assert leave("apply", "--yes") == 3
    assert "nothing was changed" not in capsys.readouterr().err
