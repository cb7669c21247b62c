"""The ten promises of the cache, each over real HTTP, with an injected clock and held answers."""

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
from teamwire_sync._sandbox.seed import KNOWN_CHAT, KNOWN_USER
from tests.waiting import Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync._chats import Chats
    from teamwire_sync.testing import Sandbox
    from tests.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def chats(box: Sandbox, clock: Clock) -> Chats:
    """Chats by the injected clock, whose failures are those of one request."""
    return box.connect(clock=clock, config=ConnectionConfig(retries=0)).chats


def test_promise_1_a_hit_does_no_io_and_takes_no_lock(box: Sandbox, chats: Chats) -> None:
    chats.get_subscriptions()
    with chats._cache._lock:
        assert chats.get_by_thread_id(KNOWN_CHAT) is not None
        assert len(chats.get_by_title("test")) == 2
        assert len(chats.get_subscriptions()) == 100

    assert len(box.requests) == 1


def test_promise_2_both_indexes_live_and_die_together(
    box: Sandbox, chats: Chats, clock: Clock
) -> None:
    everything = chats.get_subscriptions()
    box.remove_chat(KNOWN_CHAT)
    for _ in range(100):
        clock.advance(4)  # past the time to live on the way, and past no floor before it
        by_tid = chats.get_by_thread_id(KNOWN_CHAT)
        by_title = chats.get_by_title("test")

        assert (by_tid in by_title) == (by_tid is not None)
    assert by_tid is None
    assert len(chats.get_subscriptions()) == len(everything) - 1


def test_promise_3_sixty_four_threads_make_one_request(box: Sandbox, chats: Chats) -> None:
    with box.hold(*LISTING) as held, Threads(64) as threads:
        found = [threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT)) for _ in range(64)]
        wait_until(lambda: chats.cache_info().joined == 63)
        held.release()

    assert len({id(each.result()) for each in found}) == 1
    assert box.count(*LISTING) == 1


def test_promise_3_when_it_fails_they_fail_together_and_the_server_is_left_alone(
    box: Sandbox, chats: Chats, clock: Clock
) -> None:
    box.fault(*LISTING, status=503, times=1)
    with box.hold(*LISTING) as held, Threads(64) as threads:
        found = [threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT)) for _ in range(64)]
        wait_until(lambda: chats.cache_info().joined == 63)
        held.release()
    errors = [each.exception() for each in found]
    with pytest.raises(TWServerError):
        chats.get_by_thread_id(KNOWN_CHAT)

    assert len({id(error) for error in errors}) == 64
    assert len({(type(error), str(error)) for error in errors}) == 1
    assert box.count(*LISTING) == 1

    clock.advance(1)

    assert chats.get_by_thread_id(KNOWN_CHAT) is not None


@pytest.mark.parametrize("write", ["create", "invalidate"])
def test_promise_4_a_refresh_from_before_a_write_is_never_published(
    box: Sandbox, chats: Chats, write: str
) -> None:
    with box.hold(*LISTING) as held, Threads(2) as threads:
        early = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
        held.wait_arrived()
        box.rename_chat(KNOWN_CHAT, "renamed meanwhile")
        if write == "create":
            chats.create_chat(title="new", users=[KNOWN_USER])
        else:
            chats.invalidate()
        late = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
        held.wait_arrived(2)  # it does not wait for the first
        held.release()

    assert early.result().tid == KNOWN_CHAT
    assert late.result().title == "renamed meanwhile"
    assert chats.get_by_thread_id(KNOWN_CHAT) is late.result()


def test_promise_4_a_list_that_lags_hides_no_own_chat(box: Sandbox) -> None:
    """Not when a 304 comes in between, nor when somebody else deletes it: then it ends in time."""
    box.fault(*LISTING, lag=20)
    chats = box.connect(clock=box.clock).chats
    chats.get_subscriptions()
    created = chats.create_chat(title="new", users=[KNOWN_USER])
    for _ in range(6):
        box.advance(3)
        assert chats.get_subscriptions(refresh=True).count(created) == 1
        assert chats.get_by_title("new") == [created]
        assert chats.get_by_thread_id(created.tid) == created
    box.remove_chat(created)
    box.advance(31)

    assert chats.get_by_thread_id(created.tid) is None
    assert 304 in {served.status for served in box.requests}


