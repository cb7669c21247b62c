"""Listening over real HTTP: what comes, and what can be done with it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatMemberChangeInfo,
    Connection,
    ConnectionConfig,
    Events,
    MessageDeletedInfo,
    MessageReadInfo,
    NewMessageInfo,
)
from teamwire_sync._sandbox.world.history import KNOWN_MESSAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from tests.support.events import EVENTS, take, texts
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Chat, User
    from teamwire_sync._services.events import EventStream
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def stream(connection: Connection) -> EventStream:
    """What others do, as long as a test has patience."""
    return connection.events(timeout=PATIENCE)


@pytest.fixture
def member(box: Sandbox, chat: Chat) -> User:
    """One whom the tests know in the chat."""
    return chat.users[1]


class TestEachKind:
    def test_a_message_comes_as_it_can_be_read(
        self, box: Sandbox, chat: Chat, stream: EventStream, member: User
    ) -> None:
        box.post_message(chat, "hello", member, files={"a.txt": b"abc"}, is_alert=True)
        (event,) = take(stream, 1)

        assert isinstance(event, NewMessageInfo)
        assert event.type is Events.NEW_MESSAGE
        assert event.message == chat.get_messages(1)[0]
        assert (event.chat, event.editor) == (chat, member)

    def test_it_is_told_who_has_read_what(
        self, box: Sandbox, chat: Chat, stream: EventStream, member: User
    ) -> None:
        box.mark_read(chat, KNOWN_MESSAGE, member)
        (event,) = take(stream, 1)

        assert isinstance(event, MessageReadInfo)
        assert event.type is Events.MESSAGE_READ
        assert (event.user, event.message_id) == (member, KNOWN_MESSAGE)
        assert event.read_date.utcoffset() == timedelta(0)
        assert abs(event.read_date.timestamp() - box.clock()) < 60

    def test_it_is_told_which_message_was_deleted(
        self, box: Sandbox, chat: Chat, stream: EventStream
    ) -> None:
        box.delete_message(chat, KNOWN_MESSAGE)
        (event,) = take(stream, 1)

        assert isinstance(event, MessageDeletedInfo)
        assert event.type is Events.MESSAGE_DELETED
        assert event.message_id == KNOWN_MESSAGE

    def test_a_chat_that_others_made_comes_with_its_members(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        made = box.add_chat(title="new", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
        (event,) = take(stream, 1)

        assert isinstance(event, ChatChangeInfo)
        assert event.type is Events.CHAT_CREATED
        assert (event.title, event.chat, event.value) == ("new", made, None)
        assert event.editor == made.users[0]

    @pytest.mark.parametrize(
        ("change", "kind"),
        [("add_members", Events.CHAT_JOINED), ("remove_members", Events.CHAT_LEFT)],
    )
    def test_it_is_told_who_joined_and_who_left(
        self, box: Sandbox, stream: EventStream, change: str, kind: Events
    ) -> None:
        made = box.add_chat(title="new", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
        host = box.add_chat(title="host", users=["rVRCfuQEtkgnZBZEgbHVji"], is_alert=True)
        chat = host if change == "add_members" else made
        getattr(box, change)(chat, [made.users[0]] if chat is made else [], [PUBLIC_CIRCLE])
        event = take(stream, 3)[-1]

        assert isinstance(event, ChatMemberChangeInfo)
        assert event.type is kind
        assert event.users == (made.users if chat is made else ())
        assert [group.gid for group in event.groups] == [PUBLIC_CIRCLE]

    def test_the_chat_that_the_bot_was_removed_from_comes_as_it_last_was(
        self, box: Sandbox, connection: Connection, chat: Chat, stream: EventStream
    ) -> None:
        box.remove_chat(chat)
        (event,) = take(stream, 1)

        assert isinstance(event, ChatMemberChangeInfo)
        assert event.type is Events.CHAT_DELETED
        assert (event.chat, event.users, event.groups) == (chat, (connection.check(),), ())

    def test_a_new_title_comes_with_the_chat_as_it_is_now(
        self, box: Sandbox, chat: Chat, stream: EventStream
    ) -> None:
        box.rename_chat(chat, "renamed")
        (event,) = take(stream, 1)

        assert isinstance(event, ChatChangeInfo)
        assert event.type is Events.CHAT_TITLE_CHANGED
        assert (event.title, event.chat.title, event.value) == ("renamed", "renamed", None)

    def test_it_is_told_who_is_administrator_and_who_no_longer(
        self, box: Sandbox, chat: Chat, stream: EventStream, member: User
    ) -> None:
        gone = [admin for admin in chat.admins if not admin.is_bot]
        box.set_admins(chat, [member], bot=True)
        (event,) = take(stream, 1)

        assert isinstance(event, ChatAdminsChangeInfo)
        assert event.type is Events.CHAT_ADMINS_CHANGED
        assert (event.added_admins, list(event.removed_admins)) == ((member,), gone)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("allow_sending", False), ("allow_mute_notifications", False), ("is_closed", True)],
    )
    def test_a_flag_comes_with_its_new_value(
        self, box: Sandbox, chat: Chat, stream: EventStream, name: str, value: bool
    ) -> None:
        box.change_chat(chat, **{name: value})
        (event,) = take(stream, 1)

        assert isinstance(event, ChatChangeInfo)
        assert event.type is Events(f"chat_{name}_changed")
        assert (event.value, event.title) == (value, chat.title)
        assert getattr(event.chat, name) is value

    def test_each_says_when_it_was(self, box: Sandbox, chat: Chat, stream: EventStream) -> None:
        box.rename_chat(chat, "renamed")
        (event,) = take(stream, 1)

        assert event.date.utcoffset() == timedelta(0)
        assert abs(event.date.timestamp() - box.clock()) < 60


class TestActing:
    def test_a_message_that_came_can_be_answered(
        self, box: Sandbox, chat: Chat, stream: EventStream
    ) -> None:
        box.post_message(chat, "who is there?")
        (event,) = take(stream, 1)
        assert isinstance(event, NewMessageInfo)
        answer = event.message.reply("the bot")

        assert chat.get_messages(1) == [answer]
        assert answer.reply_to == event.message.mid

    def test_an_answer_needs_no_listing(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        box.post_message(KNOWN_CHAT, "who is there?")
        take(stream, 1)[0].chat.post("the bot")

        assert box.count(*LISTING) == 0

    def test_a_file_that_came_can_be_had(
        self, box: Sandbox, chat: Chat, stream: EventStream, tmp_path: Path
    ) -> None:
        box.post_message(chat, files={"a.txt": b"abc"})
        (event,) = take(stream, 1)
        assert isinstance(event, NewMessageInfo)
        attached: list[Any] = event.message.attachments or []

        assert attached[0].download(tmp_path).read_bytes() == b"abc"

    def test_people_act(self, box: Sandbox, chat: Chat, stream: EventStream) -> None:
        box.add_members(chat, [KNOWN_USER])
        (event,) = take(stream, 1)
        assert isinstance(event, ChatMemberChangeInfo)

        assert event.users[0].load_avatar().startswith(b"\x89PNG")


class TestWhatComes:
    def test_it_begins_with_what_happens_after_the_call(
        self, box: Sandbox, connection: Connection
    ) -> None:
        box.post_message(KNOWN_CHAT, "before")
        stream = connection.events(timeout=PATIENCE)
        box.post_message(KNOWN_CHAT, "after")

        assert texts(take(stream, 1)) == ["after"]

    def test_what_the_bot_does_is_left_out(
        self, box: Sandbox, chat: Chat, stream: EventStream
    ) -> None:
        chat.post("own")
        box.post_message(chat, "own, by another program", box.bot_uid)
        box.post_message(chat, "theirs")

        assert texts(take(stream, 1)) == ["theirs"]

    def test_what_the_bot_does_comes_when_it_is_wanted(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        stream = connection.events(timeout=PATIENCE, own=True)
        chat.set_title("own")
        box.rename_chat(chat, "theirs")
        events = take(stream, 2)

        assert [event.is_own for event in events] == [True, False]
        assert events[0].editor == connection.check()

    @pytest.mark.parametrize("hide", [True, False], ids=["hidden", "shown"])
    def test_a_message_that_is_deleted_already_is_hidden_unless_wanted(
        self, box: Sandbox, hide: bool
    ) -> None:
        config = ConnectionConfig(hide_deleted_messages=hide)
        stream = box.connect(config=config).events(timeout=PATIENCE)
        box.delete_message(KNOWN_CHAT, box.post_message(KNOWN_CHAT, "a mistake"))
        first = take(stream, 1)[0]

        assert isinstance(first, MessageDeletedInfo if hide else NewMessageInfo)

    def test_who_waits_gets_it_at_once(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        with Threads(1) as threads:
            waiter = threads.start(lambda: take(stream, 1))
            wait_until(lambda: box.waiting == 1)
            box.post_message(KNOWN_CHAT, "hello")

            assert texts(waiter.result(PATIENCE)) == ["hello"]
        assert box.count(*EVENTS) == 2

    def test_two_streams_each_get_all(self, box: Sandbox, connection: Connection) -> None:
        streams = [connection.events(timeout=PATIENCE) for _ in range(2)]
        for number in range(3):
            box.post_message(KNOWN_CHAT, f"{number}")

        assert [texts(take(one, 3)) for one in streams] == [["0", "1", "2"]] * 2
