"""Title and flags of a chat over real HTTP, and what look-ups find while they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWNotFoundError,
    TWRequestError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from teamwire_sync import Chat, ChatHandle
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")
EDIT = ("PATCH", "/v1/bot/chats/*/")

SETTERS: dict[str, Callable[[Chat | ChatHandle], Chat]] = {
    "title": lambda chat: chat.set_title("another title"),
    "allow_sending": lambda chat: chat.set_allow_sending(False),
    "allow_mute_notifications": lambda chat: chat.set_allow_mute_notifications(False),
    "is_closed": lambda chat: chat.set_closed(True),
}
VALUES = {"title": "another title", "is_closed": True}


@pytest.fixture(params=SETTERS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of each property."""
    given: str = request.param
    return given


class TestSetting:
    def test_the_chat_that_is_returned_has_it_and_nothing_else_is_changed(
        self, chat: Chat, name: str
    ) -> None:
        changed = SETTERS[name](chat)
        names = ("tid", "users", "groups", "admins", "is_alert", "type", *SETTERS)
        differing = [each for each in names if getattr(changed, each) != getattr(chat, each)]

        assert getattr(changed, name) == VALUES.get(name, False)
        assert differing == [name]

    def test_the_next_look_up_has_it(self, connection: Connection, chat: Chat, name: str) -> None:
        changed = SETTERS[name](chat)

        assert connection.chats.get_by_thread_id(chat.tid) == changed

    def test_the_object_from_before_acts(self, chat: Chat, name: str) -> None:
        changed = SETTERS[name](chat)

        assert chat.set_closed(False) == changed.set_closed(False)
        assert chat.set_allow_sending(True).post("hello").msg == "hello"

    def test_it_costs_one_request_and_the_next_look_up_one(
        self, box: Sandbox, connection: Connection, chat: Chat, name: str
    ) -> None:
        before = len(box.requests)
        SETTERS[name](chat)
        for _ in range(10):
            connection.chats.get_by_thread_id(chat.tid)

        methods = [served.method for served in box.requests[before:]]
        assert methods == ["PATCH", "GET"]

    def test_a_handle_needs_no_listing(
        self, box: Sandbox, connection: Connection, name: str
    ) -> None:
        SETTERS[name](connection.chats.at(KNOWN_CHAT))

        assert [served.method for served in box.requests] == ["PATCH"]

    def test_only_an_administrator_does(
        self, box: Sandbox, connection: Connection, name: str
    ) -> None:
        theirs = box.add_chat(title="theirs", users=[KNOWN_USER])

        with pytest.raises(TWAuthError, match="not an administrator") as caught:
            SETTERS[name](connection.chats.at(theirs.tid))

        assert (caught.value.status, caught.value.code) == (403, "not_admin")

    def test_a_one_to_one_chat_stays_as_it_is(self, connection: Connection, name: str) -> None:
        alone = connection.chats.create_chat(users=[KNOWN_USER])

        with pytest.raises(TWRequestError) as caught:
            SETTERS[name](alone)

        assert (caught.value.status, caught.value.code) == (409, "one_to_one")

    def test_of_a_chat_that_is_gone_nothing_is_set(
        self, box: Sandbox, connection: Connection, chat: Chat, name: str
    ) -> None:
        box.remove_chat(chat)

        with pytest.raises(TWNotFoundError):
            SETTERS[name](chat)
        assert connection.chats.get_by_thread_id(chat.tid) is None


