"""The lease of who asks the server for all, and the thread that keeps it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest

import teamwire_sync._stores.lease as lease_module
from teamwire_sync import FileStore
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._stores.lease import LeaseKeeper
from tests.support.forks import exit_status, in_child
from tests.support.interrupts import interrupt_at
from tests.support.store_listings import slot_in, take_lease
from tests.support.store_sharers import Sharers, SpiedSlot, unavailable
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.sharing import SharedListing
    from tests.support.builders import Clock

NAME = "teamwire_sync lease"


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


@pytest.fixture
def slot(sharers: Sharers) -> SpiedSlot:
    return sharers.slot()


@pytest.fixture
def sharing(sharers: Sharers, slot: SpiedSlot) -> SharedListing:
    return sharers.sharing(slot)


class Leasing:
    """A slot with a free lease. A test sets the results of the extensions.

    Attributes:
        extended: A semaphore that each extension releases.
        owners: The owners that have taken the lease and not released it.
        calls: The short names of the called methods, in order.
    """

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.extended = threading.Semaphore(0)
        self.owners: list[str] = []
        self.calls: list[str] = []

    def take_lease(self, owner: str, seconds: float) -> bool:
        self.calls.append("take")
        self.owners.append(owner)
        return True

    def extend_lease(self, owner: str, seconds: float) -> bool:
        self.calls.append("extend")
        self.extended.release()
        answer = self._answers.pop(0) if self._answers else owner in self.owners
        if answer is None:
            unavailable()
        return bool(answer)

    def release_lease(self, owner: str) -> None:
        self.calls.append("release")
        self.owners.remove(owner)


def heartbeats() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == NAME]


def run_in_thread(target: Callable[[], object]) -> None:
    threading.Thread(target=target, name=NAME, daemon=True).start()


@pytest.fixture(autouse=True)
def _visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the threads that extend leases, and let them extend at once."""
    monkeypatch.setattr(lease_module, "LEASE", 0.003)
    monkeypatch.setattr(lease_module, "run_in_thread", run_in_thread)


