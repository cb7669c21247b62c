"""What the server says by itself of a chat makes the view expire, unless it shows that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


def change(cache: ChatCache, before: Chat | None, after: Chat) -> Chat:
    with cache.writing() as write:
        write.changed(before, after)
    return after


def leave(cache: ChatCache, tid: str) -> None:
    with cache.writing() as write:
        write.left(tid)


def expires(cache: ChatCache, tid: str, chat: Chat | None, *, is_own: bool = False) -> bool:
    """Whether the view of *cache* is fresh, and no longer is when this was pushed."""
    assert cache.state.clock() < cache.state.view.fresh_until
    cache.on_event(tid, chat, is_own=is_own)
    return not cache.state.clock() < cache.state.view.fresh_until


class TestOthers:
    def test_a_change_is_seen_at_once(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        cache.on_event("t1", server.put(make_chat("t1", "uno")))

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
        cache.on_event("t1", None)

        assert by_tid(cache, "t1") is None

    def test_what_the_view_shows_already_does_not(self, cache: ChatCache) -> None:
        cache.all(None)

        assert not expires(cache, "t1", make_chat("t1", "one"))
        assert not expires(cache, "t9", None)

    def test_what_an_old_view_shows_does(self, cache: ChatCache, clock: Clock) -> None:
        """It may have changed, and changed back; nobody knows what else has."""
        cache.all(None)
        clock.advance(300)
        before = cache.state.view
        cache.on_event("t1", make_chat("t1", "one"))

        assert cache.state.view is not before

    def test_the_next_listing_is_conditional_still(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        cache.on_event("t1", make_chat("t1", "uno"))
        cache.all(None)

        assert server.asked == [None, "v0"]


class TestUnderWay:
    @staticmethod
    def pushed_during_a_load(cache: ChatCache, server: ChatServer, chat: Chat) -> Chat | None:
        """What a look-up finds that has read the chats before *chat* was pushed."""
        gate, loads = Gate(), []

        def hold(load: ListingRequest) -> None:
            loads.append(load)
            if len(loads) == 1:
                gate()

        server.on_load = hold
        with Threads() as threads:
            found = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            cache.on_event("t1", server.put(chat))
            gate.open()
            return found.result(PATIENCE)

    def test_a_load_from_before_is_not_published(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        self.pushed_during_a_load(cache, server, make_chat("t1", "uno"))

        assert by_title(cache, "one") == ()
        assert len(by_title(cache, "uno")) == 1

    def test_it_answers_who_waited_for_it(self, cache: ChatCache, server: ChatServer) -> None:
        found = self.pushed_during_a_load(cache, server, make_chat("t1", "uno"))

        assert found == make_chat("t1", "one")

    def test_not_even_when_the_view_shows_what_is_pushed(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The load may have read what was before: changed, and changed back."""
        gate = Gate()
        cache.all(None)
        before = cache.state.view
        server.put(make_chat("t1", "uno"))
        server.on_load = gate
        with Threads() as threads:
            refresh = threads.start(lambda: cache.all(None, refresh=True))
            gate.wait_arrived()
            cache.on_event("t1", server.put(make_chat("t1", "one")))
            gate.open()
            refresh.result(PATIENCE)

        assert cache.state.view is not before
        assert by_title(cache, "uno") == ()
        assert len(by_title(cache, "one")) == 1