def test_promise_4_after_a_lost_answer_no_hit_is_older_than_recheck_after(
    box: Sandbox, chats: Chats, clock: Clock
) -> None:
    chats.get_subscriptions()
    box.fault("POST", "/v1/bot/chats/", drop="after", times=1)
    with pytest.raises(TWDeliveryUnknownError):
        chats.create_chat(title="lost", users=[KNOWN_USER])
    before = box.count(*LISTING)
    for _ in range(6):
        assert len(chats.get_by_title("lost")) == 1
        clock.advance(5)

    assert box.count(*LISTING) - before == 6
    assert {served.status for served in box.requests[-6:]} == {200}


def test_promise_5_a_ghost_costs_one_request_per_floor(
    box: Sandbox, chats: Chats, clock: Clock
) -> None:
    chats.get_subscriptions()
    for _ in range(10_000):
        clock.advance(0.0011)
        assert chats.get_by_title("ghost") == []

    assert box.count(*LISTING) == 1 + 2  # 11 seconds, a floor of more than 5


def test_promise_6_a_refresh_is_conditional_and_decodes_nothing(
    box: Sandbox, chats: Chats, clock: Clock
) -> None:
    before = chats.get_by_thread_id(KNOWN_CHAT)
    clock.advance(300)

    assert chats.get_by_thread_id(KNOWN_CHAT) is before
    assert [served.status for served in box.requests] == [200, 304]


def test_promise_7_stale_on_error_visibly_and_only_when_asked(
    box: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    strict, lenient = (
        box.connect(clock=clock, config=ConnectionConfig(stale_if_error=seconds, retries=0)).chats
        for seconds in (0, 60)
    )
    for chats in (strict, lenient):
        chats.get_subscriptions()
    clock.advance(300)
    fault = box.fault(*LISTING, status=503)

    with pytest.raises(TWServerError):
        strict.get_by_thread_id(KNOWN_CHAT)
    assert lenient.get_by_thread_id(KNOWN_CHAT) is not None
    assert lenient.cache_info().stale_serves == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(TWServerError):
        lenient.get_by_thread_id("ghost")

    fault.clear()
    box.fault(*LISTING, status=403)
    clock.advance(2)
    with pytest.raises(TWAuthError):
        lenient.get_by_thread_id(KNOWN_CHAT)


def test_promise_8_the_default_clock_goes_on_while_the_machine_sleeps(
    connection: Connection,
) -> None:
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        assert connection.chats._cache.clock is time.monotonic
    else:
        before = time.clock_gettime(boottime)
        assert before <= connection.chats._cache.clock() <= time.clock_gettime(boottime)


def test_promise_9_a_look_up_within_a_refresh_raises_in_place_of_waiting_for_itself(
    connection: Connection,
) -> None:
    def progress(pages: int, chats: int) -> None:
        connection.chats.get_by_thread_id(KNOWN_CHAT)

    with pytest.raises(RuntimeError, match="progress callback"):
        connection.chats.get_subscriptions(progress=progress)

    assert connection.chats.get_by_thread_id(KNOWN_CHAT) is not None


def test_promise_10_it_reports(box: Sandbox, chats: Chats, clock: Clock) -> None:
    chats.get_subscriptions()
    for _ in range(9):
        chats.get_by_thread_id(KNOWN_CHAT)
    clock.advance(300)
    chats.get_subscriptions()
    info = chats.cache_info()

    assert (info.lookups, info.hits, info.misses) == (11, 9, 2)
    assert info.refreshes == box.count(*LISTING) == info.listings + info.not_modified
    assert (info.requests_saved, info.chats, info.expires_in) == (9, 100, 300)
