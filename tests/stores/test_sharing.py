"""Sharing: how the cache uses a place in a store, and what it does when that fails."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWAuthError, TWConnectionError, TWRateLimitError, TWServerError
from teamwire_sync._cache.listing import ConfirmedListing, Listing
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._stores.base import DamagedError, SlotStatus, StoredListing
from teamwire_sync._stores.lease import LeaseKeeper
from tests.support.builders import make_chat
from tests.support.store_sharers import Sharers, SpiedSlot, unavailable
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync._stores.sharing import SharedListing
    from tests.support.builders import Clock

LOGGER = "teamwire_sync"
LISTED = Listing({"t1": make_chat()}, "v1")


def damaged() -> None:
    message = "the snapshot is damaged"
    raise DamagedError(message)


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


@pytest.fixture
def slot(sharers: Sharers) -> SpiedSlot:
    return sharers.slot()


@pytest.fixture
def sharing(sharers: Sharers, slot: SpiedSlot) -> SharedListing:
    return sharers.sharing(slot)


def looked(sharing: SharedListing, changes: int = 0) -> SlotStatus:
    status = sharing.status(changes)
    assert status is not None
    return status


def good() -> ConfirmedListing:
    return ConfirmedListing(ChatSnapshot.of({"t1": make_chat()}), "v1", 0.0)


class TestAFailingStore:
    def test_it_is_left_alone_for_five_seconds(
        self, sharing: SharedListing, slot: SpiedSlot, clock: Clock
    ) -> None:
        slot.break_down()
        counts = []
        for step in (0, 4.999, 0.001):
            clock.advance(step)
            assert sharing.status(0) is None
            counts.append(len(slot.calls))

        assert counts == [1, 1, 2]

    def test_the_next_look_comes_after_that(
        self, sharing: SharedListing, slot: SpiedSlot, clock: Clock
    ) -> None:
        slot.break_down()
        sharing.status(0)
        clock.advance(2)

        assert sharing.next_look == 3

    def test_it_is_told_once(
        self,
        sharing: SharedListing,
        slot: SpiedSlot,
        clock: Clock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        slot.break_down()
        for _ in range(3):
            sharing.status(0)
            clock.advance(5)

        assert [record.getMessage() for record in caplog.records] == [
            "the store of the chats can't be used, going on without it: no route to the store"
        ]

    def test_that_it_works_again_is_told_once(
        self,
        sharing: SharedListing,
        slot: SpiedSlot,
        clock: Clock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO, LOGGER)
        slot.break_down()
        sharing.status(0)
        slot.recover()
        clock.advance(5)
        caplog.clear()
        for _ in range(2):
            sharing.status(0)

        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("INFO", "the store of the chats works again")
        ]

    @pytest.mark.parametrize("method", ["load", "save", "fail", "take_lease"])
    def test_no_failure_reaches_a_look_up(
        self, sharing: SharedListing, slot: SpiedSlot, method: str
    ) -> None:
        status = looked(sharing)
        saved = sharing.save(good(), status, sent=LISTED)
        assert saved is not None
        slot.break_down()
        call = {
            "load": lambda: sharing.load(saved),
            "save": lambda: sharing.save(good(), status, sent=LISTED),
            "fail": lambda: sharing.failed(TWServerError("down"), status, took=0, pause=1),
            "take_lease": LeaseKeeper(sharing, lambda: True).take,
        }[method]

        assert not call()
        # Before it is saved, a look tells whether it still counts.
        assert slot.calls[-1] == ("status" if method == "save" else method)


class TestDamage:
    def test_a_damaged_place_is_looked_at_again_at_once(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        slot.once("status", damaged)

        assert sharing.status(0) is not None

    def test_it_is_told(
        self, sharing: SharedListing, slot: SpiedSlot, caplog: pytest.LogCaptureFixture
    ) -> None:
        slot.once("status", damaged)
        sharing.status(0)

        assert caplog.messages == [
            "the store of the chats can't be used, going on without it: the snapshot is damaged"
        ]

    def test_damaged_chats_do_not_stop_the_store_from_being_used(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        saved = sharing.save(good(), looked(sharing), sent=LISTED)
        assert saved is not None
        slot.once("load", damaged)
        sharing.load(saved)

        assert sharing.status(0) is not None


class TestRenewals:
    def test_one_that_failed_is_made_before_the_next_look(
        self, sharing: SharedListing, slot: SpiedSlot, clock: Clock
    ) -> None:
        before = looked(sharing).generation
        slot.break_down()
        sharing.flush(1)
        slot.recover()
        clock.advance(5)

        assert looked(sharing, 1).generation != before

    def test_nothing_of_the_place_is_used_while_one_fails(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        slot.before["bump_generation"] = unavailable

        assert sharing.status(1) is None

    def test_one_that_was_made_is_not_owed_any_more(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        for _ in range(2):
            sharing.flush(1)

        assert slot.calls == ["bump_generation"]

    def test_each_further_write_owes_another(self, sharing: SharedListing, slot: SpiedSlot) -> None:
        for changes in (1, 2):
            sharing.flush(changes)

        assert slot.calls == ["bump_generation", "bump_generation"]

    def test_who_waits_for_one_that_fails_does_not_try_as_well(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        gate = Gate()

        def fail() -> None:
            gate()
            unavailable()

        slot.before["bump_generation"] = fail
        with Threads() as threads:
            for changes in (1, 2, 3, 4):
                threads.start(lambda changes=changes: sharing.flush(changes))
            gate.wait_arrived()
            gate.open()

        assert slot.calls.count("bump_generation") == 1

    def test_one_that_is_interrupted_is_owed(self, sharing: SharedListing, slot: SpiedSlot) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        slot.once("bump_generation", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sharing.flush(1)
        sharing.flush(1)

        assert slot.calls == ["bump_generation", "bump_generation"]

    def test_who_looks_while_one_is_under_way_sees_it(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        before = looked(sharing).generation
        seen: list[SlotStatus] = []
        looks = threading.Thread(target=lambda: seen.append(looked(sharing, 1)))

        def meanwhile() -> None:
            looks.start()
            looks.join(0.2)

        slot.once("bump_generation", meanwhile)
        sharing.flush(1)
        looks.join()

        assert seen[0].generation != before


class TestFailuresOfTheServer:
    def shared(self, sharing: SharedListing, error: Any, pause: float = 1.0) -> Any:
        sharing.failed(error, looked(sharing), took=0, pause=pause)
        return looked(sharing).failure

    @pytest.mark.parametrize("kind", [TWServerError, TWRateLimitError])
    def test_what_the_server_says_is_shared(self, sharing: SharedListing, kind: Any) -> None:
        given = kind("no", status=599, code="c", request_id="r", method="GET", path="/v1/x")
        failure = self.shared(sharing, given)
        error = sharing.shared_error(failure, looked(sharing))
        context = [
            (type(each), str(each), each.status, each.code, each.request_id, each.method, each.path)
            for each in (given, error)
        ]

        assert context[0] == context[1]

    def test_what_the_network_does_is_not(self, sharing: SharedListing) -> None:
        failure = self.shared(sharing, TWConnectionError("no route"))

        assert sharing.shared_error(failure, looked(sharing)) is None

    def test_that_the_bot_may_not_is_nobody_s_business(self, sharing: SharedListing) -> None:
        assert self.shared(sharing, TWAuthError("no")) is None

    @pytest.mark.parametrize(("pause", "shared_for"), [(7.0, 7.0), (1e9, 3600.0)])
    def test_it_counts_for_an_hour_at_most(
        self, sharing: SharedListing, pause: float, shared_for: float
    ) -> None:
        failure = self.shared(sharing, TWRateLimitError("no", retry_after=pause), pause)

        assert failure.until - failure.failed_at == pytest.approx(shared_for)

    def test_who_gets_it_is_told_how_long_it_still_counts(self, sharing: SharedListing) -> None:
        failure = self.shared(sharing, TWRateLimitError("no", retry_after=7), 7.0)
        status = looked(sharing)
        error = sharing.shared_error(failure, status)

        assert isinstance(error, TWRateLimitError)
        assert error.retry_after == failure.until - status.now

    def test_who_gets_the_one_of_a_server_that_rests_is_told_too(
        self, sharing: SharedListing
    ) -> None:
        failure = self.shared(sharing, TWServerError("no", retry_after=7), 7.0)
        error = sharing.shared_error(failure, looked(sharing))

        assert isinstance(error, TWServerError)
        assert error.retry_after == 7

    @pytest.mark.parametrize(
        "said", [{"type": "TWAuthError", "text": "x"}, {"type": "TWServerError", "text": 1}, {}]
    )
    def test_what_is_none_of_them_is_ignored(
        self, sharing: SharedListing, said: dict[str, Any]
    ) -> None:
        failure = self.shared(sharing, TWServerError("down"))
        forged = type(failure)(failure.generation, failure.failed_at, failure.until, said)

        assert sharing.shared_error(forged, looked(sharing)) is None


class TestAdoption:
    def test_chats_are_adopted_as_they_are_loaded(self, sharers: Sharers) -> None:
        adopted: list[StoredListing] = []
        sharing = sharers.sharing(attach=adopted.append)
        saved = sharing.save(good(), looked(sharing), sent=LISTED)
        assert saved is not None

        assert adopted == []
        assert [sharing.load(saved)] == adopted

    def test_an_unchanged_listing_is_not_written_again(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        saved = sharing.save(good(), looked(sharing), sent=LISTED)
        sharing.save(good(), looked(sharing), sent=None, base=saved)

        assert slot.calls.count("save") == 1

    def test_one_that_was_replaced_meanwhile_is(
        self, sharing: SharedListing, slot: SpiedSlot
    ) -> None:
        saved = sharing.save(good(), looked(sharing), sent=LISTED)
        status = looked(sharing)
        sharing.save(good(), status, sent=LISTED)

        assert sharing.save(good(), status, sent=None, base=saved) is not None

    def test_one_that_a_write_has_outdated_takes_the_place_of_none(
        self, sharing: SharedListing
    ) -> None:
        status = looked(sharing)
        sharing.flush(1)
        counts = sharing.save(good(), looked(sharing, 1), sent=LISTED)

        assert sharing.save(good(), status, sent=LISTED) is None
        assert looked(sharing, 1).revision == counts
