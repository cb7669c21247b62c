"""Reading messages over real HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    AlertType,
    CalendarAttachment,
    Connection,
    ConnectionConfig,
    LocationAttachment,
    TWConnectionError,
    TWNotFoundError,
    TWRequestError,
)
from teamwire_sync._sandbox.world.history import KNOWN_MESSAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync._server.request_bodies import NewMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync import Chat, Message
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")
READING = ("GET", "/v1/bot/chats/*/messages/")


@pytest.fixture
def empty(box: Sandbox, connection: Connection) -> Chat:
    """A chat in which nobody has said anything yet."""
    return connection.chats.create_chat(title="empty", users=[KNOWN_USER])


def fill(box: Sandbox, chat: Chat, count: int) -> None:
    """Let others post so many messages, "0" first."""
    author = chat.users[0].uid
    with box._world.database.writing() as db:
        for number in range(count):
            box._world.messages.add(db, chat.tid, author, NewMessage(message=f"{number}"), [])


def texts(messages: Iterable[Message]) -> list[str | None]:
    return [message.msg for message in messages]


class TestTheNewest:
    def test_they_come_newest_first(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 3)

        assert texts(empty.get_messages()) == ["2", "1", "0"]

    def test_there_are_fifty_unless_told(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 60)

        assert texts(empty.get_messages()) == [str(number) for number in range(59, 9, -1)]

    def test_fifty_take_one_request(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 60)
        empty.get_messages()

        assert box.count(*READING) == 1

    def test_more_than_a_page_are_read_page_by_page(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 500)

        assert texts(empty.get_messages(450)) == [str(number) for number in range(499, 49, -1)]
        assert box.count(*READING) == 3

    def test_fewer_than_asked_for_are_all(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 2)

        assert len(empty.get_messages(1000)) == 2

    def test_a_chat_without_any_has_none(self, empty: Chat) -> None:
        assert empty.get_messages() == list(empty.iter_messages()) == []

    @pytest.mark.parametrize("as_id", [True, False], ids=["id", "message"])
    def test_before_one_there_are_only_older_ones(
        self, box: Sandbox, empty: Chat, as_id: bool
    ) -> None:
        fill(box, empty, 10)
        fifth = empty.get_messages()[5]

        assert texts(empty.get_messages(2, before=fifth.mid if as_id else fifth)) == ["3", "2"]

    def test_before_the_first_there_is_none(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 2)
        first = empty.get_messages()[-1]

        assert empty.get_messages(before=first) == []

    def test_before_one_that_is_not_in_the_chat_is_an_error(self, empty: Chat) -> None:
        with pytest.raises(TWRequestError) as caught:
            empty.get_messages(before=KNOWN_MESSAGE)

        assert (caught.value.status, caught.value.code) == (422, "invalid_cursor")

    @pytest.mark.parametrize("limit", [0, -1, 1.5, True])
    def test_a_bad_limit_costs_no_request(
        self, box: Sandbox, connection: Connection, limit: int
    ) -> None:
        with pytest.raises((TypeError, ValueError)):
            connection.chats.at(KNOWN_CHAT).get_messages(limit)

        assert box.requests == []


class TestAllOfThem:
    def test_thousands_come_in_order_while_others_post(self, box: Sandbox, empty: Chat) -> None:
        """None is missing, and none comes twice; what is posted meanwhile does not come."""
        fill(box, empty, 2_000)
        read = []
        for message in empty.iter_messages():
            if len(read) % 75 == 0:  # in the middle of pages, and between them
                box.post_message(empty, "meanwhile")
            read.append(message)

        assert texts(read) == [str(number) for number in range(1_999, -1, -1)]
        assert len({message.mid for message in read}) == 2_000

    def test_a_second_loop_starts_anew(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 450)
        messages = empty.iter_messages()
        first = texts(messages)
        box.post_message(empty, "later")

        assert texts(messages) == ["later", *first]

    def test_loops_do_not_disturb_each_other(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 450)
        messages = empty.iter_messages()

        assert all(one is not other and one == other for one, other in zip(messages, messages))

    def test_no_page_is_read_before_it_is_needed(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 1000)
        counts = [box.count(*READING)]
        loop = iter(empty.iter_messages())
        for count in (1, 199, 1):
            list(islice(loop, count))
            counts.append(box.count(*READING))

        assert counts == [0, 1, 1, 2]

    def test_before_one_there_are_only_older_ones(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 450)
        middle = empty.get_messages(100)[-1]

        assert texts(empty.iter_messages(before=middle)) == [str(n) for n in range(349, -1, -1)]

    @pytest.mark.usefixtures("no_pauses")
    def test_a_page_that_fails_is_read_again(self, box: Sandbox, empty: Chat) -> None:
        fill(box, empty, 450)
        read = []
        for message in empty.iter_messages():
            if not read:
                box.fault(*READING, drop="after", times=1)
                box.fault(*READING, status=503, times=1)
                box.fault(*READING, cut=1000, times=1)
            read.append(message)

        assert texts(read) == [str(number) for number in range(449, -1, -1)]
        assert box.count(*READING) == 3 + 3

    def test_where_it_broke_off_one_can_go_on(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        chat = connection.chats.create_chat(title="new", users=[KNOWN_USER])
        fill(box, chat, 450)
        read: list[Message] = []

        def go_on() -> None:
            for message in chat.iter_messages(before=read[-1] if read else None):
                if len(read) == 200:
                    box.fault(*READING, drop="before", times=1)
                read.append(message)

        with pytest.raises(TWConnectionError):
            go_on()
        go_on()

        assert texts(read) == [str(number) for number in range(449, -1, -1)]


class TestWhatIsRead:
    def test_it_has_all_that_a_message_has(self, chat: Chat) -> None:
        first = list(chat.iter_messages())[-1]

        assert first.mid == KNOWN_MESSAGE
        assert first.msg == "Guten Morgen, die Übergabe ist um 7 Uhr."
        assert first.from_user in chat.users
        assert (first.is_alert, first.alert_type, first.reply_to) == (False, None, None)
        assert (first.deleted, first.attachments, first.link_preview) == (False, None, None)

    def test_its_moment_is_aware_and_in_utc(self, box: Sandbox, empty: Chat) -> None:
        before = int(box.clock() * 1000)
        moment = empty.post("hello").tstamp_date

        assert moment.utcoffset() == timedelta(0)
        assert before <= round(moment.timestamp() * 1000) <= box.clock() * 1000

    def test_alerts_replies_and_links_are_told(self, chat: Chat) -> None:
        link, reply, alert, *_ = chat.get_messages()

        assert (alert.is_alert, alert.alert_type) == (True, AlertType.ALERT)
        assert reply.reply_to == alert.mid
        assert link.link_preview is not None
        assert link.link_preview.url == "https://www.example.org/notfallplan"

    def test_places_and_dates_are_what_they_are(self, chat: Chat) -> None:
        attached = [each for one in chat.iter_messages() for each in one.attachments or ()]
        place = next(each for each in attached if isinstance(each, LocationAttachment))
        date = next(each for each in attached if isinstance(each, CalendarAttachment))

        assert (place.name, place.lat, place.lon) == ("Klinikum Süd", 48.1112, 11.4702)
        assert (place.city, place.postalCode) == ("München", "81375")
        assert (date.title, date.location) == ("Teambesprechung", "Raum 2.14")
        assert date.startDate == datetime(2025, 5, 6, 6, tzinfo=timezone.utc)
        assert date.endDate - date.startDate == timedelta(hours=1)

    def test_its_chat_acts(self, box: Sandbox, chat: Chat) -> None:
        box.post_message(chat, "who is there?")
        message = chat.get_messages(1)[0]

        assert message.chat is chat
        assert message.chat.post("the bot").msg == "the bot"

    def test_its_chat_acts_without_a_listing_when_it_was_read_by_a_handle(
        self, box: Sandbox, connection: Connection
    ) -> None:
        message = connection.chats.at(KNOWN_CHAT).get_messages(1)[0]
        message.chat.post("hello")
        message.chat.set_title("renamed")

        assert box.count(*LISTING) == 0

    def test_its_author_acts(self, box: Sandbox, chat: Chat) -> None:
        box.add_members(chat, [KNOWN_USER])
        box.post_message(chat, "hello", KNOWN_USER)

        assert chat.get_messages(1)[0].from_user.load_avatar().startswith(b"\x89PNG")

    def test_reading_leaves_the_chats_in_the_cache(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        chat.get_messages()
        list(chat.iter_messages())

        assert connection.chats.get_by_thread_id(chat.tid) is chat
        assert box.count(*LISTING) == 1

    def test_of_a_chat_that_is_gone_none_can_be_read_nor_is_it_found(
        self, box: Sandbox, connection: Connection, chat: Chat
    ) -> None:
        box.remove_chat(chat)

        with pytest.raises(TWNotFoundError):
            chat.get_messages()
        assert connection.chats.get_by_thread_id(chat.tid) is None


class TestDeletedOnes:
    @pytest.fixture
    def half(self, box: Sandbox, empty: Chat) -> Chat:
        """A chat of five hundred messages, of which the odd ones were deleted."""
        fill(box, empty, 500)
        odd = empty.get_messages(500)[::2]
        with box._world.database.writing():
            for message in odd:
                box.delete_message(empty, message.mid)
        return empty

    def test_they_are_hidden(self, half: Chat) -> None:
        assert texts(half.iter_messages()) == [str(number) for number in range(498, -1, -2)]

    def test_as_many_others_come_in_their_place(self, half: Chat) -> None:
        assert texts(half.get_messages(4)) == ["498", "496", "494", "492"]

    def test_they_are_shown_to_who_wants_them(self, box: Sandbox, half: Chat) -> None:
        config = ConnectionConfig(hide_deleted_messages=False)
        newest, second = box.connect(config=config).chats.at(half.tid).get_messages(2)

        assert (newest.deleted, newest.msg) == (True, None)
        assert (second.deleted, second.msg) == (False, "498")

    def test_one_that_is_deleted_has_no_attachment_any_more(
        self, box: Sandbox, empty: Chat
    ) -> None:
        mid = box.post_message(empty, "a file", files={"a.txt": b"abc"})
        box.delete_message(empty, mid)
        connection = box.connect(config=ConnectionConfig(hide_deleted_messages=False))

        assert connection.chats.at(empty.tid).get_messages()[0].attachments is None
