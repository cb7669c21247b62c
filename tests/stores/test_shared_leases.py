"""The lease of who asks the server for all, and the thread that keeps it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import teamwire_sync._stores.sharing as sharing_module
from tests.support.store_sharers import Sharers, SpiedSlot, unavailable
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync._stores.sharing import SharedListing
    from tests.support.builders import Clock


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


@pytest.fixture
def slot(sharers: Sharers) -> SpiedSlot:
    return sharers.slot()


@pytest.fixture
def sharing(sharers: Sharers, slot: SpiedSlot) -> SharedListing:
    return sharers.sharing(slot)


class FakeLease:
    """A lease whose extensions a test counts, and says the outcome of."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.is_ours = True
        self.extended = threading.Semaphore(0)
        self.tries = 0
        self.released = 0

    def extend(self) -> bool:
        self.tries += 1
        self.extended.release()
        answer = self._answers.pop(0) if self._answers else self.is_ours
        if answer is None:
            unavailable()
        return bool(answer)

    def release(self) -> None:
        self.released += 1


class Leasing:
    """A place that lends a lease."""

    def __init__(self, lease: FakeLease) -> None:
        self._lease = lease

    def lease(self, seconds: float) -> FakeLease:
        return self._lease


def heartbeats() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "teamwire_sync lease"]


class TestLeases:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing_module, "LEASE", 0.003)

    def held(self, sharers: Sharers, lease: FakeLease) -> Any:
        held = sharers.sharing(Leasing(lease)).lease()
        assert held is not None
        held.start()
        return held

    def test_one_is_extended_while_it_is_held(self, sharers: Sharers) -> None:
        lease = FakeLease()
        with self.held(sharers, lease):
            for _ in range(3):
                assert lease.extended.acquire(timeout=PATIENCE)

        assert lease.tries >= 3

    def test_one_is_released_at_the_end(self, sharers: Sharers) -> None:
        lease = FakeLease()
        with self.held(sharers, lease):
            pass

        assert lease.released == 1

    def test_who_does_not_keep_it_does_not_lead(self, sharing: SharedListing) -> None:
        """Ctrl-C may come before that, and nothing would end it."""
        assert sharing.lease() is not None

        assert not sharing.is_leading

    def test_its_thread_ends_with_it(self, sharers: Sharers) -> None:
        with self.held(sharers, FakeLease()):
            assert heartbeats()

        wait_until(lambda: not heartbeats())

    def test_one_that_was_lost_is_not_extended_again(self, sharers: Sharers) -> None:
        lease = FakeLease(True, False)
        with self.held(sharers, lease):
            wait_until(lambda: not heartbeats())

        assert lease.tries == 2

    def test_one_that_could_not_be_extended_is_tried_again(self, sharers: Sharers) -> None:
        lease = FakeLease(None)
        with self.held(sharers, lease):
            for _ in range(2):
                assert lease.extended.acquire(timeout=PATIENCE)

        assert lease.tries >= 2

    def test_a_forked_child_does_not_release_that_of_its_parent(
        self, sharers: Sharers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = FakeLease()
        with self.held(sharers, lease):
            monkeypatch.setattr(os, "getpid", lambda: -1)

        assert lease.released == 0

    def test_another_has_it_meanwhile(self, sharing: SharedListing, slot: SpiedSlot) -> None:
        gate = Gate()

        def hold() -> None:
            held = sharing.lease()
            assert held is not None
            with held:
                gate()

        with Threads() as threads:
            threads.start(hold)
            gate.wait_arrived()
            taken = slot.lease(10)
            gate.open()

        assert taken is None

    def test_one_whose_start_is_interrupted_is_not_extended_for_ever(
        self, sharers: Sharers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease, slot = FakeLease(), sharers.slot()

        class Interrupted(threading.Thread):
            def start(self) -> None:
                super().start()
                raise KeyboardInterrupt

        monkeypatch.setattr(slot, "lease", lambda _: lease, raising=False)
        monkeypatch.setattr(threading, "Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            sharers.cache(slot).all(None)
        try:
            wait_until(lambda: not heartbeats())
        finally:
            lease.is_ours = False
