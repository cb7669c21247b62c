"""The ten promises of the cache over each transport, with an injected clock and held answers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync._services.chats import Chats
    from tests.promises.conftest import World
    from tests.support.builders import Clock


@pytest.fixture
def connection(world: World, clock: Clock) -> Connection:
    """A Connection by the injected clock, whose failures are those of one request."""
    return world.connect(clock=clock, config=ConnectionConfig(retries=0))


@pytest.fixture
def chats(connection: Connection) -> Chats:
    """Its chats."""
    return connection.chats


class TestPromises:
    def test_promise_1_a_hit_does_no_io_and_takes_no_lock(self, world: World, chats: Chats) -> None:
        chats.get_subscriptions()
        with chats._state._lock:
            assert chats.get_by_thread_id(KNOWN_CHAT) is not None
            assert len(chats.get_by_title("test")) == 2
            assert len(chats.get_subscriptions()) == 100

        assert world.calls == 1

    def test_promise_2_both_indexes_live_and_die_together(
        self, world: World, chats: Chats, clock: Clock
    ) -> None:
        everything = chats.get_subscriptions()
        world.box.remove_chat(KNOWN_CHAT)
        for _ in range(100):
            clock.advance(4)  # past the time to live on the way, and past no floor before it
            by_tid = chats.get_by_thread_id(KNOWN_CHAT)
            by_title = chats.get_by_title("test")

            assert (by_tid in by_title) == (by_tid is not None)
        assert by_tid is None
        assert len(chats.get_subscriptions()) == len(everything) - 1

    def test_promise_3_sixty_four_threads_make_one_request(
        self, world: World, chats: Chats
    ) -> None:
        with world.hold_listings() as held, Threads(64) as threads:
            found = [threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT)) for _ in range(64)]
            wait_until(lambda: chats.cache_info().joined == 63)
            held.release()

        assert len({id(each.result()) for each in found}) == 1
        assert found[0].result().tid == KNOWN_CHAT
        assert world.listings == world.calls == 1

    def test_promise_3_when_it_fails_they_fail_together_and_the_server_is_left_alone(
        self, world: World, chats: Chats, clock: Clock
    ) -> None:
        world.fail_listings(503, times=1)
        with world.hold_listings() as held, Threads(64) as threads:
            found = [threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT)) for _ in range(64)]
            wait_until(lambda: chats.cache_info().joined == 63)
            held.release()
        errors = [each.exception() for each in found]
        with pytest.raises(TWServerError):
            chats.get_by_thread_id(KNOWN_CHAT)

        assert len({id(error) for error in errors}) == 64
        assert len({(type(error), str(error)) for error in errors}) == 1
        assert world.listings == 1

        clock.advance(1)

        assert chats.get_by_thread_id(KNOWN_CHAT) is not None

    @pytest.mark.parametrize("write", ["create", "invalidate"])
    def test_promise_4_a_refresh_from_before_a_write_is_never_published(
        self, world: World, chats: Chats, write: str
    ) -> None:
        with world.hold_listings() as held, Threads(2) as threads:
            early = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
            held.wait_arrived()
            world.box.rename_chat(KNOWN_CHAT, "renamed meanwhile")
            if write == "create":
                chats.create_chat(title="new", users=[KNOWN_USER])
            else:
                chats.invalidate()
            late = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
            if write == "create" or not world.shares:
                held.wait_arrived(2)  # it does not wait for the first
            held.release()

        assert early.result().tid == KNOWN_CHAT
        assert late.result().title == "renamed meanwhile"
        assert chats.get_by_thread_id(KNOWN_CHAT) is late.result()
        assert world.listings == 2

    def test_promise_4_a_list_that_lags_hides_no_own_chat(self, world: World) -> None:
        """Not when a 304 comes in between, nor when somebody else deletes it: it ends in time."""
        world.delay_changes(20)
        chats = world.connect(clock=world.box.clock).chats
        chats.get_subscriptions()
        created = chats.create_chat(title="new", users=[KNOWN_USER])
        for _ in range(6):
            world.box.advance(3)
            assert chats.get_subscriptions(refresh=True).count(created) == 1
            assert chats.get_by_title("new") == [created]
            assert chats.get_by_thread_id(created.tid) == created
        world.box.remove_chat(created)
        world.box.advance(301 if world.shares else 31)

        assert chats.get_by_thread_id(created.tid) is None
        assert (304 in world.statuses) == world.validates

    def test_promise_4_after_a_lost_answer_no_hit_is_older_than_recheck_after(
        self, world: World, chats: Chats, clock: Clock
    ) -> None:
        chats.get_subscriptions()
        world.lose_answer_to_creation()
        with pytest.raises(TWDeliveryUnknownError):
            chats.create_chat(title="lost", users=[KNOWN_USER])
        before = world.listings
        for _ in range(6):
            assert len(chats.get_by_title("lost")) == 1
            clock.advance(5)

        assert world.listings - before == 6
        assert set(world.statuses) == {200}

    def test_promise_5_a_ghost_costs_one_request_per_floor(
        self, world: World, chats: Chats, clock: Clock
    ) -> None:
        chats.get_subscriptions()
        for _ in range(10_000):
            clock.advance(0.0011)
            assert chats.get_by_title("ghost") == []

        assert world.listings == 1 + 2  # 11 seconds, a floor of more than 5

    def test_promise_6_a_refresh_costs_no_more_than_the_transport_must(
        self, world: World, chats: Chats, clock: Clock
    ) -> None:
        """One that can ask whether the chats have changed decodes nothing; others list them."""
        before = chats.get_subscriptions()
        known = chats.get_by_thread_id(KNOWN_CHAT)
        clock.advance(300)
        again = chats.get_by_thread_id(KNOWN_CHAT)
        info = chats.cache_info()

        assert chats.get_subscriptions() == before
        assert world.listings == world.calls == 2
        if world.validates:
            assert again is known
            assert world.statuses == [200, 304]
            assert (info.listings, info.not_modified) == (1, 1)
        else:
            assert again == known
            assert world.statuses == [200, 200]
            assert (info.listings, info.not_modified) == (2, 0)

    def test_promise_7_stale_on_error_visibly_and_only_when_asked(
        self, world: World, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        strict, lenient = (
            world.connect(
                clock=clock, config=ConnectionConfig(stale_if_error=seconds, retries=0)
            ).chats
            for seconds in (0, 60)
        )
        for chats in (strict, lenient):
            chats.get_subscriptions()
        clock.advance(300)
        fault = world.fail_listings(503)

        with pytest.raises(TWServerError):
            strict.get_by_thread_id(KNOWN_CHAT)
        assert lenient.get_by_thread_id(KNOWN_CHAT) is not None
        assert lenient.cache_info().stale_serves == 1
        told = [record.levelno for record in caplog.records if record.name == "teamwire_sync"]
        assert told == [logging.WARNING]
        with pytest.raises(TWServerError):
            lenient.get_by_thread_id("ghost")

        fault.clear()
        world.fail_listings(403)
        clock.advance(2)
        with pytest.raises(TWAuthError):
            lenient.get_by_thread_id(KNOWN_CHAT)

    def test_promise_7_nothing_is_served_to_a_bot_that_the_server_no_longer_knows(
        self, world: World, chats: Chats
    ) -> None:
        chats.get_subscriptions()
        world.fail_listings(401)
        with pytest.raises(TWAuthError):
            chats.get_subscriptions(refresh=True)

        with pytest.raises(TWAuthError):
            chats.get_by_thread_id(KNOWN_CHAT)

    def test_promise_8_the_default_clock_goes_on_while_the_machine_sleeps(
        self, world: World
    ) -> None:
        clock = world.connect().chats._state.clock
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        if boottime is None:
            assert clock is time.monotonic
        else:
            before = time.clock_gettime(boottime)
            assert before <= clock() <= time.clock_gettime(boottime)

    def test_promise_9_a_look_up_within_a_refresh_raises_in_place_of_waiting_for_itself(
        self, chats: Chats
    ) -> None:
        def progress(pages: int, known: int) -> None:
            chats.get_by_thread_id(KNOWN_CHAT)

        with pytest.raises(RuntimeError, match="progress callback"):
            chats.get_subscriptions(progress=progress)

        assert chats.get_by_thread_id(KNOWN_CHAT) is not None

    def test_promise_10_it_reports(self, world: World, chats: Chats, clock: Clock) -> None:
        chats.get_subscriptions()
        for _ in range(9):
            chats.get_by_thread_id(KNOWN_CHAT)
        clock.advance(300)
        chats.get_subscriptions()
        info = chats.cache_info()

        assert (info.lookups, info.hits, info.misses) == (11, 9, 2)
        assert info.refreshes == world.listings == info.listings + info.not_modified
        assert (info.requests_saved, info.chats, info.expires_in) == (9, 100, 300)
