"""Own writes, refusals and failures that come while a listing is shared."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable, NoReturn

import pytest

from teamwire_sync import TWServerError
from teamwire_sync._stores.base import DamagedError, StoreError
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, create, fail_to_create
from tests.support.store_listings import take_lease
from tests.support.store_sharers import Sharers, unavailable
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


class TestWritesMeanwhile:
    def test_a_listing_that_an_own_write_outdates_is_adopted_by_nobody(
        self, sharers: Sharers
    ) -> None:
        cache = sharers.cache()
        sharers.server.on_load = gate = Gate()
        with Threads() as threads:
            listing = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            create(cache, sharers.server.put(make_chat("t3", "three")))
            gate.open()
            listing.result()
        other = sharers.cache()

        assert by_tid(other, "t3") is not None

    def test_what_is_loaded_while_an_own_write_ends_is_not_shown(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        slot = sharers.slot()
        cache = sharers.cache(slot)
        slot.once("load", cache.invalidate, after=True)
        cache.all(None)
        cache.all(None)

        assert len(sharers.server.asked) == 2

    def test_what_is_loaded_while_the_server_refuses_the_bot_is_not_shown(
        self, sharers: Sharers
    ) -> None:
        sharers.cache().all(None)
        slot = sharers.slot()
        cache = sharers.cache(slot)
        slot.once("load", cache.on_unauthorized, after=True)
        cache.all(None)

        assert len(sharers.server.asked) == 2

    def test_what_invalidate_outdates_is_not_adopted_while_it_renews(
        self, sharers: Sharers
    ) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        other_thread = threading.Thread(target=lambda: cache.all(None))

        def meanwhile() -> None:
            other_thread.start()
            other_thread.join(0.2)

        slot.once("bump_generation", meanwhile)
        cache.invalidate()
        other_thread.join()
        cache.all(None)

        assert len(sharers.server.asked) == 2

    @pytest.mark.parametrize(
        "expire",
        [lambda cache: cache.invalidate(), lambda cache: cache.on_state("t9", None, None)],
        ids=["by a write", "by a 404"],
    )
    def test_who_looks_up_after_it_expired_does_not_wait_for_the_load_before(
        self, sharers: Sharers, expire: Callable[[ChatCache], None]
    ) -> None:
        cache = sharers.cache()
        sharers.server.on_load = gate = Gate()
        with Threads() as threads:
            listing = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            expire(cache)
            sharers.server.on_load = lambda _: None
            try:
                assert by_tid(cache, "t1", PATIENCE) is not None
            finally:
                gate.open()
                listing.result()

    def test_a_write_of_unknown_outcome_lets_nothing_of_the_store_be_used(
        self, sharers: Sharers
    ) -> None:
        cache = sharers.cache()
        fail_to_create(cache, TWServerError("what now?"))
        sharers.clock.advance(1)
        sharers.cache().all(None)
        sharers.clock.advance(1)
        cache.all(None)

        assert sharers.server.asked == [None, None]

    def test_an_unchanged_listing_counts_again_after_a_renewal(self, sharers: Sharers) -> None:
        cache = sharers.cache()
        cache.all(None)
        sharers.cache().invalidate()
        for _ in range(3):
            sharers.clock.advance(1)
            by_tid(cache, "t1")
        sharers.cache().all(None)

        assert len(sharers.server.asked) == 2

    def test_a_refresh_that_fails_hides_no_write_of_another_process(self, sharers: Sharers) -> None:
        cache, writer = sharers.cache(), sharers.cache()
        cache.all(None)
        create(writer, sharers.server.put(make_chat("t3", "three")))
        writer.all(None)
        sharers.clock.advance(0.5)
        sharers.server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            cache.all(None, refresh=True)
        sharers.server.error = None
        sharers.clock.advance(2)

        assert "t3" in {chat.tid for chat in cache.all(None)}


class TestAFailureWhileStoring:
    def test_what_can_not_be_stored_keeps_nobody_waiting(self, sharers: Sharers) -> None:
        def refuse() -> NoReturn:
            message = "the chats are too large"
            raise StoreError(message)

        slot = sharers.slot()
        slot.before["save"] = refuse
        sharers.cache(slot).all(None)

        assert take_lease(sharers.slot(), 10) is not None

    def test_what_can_not_be_stored_has_nobody_list_after_another(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        slot.before["save"] = unavailable
        sharers.cache(slot).all(None)
        assert take_lease(sharers.slot(), 10) is not None

        assert sharers.cache().all(time.monotonic() + PATIENCE)

    def test_close_tells_the_others_of_a_write_that_could_not_be_told(
        self, sharers: Sharers
    ) -> None:
        slot = sharers.slot()
        writer, other = sharers.cache(slot), sharers.cache()
        other.all(None)
        slot.before["status"] = unavailable
        writer.all(None)
        slot.recover()
        create(writer, sharers.server.put(make_chat("t3", "three")))
        writer.close()
        sharers.clock.advance(1)

        assert by_tid(other, "t3") is not None

    def test_writes_of_others_are_found_when_the_store_works_again(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache, writer = sharers.cache(slot), sharers.cache()
        slot.break_down()
        cache.all(None)
        slot.recover()
        sharers.clock.advance(5)
        cache.all(None)
        create(writer, sharers.server.put(make_chat("t3", "three")))
        sharers.clock.advance(1)

        assert "t3" in {chat.tid for chat in cache.all(None)}

    def test_damaged_chats_are_listed_anew_once(self, sharers: Sharers) -> None:
        def damaged() -> NoReturn:
            sharers.store.clear()
            message = "the snapshot is damaged"
            raise DamagedError(message)

        sharers.cache().all(None)
        slot = sharers.slot()
        slot.once("load", damaged)
        for cache in (sharers.cache(slot), sharers.cache()):
            cache.all(None)

        assert len(sharers.server.asked) == 2


class TestStale:
    def test_a_process_that_leads_may_serve_what_is_stored(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(300)
        sharers.server.error = TWServerError("down")

        assert by_tid(sharers.cache(stale_if_error=60), "t1") is not None

    def test_what_is_stored_is_not_served_without_being_asked_for(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(300)
        sharers.server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(sharers.cache(), "t1")

    def test_so_may_one_that_is_told_of_the_failure(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(300)
        sharers.server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            sharers.cache().all(None)

        assert by_tid(sharers.cache(stale_if_error=60), "t1") is not None
