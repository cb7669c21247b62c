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
from teamwire_sync._cache import facts
from teamwire_sync._cache.facts import Write
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create, fail_to_create, hear
from tests.support.waiting import Gate, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ConfirmedListing, ListingRequest
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
        with cache.writing() as write:
            write.created(make_chat("t3", "three"), 10**6)
        for number in range(3):
            server.put(make_chat(f"other{number}"))
            cache.all(None, refresh=True)

            assert by_tid(cache, "t3") is not None

    def test_a_list_that_showed_it_and_lags_again_does_not_lose_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """Behind one address there may be several servers, each as far behind as it happens."""
        before = server.state
        new = server.put(make_chat("t3", "three"))
        with cache.writing() as write:
            write.created(new, server.revisions["t3"])
        cache.all(None, refresh=True)
        server.go_back(before)
        for _ in range(2):
            cache.all(None, refresh=True)

            assert by_tid(cache, "t3") is not None

    def test_a_look_up_during_the_write_does_not_hide_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        with cache.writing() as write:
            cache.all(None)
            write.created(server.put(make_chat("t3", "three")), server.revisions["t3"])

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

    def test_the_grace_of_a_write_that_the_list_shows_ends_no_view(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        with cache.writing() as write:
            write.created(server.put(make_chat("t3")), server.revisions["t3"])
        cache.all(None)

        assert cache.info().expires_in == 300

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

    def test_a_program_that_only_writes_keeps_the_last_ones(
        self, cache: ChatCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(facts, "_MOST", 3)
        for number in range(5):
            create(cache, make_chat(f"new{number}"))

        assert list(cache.state.facts.by_tid) == ["new2", "new3", "new4"]

    def test_a_program_that_hears_of_many_changes_keeps_what_it_created(
        self, cache: ChatCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(facts, "_MOST", 3)
        create(cache, make_chat("new"))
        for number in range(5):
            hear(cache, f"t{number}", None)

        assert list(cache.state.facts.by_tid) == ["new", "t3", "t4"]

    def test_a_listing_that_was_asked_for_within_the_grace_shows_it_however_late_it_comes(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """A listing that was requested after the grace arrives earlier."""
        create(cache, make_chat("t3"))
        server.on_load = gate = Gate()
        with Threads() as threads:
            early = threads.start(lambda: by_tid(cache, "t3"))
            gate.wait_arrived()
            server.on_load = lambda load: None
            clock.advance(31)
            cache.invalidate()
            cache.all(None)
            gate.open()

            assert early.result() is not None

    def test_it_is_shown_after_its_grace_while_the_server_fails(
        self, make_cache: Callable[..., ChatCache], server: ChatServer, clock: Clock
    ) -> None:
        cache = make_cache(stale_if_error=1000)
        cache.all(None)
        create(cache, make_chat("t3"))
        clock.advance(400)
        server.error = TWServerError("down")

        assert by_tid(cache, "t3") is not None

    def test_invalidate_keeps_it(self, cache: ChatCache) -> None:
        create(cache, make_chat("t3"))
        cache.invalidate()

        assert by_tid(cache, "t3") is not None

    def test_a_chat_that_the_server_says_is_gone_is_forgotten(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        create(cache, make_chat("t3"))
        cache.all(None)
        hear(cache, "t3", None)

        assert by_tid(cache, "t3") is None

    def test_a_write_that_never_left_costs_nothing(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        fail_to_create(cache, TWConnectionError("refused"))
        cache.all(None)

        assert len(server.asked) == 1

    def test_a_write_that_the_server_refused_costs_nothing(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        fail_to_create(cache, TWRequestError("no such user"))
        cache.all(None)

        assert len(server.asked) == 1

    def test_a_chat_that_create_gives_back_costs_nothing(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The one-to-one chat exists already."""
        cache.all(None)
        with cache.writing(in_doubt=False) as write:
            write.created(make_chat("t1", "one"), server.revisions["t1"])
        cache.all(None)

        assert len(server.asked) == 1

    def test_a_chat_that_create_gives_back_is_not_hidden_by_a_list_that_lags(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        before = server.state
        made = server.put(make_chat("t3"))
        cache.all(None)
        with cache.writing(in_doubt=False) as write:
            write.created(made, server.revisions["t3"])
        server.go_back(before)
        cache.all(None, refresh=True)

        assert by_tid(cache, "t3") is not None


class TestRefused:
    """After a refused write, the view comes back, unless something newer has made it expire."""

    @pytest.mark.parametrize(
        "what",
        [
            lambda cache: cache.state.begin(Write()),
            lambda cache: hear(cache, "t1", make_chat("t1", "uno")),
            lambda cache: cache.on_unauthorized(),
            lambda cache: create(cache, make_chat("t3")),
        ],
        ids=["another write begins", "event", "401", "another write"],
    )
    def test_the_next_look_up_asks_the_server(
        self, cache: ChatCache, server: ChatServer, what: Callable[[ChatCache], object]
    ) -> None:
        cache.all(None)
        write = Write()
        cache.state.begin(write)
        what(cache)
        cache.state.withdraw(write)
        cache.all(None)

        assert len(server.asked) == 2


class TestInDoubt:
    """A write is in doubt from before it is sent until its outcome is known."""

    def test_a_look_up_asks_the_server_each_time(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        with cache.writing():
            assert by_tid(cache, "t1") is not None
            assert cache.info().expires_in == 5
            assert by_tid(cache, "t9") is by_tid(cache, "t9") is None

        assert server.asked == [None] * 4

    def test_a_write_that_is_interrupted_anywhere_leaves_it(
        self, cache: ChatCache, clock: Clock
    ) -> None:
        """Not even the code after the write runs."""
        cache.all(None)
        cache.state.begin(Write())
        clock.advance(89)
        cache.all(None)

        assert cache.info().expires_in == 5
        clock.advance(6)
        cache.all(None)
        assert cache.info().expires_in == 300

    def test_a_write_that_begins_while_a_listing_is_published_counts(
        self, cache: ChatCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state, end_of = cache.state, cache.state.end_of

        def begin_then(listing: ConfirmedListing) -> float:
            ends_at = end_of(listing)
            monkeypatch.undo()
            state.begin(Write())
            return ends_at

        monkeypatch.setattr(state, "end_of", begin_then)
        cache.all(None)

        assert cache.info().expires_in == 5

    def test_the_end_of_one_write_does_not_end_that_of_another(self, cache: ChatCache) -> None:
        cache.all(None)
        with cache.writing():
            fail_to_create(cache, TWRequestError("no such user"))
            cache.all(None)

            assert cache.info().expires_in == 5


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

    def test_a_look_up_does_not_take_a_listing_from_before_it_began(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        fail_to_create(cache, TWDeliveryUnknownError("lost"))
        server.on_load = gate = Gate()
        with Threads() as threads:
            threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            new = server.put(make_chat("t3", "three"))
            late = threads.start(lambda: by_title(cache, "three"))
            wait_until(lambda: cache.info().joined == 1)
            gate.open()

        assert late.result() == (new,)

    def test_a_write_that_is_refused_restores_no_view_from_before_an_event(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        renamed = server.put(make_chat("t1", "renamed"))
        write = Write()
        cache.state.begin(write)
        hear(cache, "t1", renamed, server.revisions["t1"])
        cache.state.withdraw(write)

        assert by_tid(cache, "t1") == renamed
