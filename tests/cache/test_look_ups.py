"""What a look-up finds, and when it asks the server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    TWAuthError,
    TWProtocolError,
    TWServerError,
)
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create
from tests.support.shown import Table
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


class TestHits:
    def test_a_second_look_up_asks_nothing(self, cache: ChatCache, server: ChatServer) -> None:
        by_tid(cache, "t1")
        by_title(cache, "two")

        assert len(server.asked) == 1

    def test_both_indexes_and_the_list_are_of_one_listing(self, cache: ChatCache) -> None:
        found = [by_tid(cache, "t2"), *by_title(cache, "two"), cache.all(None)[1]]

        assert all(chat is found[0] for chat in found)

    def test_a_title_finds_all_the_chats_that_have_it_in_order(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        for number in range(3):
            server.put(make_chat(f"same{number}", "same"))

        assert [chat.tid for chat in by_title(cache, "same")] == ["same0", "same1", "same2"]

    @pytest.mark.parametrize("title", [None, ""])
    def test_an_untitled_chat_is_found_by_no_title(
        self, cache: ChatCache, server: ChatServer, title: str | None
    ) -> None:
        server.put(make_chat("t3", title))

        cache.all(None)

        assert set(cache.state.view.by_title) == {"one", "two"}

    def test_a_view_expires_when_its_time_to_live_is_over(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(299.9)
        by_tid(cache, "t1")
        assert len(server.asked) == 1

        clock.advance(0.1)
        by_tid(cache, "t1")

        assert len(server.asked) == 2

    def test_the_time_to_live_counts_from_before_the_question(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        server.on_load = lambda load: clock.advance(100)

        by_tid(cache, "t1")

        assert cache.info().expires_in == 200

    def test_a_time_to_live_of_zero_asks_every_time(
        self, make_cache: Callable[..., ChatCache], server: ChatServer
    ) -> None:
        cache = make_cache(ttl=0)

        assert [by_tid(cache, "t1") is not None for _ in range(3)] == [True] * 3

        assert len(server.asked) == 3

    def test_a_load_longer_than_the_time_to_live_is_used_once_and_warned_of_once(
        self, cache: ChatCache, server: ChatServer, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.on_load = lambda load: clock.advance(301)

        assert [by_tid(cache, "t1") is not None for _ in range(3)] == [True] * 3

        assert len(server.asked) == 3
        assert [record.levelno for record in caplog.records] == [logging.WARNING]

    def test_one_that_a_write_outdated_is_not_said_to_be_overdue(
        self, cache: ChatCache, server: ChatServer, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It would not have been kept anyway, and the next one may be quicker."""

        def meanwhile(_request: ListingRequest) -> None:
            server.on_load = lambda _request: None
            clock.advance(400)
            create(cache, make_chat("t3"))

        server.on_load = meanwhile
        cache.all(None)

        assert caplog.records == []