class TestLeases:
    def taken(
        self,
        sharers: Sharers,
        slot: Leasing,
        is_listing: Callable[[], bool] = lambda: True,
        **settings: Any,
    ) -> LeaseKeeper:
        lease = LeaseKeeper(sharers.sharing(slot, **settings), is_listing)
        assert lease.take()
        return lease

    def test_one_is_extended_until_its_end(self, sharers: Sharers) -> None:
        slot = Leasing()
        lease = self.taken(sharers, slot)
        for _ in range(3):
            assert slot.extended.acquire(timeout=PATIENCE)
        lease.end()

        assert slot.calls.count("extend") >= 3

    def test_one_is_released_once(self, sharers: Sharers) -> None:
        slot = Leasing()
        lease = self.taken(sharers, slot)
        for _ in range(2):
            lease.end()

        assert slot.calls.count("release") == 1

    def test_one_that_was_not_taken_is_not_released(self, sharers: Sharers) -> None:
        slot = Leasing()
        LeaseKeeper(sharers.sharing(slot), lambda: True).end()

        assert not slot.calls

    def test_one_that_another_process_has_is_not_released(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        take_lease(slot, 10)
        lease = LeaseKeeper(sharers.sharing(slot), lambda: True)
        is_taken = lease.take()
        lease.end()

        assert not is_taken
        assert slot.calls == ["take_lease", "take_lease"]

    def test_one_whose_answer_was_lost_is_released(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        lease = LeaseKeeper(sharing, lambda: True)
        slot.once("take_lease", unavailable, after=True)
        is_taken = lease.take()
        lease.end()

        assert not is_taken
        assert take_lease(slot, 10) is not None

    def test_who_has_not_taken_it_does_not_lead(self, sharing: SharedListing) -> None:
        """Ctrl-C may come before that, and nothing would end it."""
        assert not LeaseKeeper(sharing, lambda: True).is_leading

    def test_who_has_taken_it_leads_until_its_end(self, sharing: SharedListing) -> None:
        lease = LeaseKeeper(sharing, lambda: True)
        lease.take()
        leads = lease.is_leading
        lease.end()

        assert (leads, lease.is_leading) == (True, False)

    def test_a_handler_that_interrupts_its_end_does_not_wait_for_it(
        self, sharers: Sharers, slot: SpiedSlot
    ) -> None:
        sharing, leads = sharers.sharing(slot), []
        lease = LeaseKeeper(sharing, lambda: True)
        lease.take()
        slot.once("release_lease", lambda: leads.append(lease.is_leading))
        lease.end()

        assert leads == [True]

    def test_a_handler_that_interrupted_a_use_of_a_lock_does_not_wait_for_another_process(
        self, sharers: Sharers
    ) -> None:
        """The other process's listing may have to wait for a thread that needs the lock."""
        lease = LeaseKeeper(sharers.sharing(), lambda: True)
        lock = new_lock()
        with lock:
            within = lease.is_leading

        assert (within, lease.is_leading) == (True, False)

    def test_its_thread_ends_with_it(self, sharers: Sharers) -> None:
        lease = self.taken(sharers, Leasing())
        assert heartbeats()
        lease.end()

        wait_until(lambda: not heartbeats())

    def test_one_that_was_lost_is_not_extended_again(self, sharers: Sharers) -> None:
        slot = Leasing(True, False)
        lease = self.taken(sharers, slot)
        wait_until(lambda: not heartbeats())
        lease.end()

        assert slot.calls.count("extend") == 2

    def test_one_that_could_not_be_extended_is_tried_again(self, sharers: Sharers) -> None:
        slot = Leasing(None)
        lease = self.taken(sharers, slot)
        for _ in range(2):
            assert slot.extended.acquire(timeout=PATIENCE)
        lease.end()

        assert slot.calls.count("extend") >= 2

    def test_a_forked_child_does_not_release_that_of_its_parent(
        self, sharers: Sharers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slot = Leasing()
        lease = self.taken(sharers, slot)
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: -1)
            lease.end()

        assert "release" not in slot.calls

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_has_none(self, sharers: Sharers) -> None:
        def check() -> None:
            assert not lease.is_leading

        lease = self.taken(sharers, Leasing())
        status = exit_status(in_child(check))
        lease.end()

        assert status == 0

    def test_another_process_does_not_get_it_before_its_end(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        lease = LeaseKeeper(sharing, lambda: True)
        lease.take()
        before = take_lease(slot, 10)
        lease.end()

        assert before is None
        assert take_lease(slot, 10) is not None


class TestLeasesWithoutEnd(TestLeases):
    """The lease was not ended, because signals interrupted each call of `end`."""

    def test_one_is_not_extended_after_its_listing(self, sharers: Sharers) -> None:
        listing = [True]
        lease = self.taken(sharers, Leasing(), lambda: bool(listing))
        assert heartbeats()
        listing.clear()
        wait_until(lambda: not heartbeats())

        assert not lease.is_leading

    def test_one_is_not_extended_after_the_time_limit_of_listings(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        slot = Leasing()
        lease = self.taken(sharers, slot, patience=600)
        assert slot.extended.acquire(timeout=PATIENCE)
        clock.advance(600)
        wait_until(lambda: not heartbeats())

        assert not lease.is_leading

    def test_one_is_released_when_the_interpreter_ends(self, tmp_path: Path) -> None:
        code = """
import sys
from teamwire_sync import FileStore
from teamwire_sync._stores.lease import LeaseKeeper
from teamwire_sync._stores.sharing import SharedListing
slot = FileStore(sys.argv[1])._slot("bot")
shared = SharedListing(slot, check_interval=1, attach=print)
assert LeaseKeeper(shared, lambda: True).take()
"""
        folder = tmp_path / "store"
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True)

        assert take_lease(slot_in(FileStore(folder), "bot"), 10) is not None


def test_ctrl_c_at_any_call_of_a_look_up_leaves_no_lease(sharers: Sharers) -> None:
    files = tuple(f"_stores/{name}.py" for name in ("sharing", "lease", "source", "memory"))
    number, was_interrupted = 0, True
    while was_interrupted:
        number += 1
        cache = sharers.cache()
        cache.invalidate()
        was_interrupted = interrupt_at(number, files, lambda: cache.all(None))  # noqa: B023
        assert not lease_module.held, number
        # In another thread, because this thread could take its own locks again.
        with Threads() as threads:
            lease = threads.start(lambda: take_lease(sharers.slot(), 10)).result(PATIENCE)
        assert lease is not None, number
        lease.release()
    wait_until(lambda: not heartbeats())

    assert number > 20
