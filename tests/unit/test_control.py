"""The permit of a run: signals, and proofs of the lock that grow old."""

from __future__ import annotations

import os
import signal

import pytest

from planner.control import PROOF_RENEWAL, RunControl
from planner.errors import LockLost
from planner.ports import PROOF_LIFE, Stop
from tests.builders import Bench
from tests.simulation.memory import MemoryLease


class Desk:
    """A control over the virtual clock and the store in memory, with its lock held."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.clock = self.bench.world
        self.control = RunControl(self.clock)
        memory = self.bench.store.memory("test")
        self.lease = MemoryLease(self.bench.store, memory, memory.epoch, "test")

    def pass_time(self, seconds: float) -> None:
        self.clock.time += seconds

    def held(self) -> RunControl:
        self.control.attach(self.lease)
        return self.control


class SlowLease(MemoryLease):
    """A lease whose proof takes six seconds."""

    def prove(self) -> None:
        self.store.slow_clock.time += 6.0  # type: ignore[attr-defined]


# The lock.


def test_the_numbers_of_the_law() -> None:
    assert PROOF_LIFE == 5.0
    assert PROOF_RENEWAL < PROOF_LIFE


def test_without_a_lock_reading_is_permitted_for_ever() -> None:
    desk = Desk()
    desk.pass_time(1e6)
    assert desk.control.permit()
    assert desk.control.check() is None


@pytest.mark.parametrize(("age", "permitted"), [(0.0, True), (4.999, True), (5.0, False), (3600.0, False)])
def test_a_permit_lives_for_five_seconds_after_the_proof(age: float, permitted: bool) -> None:
    desk = Desk()
    control = desk.held()
    desk.pass_time(age)
    assert control.permit() is permitted


def test_what_is_handed_over_is_permitted_until_the_proof_is_old() -> None:
    desk = Desk()
    assert desk.control.horizon() == desk.clock.time + PROOF_LIFE, "without a lock, from now on"
    control = desk.held()
    proved_at = desk.clock.time
    desk.pass_time(3.0)
    assert control.horizon() == proved_at + PROOF_LIFE
    desk.pass_time(2.0)
    assert control.horizon() == float("-inf")


def test_what_is_handed_over_ends_with_the_grace_period() -> None:
    desk = Desk()
    control = RunControl(desk.clock, grace=2.0)
    control.interrupt()
    assert control.horizon() == float("-inf"), "the signal is not heeded yet"
    control.check()
    assert control.horizon() == desk.clock.time + 2.0


def test_looking_at_the_control_renews_the_proof() -> None:
    desk = Desk()
    control = desk.held()
    for _ in range(20):
        desk.pass_time(4.0)
        assert control.permit()
        assert control.check() is None
    desk.pass_time(3600.0)  # paused, and the lock is still ours
    assert not control.permit()
    assert control.check() is None
    assert control.permit()


def test_a_proof_is_not_renewed_before_it_is_due() -> None:
    desk = Desk()
    control = desk.held()
    desk.pass_time(0.999)
    desk.bench.steal_lock()
    assert control.check() is None
    desk.pass_time(0.001)
    with pytest.raises(LockLost):
        control.check()


def test_a_lost_lock_is_lost_for_good() -> None:
    desk = Desk()
    control = desk.held()
    desk.bench.steal_lock()
    desk.pass_time(PROOF_RENEWAL)
    with pytest.raises(LockLost):
        control.check()
    assert not control.permit()
    desk.lease.memory.epoch = desk.lease.epoch  # even if it could be proved again
    with pytest.raises(LockLost):
        control.check()
    assert not control.permit()


def test_a_lock_that_cannot_be_proved_at_the_start_permits_nothing() -> None:
    desk = Desk()
    desk.bench.steal_lock()
    with pytest.raises(LockLost):
        desk.held()
    assert not desk.control.permit()


def test_a_paused_process_sends_nothing_before_it_has_proved_the_lock_again() -> None:
    desk = Desk()
    control = desk.held()
    desk.pass_time(60.0)
    desk.bench.steal_lock()
    assert not control.permit()
    with pytest.raises(LockLost):
        control.check()


def test_a_proof_is_as_old_as_its_question() -> None:
    """Six seconds for one proof: when it comes it is worth nothing any more."""
    desk = Desk()
    store = desk.bench.store
    store.slow_clock = desk.clock  # type: ignore[attr-defined]
    desk.control.attach(SlowLease(store, desk.lease.memory, 0, "test"))
    assert not desk.control.permit()


# Signals.


def test_the_first_interrupt_stops_the_second_abandons() -> None:
    control = Desk().held()
    assert control.check() is None
    control.interrupt()
    assert [control.check(), control.check()] == [Stop.INTERRUPT, Stop.INTERRUPT]
    control.interrupt()
    assert control.check() is Stop.ABANDON


def test_two_interrupts_between_two_looks_abandon_too() -> None:
    control = Desk().held()
    control.interrupt()
    control.interrupt()
    assert control.check() is Stop.ABANDON


def test_nothing_is_sent_between_an_interrupt_and_the_look_that_heeds_it() -> None:
    """After that the reverse may send again, until the next interrupt."""
    control = Desk().held()
    for stop in (Stop.INTERRUPT, Stop.ABANDON):
        control.interrupt()
        assert not control.permit()
        assert control.check() is stop
        assert control.permit()


def test_the_grace_period_begins_with_the_first_interrupt_and_ends_everything() -> None:
    desk = Desk()
    desk.control = control = RunControl(desk.clock, grace=25.0)
    desk.held()
    desk.pass_time(3600.0)
    assert control.check() is None
    control.interrupt()
    for _ in range(24):
        desk.pass_time(1.0)
        assert control.check() is Stop.INTERRUPT
        assert control.permit()
    desk.pass_time(1.0)
    assert not control.permit()  # before anybody has looked
    assert control.check() is Stop.EXPIRE


def test_a_second_interrupt_does_not_begin_another_grace_period() -> None:
    desk = Desk()
    desk.control = control = RunControl(desk.clock, grace=25.0)
    control.interrupt()
    desk.pass_time(24.0)
    control.interrupt()
    assert control.check() is Stop.ABANDON
    desk.pass_time(1.0)
    assert not control.permit()


def test_without_a_grace_period_a_reverse_takes_its_time() -> None:
    desk = Desk()
    control = desk.held()
    control.interrupt()
    desk.pass_time(1e9)
    assert control.check() is Stop.INTERRUPT
    assert control.permit()


def test_an_interrupt_wakes_the_one_who_waits() -> None:
    control = Desk().control
    woken: list[bool] = []
    control.interrupt()
    control.watch(lambda: woken.append(True))
    assert woken == []
    control.interrupt()
    assert woken == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_of_the_system_are_interrupts_while_they_are_handled(number: signal.Signals) -> None:
    control = Desk().control
    before = signal.getsignal(number)
    with control.signals():
        os.kill(os.getpid(), number)
        assert control.check() is Stop.INTERRUPT
    assert signal.getsignal(number) is before
