"""Own renames and leaves are seen, though the list of the server is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, change, create, hear, leave

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


def rename(cache: ChatCache, before: Chat | None, title: str) -> Chat:
    after = make_chat("t1" if before is None else before.tid, title)
    change(cache, after)
    return after


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

    def test_a_change_back_by_somebody_wins_at_once(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The list shows the chat as before the rename, with a newer revision."""
        before = by_tid(cache, "t1")
        assert before is not None
        rename(cache, before, "uno")
        server.put(before)

        assert by_tid(cache, "t1") == before

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_the_last_one_counts_in_whatever_order_the_answers_come(
        self, cache: ChatCache, order: tuple[int, int]
    ) -> None:
        answers = [(make_chat("t1", "first"), 10**6), (make_chat("t1", "last"), 10**6 + 1)]
        for index in order:
            with cache.writing() as write:
                write.changed(*answers[index])

        assert [chat.title for chat in cache.all(None)] == ["last", "two"]

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


def test_404_after_leaving_does_not_bring_the_chat_back(cache: ChatCache) -> None:
    cache.all(None)
    leave(cache, "t1")
    hear(cache, "t1", None)

    assert by_tid(cache, "t1") is None


def test_the_late_response_to_a_rename_does_not_bring_back_a_chat_that_was_left(
    cache: ChatCache,
) -> None:
    cache.all(None)
    with cache.writing() as late:
        leave(cache, "t1")
        late.changed(make_chat("t1", "uno"), 1)

    assert by_tid(cache, "t1") is None


def test_a_chat_that_was_renamed_and_is_given_back_by_create_keeps_its_new_title(
    cache: ChatCache, server: ChatServer
) -> None:
    cache.all(None)
    renamed = make_chat("t1", "renamed")
    change(cache, renamed)
    create(cache, renamed)

    assert by_title(cache, "one") == ()
    assert by_title(cache, "renamed") == (renamed,)


class TestWithoutRevisions:
    """Without revisions, as with the vendor's SDK, the list decides in all cases but one."""

    @pytest.fixture(autouse=True)
    def _no_revisions(self, server: ChatServer) -> None:
        server.has_revisions = False

    def test_a_chat_that_we_made_is_there_though_the_list_lacks_it(
        self, cache: ChatCache, clock: Clock
    ) -> None:
        create(cache, make_chat("t3", "three"), revisions=False)
        change(cache, make_chat("t3", "tres"), revisions=False)

        assert [chat.title for chat in cache.all(None)] == ["one", "two", "tres"]
        clock.advance(30)
        assert by_tid(cache, "t3") is None

    def test_the_list_decides_what_a_chat_is_that_it_has(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        change(cache, make_chat("t1", "uno"), revisions=False)
        create(cache, server.put(make_chat("t3", "three")), revisions=False)

        assert [chat.title for chat in cache.all(None)] == ["one", "two", "three"]

    @pytest.mark.parametrize(
        "end",
        [
            lambda cache: leave(cache, "t3", revisions=False),
            lambda cache: cache.on_state("t3", None, None),
        ],
        ids=["left", "404"],
    )
    def test_what_we_made_is_gone_when_it_is_left_or_gone(
        self, cache: ChatCache, end: Callable[[ChatCache], object]
    ) -> None:
        create(cache, make_chat("t3"), revisions=False)
        end(cache)

        assert by_tid(cache, "t3") is None

    def test_what_we_left_is_there_while_the_list_has_it(self, cache: ChatCache) -> None:
        leave(cache, "t1", revisions=False)

        assert by_tid(cache, "t1") is not None
