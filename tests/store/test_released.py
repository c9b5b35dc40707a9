"""A store of any released version is opened by this planner, and goes on from where it was left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from planner.access import NO_TLS, Credential, Scheme
from planner.model import Cell, Managed, Presence, StepState, TransactionState
from planner.ports import Closing, Watched, Wave
from planner.store.tables import VERSION
from tests.store.bench import NODES, WALL, Bench, intent, mark
from tests.store.released import FOLDER, load

S, T = StepState, TransactionState
RELEASED = sorted(file.stem for file in FOLDER.glob("*.json"))


def test_every_version_up_to_ours_is_kept() -> None:
    assert [f"{number:04}" for number in range(1, int(VERSION) + 1)] == RELEASED


@pytest.mark.parametrize("version", RELEASED)
def test_a_store_of_a_released_version_goes_on(bench: Bench, version: str) -> None:
    load(bench.url, version)
    store = bench.open()
    known = store.knowledge("c")
    assert known.store
    assert (known.serial, known.unfinished) == (1 + (version >= "0003"), 4)
    assert known.managed == {
        ("g", "http://n1"): Managed("g", "http://n1", order=1),
        ("kept", "http://n2:81"): Managed("kept", "http://n2:81", adopted=True, order=2),
    }
    assert known.protected == ({"g", "gone"} if version >= "0002" else frozenset())
    assert known.source == intent("applied").source
    assert not store.superseded("c", known.source)
    assert store.superseded("c", "older") == (version >= "0003")
    assert known.nodes == tuple((node.name, node.url) for node in NODES)
    assert store.watched("c") == (Watched("g", "http://n2:81", 2, Presence.ABSENT, WALL),)
    assert store.set_aside("c") == ((3, Cell("g", "n1")),)
    assert [(each.number, each.state) for each in store.history("c")] == [
        (4, T.OPEN),
        (3, T.CLOSED_WITH_EXCEPTIONS),
        (2, T.REVERSED),
        (1, T.APPLIED),
    ]
    noted = [note.text for note in store.history("c")[1].notes]
    assert noted == (["set aside by hand"] if version >= "0004" else [])
    unfinished = store.record("c", 4)
    assert unfinished is not None
    # No version before credentials had schemes sent any, or knew TLS.
    spoken = replace(NODES[1], credential=Credential(Scheme.BEARER, "env:TOKEN"), tls=NO_TLS)
    assert unfinished.intent == replace(intent("open"), nodes=(NODES[0], spoken))
    assert unfinished.marks == (
        mark(1, S.STARTED),
        mark(2, S.UNKNOWN, suspect=True, tried=True),
        mark(3, S.PENDING),
    )
    with store.lock("c", "recover", 0.0) as lease:
        assert lease.epoch == 2
        lease.commit(4, Wave((mark(1, S.UNDOING), mark(2, S.UNDOING)), T.REVERSING))
        lease.commit(4, Wave((mark(1, S.UNDONE), mark(2, S.UNDONE)), T.REVERSED))
        assert lease.begin(intent("next")) == 5
        lease.close(5, Wave(()), Closing(protected=("kept",), unprotected=("gone",)))
    assert store.knowledge("c").protected - {"g"} == {"kept"}


@pytest.mark.parametrize("version", [version for version in RELEASED if version < "0003"])
def test_an_undo_of_the_first_days_led_to_no_file(bench: Bench, version: str) -> None:
    """It named the file that it was made with; that must not be brought back by a scheduled run."""
    load(bench.url, version)
    engine = create_engine(bench.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE planner_transaction SET state = 'reversed' WHERE number = 4"))
        connection.execute(text("UPDATE planner_transaction SET state = 'applied' WHERE number = 2"))
        why = "UPDATE planner_step SET reason = 'undo of TX 1' WHERE transaction_number = 2"
        connection.execute(text(why))
    engine.dispose()
    store = bench.open()
    assert store.knowledge("c").source == ""
    assert store.superseded("c", intent("applied").source)
