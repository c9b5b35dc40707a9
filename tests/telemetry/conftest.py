from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.telemetry.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server
