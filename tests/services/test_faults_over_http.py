"""One object that is not quite the contract, in an answer over HTTP: all others are of use."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ChatChangeInfo,
    ConnectionConfig,
    Event,
    MemoryStore,
    TWError,
    TWProtocolError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.builders import (
    chat_doc,
    event_doc,
    events_doc,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.support.events import EVENTS, take
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync._services.events import EventStream
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")
MESSAGES = ("GET", f"/v1/bot/chats/{KNOWN_CHAT}/messages/")
PEOPLE = "somebody"
CHATS = page_doc(chat_doc("t1", title="one"), chat_doc("t2", title="two", admin_ids=[PEOPLE]))


def renamed(number: int, **fields: Any) -> dict[str, Any]:
    return event_doc("chat_title_changed", f"c{number}", title="test", **fields)


POISON = events_doc(renamed(1), renamed(2, editor_id=PEOPLE), renamed(3))


def told_of(box: Sandbox, connection: Connection, page: dict[str, Any]) -> EventStream:
    """A stream whose first answer is *page*."""
    stream = connection.events(timeout=PATIENCE)
    box.fault(*EVENTS, status=200, body=page, times=1)
    return stream


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the texts of the log above DEBUG."""
    return [each.getMessage() for each in caplog.records if each.levelno > logging.DEBUG]


class TestEvents:
    def test_a_poison_event_is_plain_and_the_bot_goes_on(
        self, box: Sandbox, connection: Connection
    ) -> None:
        events = take(told_of(box, connection, POISON), 3)

        assert [event.cursor for event in events] == ["c1", "c2", "c3"]
        assert [type(event) for event in events] == [ChatChangeInfo, Event, ChatChangeInfo]

    def test_it_is_logged_once(
        self, box: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "teamwire_sync")
        for _ in range(2):
            take(told_of(box, connection, POISON), 3)

        (text,) = told(caplog)
        assert text == (
            "a response does not follow the contract: an event chat_title_changed names a user "
            "that the answer does not describe; only the rest of it is used"
        )

    def test_its_chat_can_be_acted_on(self, box: Sandbox, connection: Connection) -> None:
        body = events_doc(renamed(1, tid=KNOWN_CHAT), chats=[])
        (event,) = take(told_of(box, connection, body))

        assert event.chat.title is None
        assert event.chat.post("hello").msg == "hello"

    @pytest.mark.parametrize("revision", [None, 2**62], ids=["no revision", "revision"])
    def test_a_change_of_a_chat_that_is_not_described_is_looked_up(
        self, box: Sandbox, connection: Connection, revision: Any
    ) -> None:
        (chat,) = connection.chats.get_by_title("test")[:1]
        box.rename_chat(chat, "other")
        body = events_doc(renamed(1, tid=chat.tid, revision=revision), chats=[])
        take(told_of(box, connection, body))

        found = connection.chats.get_by_thread_id(chat.tid)
        assert found is not None
        assert found.title == "other"


