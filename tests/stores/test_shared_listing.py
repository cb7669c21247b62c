"""One listing for all who share a store: who asks the server, and who takes what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    TWAuthError,
    TWRateLimitError,
    TWServerError,
)
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._cache.state import Freshness
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, create
from tests.support.store_listings import take_lease
from tests.support.store_sharers import Sharers
from tests.support.waiting import Gate, Threads, wait_until

if TYPE_CHECKING:
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


class TestEachStore:
    """What is true of whatever store it is."""

    @pytest.fixture
    def sharers(self, clock: Clock, store: Any) -> Sharers:
        return Sharers(clock, store)

    def test_another_takes_what_is_stored(self, sharers: Sharers) -> None:
        listed = sharers.cache().all(None)
        other = sharers.cache()

        assert other.all(None) == listed
        assert len(sharers.server.asked) == 1
        assert other.info().store_loads == 1

    def test_all_who_need_a_listing_make_one(self, sharers: Sharers) -> None:
        sharers.server.on_load = gate = Gate()
        sleeps = Gate()
        caches = [sharers.cache(sleep=sleeps) for _ in range(4)]
        with Threads() as threads:
            found = [threads.start(lambda each=each: by_tid(each, "t1")) for each in caches * 4]
            gate.wait_arrived()
            for _ in range(3):
                sleeps.wait_arrived()
            gate.open()
            sleeps.open()

        assert all(each.result() == make_chat("t1", "one") for each in found)
        assert len(sharers.server.asked) == 1

    def test_what_comes_before_the_lease_is_had_is_taken(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        slot.once("take_lease", lambda: sharers.cache().all(None))
        sharers.cache(slot).all(None)

        assert len(sharers.server.asked) == 1

    def test_an_own_write_has_the_others_list_anew(self, sharers: Sharers) -> None:
        writer, other = sharers.cache(), sharers.cache()
        other.all(None)
        create(writer, sharers.server.put(make_chat("t3", "three")))
        sharers.clock.advance(1)

        assert "t3" in {chat.tid for chat in other.all(None)}

    def test_invalidate_has_them_list_anew(self, sharers: Sharers) -> None:
        other = sharers.cache()
        other.all(None)
        sharers.server.put(make_chat("t3", "three"))
        sharers.cache().invalidate()
        sharers.clock.advance(1)

        assert "t3" in {chat.tid for chat in other.all(None)}

    def test_so_does_a_refusal_of_the_bot(self, sharers: Sharers) -> None:
        cache, other = sharers.cache(), sharers.cache()
        other.all(None)
        sharers.server.error = TWAuthError("unknown bot")
        cache.on_unauthorized()
        sharers.clock.advance(1)

        with pytest.raises(TWAuthError):
            other.all(None)

    def test_what_the_server_refuses_is_told_to_who_comes_next(self, sharers: Sharers) -> None:
        sharers.server.error = TWRateLimitError("slowly", status=429, retry_after=60)
        for cache in (sharers.cache(), sharers.cache()):
            with pytest.raises(TWRateLimitError, match="slowly"):
                cache.all(None)

        assert len(sharers.server.asked) == 1

    def test_an_unchanged_listing_counts_anew_for_all(
        self, sharers: Sharers, kit: Any, clock: Clock
    ) -> None:
        first, second = sharers.cache(), sharers.cache()
        for cache in (first, second):
            cache.all(None)
        clock.advance(300)
        kit.let_pass(300)
        for cache in (first, second):
            cache.all(None)

        assert sharers.server.asked == [None, "v0"]


class TestHits:
    def test_within_the_interval_the_place_is_left_alone(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        del slot.calls[:]
        sharers.clock.advance(0.999)
        by_tid(cache, "t1")

        assert slot.calls == []

    def test_after_it_one_look_lets_the_view_live_on(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        del slot.calls[:]
        sharers.clock.advance(1)
        for _ in range(3):
            by_tid(cache, "t1")

        assert slot.calls == ["status"]

    def test_it_counts_as_a_hit(self, sharers: Sharers) -> None:
        cache = sharers.cache()
        cache.all(None)
        sharers.clock.advance(1)
        by_tid(cache, "t1")

        assert cache.info().hits == 1

    def test_nobody_waits_for_the_look_of_another_thread(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        sharers.clock.advance(1)
        slot.once("status", gate := Gate())
        with Threads() as threads:
            looks = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            assert by_tid(cache, "t2") is not None
            gate.open()
            looks.result()

    def test_a_look_lets_no_view_live_longer_than_its_listing(self, sharers: Sharers) -> None:
        cache = sharers.cache(ttl=10)
        cache.all(None)
        for step in (9.5, 0.5):
            sharers.clock.advance(step)
            cache.all(None)

        assert len(sharers.server.asked) == 2

    def test_nor_longer_than_an_own_write_that_it_lacks(self, sharers: Sharers) -> None:
        cache = sharers.cache()
        create(cache, make_chat("t3", "the list never shows it"))
        cache.all(None)
        for step in (29, 0.9):
            sharers.clock.advance(step)
            assert by_tid(cache, "t3") is not None
        sharers.clock.advance(0.1)

        assert by_tid(cache, "t3") is None

    def test_who_has_another_time_to_live_counts_by_its_own(self, sharers: Sharers) -> None:
        patient, hasty = sharers.cache(ttl=300), sharers.cache(ttl=10)
        patient.all(None)
        sharers.clock.advance(10)
        hasty.all(None)
        asked = len(sharers.server.asked)
        sharers.clock.advance(100)
        patient.all(None)

        assert [asked, len(sharers.server.asked)] == [2, 2]


class TestWhatIsNoWrite:
    def test_news_of_the_server_is_no_news_for_the_others(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        cache.on_state("t1", make_chat("t1", "new"), None)
        cache.on_state("t2", None, 10**6)

        assert "bump_generation" not in slot.calls

    @pytest.mark.parametrize("chat", [make_chat("t1", "x"), None], ids=["changed", "gone"])
    def test_it_is_merged_into_the_stored_listing(self, sharers: Sharers, chat: Any) -> None:
        cache = sharers.cache()
        cache.all(None)
        sharers.clock.advance(0.1)
        cache.on_state("t1", chat, 10**6)

        assert by_tid(cache, "t1") == chat
        assert len(sharers.server.asked) == 1

    @pytest.mark.parametrize("chat", [make_chat("t1", "x"), None], ids=["changed", "gone"])
    def test_without_revisions_it_asks_for_a_newer_listing(
        self, sharers: Sharers, chat: Any
    ) -> None:
        cache = sharers.cache()
        cache.all(None)
        sharers.clock.advance(0.1)
        cache.on_state("t1", chat, None)
        cache.all(None)

        assert len(sharers.server.asked) == 2

    def test_a_newer_one_of_another_will_do(self, sharers: Sharers) -> None:
        cache, other = sharers.cache(), sharers.cache()
        cache.all(None)
        sharers.clock.advance(0.1)
        cache.on_state("t9", None, None)
        sharers.clock.advance(0.1)
        other.all(None, refresh=True)
        cache.all(None)

        assert len(sharers.server.asked) == 2


class TestMisses:
    @pytest.mark.parametrize(("age", "asked"), [(5, 1), (5.1, 2)])
    def test_one_in_an_older_listing_refreshes_once(
        self, sharers: Sharers, age: float, asked: int
    ) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(age)
        cache = sharers.cache()
        for _ in range(3):
            assert by_tid(cache, "ghost") is None

        assert len(sharers.server.asked) == asked

    def test_all_the_others_make_do_with_that(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(60)
        for _ in range(3):
            by_tid(sharers.cache(), "ghost")

        assert len(sharers.server.asked) == 2


class TestRefresh:
    def test_it_asks_the_server_whatever_is_stored(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(0.1)
        sharers.cache().all(None, refresh=True)

        assert len(sharers.server.asked) == 2

    def test_it_takes_what_another_asked_for_after_it_began(self, sharers: Sharers) -> None:
        other = sharers.cache()
        lease: Any = take_lease(sharers.slot(), 1000)

        def sleep(_: float) -> None:
            lease.release()
            sharers.clock.advance(0.01)
            other.all(None)

        sharers.cache(sleep=sleep).all(None, refresh=True)

        assert len(sharers.server.asked) == 1

    def test_what_was_asked_for_before_it_in_the_same_tick_of_the_clock_is_too_old(
        self, sharers: Sharers
    ) -> None:
        sharers.cache().all(None)
        sharers.cache().all(None, refresh=True)

        assert len(sharers.server.asked) == 2

    def test_one_that_joins_who_adopts_is_newer_than_its_call(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(0.1)
        slot = sharers.slot()
        cache = sharers.cache(slot)
        slot.once("load", gate := Gate())
        with Threads() as threads:
            adopts = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            refreshes = threads.start(lambda: cache.all(None, refresh=True))
            wait_until(lambda: cache.info().joined == 1)
            gate.open()
            adopts.result()
            refreshes.result()

        assert len(sharers.server.asked) == 2

    def test_who_joins_one_that_takes_what_is_too_old_asks(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(10)
        slot, gate = sharers.slot(), Gate()
        cache, need = sharers.cache(slot), Freshness(newer_than=0, since=sharers.clock() - 5)
        slot.once("load", gate)
        with Threads() as threads:
            threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            threads.start(lambda: cache.refresher.refresh(ChatSnapshot(), None, need=need))
            wait_until(lambda: cache.info().joined == 1)
            gate.open()

        assert len(sharers.server.asked) == 2

    def test_an_older_failure_does_not_stop_it(self, sharers: Sharers) -> None:
        sharers.server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            sharers.cache().all(None)
        sharers.server.error = None
        sharers.clock.advance(0.1)

        assert sharers.cache().all(None, refresh=True)