class TestConditionalRefresh:
    def test_it_sends_the_validator_of_the_last_listing(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        cache.all(None)
        clock.advance(300)
        cache.all(None)

        assert server.asked == [None, "v0"]

    def test_not_modified_starts_a_new_time_to_live(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        cache.all(None)
        clock.advance(300)
        cache.all(None)
        clock.advance(299)
        cache.all(None)

        assert len(server.asked) == 2

    def test_not_modified_decodes_nothing_anew(self, cache: ChatCache, clock: Clock) -> None:
        before = by_tid(cache, "t1")
        clock.advance(300)

        assert by_tid(cache, "t1") is before

    def test_invalidate_asks_for_the_whole_list(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        cache.invalidate()
        cache.all(None)

        assert server.asked == [None, None]

    def test_not_modified_to_an_unconditional_question_is_a_protocol_error(
        self, make_cache: Callable[..., ChatCache]
    ) -> None:
        cache = make_cache(read=lambda load: None)

        with pytest.raises(TWProtocolError, match="was not conditional"):
            cache.all(None)

    def test_refresh_asks_within_the_time_to_live(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        new = server.put(make_chat("t3"))

        assert cache.all(None, refresh=True)[-1] is new

    def test_a_refresh_that_fails_raises_and_leaves_what_is_still_good(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            cache.all(None, refresh=True)

        assert by_tid(cache, "t1") is not None


class TestMisses:
    def test_a_miss_is_a_fact_until_the_floor(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(5)

        assert [by_tid(cache, "ghost") for _ in range(100)] == [None] * 100

        assert len(server.asked) == 1

    def test_after_the_floor_a_miss_finds_what_others_made(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        new = server.put(make_chat("t3", "three"))
        clock.advance(5.1)

        assert by_title(cache, "three") == (new,)

    def test_ten_thousand_look_ups_of_a_ghost_cost_one_request_per_floor(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")

        for _ in range(10_000):
            clock.advance(0.002)
            by_tid(cache, "ghost")

        assert len(server.asked) - 1 == 3  # 20 s of look-ups, more than 5 s apart

    def test_the_floor_counts_from_the_end_of_the_last_attempt(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        server.on_load = lambda load: clock.advance(20)
        by_tid(cache, "t1")
        clock.advance(4)

        by_tid(cache, "ghost")

        assert len(server.asked) == 1

    def test_a_recheck_that_fails_answers_the_miss_and_warns_once(
        self, cache: ChatCache, server: ChatServer, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(6)
        server.error = TWServerError("down")

        assert [by_tid(cache, "ghost") for _ in range(3)] == [None] * 3

        assert len(server.asked) == 2
        assert [record.levelno for record in caplog.records] == [logging.WARNING]

    def test_a_recheck_that_is_refused_raises(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(6)
        server.error = TWAuthError("no", status=403)

        with pytest.raises(TWAuthError):
            by_tid(cache, "ghost")

    def test_a_recheck_that_fails_after_the_time_to_live_raises(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(299)
        server.error = TWServerError("down")
        server.on_load = lambda load: clock.advance(2)

        with pytest.raises(TWServerError):
            by_tid(cache, "ghost")


class TestReport:
    def test_it_counts_what_happened(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        server.pages = 3
        by_tid(cache, "t1")  # a miss, a listing
        by_tid(cache, "t1")  # a hit
        by_title(cache, "two")  # a hit
        cache.all(None)  # a hit
        by_tid(cache, "ghost")  # a miss, no refresh
        clock.advance(300)
        cache.all(None)  # a miss, not modified
        server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            cache.all(None, refresh=True)  # a failure; not answered, so no look-up

        info = cache.info()

        assert (info.hits, info.misses, info.lookups) == (3, 3, 6)
        assert (info.refreshes, info.listings, info.not_modified, info.failures) == (3, 1, 1, 1)
        assert (info.pages, info.chats) == (3, 2)
        assert info.requests_saved == 3

    def test_asking_for_it_counts_nothing(self, cache: ChatCache) -> None:
        cache.all(None)
        cache.all(None)

        assert [cache.info().hits for _ in range(3)] == [1, 1, 1]

    def test_it_knows_its_age(self, cache: ChatCache, clock: Clock) -> None:
        assert (cache.info().age, cache.info().expires_in) == (None, 0)

        cache.all(None)
        clock.advance(42)

        assert (cache.info().age, cache.info().expires_in) == (42, 258)

    def test_threads_lose_no_hit(self, cache: ChatCache) -> None:
        cache.all(None)
        with Threads(8) as threads:
            for _ in range(8):
                threads.start(lambda: [by_tid(cache, "t1") for _ in range(2000)])

        assert cache.info().hits == 16_000

    def test_its_text_has_a_line_for_each_figure(self, cache: ChatCache) -> None:
        before = str(cache.info()).splitlines()
        cache.all(None)
        lines = dict(line.split(maxsplit=1) for line in str(cache.info()).splitlines())

        assert before[-3].split() == ["age", "-"]
        assert (lines["lookups"], lines["chats"], lines["expires_in"]) == ("1", "2", "300.0 s")

    def test_a_notebook_shows_it_as_a_table(self, cache: ChatCache) -> None:
        html = cache.info()._repr_html_()

        assert ["expires_in", "0.0 s"] in Table(html).rows