class TestValues:
    @pytest.mark.parametrize(
        "title",
        ["Grüße, 世界 \N{GRINNING FACE}", "<b>&\"'</b>", "a/b?c#d%20", "\u202eabc", "x" * 255],
        ids=["unicode", "markup", "URL", "right to left", "long"],
    )
    def test_any_title_comes_back_as_it_was(
        self, connection: Connection, chat: Chat, title: str
    ) -> None:
        assert connection.chats.get_by_title(title) == []
        changed = chat.set_title(title)

        assert connection.chats.get_by_title(title) == [changed]

    @pytest.mark.parametrize("title", [None, ""], ids=["None", "empty"])
    def test_none_and_empty_are_no_title(self, chat: Chat, title: str | None) -> None:
        assert chat.set_title(title).title is None

    def test_a_title_that_is_too_long_is_refused(self, chat: Chat) -> None:
        with pytest.raises(TWRequestError) as caught:
            chat.set_title("x" * 256)

        assert caught.value.status == 422

    def test_a_closed_chat_can_be_opened_again(self, chat: Chat) -> None:
        assert not chat.set_closed(True).set_closed(False).is_closed

    def test_what_it_is_already_can_be_set(self, connection: Connection, chat: Chat) -> None:
        assert chat.set_title(chat.title) == chat
        assert connection.chats.get_by_thread_id(chat.tid) == chat


class TestLookUpsByTitle:
    def test_create_rename_look_up(self, box: Sandbox, connection: Connection) -> None:
        """The old title finds nothing any more, the new one the chat, without waiting."""
        chats = connection.chats
        chats.get_subscriptions()
        created = chats.create_chat(title="old", users=[KNOWN_USER])
        renamed = created.set_title("new")

        assert chats.get_by_title("old") == []
        assert chats.get_by_title("new") == [renamed]
        assert chats.one_by_title("new").tid == created.tid
        assert chats.get_by_thread_id(created.tid) == renamed
        assert box.count(*LISTING) == 2

    def test_create_rename_look_up_in_between_too(self, connection: Connection) -> None:
        chats = connection.chats
        created = chats.create_chat(title="number 0", users=[KNOWN_USER])
        for number in range(1, 10):
            found = chats.one_by_title(f"number {number - 1}")
            renamed = found.set_title(f"number {number}")

            assert chats.get_by_title(f"number {number - 1}") == []
            assert chats.get_by_title(f"number {number}") == [renamed]
        assert chats.get_by_thread_id(created.tid) == renamed

    def test_a_list_that_lags_brings_no_old_title_back(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        chats = box.connect(clock=box.clock).chats
        chats.get_subscriptions()
        created = chats.create_chat(title="old", users=[KNOWN_USER])
        renamed = created.set_title("new")

        for _ in range(25):
            box.advance(1)
            assert chats.get_by_title("old") == []
            assert chats.get_by_title("new") == [renamed]
            assert chats.get_subscriptions(refresh=True).count(renamed) == 1

    def test_a_list_that_lags_brings_none_back_of_a_chat_of_others(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        chats = box.connect(clock=box.clock).chats
        chat = chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        for title in ("first", "second", "first", "third"):
            renamed = chat.set_title(title)
            box.advance(3)

            assert chats.get_by_title(title) == [renamed]
            assert KNOWN_CHAT not in {each.tid for each in chats.get_by_title("test")}
        box.advance(21)
        assert chats.get_subscriptions(refresh=True).count(renamed) == 1

    def test_a_listing_from_before_a_rename_is_never_published(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chats = connection.chats
        with Threads(1) as threads, box.hold(*LISTING) as held:
            early = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
            held.wait_arrived()
            renamed = chats.at(KNOWN_CHAT).set_title("renamed")
            held.release()
            early.result()

        assert chats.get_by_title("renamed") == [renamed]

    def test_after_a_lost_answer_the_next_look_up_tells_what_came_of_it(self, box: Sandbox) -> None:
        chats = box.connect(config=ConnectionConfig(retries=0)).chats
        chat = chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        box.fault(*EDIT, drop="after", times=1)
        with pytest.raises(TWDeliveryUnknownError, match="look before you try again"):
            chat.set_title("renamed")

        assert [each.tid for each in chats.get_by_title("renamed")] == [KNOWN_CHAT]

    @pytest.mark.usefixtures("no_pauses")
    def test_an_own_rename_that_came_late_does_not_undo_one_of_others(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        """What is sent again is the same rename, which the server has done already."""
        box.fault(*EDIT, drop="after", times=1)
        chat.set_title("ours")
        box.rename_chat(chat, "theirs")

        assert [each.tid for each in connection.chats.get_by_title("theirs")] == [chat.tid]
