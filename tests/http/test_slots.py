"""Slots: who waits for one gets it, whoever else waits for something."""

from __future__ import annotations

import pytest

from teamwire_sync._transports.slots import Slots
from tests.support.waiting import PATIENCE, Threads, wait_until


@pytest.fixture
def slots() -> Slots:
    return Slots(1)


def test_a_free_slot_is_taken_at_once(slots: Slots) -> None:
    assert slots.take(0)


def test_there_are_no_more_than_its_size(slots: Slots) -> None:
    slots.take(0)

    assert not slots.take(0)


def test_a_pause_takes_no_slot_from_who_waits_for_one(slots: Slots) -> None:
    """What wakes the next one must not be spent on a thread that only lets time pass."""
    slots.take(0)
    with Threads(2) as threads:
        pausing = threads.start(lambda: slots.pause(PATIENCE))
        wait_until(pausing.running)
        waiting = threads.start(lambda: slots.take(PATIENCE))
        wait_until(lambda: bool(slots._changed._waiters))
        slots.give_back()

        assert waiting.result(PATIENCE / 2)
        slots.close()


def test_the_end_wakes_who_waits_for_a_slot_and_who_pauses(slots: Slots) -> None:
    slots.take(0)
    with Threads(2) as threads:
        waiting = threads.start(lambda: slots.take(10 * PATIENCE))
        pausing = threads.start(lambda: slots.pause(10 * PATIENCE))
        wait_until(lambda: pausing.running() and waiting.running())
        slots.close()

        assert waiting.result(PATIENCE)
        assert pausing.result(PATIENCE) is None