class TestChats:
    def test_one_of_them_blocks_no_look_up(self, box: Sandbox, connection: Connection) -> None:
        box.fault(*LISTING, body=CHATS)

        assert len(connection.chats.get_subscriptions()) == 2
        assert connection.chats.one_by_title("one").tid == "t1"

    def test_it_is_found_itself_so_that_nobody_makes_it_again(
        self, box: Sandbox, connection: Connection
    ) -> None:
        box.fault(*LISTING, body=CHATS)

        found = connection.chats.one_by_title("two")
        assert (found.tid, found.admins) == ("t2", ())
        assert connection.chats.get_by_thread_id("t2") is found

    def test_it_is_one_warning_however_often_the_chats_are_listed(
        self, box: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        box.fault(*LISTING, body=CHATS)
        for _ in range(3):
            connection.chats.get_subscriptions(refresh=True)

        (text,) = told(caplog)
        assert text == (
            "a response does not follow the contract: a chat names a user that the answer does "
            "not describe; only the rest of it is used"
        )

    @pytest.mark.parametrize("raw", [chat_doc("t2", title=5), {**chat_doc(), "tid": None}, 5, {}])
    @pytest.mark.parametrize("stored", [False, True])
    def test_one_without_an_id_or_a_title_blocks_only_what_is_not_found(
        self, box: Sandbox, raw: Any, stored: bool
    ) -> None:
        """It may be the one that is looked for, and a program would make it again."""
        box.fault(*LISTING, body=page_doc(chat_doc("t1", title="one"), raw))
        store = MemoryStore()
        if stored:
            box.connect(store=store).chats.get_subscriptions()
        chats = box.connect(store=store).chats

        assert [chat.tid for chat in chats.get_subscriptions()] == ["t1"]
        assert chats.one_by_title("one").tid == "t1"
        look_ups: list[Callable[[str], object]] = [
            chats.one_by_title, chats.get_by_title, chats.get_by_thread_id,
        ]  # fmt: skip
        for look_up in look_ups:
            with pytest.raises(TWProtocolError, match=r"^not found, but .* don't create it again$"):
                look_up("two")
        with pytest.raises(TWProtocolError, match=r"^not found, but "):
            chats.get_by_thread_id("")
        assert box.count(*LISTING) == 1

    def test_a_chat_that_was_made_is_given_though_its_answer_has_a_fault(
        self, box: Sandbox, connection: Connection
    ) -> None:
        answer = {"chat": chat_doc("t9", admin_ids=[PEOPLE]), "users": [], "groups": []}
        box.fault("POST", "/v1/bot/chats/", body=answer)

        assert connection.chats.create_chat(title="test", users=box_users(box)).tid == "t9"


def box_users(box: Sandbox) -> list[str]:
    return [box.connect().chats.get_subscriptions()[0].users[0].uid]


class TestMessages:
    def test_one_of_an_unknown_author_ends_no_loop(
        self, box: Sandbox, connection: Connection
    ) -> None:
        raws = [message_doc("m3"), message_doc("m2", from_user_id=PEOPLE), message_doc("m1")]
        page = {"messages": raws, "users": [user_doc()], "next_before": None}
        box.fault(*MESSAGES, body=page)
        messages = list(connection.chats.at(KNOWN_CHAT).iter_messages())

        assert [message.mid for message in messages] == ["m3", "m2", "m1"]
        assert (messages[1].from_user.uid, messages[1].from_user.full_name()) == (PEOPLE, "")

    def test_its_author_is_looked_up_all_the_same(
        self, box: Sandbox, connection: Connection
    ) -> None:
        (user, *_) = connection.chats.get_subscriptions()[0].users
        page = {"messages": [message_doc(from_user_id=user.uid)], "users": [], "next_before": None}
        box.fault(*MESSAGES, body=page)
        (message,) = box.connect().chats.at(KNOWN_CHAT).iter_messages()

        assert message.from_user.full_name() == ""
        assert connection.users.get_user(user.uid) == user

    def test_a_post_that_was_done_is_given_though_its_answer_has_a_fault(
        self, box: Sandbox, connection: Connection
    ) -> None:
        answer = message_answer(message_doc("m9", attachments=None, from_user_id=PEOPLE))
        box.fault("POST", MESSAGES[1], body=answer)

        assert connection.chats.at(KNOWN_CHAT).post("hello").mid == "m9"


class TestDirectory:
    def test_one_user_ends_no_loop(self, box: Sandbox, connection: Connection) -> None:
        users = [user_doc("u1", last_name=5), {}, user_doc("u2")]
        box.fault("GET", "/v1/bot/users/", body={"users": users, "next_cursor": None})

        assert [user.uid for user in connection.users.get_all()] == ["u1", "u2"]

    def test_one_group_blocks_no_other(self, box: Sandbox, connection: Connection) -> None:
        groups = [group_doc("g1", owner_id=PEOPLE), group_doc("g2", title="two")]
        body = {"groups": groups, "users": [], "next_cursor": None}
        box.fault("GET", "/v1/bot/groups/", body=body)

        assert [group.gid for group in connection.groups.find("two")] == ["g2"]
        assert connection.groups.get_all()[0].owner is None


NO_CODE = {"error": {"code": "gone", "message": "x"}}
FOREIGN = {"Teamwire-Bot-Contract": None}


class TestChanges:
    """A refresh asks for the changes. The first response has a fault."""

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 410, "body": NO_CODE},
            {"status": 410, "body": "<h1>Gone</h1>"},
            {"status": 400, "body": NO_CODE},
            {"status": 500},
            {"status": 501, "body": {"error": {"code": "unsupported", "message": "x"}}},
            {"body": ""},
            {"body": "<html>"},
            {"body": page_doc(chats=None, gone=[], total=0)},
            {"body": page_doc(gone=[], total=0, next_cursor="unknown")},
            {"headers": {"Teamwire-Revision": "x"}},
        ],
        ids=lambda answer: f"{answer}"[:40],
    )
    def test_if_the_server_itself_fails_all_the_chats_are_listed(
        self, answer: dict[str, Any], box: Sandbox, connection: Connection
    ) -> None:
        """It may fail only with a parameter that it does not know, each time."""
        connection.chats.get_subscriptions()
        box.rename_chat(KNOWN_CHAT, "renamed")
        box.fault(*LISTING, times=1, **answer)
        chats = connection.chats.get_subscriptions(refresh=True)

        assert "renamed" in [chat.title for chat in chats]
        assert "since" not in box.requests[-1].query
        assert connection.chats.cache_info().failures == 0

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 410, "body": NO_CODE, "headers": FOREIGN},
            {"status": 500, "headers": FOREIGN},
            {"status": 200, "body": "<html>", "headers": FOREIGN},
            {"status": 403},
            {"status": 503},
        ],
        ids=lambda answer: f"{answer}"[:40],
    )
    def test_if_something_else_fails_the_refresh_fails(
        self, answer: dict[str, Any], box: Sandbox
    ) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        connection.chats.get_subscriptions()
        box.fault(*LISTING, times=1, **answer)
        with pytest.raises(TWError):
            connection.chats.get_subscriptions(refresh=True)

        assert "since" in box.requests[-1].query
