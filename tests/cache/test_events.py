"""An event or a 404 makes the view expire, unless the view shows the new state already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, change, create, hear, leave
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.chat_server import ChatServer


def expires(cache: ChatCache, tid: str, chat: Chat | None, revision: int | None = None) -> bool:
    """Return whether the fresh view of *cache* expires by this event."""
    assert cache.state.clock() < cache.state.view.fresh_until
    hear(cache, tid, chat, revision)
    return not cache.state.clock() < cache.state.view.fresh_until


class TestOthers:
    def test_a_change_is_seen_at_once(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        hear(cache, "t1", server.put(make_chat("t1", "uno")))

        assert by_title(cache, "one") == ()
        assert len(by_title(cache, "uno")) == 1
        assert len(server.asked) == 2

    @pytest.mark.parametrize(
        "chat",
        [
            make_chat("t1", None),
            make_chat("t1", "one", is_closed=True),
            make_chat("t1", "one", allow_sending=False),
            make_chat("t1", "one", extra=(("colour", "red"),)),
        ],
        ids=["title", "closed", "sending", "unknown field"],
    )
    def test_any_difference_counts(self, cache: ChatCache, chat: Chat) -> None:
        cache.all(None)

        assert expires(cache, "t1", chat)

    def test_a_chat_that_is_new_counts(self, cache: ChatCache) -> None:
        cache.all(None)

        assert expires(cache, "t3", make_chat("t3"))

    def test_one_that_is_gone_counts(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        server.remove("t1")
        hear(cache, "t1", None)

        assert by_tid(cache, "t1") is None

    def test_a_state_that_the_view_shows_does_not_count(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)

        assert not expires(cache, "t1", make_chat("t1", "one"), server.revisions["t1"])
        assert not expires(cache, "t9", None, server.revisions["t1"])

    def test_a_state_from_before_the_view_does_not_count(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        early = server.revisions["t1"]
        server.put(make_chat("t1", "uno"))
        cache.all(None)

        assert not expires(cache, "t1", make_chat("t1", "one"), early)

    def test_without_revisions_each_event_counts(self, cache: ChatCache) -> None:
        cache.all(None)
        cache.on_state("t1", make_chat("t1", "one"), None)

        assert not cache.state.clock() < cache.state.view.fresh_until

    def test_the_next_listing_is_conditional_still(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        hear(cache, "t1", make_chat("t1", "uno"))
        cache.all(None)

        assert server.asked == [None, "v0"]


class TestUnderWay:
    """Look-ups show an event that arrived while a listing was in progress."""

    @pytest.mark.parametrize("chat", [make_chat("t1", "uno"), None], ids=["changed", "gone"])
    def test_it_is_merged(self, cache: ChatCache, server: ChatServer, chat: Chat | None) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            found = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            hear(cache, "t1", chat)
            gate.open()

            assert found.result(PATIENCE) == by_tid(cache, "t1") == chat
        assert len(server.asked) == 1

    def test_an_older_listing_does_not_hide_it_even_if_the_old_view_showed_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The chat was changed and changed back while the list was read."""
        gate = Gate()
        cache.all(None)
        server.put(make_chat("t1", "uno"))
        server.on_load = gate
        with Threads() as threads:
            refresh = threads.start(lambda: cache.all(None, refresh=True))
            gate.wait_arrived()
            hear(cache, "t1", make_chat("t1", "one"))
            gate.open()
            refresh.result(PATIENCE)

        assert by_title(cache, "uno") == ()
        assert len(by_title(cache, "one")) == 1


class TestEcho:
    """The event of an own write."""

    def test_of_a_rename_is_no_news(self, cache: ChatCache) -> None:
        renamed = make_chat("t1", "uno")
        revision = change(cache, renamed)
        cache.all(None)

        assert not expires(cache, "t1", renamed, revision)

    def test_of_a_creation_is_none(self, cache: ChatCache) -> None:
        revision = create(cache, make_chat("t3", "three"))
        cache.all(None)

        assert not expires(cache, "t3", make_chat("t3", "three"), revision)

    def test_of_leaving_is_none(self, cache: ChatCache) -> None:
        cache.all(None)
        revision = leave(cache, "t1")
        cache.all(None)

        assert not expires(cache, "t1", None, revision)
        assert by_tid(cache, "t1") is None

    def test_before_the_response_it_is_news_and_the_response_does_not_undo_it(
        self, cache: ChatCache
    ) -> None:
        cache.all(None)
        with cache.writing() as write:
            hear(cache, "t1", make_chat("t1", "uno"), 10**6)
            hear(cache, "t1", make_chat("t1", "undone"), 10**6 + 1)
            write.changed(make_chat("t1", "uno"), 10**6)

        assert len(by_title(cache, "undone")) == 1

    def test_a_later_change_by_others_is_news(self, cache: ChatCache) -> None:
        change(cache, make_chat("t1", "uno"))
        cache.all(None)

        assert expires(cache, "t1", make_chat("t1", "eins"))
        assert len(by_title(cache, "eins")) == 1

    def test_an_undo_by_others_is_news(self, cache: ChatCache, server: ChatServer) -> None:
        before = by_tid(cache, "t1")
        assert before is not None
        change(cache, make_chat("t1", "uno"))
        cache.all(None)

        assert expires(cache, "t1", server.put(before))
        assert by_tid(cache, "t1") == before

    def test_being_invited_again_is_news(self, cache: ChatCache) -> None:
        cache.all(None)
        leave(cache, "t1")
        again = make_chat("t1", "again")
        hear(cache, "t1", again)

        assert by_tid(cache, "t1") == again


class TestGone:
    @pytest.mark.parametrize("how", ["made", "renamed"])
    def test_what_we_did_with_a_chat_that_is_gone_is_forgotten(
        self, how: str, cache: ChatCache, server: ChatServer
    ) -> None:
        """The list is behind, and still has the chat."""
        {"made": create, "renamed": change}[how](cache, make_chat("t1", "uno"))
        cache.all(None)
        hear(cache, "t1", None)

        assert by_tid(cache, "t1") is None
        assert [chat.tid for chat in cache.all(None)] == ["t2"]

    def test_what_we_left_stays_hidden(self, cache: ChatCache) -> None:
        """The event of the own leaving arrives, and the list still has the chat."""
        cache.all(None)
        leave(cache, "t1")
        hear(cache, "t1", None)

        assert by_tid(cache, "t1") is None

    def test_the_own_writes_on_other_chats_stay(self, cache: ChatCache, server: ChatServer) -> None:
        renamed = make_chat("t2", "due")
        change(cache, renamed)
        server.remove("t1")
        hear(cache, "t1", None)

        assert by_tid(cache, "t2") == renamed