class TestEcho:
    def test_of_a_rename_is_no_news(self, cache: ChatCache, server: ChatServer) -> None:
        renamed = change(cache, by_tid(cache, "t1"), make_chat("t1", "uno"))
        cache.all(None)

        assert not expires(cache, "t1", renamed, is_own=True)

    def test_of_a_creation_is_none(self, cache: ChatCache) -> None:
        create(cache, make_chat("t3", "three"))
        cache.all(None)

        assert not expires(cache, "t3", make_chat("t3", "three"), is_own=True)

    def test_of_leaving_is_none(self, cache: ChatCache) -> None:
        cache.all(None)
        leave(cache, "t1")
        cache.all(None)

        assert not expires(cache, "t1", None, is_own=True)
        assert by_tid(cache, "t1") is None

    def test_a_load_under_way_is_not_stopped_by_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        renamed = change(cache, by_tid(cache, "t1"), make_chat("t1", "uno"))
        gate = Gate()
        server.on_load = gate
        with Threads() as threads:
            listed = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            cache.on_event("t1", renamed, is_own=True)
            gate.open()
            listed.result(PATIENCE)

        assert cache.state.clock() < cache.state.view.fresh_until
        assert by_tid(cache, "t1") == renamed

    def test_what_was_before_it_is_none(self, cache: ChatCache) -> None:
        """The event of an earlier change, which our write has overtaken."""
        before = by_tid(cache, "t1")
        change(cache, before, make_chat("t1", "uno"))
        cache.all(None)

        assert not expires(cache, "t1", before)

    def test_after_the_grace_it_is_news_like_any(self, cache: ChatCache, clock: Clock) -> None:
        renamed = change(cache, by_tid(cache, "t1"), make_chat("t1", "uno"))
        clock.advance(30)
        cache.all(None)

        assert expires(cache, "t1", renamed)

    def test_what_others_made_of_it_is_news(self, cache: ChatCache, server: ChatServer) -> None:
        change(cache, by_tid(cache, "t1"), make_chat("t1", "uno"))
        cache.all(None)

        assert expires(cache, "t1", server.put(make_chat("t1", "eins")))
        assert len(by_title(cache, "eins")) == 1

    def test_that_others_undid_their_change_of_it_is_news(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The chat is again as we made it, and the view shows what it was in between."""
        renamed = change(cache, by_tid(cache, "t1"), make_chat("t1", "uno"))
        cache.on_event("t1", server.put(make_chat("t1", "eins")))
        assert len(by_title(cache, "eins")) == 1
        cache.on_event("t1", server.put(renamed))

        assert by_title(cache, "eins") == ()
        assert by_title(cache, "uno") == (renamed,)

    def test_that_others_undid_it_is_news_once_it_has_come_back(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """Events come in their order: what follows our echo follows our write."""
        before = by_tid(cache, "t1")
        renamed = change(cache, before, server.put(make_chat("t1", "uno")))
        cache.all(None)
        cache.on_event("t1", renamed, is_own=True)
        assert before is not None
        cache.on_event("t1", server.put(before))

        assert by_tid(cache, "t1") == before

    def test_being_invited_again_is_news_once_our_leaving_has_come_back(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        leave(cache, "t1")
        server.remove("t1")
        cache.on_event("t1", None, is_own=True)
        again = server.put(make_chat("t1", "again"))
        cache.on_event("t1", again)

        assert by_tid(cache, "t1") == again


class TestGone:
    @pytest.mark.parametrize("how", ["made", "renamed"])
    def test_what_we_did_with_a_chat_that_is_gone_is_forgotten(
        self, how: str, cache: ChatCache, server: ChatServer
    ) -> None:
        """Else the list, which lacks it, would seem to be behind."""
        if how == "made":
            create(cache, server.put(make_chat("t1", "uno")))
        else:
            change(cache, by_tid(cache, "t1"), server.put(make_chat("t1", "uno")))
        cache.all(None)
        server.remove("t1")
        cache.on_event("t1", None)

        assert by_tid(cache, "t1") is None
        assert [chat.tid for chat in cache.all(None)] == ["t2"]

    def test_what_we_left_stays_hidden(self, cache: ChatCache) -> None:
        """Our leaving comes back, and the list is behind it still."""
        cache.all(None)
        leave(cache, "t1")
        cache.on_event("t1", None)

        assert by_tid(cache, "t1") is None

    def test_the_own_writes_on_other_chats_stay(self, cache: ChatCache, server: ChatServer) -> None:
        renamed = change(cache, by_tid(cache, "t2"), make_chat("t2", "due"))
        server.remove("t1")
        cache.on_event("t1", None)

        assert by_tid(cache, "t2") == renamed
