"""Own writes are read, whatever the list of the server shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    TWConnectionError,
    TWDeliveryUnknownError,
    TWProtocolError,
    TWRequestError,
    TWServerError,
)
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create, fail_to_create
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


class TestOwnWrites:
    def test_the_next_look_up_makes_one_refresh_and_finds_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        new = server.put(make_chat("t3", "three"))
        create(cache, new)

        assert by_title(cache, "three") == (new,)
        assert by_tid(cache, "t3") == new

        assert len(server.asked) == 2

    def test_a_list_that_lags_shows_it_once_and_at_its_end(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        create(cache, make_chat("t3", "three"))

        assert [chat.tid for chat in cache.all(None)] == ["t1", "t2", "t3"]
        assert len(by_title(cache, "three")) == 1

    def test_not_modified_does_not_confirm_it(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """The list of a lagging server may say 304 to the old validator for as long as it lags."""
        cache.all(None)
        create(cache, make_chat("t3", "three"))
        for _ in range(5):
            clock.advance(5.9)
            cache.all(None, refresh=True)
            assert by_tid(cache, "t3") is not None
        clock.advance(0.5)

        assert by_tid(cache, "t3") is None

    def test_a_newer_list_that_still_lags_does_not_end_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        create(cache, make_chat("t3", "three"))
        for number in range(3):
            server.put(make_chat(f"other{number}"))
            cache.all(None, refresh=True)

            assert by_tid(cache, "t3") is not None

    def test_a_list_that_showed_it_and_lags_again_does_not_lose_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """Behind one address there may be several servers, each as far behind as it happens."""
        create(cache, server.put(make_chat("t3", "three")))
        cache.all(None, refresh=True)
        server.remove("t3")
        for _ in range(2):
            cache.all(None, refresh=True)

            assert by_tid(cache, "t3") is not None

    def test_a_look_up_during_the_write_does_not_hide_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        with cache.writing() as write:
            cache.all(None)
            write.created(server.put(make_chat("t3", "three")))

        assert by_tid(cache, "t3") is not None

    def test_the_listed_version_wins(self, cache: ChatCache, server: ChatServer) -> None:
        create(cache, make_chat("t3", "three"))
        server.put(make_chat("t3", "renamed by somebody"))

        assert by_title(cache, "three") == ()
        assert len(by_title(cache, "renamed by somebody")) == 1

    def test_the_view_expires_with_the_grace_of_the_write(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        create(cache, make_chat("t3"))
        cache.all(None)

        assert cache.info().expires_in == 30

    @pytest.mark.parametrize(
        "write",
        [lambda cache: create(cache, make_chat("t3")), lambda cache: cache.invalidate()],
        ids=["create", "invalidate"],
    )
    def test_a_load_from_before_the_write_is_never_published(
        self, cache: ChatCache, server: ChatServer, write: Callable[[ChatCache], None]
    ) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            early = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            server.on_load = lambda load: None
            server.put(make_chat("t1", "renamed"))
            write(cache)
            late = by_tid(cache, "t1")
            gate.open()
            early.result()

        assert late == by_tid(cache, "t1") == make_chat("t1", "renamed")
        assert len(server.asked) == 2

    def test_who_waited_before_the_write_is_answered_without_another_request(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            early = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            create(cache, make_chat("t3"))
            gate.open()

        assert early.result() is not None
        assert len(server.asked) == 1

    def test_an_outdated_load_stops_at_its_next_page(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.pages = 10
        written = []

        def write_once(load: ListingRequest) -> None:
            if not written:
                written.append(True)
                create(cache, make_chat("t3"))

        server.on_load = write_once

        assert by_tid(cache, "t1") is not None
        assert cache.info().pages == 1 + 10

    def test_writes_that_never_stop_do_not_keep_a_look_up_waiting(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.pages = 2

        def write(load: ListingRequest) -> None:
            if len(server.asked) < 10:
                create(cache, make_chat("t3"))

        server.on_load = write

        assert by_tid(cache, "t1") is not None
        assert len(server.asked) == 3

    def test_a_listing_that_takes_longer_than_the_grace_does_not_lose_it(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        create(cache, make_chat("t3"))
        server.on_load = lambda load: clock.advance(40)

        assert "t3" in [chat.tid for chat in cache.all(None)]
        assert cache.info().expires_in == 0

    def test_a_program_that_only_writes_does_not_collect_them(
        self, cache: ChatCache, clock: Clock
    ) -> None:
        for number in range(50):
            create(cache, make_chat(f"new{number}"))
            clock.advance(10)

        assert len(cache.state.facts.by_tid) == 3

    def test_invalidate_keeps_it(self, cache: ChatCache) -> None:
        create(cache, make_chat("t3"))
        cache.invalidate()

        assert by_tid(cache, "t3") is not None

    def test_a_chat_that_the_server_says_is_gone_is_forgotten(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        create(cache, make_chat("t3"))
        cache.all(None)
        cache.on_not_found("t3")

        assert by_tid(cache, "t3") is None

    def test_a_write_that_never_left_costs_nothing(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        fail_to_create(cache, TWConnectionError("refused"))
        cache.all(None)

        assert len(server.asked) == 1

    def test_a_write_that_the_server_refused_is_followed_by_a_conditional_refresh(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        fail_to_create(cache, TWRequestError("no such user"))
        cache.all(None)

        assert server.asked == [None, "v0"]


class TestUnknownOutcome:
    @pytest.mark.parametrize(
        "error",
        [
            TWDeliveryUnknownError("lost"),
            TWServerError("broken"),
            TWProtocolError("gibberish"),
            KeyboardInterrupt(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_refreshes_are_unconditional_and_views_short_until_the_grace_is_over(
        self, cache: ChatCache, server: ChatServer, clock: Clock, error: BaseException
    ) -> None:
        cache.all(None)
        fail_to_create(cache, error)

        cache.all(None)
        assert cache.info().expires_in == 5
        clock.advance(29)
        cache.all(None)
        assert server.asked == [None, None, None]

        clock.advance(5)
        cache.all(None)
        assert server.asked[3:] == ["v0"]
        assert cache.info().expires_in == 300
