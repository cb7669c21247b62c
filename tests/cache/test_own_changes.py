"""Own renames and leaves are seen, though the list of the server is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


def rename(cache: ChatCache, before: Chat | None, title: str) -> Chat:
    after = make_chat("t1" if before is None else before.tid, title)
    with cache.writing() as write:
        write.changed(before, after)
    return after


def leave(cache: ChatCache, tid: str) -> None:
    with cache.writing() as write:
        write.left(tid)


class TestRenamed:
    def test_the_new_title_finds_it_and_the_old_one_nothing(
        self, cache: ChatCache, clock: Clock
    ) -> None:
        new = rename(cache, by_tid(cache, "t1"), "uno")
        for _ in range(5):
            assert by_title(cache, "uno") == (new,)
            assert by_title(cache, "one") == ()
            assert [chat.title for chat in cache.all(None, refresh=True)] == ["uno", "two"]
            clock.advance(5.9)

    def test_it_is_believed_until_the_grace_is_over(self, cache: ChatCache, clock: Clock) -> None:
        rename(cache, by_tid(cache, "t1"), "uno")
        clock.advance(30)

        assert len(by_title(cache, "one")) == 1

    def test_a_later_change_by_somebody_wins(self, cache: ChatCache, server: ChatServer) -> None:
        rename(cache, by_tid(cache, "t1"), "uno")
        server.put(make_chat("t1", "eins"))

        assert by_title(cache, "uno") == ()
        assert len(by_title(cache, "eins")) == 1

    def test_a_list_behind_several_renames_shows_no_older_title(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        last = by_tid(cache, "t1")
        for title in ("uno", "eins", "un"):
            last = rename(cache, last, title)
        for title in ("one", "uno", "eins"):
            server.put(make_chat("t1", title))

            assert cache.all(None, refresh=True)[0] == by_tid(cache, "t1") == last

    def test_what_we_made_and_renamed_is_there_before_the_list_shows_it(
        self, cache: ChatCache
    ) -> None:
        made = make_chat("t3", "three")
        create(cache, made)
        renamed = rename(cache, made, "tres")

        assert by_title(cache, "tres") == (renamed,)
        assert by_title(cache, "three") == ()

    def test_what_the_list_no_longer_has_is_gone(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        rename(cache, by_tid(cache, "t1"), "uno")
        server.remove("t1")

        assert by_tid(cache, "t1") is None

    def test_without_its_past_the_last_listing_says_what_is_old(self, cache: ChatCache) -> None:
        cache.all(None)
        new = rename(cache, None, "uno")

        assert by_tid(cache, "t1") == new


class TestLeft:
    def test_it_is_gone_until_the_grace_is_over(self, cache: ChatCache, clock: Clock) -> None:
        cache.all(None)
        leave(cache, "t1")
        for _ in range(5):
            assert by_tid(cache, "t1") is None
            assert by_title(cache, "one") == ()
            assert [chat.tid for chat in cache.all(None, refresh=True)] == ["t2"]
            clock.advance(5.9)
        clock.advance(0.5)

        assert by_tid(cache, "t1") is not None

    def test_what_we_made_and_left_is_gone(self, cache: ChatCache) -> None:
        create(cache, make_chat("t3"))
        leave(cache, "t3")

        assert by_tid(cache, "t3") is None

    def test_what_we_left_and_made_again_is_there(self, cache: ChatCache) -> None:
        leave(cache, "t1")
        create(cache, make_chat("t1", "again"))

        assert by_tid(cache, "t1") is not None


def test_404_after_leaving_does_not_bring_the_chat_back(
    cache: ChatCache, server: ChatServer
) -> None:
    cache.all(None)
    with cache.writing() as write:
        write.left("t1")
    cache.on_not_found("t1")

    assert by_tid(cache, "t1") is None


def test_a_chat_that_was_renamed_and_is_given_back_by_create_keeps_its_new_title(
    cache: ChatCache, server: ChatServer
) -> None:
    (one,) = by_title(cache, "one")
    renamed = make_chat("t1", "renamed")
    with cache.writing() as write:
        write.changed(one, renamed)
    create(cache, renamed)

    assert by_title(cache, "one") == ()
    assert by_title(cache, "renamed") == (renamed,)


class TestMemory:
    def test_what_no_listing_shows_any_more_is_forgotten(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """A program that writes often would remember all that a chat ever was."""
        chat = by_tid(cache, "t1")
        for number in range(50):
            chat = rename(cache, chat, f"title {number}")
            clock.advance(20)

        assert len(cache.state.facts.by_tid["t1"].supersedes) <= 4
