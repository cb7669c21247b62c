"""Posting over real HTTP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    AlertType,
    Attachments,
    Connection,
    TWAuthError,
    TWDeliveryUnknownError,
    TWNotFoundError,
    TWRequestError,
)
from teamwire_sync._sandbox.world.history import KNOWN_MESSAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")
POSTING = ("POST", "/v1/bot/chats/*/messages/")


class TestWhatIsPosted:
    def test_all_the_arguments_come_back(self, chat: Chat) -> None:
        posted = chat.post(
            "Line 3 is down.",
            Attachments().add_file(io.BytesIO(b"abc"), "log.txt"),
            is_alert=True,
            reply_to=KNOWN_MESSAGE,
            sender_display_name="Night desk",
            alert_type=AlertType.NOTE,
        )

        assert (posted.msg, posted.reply_to) == ("Line 3 is down.", KNOWN_MESSAGE)
        assert (posted.is_alert, posted.alert_type) == (True, AlertType.NOTE)
        assert posted.sender_display_name == "Night desk"
        assert [attachment.name for attachment in posted.attachments or ()] == ["log.txt"]

    def test_whoever_reads_it_gets_what_was_returned(self, chat: Chat) -> None:
        posted = chat.post("hello", sender_display_name="Desk", is_alert=True)

        assert chat.get_messages(1) == [posted]

    def test_its_author_is_the_bot(self, chat: Chat, connection: Connection) -> None:
        assert chat.post("hello").from_user == connection.check()

    def test_without_arguments_it_is_a_plain_text(self, chat: Chat) -> None:
        posted = chat.post("hello")

        assert (posted.is_alert, posted.alert_type) == (False, None)
        assert (posted.reply_to, posted.sender_display_name) == (None, None)
        assert (posted.attachments, posted.link_preview) == (None, None)

    def test_an_alert_of_no_kind_is_an_alert(self, chat: Chat) -> None:
        assert chat.post("fire", is_alert=True).alert_type is AlertType.ALERT

    def test_a_link_has_a_preview(self, chat: Chat) -> None:
        preview = chat.post("see https://www.example.org/plan").link_preview

        assert preview is not None
        assert (preview.url, preview.domain) == (
            "https://www.example.org/plan",
            "www.example.org",
        )

    @pytest.mark.parametrize(
        "text",
        ["Grüße, 世界 \N{GRINNING FACE}", "one\ntwo\r\n\tthree\0", " ", "\u202eabc", "x" * 20_000],
        ids=["unicode", "control characters", "blank", "right to left", "long"],
    )
    def test_any_text_comes_back_as_it_was(self, chat: Chat, text: str) -> None:
        assert chat.post(text).msg == text

    def test_a_file_needs_no_text(self, chat: Chat) -> None:
        posted = chat.post(attachments=Attachments().add_file(io.BytesIO(b"abc"), "log.txt"))

        assert posted.msg is None


class TestReplies:
    def test_a_message_is_answered_in_its_chat(self, box: Sandbox, chat: Chat) -> None:
        box.post_message(chat, "who is there?")
        question = chat.get_messages(1)[0]
        answer = question.reply("the bot")

        assert (answer.reply_to, answer.msg) == (question.mid, "the bot")
        assert chat.get_messages(2) == [answer, question]

    def test_it_takes_what_post_takes(self, chat: Chat) -> None:
        answer = chat.post("first").reply(
            attachments=Attachments().add_location("Here", 48.1, 11.5), is_alert=True
        )

        assert (answer.is_alert, len(answer.attachments or ())) == (True, 1)

    def test_a_message_of_another_chat_cannot_be_answered_here(
        self, chat: Chat, connection: Connection
    ) -> None:
        other = connection.chats.create_chat(users=[KNOWN_USER]).post("elsewhere")

        with pytest.raises(TWRequestError) as caught:
            chat.post("hello", reply_to=other)

        assert (caught.value.status, caught.value.code) == (422, "invalid_reply_to")


class TestRequests:
    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({}, ValueError),
            ({"message": "x", "alert_type": AlertType.NOTE}, ValueError),
            ({"message": "x", "sender_display_name": "n" * 101}, ValueError),
            ({"message": "x", "reply_to": ""}, ValueError),
            ({"message": None}, TypeError),
            ({"message": "x", "attachments": "report.pdf"}, TypeError),
            ({"message": "x", "is_alert": "yes"}, TypeError),
        ],
        ids=["nothing", "kind of no alert", "long name", "no id", "no text", "path", "no flag"],
    )
    def test_a_bad_argument_costs_none(
        self, box: Sandbox, connection: Connection, arguments: dict[str, Any], error: type
    ) -> None:
        with pytest.raises(error):
            connection.chats.at(KNOWN_CHAT).post(**arguments)

        assert box.requests == []

    def test_a_handle_with_a_file_needs_no_listing(
        self, box: Sandbox, connection: Connection
    ) -> None:
        files = Attachments().add_file(io.BytesIO(b"abc"), "log.txt")
        connection.chats.at(KNOWN_CHAT).post("hello", files)

        assert [served.path for served in box.requests] == [
            "/v1/bot/attachments/",
            f"/v1/bot/chats/{KNOWN_CHAT}/messages/",
        ]

    def test_a_reply_by_a_handle_needs_no_listing(
        self, box: Sandbox, connection: Connection
    ) -> None:
        connection.chats.at(KNOWN_CHAT).post("hello").reply("again")

        assert {served.method for served in box.requests} == {"POST"}

    def test_a_loop_of_look_up_and_post_makes_one_listing(
        self, box: Sandbox, connection: Connection
    ) -> None:
        for number in range(50):
            chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
            assert chat is not None
            chat.post(f"number {number}")

        assert (box.count(*LISTING), box.count(*POSTING)) == (1, 50)


class TestRefusals:
    def test_nobody_posts_in_a_closed_chat(self, box: Sandbox, chat: Chat) -> None:
        box.change_chat(chat, is_closed=True)

        with pytest.raises(TWRequestError) as caught:
            chat.post("hello")

        assert (caught.value.status, caught.value.code) == (409, "chat_closed")

    def test_where_only_administrators_post_others_may_not(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chat = box.add_chat(title="orders", users=[KNOWN_USER], allow_sending=False)

        with pytest.raises(TWAuthError, match="only administrators may post") as caught:
            connection.chats.at(chat.tid).post("hello")

        assert (caught.value.status, caught.value.code) == (403, "sending_not_allowed")

    def test_where_only_administrators_post_an_administrator_does(self, chat: Chat) -> None:
        assert chat.set_allow_sending(False).post("hello").msg == "hello"

    def test_nobody_posts_in_a_chat_that_was_left(self, chat: Chat) -> None:
        chat.leave()

        with pytest.raises(TWNotFoundError):
            chat.post("hello")

    def test_an_attachment_that_is_not_there_is_refused(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        """Such as one of a chat that the bot is no longer in."""
        gone = box.add_chat(title="gone", users=[KNOWN_USER])
        box.post_message(gone, files={"a.txt": b"abc"})
        (message,) = connection.chats.at(gone.tid).get_messages()
        box.remove_chat(gone)

        with pytest.raises(TWRequestError) as caught:
            chat.post(attachments=message.attachments)

        assert (caught.value.status, caught.value.code) == (422, "invalid_attachments")


class TestLostAnswers:
    @pytest.mark.usefixtures("no_pauses")
    def test_the_advice_of_the_error_is_right(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        """It says that chat.get_messages() has the message if it was posted."""
        box.fault(*POSTING, drop="after", times=1)
        box.fault(*POSTING, drop="before")

        with pytest.raises(TWDeliveryUnknownError, match=r"chat\.get_messages\(\) has the message"):
            chat.post("lost")

        assert [message.msg for message in chat.get_messages(1)] == ["lost"]

    @pytest.mark.usefixtures("no_pauses")
    def test_it_is_posted_once_after_all(self, box: Sandbox, chat: Chat) -> None:
        box.fault(*POSTING, drop="after", times=1)
        posted = chat.post("found")

        assert chat.get_messages(1) == [posted]
        assert [message.msg for message in chat.iter_messages()].count("found") == 1
        assert box.count(*POSTING) == 2
