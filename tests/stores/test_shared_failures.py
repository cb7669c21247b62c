"""A server or a store that fails, for all who share a listing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    TWConnectionError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, create
from tests.support.store_listings import take_lease
from tests.support.store_sharers import Sharers
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "pause"),
        [(TWServerError("down"), 1), (TWRateLimitError("slowly", retry_after=60), 60)],
        ids=["503", "429"],
    )
    def test_the_server_is_asked_again_after_the_pause(
        self, sharers: Sharers, error: Exception, pause: float
    ) -> None:
        sharers.server.error = error
        asked = []
        for step in (0, pause - 0.001, 0.002):
            sharers.clock.advance(step)
            with pytest.raises(type(error)):
                sharers.cache().all(None)
            asked.append(len(sharers.server.asked))

        assert asked == [1, 1, 2]

    def test_a_network_that_fails_is_each_one_s_own(self, sharers: Sharers) -> None:
        sharers.server.error = TWConnectionError("no route")
        for _ in range(2):
            with pytest.raises(TWConnectionError):
                sharers.cache().all(None)

        assert len(sharers.server.asked) == 2

    def test_while_a_network_fails_none_waits_for_another_s(self, sharers: Sharers) -> None:
        """Else of 16 processes the last would fail after sixteen time-outs."""
        sharers.server.error = TWConnectionError("no route")
        with pytest.raises(TWConnectionError):
            sharers.cache().all(None)
        assert take_lease(sharers.slot(), 10) is not None
        sharers.server.error = None

        assert sharers.cache().all(time.monotonic() + PATIENCE)

    def test_who_has_no_time_left_fails_alone(self, sharers: Sharers) -> None:
        sharers.server.error = TWTimeoutError("late")
        with pytest.raises(TWTimeoutError):
            sharers.cache().all(time.monotonic() - 1)

        assert sharers.slot().status().failure is None

    def test_the_failure_counts_at_once_where_a_look_takes_long(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        slot.before["status"] = lambda: sharers.clock.advance(0.2)
        sharers.server.error = TWServerError("down")
        for cache in (sharers.cache(slot), sharers.cache()):
            with pytest.raises(TWServerError):
                cache.all(None)

        assert len(sharers.server.asked) == 1

    def test_a_listing_that_succeeds_ends_the_failure(self, sharers: Sharers) -> None:
        sharers.server.error = TWRateLimitError("slowly", retry_after=60)
        with pytest.raises(TWRateLimitError):
            sharers.cache().all(None)
        sharers.server.error = None
        sharers.clock.advance(0.1)
        sharers.cache().all(None, refresh=True)

        assert sharers.cache(ttl=0.1).all(None)


class TestWithoutTheStore:
    def test_a_failing_store_costs_nothing_but_the_sharing(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        slot.break_down()
        cache = sharers.cache(slot)
        cache.all(None)
        create(cache, sharers.server.put(make_chat("t3", "three")))

        assert by_tid(cache, "t3") is not None
        assert len(sharers.server.asked) == 2

    def test_a_view_lives_on_while_it_fails(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        cache.all(None)
        slot.break_down()
        sharers.clock.advance(200)
        cache.all(None)

        assert len(sharers.server.asked) == 1

    def test_a_write_is_told_to_the_others_when_it_works_again(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        writer, other = sharers.cache(slot), sharers.cache()
        other.all(None)
        slot.break_down()
        create(writer, sharers.server.put(make_chat("t3", "three")))
        slot.recover()
        sharers.clock.advance(5)
        writer.all(None)

        assert by_tid(other, "t3") is not None

    def test_a_logging_handler_may_look_up_when_a_write_is_not_stored(
        self, sharers: Sharers
    ) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        found = []

        class LookUp(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                found.append(by_tid(cache, "t1"))

        slot.break_down()
        logger, handler = logging.getLogger("teamwire_sync"), LookUp()
        logger.addHandler(handler)
        try:
            cache.invalidate()
        finally:
            logger.removeHandler(handler)

        assert found == [make_chat("t1", "one")]

    def test_no_cache_reads_no_store(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot, ttl=0)
        for _ in range(2):
            cache.all(None)

        assert slot.calls == []
        assert len(sharers.server.asked) == 2

    def test_writes_are_told_to_the_others_all_the_same(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        create(sharers.cache(slot, ttl=0), make_chat("t3"))

        assert slot.calls == ["mark", "bump_generation"]
