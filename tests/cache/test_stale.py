"""The last listing answers for a server that fails, where that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    TWAuthError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, create, fail_to_create
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


class TestStale:
    @pytest.fixture
    def cache(self, make_cache: Callable[..., ChatCache]) -> ChatCache:
        return make_cache(stale_if_error=60)

    @pytest.mark.parametrize(
        "error",
        [
            TWServerError("down"),
            TWConnectionError("refused"),
            TWTimeoutError("late"),
            TWRateLimitError("slower"),
            TWProtocolError("gibberish"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_the_last_listing_answers_while_the_server_fails(
        self, cache: ChatCache, server: ChatServer, clock: Clock, error: Exception
    ) -> None:
        cache.all(None)
        clock.advance(300)
        server.error = error

        assert len(cache.all(None)) == 2
        assert by_tid(cache, "t1") is not None
        assert cache.info().stale_serves == 2

    def test_it_is_warned_of_once_per_outage(
        self, cache: ChatCache, server: ChatServer, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.all(None)
        for _ in range(2):
            clock.advance(300)
            server.error = TWServerError("down")
            for _ in range(10):
                cache.all(None)
            clock.advance(1)
            server.error = None
            cache.all(None)

        assert len(caplog.records) == 2

    def test_it_ends(self, cache: ChatCache, server: ChatServer, clock: Clock) -> None:
        cache.all(None)
        clock.advance(360)
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            cache.all(None)

    def test_it_proves_no_absence(self, cache: ChatCache, server: ChatServer, clock: Clock) -> None:
        cache.all(None)
        clock.advance(300)
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(cache, "ghost")

    @pytest.mark.parametrize("status", [401, 403])
    def test_it_hides_no_refusal(
        self, cache: ChatCache, server: ChatServer, clock: Clock, status: int
    ) -> None:
        cache.all(None)
        clock.advance(300)
        server.error = TWAuthError("no", status=status)

        with pytest.raises(TWAuthError):
            by_tid(cache, "t1")

    def test_credentials_that_are_refused_end_what_is_in_memory(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        cache.on_unauthorized()
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(cache, "t1")

    def test_304_to_a_question_from_before_a_401_does_not_bring_it_back(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        cache.all(None)
        clock.advance(300)
        server.on_load = lambda load: cache.on_unauthorized() if load.validator else None
        cache.all(None)

        assert server.asked == [None, "v0", None]

    @pytest.mark.parametrize("later", [0, 31], ids=["in doubt", "after it"])
    def test_it_is_not_used_after_a_write_of_unknown_outcome(
        self, cache: ChatCache, server: ChatServer, clock: Clock, later: float
    ) -> None:
        cache.all(None)
        fail_to_create(cache, TWDeliveryUnknownError("lost"))
        clock.advance(later)
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(cache, "t1")

    def test_it_is_not_used_after_invalidate(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        cache.invalidate()
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            cache.all(None)

    def test_it_shows_own_writes(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        create(cache, make_chat("t3"))
        server.error = TWServerError("down")

        assert by_tid(cache, "t3") is not None

    def test_it_does_not_bring_back_what_a_later_listing_had_no_more(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """An earlier listing, which still needs the fact, is under way."""
        create(cache, make_chat("t3"))
        server.on_load = gate = Gate()
        with Threads() as threads:
            threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            server.on_load = lambda load: None
            clock.advance(31)
            cache.invalidate()
            cache.all(None)
            clock.advance(300)
            server.error = TWServerError("down")
            tids = [chat.tid for chat in cache.all(None)]
            gate.open()

        assert tids == ["t1", "t2"]

    def test_without_the_setting_a_failure_raises(
        self, make_cache: Callable[..., ChatCache], server: ChatServer, clock: Clock
    ) -> None:
        cache = make_cache()
        cache.all(None)
        clock.advance(300)
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(cache, "t1")
