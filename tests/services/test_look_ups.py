"""Look-ups over real HTTP, and what of them the server sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    ChatList,
    Connection,
    ConnectionConfig,
    TWAmbiguousTitleError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync.testing import sandbox
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


class TestLookUps:
    def test_a_hundred_thousand_of_each_kind_cost_one_request(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chats = connection.chats
        listed = chats.get_subscriptions()
        titled = [chat for chat in listed if chat.title]

        for number in range(100_000):
            chat = listed[number % len(listed)]
            assert chats.get_by_thread_id(chat.tid) is chat
        for number in range(100_000):
            chat = titled[number % len(titled)]
            assert chat in chats.get_by_title(chat.title)

        assert box.count(*LISTING) == 1
        assert len(box.requests) == 1

    def test_ten_thousand_chats_cost_a_request_a_page(self) -> None:
        with sandbox(chats=10_000, seed=7) as box:
            connection = box.connect()
            listed = connection.chats.get_subscriptions()
            for chat in listed:
                assert connection.chats.get_by_thread_id(chat.tid) is chat

            assert len({chat.tid for chat in listed}) == 10_000
            assert box.count(*LISTING) == connection.chats.cache_info().pages == 20

    def test_page_size_is_asked_for(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(page_size=30))

        assert len(connection.chats.get_subscriptions()) == 100
        assert box.count(*LISTING) == 4

    def test_what_is_not_there_is_none_or_empty(self, connection: Connection) -> None:
        assert connection.chats.get_by_thread_id("nope") is None
        assert connection.chats.get_by_title("nope") == []
        assert connection.users.get_user("nope") is None
        assert connection.groups.get_group("nope") is None

    def test_one_title_of_several_chats_is_ambiguous(self, connection: Connection) -> None:
        chats = connection.chats.get_by_title("test")

        with pytest.raises(TWAmbiguousTitleError) as caught:
            connection.chats.one_by_title("test")

        assert caught.value.candidates == chats
        assert type(caught.value.candidates) is ChatList
        assert all(chat.tid in str(caught.value) for chat in chats)

    def test_a_known_user_and_group_are_asked_for_once(
        self, box: Sandbox, connection: Connection
    ) -> None:
        users = {id(connection.users.get_user(KNOWN_USER)) for _ in range(10)}
        groups = {id(connection.groups.get_group(PUBLIC_CIRCLE)) for _ in range(10)}

        assert (len(users), len(groups)) == (1, 1)
        assert len(box.requests) == 2

    def test_the_members_of_a_listed_circle_take_one_request(
        self, box: Sandbox, connection: Connection
    ) -> None:
        circle = next(
            group for chat in connection.chats.get_subscriptions() for group in chat.circles
        )
        before = len(box.requests)

        assert circle.get_members() == circle.members
        assert circle.is_member(circle.members[0])
        assert len(box.requests) - before == 1

    def test_a_user_in_many_chats_is_one_object(self) -> None:
        with sandbox(chats=1000, seed=7) as box:
            config = ConnectionConfig(page_size=100)
            listed = box.connect(config=config).chats.get_subscriptions()

        users = [user for chat in listed for user in (*chat.users, *chat.admins)]
        assert len({id(user) for user in users}) == len({user.uid for user in users})

    def test_the_connection_knows_the_bot(self, connection: Connection) -> None:
        assert connection.check().is_bot

    def test_threads_that_find_an_expired_view_make_one_listing(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chats = connection.chats
        with box.hold(*LISTING) as held, Threads(32) as threads:
            found = [threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT)) for _ in range(32)]
            held.wait_arrived()
            wait_until(lambda: chats.cache_info().joined == 31)
            held.release()

        assert len({id(each.result()) for each in found}) == 1
        assert box.count(*LISTING) == 1


class TestOthersWrite:
    def test_an_unchanged_list_is_not_sent_again(self, box: Sandbox, clock: Clock) -> None:
        chats = box.connect(clock=clock).chats
        chats.get_subscriptions()
        clock.advance(300)
        chats.get_subscriptions()

        assert [served.status for served in box.requests] == [200, 304]

    def test_what_others_made_is_found_after_the_floor(self, box: Sandbox, clock: Clock) -> None:
        chats = box.connect(clock=clock).chats
        chats.get_subscriptions()
        made = box.add_chat(title="somebody else's", users=[KNOWN_USER])
        assert chats.get_by_title("somebody else's") == []

        clock.advance(5.1)

        assert chats.get_by_title("somebody else's") == [made]

    def test_what_others_changed_is_seen_when_the_time_to_live_is_over(
        self, box: Sandbox, clock: Clock
    ) -> None:
        chats = box.connect(clock=clock).chats
        last = chats.get_subscriptions()[-1]
        box.rename_chat(KNOWN_CHAT, "renamed")
        box.remove_chat(last)
        clock.advance(300)

        assert chats.one_by_title("renamed").tid == KNOWN_CHAT
        assert chats.get_by_thread_id(last.tid) is None

    def test_a_list_that_changes_while_it_is_read_is_read_again(self, box: Sandbox) -> None:
        def change_once(pages: int, chats: int) -> None:
            if (pages, chats) == (1, 30):
                box.remove_chat(first)

        first = box.connect().chats.get_subscriptions()[0]
        before = box.count(*LISTING)
        chats = box.connect(config=ConnectionConfig(page_size=30)).chats
        listed = chats.get_subscriptions(progress=change_once)

        assert len(listed) == 99
        assert box.count(*LISTING) - before == 2 + 4
