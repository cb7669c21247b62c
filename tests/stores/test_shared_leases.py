"""The lease of who asks the server for all, and the thread that keeps it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import teamwire_sync._sharing as sharing_module
from teamwire_sync._sharing import Sharing
from teamwire_sync._stores.memory import MemoryStore
from tests.support.store_sharers import IDENTITY, Sharers, SpiedPlace, unavailable
from tests.support.waiting import Gate, Threads, wait_until

if TYPE_CHECKING:
    from tests.support.builders import Clock

LOGGER = "teamwire_sync"


@pytest.fixture
def place() -> SpiedPlace:
    store = MemoryStore()
    store._now = lambda: 1.0
    return SpiedPlace(store._place(IDENTITY))


@pytest.fixture
def sharing(place: Any, clock: Clock) -> Sharing:
    made = Sharing(place, check_interval=1, adopt=lambda _: None)
    made.clock = clock
    return made


class FakeLease:
    """A lease whose extensions a test counts, and says the outcome of."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.extended = threading.Semaphore(0)
        self.tries = 0
        self.released = 0

    def extend(self) -> bool:
        self.tries += 1
        self.extended.release()
        answer = self._answers.pop(0) if self._answers else True
        if answer is None:
            unavailable()
        return bool(answer)

    def release(self) -> None:
        self.released += 1


def heartbeats() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "teamwire_sync lease"]


class TestLeases:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing_module, "LEASE", 0.003)

    def held(self, clock: Clock, lease: FakeLease) -> Any:
        class Place:
            def lease(self, seconds: float) -> FakeLease:
                return lease

        place: Any = Place()
        made = Sharing(place, check_interval=1, adopt=lambda _: None)
        made.clock = clock
        held = made.lease()
        assert held is not None
        held.keep()
        return held

    def test_one_is_extended_while_it_is_held(self, clock: Clock) -> None:
        lease = FakeLease()
        with self.held(clock, lease):
            for _ in range(3):
                assert lease.extended.acquire(timeout=10)

        assert lease.tries >= 3

    def test_one_is_released_at_the_end(self, clock: Clock) -> None:
        lease = FakeLease()
        with self.held(clock, lease):
            pass

        assert lease.released == 1

    def test_who_does_not_keep_it_does_not_lead(self, sharing: Sharing) -> None:
        """Ctrl-C may come before that, and nothing would end it."""
        assert sharing.lease() is not None

        assert not sharing.is_leading

    def test_its_thread_ends_with_it(self, clock: Clock) -> None:
        with self.held(clock, FakeLease()):
            assert heartbeats()

        wait_until(lambda: not heartbeats())

    def test_one_that_was_lost_is_not_extended_again(self, clock: Clock) -> None:
        lease = FakeLease(True, False)
        with self.held(clock, lease):
            wait_until(lambda: not heartbeats())

        assert lease.tries == 2

    def test_one_that_could_not_be_extended_is_tried_again(self, clock: Clock) -> None:
        lease = FakeLease(None)
        with self.held(clock, lease):
            for _ in range(2):
                assert lease.extended.acquire(timeout=10)

        assert lease.tries >= 2

    def test_a_forked_child_does_not_release_that_of_its_parent(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = FakeLease()
        with self.held(clock, lease):
            monkeypatch.setattr(os, "getpid", lambda: -1)

        assert lease.released == 0

    def test_another_has_it_meanwhile(self, sharing: Sharing, place: SpiedPlace) -> None:
        gate = Gate()

        def hold() -> None:
            held = sharing.lease()
            assert held is not None
            with held:
                gate()

        with Threads() as threads:
            threads.start(hold)
            gate.wait_arrived()
            taken = place.lease(10)
            gate.open()

        assert taken is None

    def test_one_whose_start_is_interrupted_is_not_extended_for_ever(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = FakeLease(*[True] * 20, False)

        class Interrupted(threading.Thread):
            def start(self) -> None:
                super().start()
                raise KeyboardInterrupt

        sharers = Sharers(clock)
        place: Any = sharers.place()
        place.lease = lambda _: lease
        monkeypatch.setattr(threading, "Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            sharers.cache(place).all(None)
        wait_until(lambda: not heartbeats())

        assert lease.tries < 20
