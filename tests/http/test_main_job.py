"""The main job over real HTTP: list, find, create, and what of it the server sees."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import (
    ChatType,
    Connection,
    ConnectionConfig,
    TWAmbiguousTitleError,
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync.testing import sandbox
from tests.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")
KNOWN_CHAT = "7MQKchz6wsSzmWTVnppGAc"
KNOWN_USER = "rVRCfuQEtkgnZBZEgbHVji"
PUBLIC_CIRCLE = "45529"
CLOSED_CIRCLE = "45530"


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

        assert list(caught.value.candidates) == chats
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


class TestCreating:
    def test_the_new_chat_is_found_after_exactly_one_refresh(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chats = connection.chats
        chats.get_subscriptions()
        created = chats.create_chat(title="new", users=[KNOWN_USER])

        assert chats.get_by_title("new") == [created]
        assert chats.get_by_thread_id(created.tid) == created
        assert box.count(*LISTING) == 2

    def test_the_same_title_twice_makes_two_chats(self, connection: Connection) -> None:
        chats = connection.chats
        both = [chats.create_chat(title="twin", users=[KNOWN_USER]) for _ in range(2)]

        assert chats.get_by_title("twin") == both
        with pytest.raises(TWAmbiguousTitleError) as caught:
            chats.one_by_title("twin")
        assert all(chat.tid in str(caught.value) for chat in both)

    def test_it_has_what_it_was_made_with(self, connection: Connection) -> None:
        user = connection.users.get_user(KNOWN_USER)
        circle = connection.groups.get_group(PUBLIC_CIRCLE)
        created = connection.chats.create_chat(
            title="hello world", users=[user], groups=[circle], is_alert=True, allow_sending=False
        )

        assert (created.title, created.type) == ("hello world", ChatType.GROUP)
        assert (created.users, created.circles) == ((user,), (circle,))
        assert (created.is_alert, created.allow_sending) == (True, False)
        assert connection.check() in created.admins

    def test_a_list_becomes_its_users(self, connection: Connection) -> None:
        some = next(group for chat in connection.chats.get_subscriptions() for group in chat.lists)
        created = connection.chats.create_chat(title="from a list", groups=[some])

        assert created.groups == ()
        assert {user.uid for user in created.users} >= {
            user.uid for user in some.get_members() if not user.is_bot
        }

    def test_one_user_alone_makes_a_one_to_one_chat_and_finds_it_again(
        self, connection: Connection
    ) -> None:
        first, second = (connection.chats.create_chat(users=[KNOWN_USER]) for _ in range(2))

        assert first.type is ChatType.ONE_TO_ONE
        assert first.tid == second.tid
        assert [chat.tid for chat in connection.chats.get_subscriptions()].count(first.tid) == 1

    def test_the_first_message_and_further_ones_are_posted(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chat = connection.chats.create_chat(users=[KNOWN_USER], title="t", message="first")
        message = chat.post("second")

        assert (message.msg, message.from_user) == ("second", connection.check())
        assert abs(message.timestamp / 1000 - box.clock()) < 60

    def test_a_handle_posts_with_one_request(self, box: Sandbox, connection: Connection) -> None:
        connection.chats.at(KNOWN_CHAT).post("hello")

        assert [(served.method, served.status) for served in box.requests] == [("POST", 200)]

    def test_posting_to_a_chat_that_is_gone_is_not_found(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
        box.remove_chat(chat)

        with pytest.raises(TWNotFoundError):
            chat.post("hello")
        assert connection.chats.get_by_thread_id(KNOWN_CHAT) is None

    def test_a_circle_that_is_not_public_is_refused_and_the_text_says_why(
        self, connection: Connection
    ) -> None:
        circle = connection.groups.get_group(CLOSED_CIRCLE)

        with pytest.raises(TWAuthError, match="only with circles that are public") as caught:
            connection.chats.create_chat(title="t", groups=[circle])

        assert (caught.value.status, caught.value.code) == (403, "circle_not_public")

    def test_unknown_members_are_named(self, connection: Connection) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            connection.chats.create_chat(users=[KNOWN_USER, "nobody"], groups=["0"])

        assert (caught.value.user_ids, caught.value.group_ids) == (("nobody",), ("0",))

    @pytest.mark.parametrize(
        "title",
        ["Grüße, 世界 \N{GRINNING FACE}", "<b>&\"'</b>", "a/b?c#d%20", "\u202eabc", "x" * 255],
        ids=["unicode", "markup", "URL", "right to left", "long"],
    )
    def test_any_title_comes_back_as_it_was(self, connection: Connection, title: str) -> None:
        created = connection.chats.create_chat(title=title, users=[KNOWN_USER])

        assert connection.chats.get_by_title(title) == [created]

    def test_half_a_surrogate_pair_is_refused_before_any_request(
        self, box: Sandbox, connection: Connection
    ) -> None:
        with pytest.raises(ValueError, match="title has half of a surrogate pair"):
            connection.chats.create_chat(title="\ud800", users=[KNOWN_USER])

        assert box.requests == []


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


class TestLaggingAndLostAnswers:
    def test_an_own_chat_is_found_while_the_list_lags(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        chats = box.connect(clock=box.clock).chats
        chats.get_subscriptions()
        created = chats.create_chat(title="new", users=[KNOWN_USER])

        for _ in range(25):
            box.advance(1)
            assert chats.get_by_title("new") == [created]
            assert chats.get_by_thread_id(created.tid) == created
            assert chats.get_subscriptions().count(created) == 1

    def test_a_create_whose_answer_is_lost_says_that_its_outcome_is_unknown(
        self, box: Sandbox, connection: Connection
    ) -> None:
        connection.chats.get_subscriptions()
        box.fault("POST", "/v1/bot/chats/", drop="after", times=1)

        with pytest.raises(TWDeliveryUnknownError, match="look before you try again"):
            connection.chats.create_chat(title="lost", users=[KNOWN_USER])

        assert len(connection.chats.get_by_title("lost")) == 1

    def test_a_message_whose_answer_is_lost_says_that_its_outcome_is_unknown(
        self, box: Sandbox, connection: Connection
    ) -> None:
        box.fault("POST", "/v1/bot/chats/*/messages/", drop="before", times=1)

        with pytest.raises(TWDeliveryUnknownError):
            connection.chats.at(KNOWN_CHAT).post("hello")


class TestFailures:
    def test_a_wrong_secret_is_one_line_without_the_secret(self, box: Sandbox) -> None:
        connection = Connection(box.app_id, "not-the-secret", box.url)

        with connection, pytest.raises(TWAuthError) as caught:
            connection.chats.get_subscriptions()

        assert str(caught.value) == "401: the server does not accept this App ID and Secret"

    def test_no_server_names_host_and_port(self) -> None:
        with socket.socket() as placeholder:
            placeholder.bind(("127.0.0.1", 0))
            port = placeholder.getsockname()[1]
            connection = Connection("a", "s", f"http://127.0.0.1:{port}")

            with connection, pytest.raises(TWConnectionError, match=f"127.0.0.1:{port}"):
                connection.check()

    def test_a_failing_server_is_asked_once_until_the_cool_down_is_over(
        self, box: Sandbox, clock: Clock
    ) -> None:
        box.fault(*LISTING, status=503)
        chats = box.connect(clock=clock).chats
        for _ in range(10):
            with pytest.raises(TWServerError):
                chats.get_by_thread_id(KNOWN_CHAT)

        assert box.count(*LISTING) == 1

    @pytest.mark.parametrize(
        "body",
        ["<html>", b"", {"chats": []}, [], {"chats": [{}], "users": [], "groups": []}],
        ids=["HTML", "empty", "half", "array", "hollow"],
    )
    def test_an_answer_that_is_not_the_contract_is_a_protocol_error(
        self, box: Sandbox, connection: Connection, body: object
    ) -> None:
        box.fault(*LISTING, body=body)

        with pytest.raises(TWProtocolError, match="GET /v1/bot/chats/"):
            connection.chats.get_subscriptions()

    def test_a_wrong_path_in_the_url_is_no_missing_user(self, box: Sandbox) -> None:
        connection = Connection(box.app_id, box.secret, box.url + "/elsewhere")

        with connection, pytest.raises(TWNotFoundError):
            connection.users.get_user(KNOWN_USER)


class TestConnections:
    def test_twenty_calls_in_a_row_use_one(self, box: Sandbox, connection: Connection) -> None:
        for number in range(10):
            connection.users.get_user(f"u{number}")
            connection.chats.at(KNOWN_CHAT).post("hello")

        assert len(box.requests) == 20
        assert box.connections == 1

    def test_errors_keep_it_too(self, box: Sandbox, connection: Connection) -> None:
        for _ in range(10):
            with pytest.raises(TWNotFoundError):
                connection.chats.at("nope").post("hello")

        assert box.connections == 1

    def test_there_are_never_more_than_pool_size(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(pool_size=3))
        with Threads(16) as threads:
            for number in range(64):
                threads.start(lambda number=number: connection.users.get_user(f"u{number}"))

        assert len(box.requests) == 64
        assert box.connections <= 3

    def test_who_finds_none_free_gives_up_at_its_timeout(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(pool_size=1))
        with box.hold("GET", "/v1/bot/me/") as held, Threads(1) as threads:
            threads.start(connection.check)
            held.wait_arrived()

            with pytest.raises(TWTimeoutError, match=r"all 1 connections were busy for 0\.0\d+ s"):
                connection.users.get_user(KNOWN_USER, timeout=0.05)

            held.release()

    def test_who_waits_for_one_when_it_is_closed_sends_nothing(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(pool_size=1))
        messages = ("POST", "/v1/bot/chats/*/messages/")
        chat = connection.chats.at(KNOWN_CHAT)
        with box.hold(*messages) as held, Threads(2) as threads:
            threads.start(lambda: chat.post("one"))
            held.wait_arrived()
            waiter = threads.start(lambda: chat.post("two"))
            wait_until(lambda: bool(connection._transport._slots._changed._waiters))

            connection.close()

            assert isinstance(waiter.exception(PATIENCE), TWClosedError)
            held.release()
        assert box.count(*messages) == 1

    def test_a_session_of_the_callers_is_used_and_left_open(self, box: Sandbox) -> None:
        with requests.Session() as session:
            for _ in range(2):
                with box.connect(session=session) as connection:
                    connection.check()

        assert box.connections == 1
