"""Creating and posting over real HTTP, also where the list lags and answers are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ChatType,
    Connection,
    ConnectionConfig,
    MemoryStore,
    TWAmbiguousTitleError,
    TWAuthError,
    TWDeliveryUnknownError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PRIVATE_CIRCLE, PUBLIC_CIRCLE

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")


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

    @pytest.mark.parametrize(
        "how",
        [
            {"users": [KNOWN_USER]},
            {"users": [KNOWN_USER, KNOWN_USER]},
            {"users": [KNOWN_USER], "title": ""},
            {"users": [KNOWN_USER], "message": "hello"},
            {"users": [KNOWN_USER], "is_alert": True},
        ],
        ids=["user", "twice", "empty title", "message", "alert"],
    )
    @pytest.mark.parametrize("make_store", [lambda: None, MemoryStore], ids=["no store", "store"])
    def test_direct_messages_in_a_chat_that_exists_cost_no_listing(
        self, how: dict[str, Any], make_store: Callable[[], MemoryStore | None], box: Sandbox
    ) -> None:
        connection = box.connect(store=make_store())
        connection.chats.create_chat(users=[KNOWN_USER])
        connection.chats.get_subscriptions()
        before = box.count(*LISTING)
        for _ in range(10):
            chat = connection.chats.create_chat(**how)
            chat.post("hello")
            assert connection.chats.get_by_thread_id(chat.tid) == chat
            assert chat in connection.chats.get_subscriptions()

        assert box.count(*LISTING) == before

    def test_direct_messages_of_scripts_that_share_a_store_cost_no_listing(
        self, box: Sandbox
    ) -> None:
        """A script begins without chats, and finds those of the script before."""
        store = MemoryStore()
        box.connect().chats.create_chat(users=[KNOWN_USER])
        box.connect(store=store).chats.get_subscriptions()
        before = box.count(*LISTING)
        for _ in range(10):
            with box.connect(store=store) as connection:
                chat = connection.chats.create_chat(users=[KNOWN_USER])
                chat.post("hello")
                assert connection.chats.get_by_thread_id(chat.tid) == chat

        assert box.count(*LISTING) == before

    def test_a_new_one_to_one_chat_is_found_by_scripts_that_share_a_store(
        self, box: Sandbox
    ) -> None:
        store = MemoryStore()
        other = box.connect(store=store, config=ConnectionConfig(store_check_interval=0))
        other.chats.get_subscriptions()
        with box.connect(store=store) as connection:
            chat = connection.chats.create_chat(users=[KNOWN_USER])

        assert other.chats.get_by_thread_id(chat.tid) == chat

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
        circle = connection.groups.get_group(PRIVATE_CIRCLE)

        with pytest.raises(TWAuthError, match="only circles that are public") as caught:
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
        self, box: Sandbox
    ) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        connection.chats.get_subscriptions()
        box.fault("POST", "/v1/bot/chats/", drop="after", times=1)

        with pytest.raises(TWDeliveryUnknownError, match="look before you try again"):
            connection.chats.create_chat(title="lost", users=[KNOWN_USER])

        assert len(connection.chats.get_by_title("lost")) == 1

    @pytest.mark.parametrize("retries", [0, 1])
    def test_a_write_that_the_server_is_too_busy_for_costs_nothing(
        self, box: Sandbox, retries: int
    ) -> None:
        """The server has said so itself, and that it has done nothing."""
        connection = box.connect(config=ConnectionConfig(retries=retries))
        connection.chats.get_subscriptions()
        box.fault("POST", "/v1/bot/chats/", status=503)
        with pytest.raises(TWServerError):
            connection.chats.create_chat(title="busy", users=[KNOWN_USER])
        connection.chats.get_subscriptions()

        assert box.count(*LISTING) == 1

    def test_a_write_that_fails_within_the_server_is_in_doubt(self, box: Sandbox) -> None:
        connection = box.connect()
        connection.chats.get_subscriptions()
        box.fault("POST", "/v1/bot/chats/", status=500)
        with pytest.raises(TWDeliveryUnknownError):
            connection.chats.create_chat(title="broken", users=[KNOWN_USER])

        assert connection.chats.get_by_title("broken") == []
        assert connection.chats.get_by_title("broken") == []
        assert box.count(*LISTING) == 3

    def test_a_message_whose_answer_is_lost_says_that_its_outcome_is_unknown(
        self, box: Sandbox, connection: Connection
    ) -> None:
        box.fault("POST", "/v1/bot/chats/*/messages/", drop="before", times=1)

        with pytest.raises(TWDeliveryUnknownError):
            connection.chats.at(KNOWN_CHAT).post("hello")

    def test_a_message_whose_answer_cannot_be_unpacked_is_there_and_its_outcome_unknown(
        self, box: Sandbox, connection: Connection
    ) -> None:
        box.fault("POST", "/v1/bot/chats/*/messages/", headers={"Content-Encoding": "gzip"})

        with pytest.raises(TWDeliveryUnknownError, match="incorrect header check"):
            connection.chats.at(KNOWN_CHAT).post("hello")
