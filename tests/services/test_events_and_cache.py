"""What events do to the chats in memory, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import ConnectionConfig
from teamwire_sync._sandbox.world.history import KNOWN_MESSAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from tests.support.events import take
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync import Chat, Connection
    from teamwire_sync._services.events import EventStream
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")

# What others do that the list of the chats shows.
CHANGES: dict[str, Callable[[Sandbox], object]] = {
    "chat created": lambda box: box.add_chat(title="new", users=[KNOWN_USER]),
    "joined": lambda box: box.add_members(KNOWN_CHAT, groups=[PUBLIC_CIRCLE]),
    "left": lambda box: box.remove_members(KNOWN_CHAT, [members(box)[-1]]),
    "removed": lambda box: box.remove_chat(KNOWN_CHAT),
    "title": lambda box: box.rename_chat(KNOWN_CHAT, "renamed"),
    "admins": lambda box: box.set_admins(KNOWN_CHAT, [members(box)[-1]]),
    "allow_sending": lambda box: box.change_chat(KNOWN_CHAT, allow_sending=False),
    "mute": lambda box: box.change_chat(KNOWN_CHAT, allow_mute_notifications=False),
    "closed": lambda box: box.change_chat(KNOWN_CHAT, is_closed=True),
}
# What others do that it does not show.
TALK: dict[str, Callable[[Sandbox], object]] = {
    "posted": lambda box: box.post_message(KNOWN_CHAT, "hello"),
    "read": lambda box: box.mark_read(KNOWN_CHAT, KNOWN_MESSAGE),
    "deleted": lambda box: box.delete_message(KNOWN_CHAT, KNOWN_MESSAGE),
}
# What the bot does that the list shows.
WRITES: dict[str, Callable[[Connection], object]] = {
    "create": lambda connection: connection.chats.create_chat(title="new", users=[KNOWN_USER]),
    "rename": lambda connection: connection.chats.at(KNOWN_CHAT).set_title("renamed"),
    "close": lambda connection: connection.chats.at(KNOWN_CHAT).set_closed(True),
    "add members": lambda connection: connection.chats.at(KNOWN_CHAT).add_members(
        groups=[PUBLIC_CIRCLE]
    ),
    "leave": lambda connection: connection.chats.at(KNOWN_CHAT).leave(),
}


def members(box: Sandbox) -> tuple[str, ...]:
    chat = box.connect().chats.get_by_thread_id(KNOWN_CHAT)
    assert chat is not None
    return tuple(user.uid for user in chat.users)


@pytest.fixture
def connection(box: Sandbox, clock: Clock) -> Connection:
    """A connection whose cache never expires by itself."""
    return box.connect(clock=clock)


@pytest.fixture
def stream(connection: Connection) -> EventStream:
    """All that happens, once the chats are in memory."""
    connection.chats.get_subscriptions()
    return connection.events(timeout=PATIENCE, own=True)


class TestOfOthers:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_what_changes_the_list_is_seen_by_the_next_look_up(
        self,
        box: Sandbox,
        connection: Connection,
        stream: EventStream,
        change: Callable[[Sandbox], object],
    ) -> None:
        change(box)
        take(stream)
        seen = list(connection.chats.get_subscriptions())

        assert seen == list(box.connect().chats.get_subscriptions())

    @pytest.mark.parametrize("talk", TALK.values(), ids=TALK)
    def test_what_does_not_costs_no_listing(
        self,
        box: Sandbox,
        connection: Connection,
        stream: EventStream,
        talk: Callable[[Sandbox], object],
    ) -> None:
        talk(box)
        take(stream)
        connection.chats.get_subscriptions()

        assert box.count(*LISTING) == 1

    def test_a_listening_thread_lets_all_the_others_see_it(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        chats = connection.chats
        with Threads(1) as threads:
            threads.start(lambda: list(stream))
            wait_until(lambda: box.waiting == 1)
            box.rename_chat(KNOWN_CHAT, "renamed")
            wait_until(lambda: chats.cache_info().chats == 0)

            assert [chat.tid for chat in chats.get_by_title("renamed")] == [KNOWN_CHAT]
            assert KNOWN_CHAT not in {chat.tid for chat in chats.get_by_title("test")}
            connection.close()

    def test_an_event_that_is_left_out_is_seen_too(
        self, box: Sandbox, connection: Connection
    ) -> None:
        """Such as one of the same bot in another program."""
        chats = connection.chats
        chats.get_subscriptions()
        stream = connection.events(timeout=PATIENCE)
        box.connect().chats.at(KNOWN_CHAT).set_title("renamed by another program")
        box.post_message(KNOWN_CHAT, "done")
        take(stream)

        assert len(chats.get_by_title("renamed by another program")) == 1

    def test_many_changes_that_come_together_cost_one_listing(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        for number in range(20):
            box.rename_chat(KNOWN_CHAT, f"number {number}")
        take(stream, 20)

        assert len(connection.chats.get_by_title("number 19")) == 1
        assert box.count(*LISTING) == 2

    def test_what_the_list_shows_already_costs_no_listing(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        box.rename_chat(KNOWN_CHAT, "renamed")
        connection.chats.get_subscriptions(refresh=True)
        take(stream)
        connection.chats.get_subscriptions()

        assert box.count(*LISTING) == 2

    def test_a_listing_from_before_the_event_is_not_what_later_look_ups_find(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chats = connection.chats
        stream = connection.events(timeout=PATIENCE)
        with Threads(1) as threads, box.hold(*LISTING) as held:
            early = threads.start(lambda: chats.get_by_thread_id(KNOWN_CHAT))
            held.wait_arrived()
            box.rename_chat(KNOWN_CHAT, "renamed")
            take(stream)
            held.release()
            found = early.result(PATIENCE)

        assert found is not None
        assert len(chats.get_by_title("renamed")) == 1

    def test_a_listing_of_what_is_undone_again_is_not_what_later_look_ups_find(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        """Though the chats in memory are right when the event comes."""
        chats = connection.chats
        box.rename_chat(KNOWN_CHAT, "for a moment")
        with Threads(1) as threads, box.hold(*LISTING) as held:
            refresh = threads.start(lambda: chats.get_subscriptions(refresh=True))
            held.wait_arrived()
            box.rename_chat(KNOWN_CHAT, "test")
            take(stream, 2)
            held.release()
            refresh.result(PATIENCE)

        assert chats.get_by_title("for a moment") == []

    def test_what_is_known_to_be_old_still_answers_while_the_server_fails(
        self, box: Sandbox, clock: Clock
    ) -> None:
        """If that is wanted: it is all that there is."""
        config = ConnectionConfig(stale_if_error=60, retries=0)
        connection = box.connect(clock=clock, config=config)
        connection.chats.get_subscriptions()
        stream = connection.events(timeout=PATIENCE)
        box.rename_chat(KNOWN_CHAT, "renamed")
        take(stream)
        box.fault(*LISTING, status=503)

        assert connection.chats.get_by_thread_id(KNOWN_CHAT) is not None
        assert connection.chats.cache_info().stale_serves == 1


class TestOwn:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_their_echo_costs_no_further_listing(
        self,
        box: Sandbox,
        connection: Connection,
        stream: EventStream,
        write: Callable[[Connection], object],
        when: str,
    ) -> None:
        """Whether it comes before the look-up that lists them anew, or after it."""
        write(connection)
        if when == "after":
            connection.chats.get_subscriptions()
        take(stream)
        for _ in range(3):
            connection.chats.get_subscriptions()

        assert box.count(*LISTING) == 2

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_their_echo_costs_none_while_the_list_lags_either(
        self, box: Sandbox, write: Callable[[Connection], object]
    ) -> None:
        box.fault(*LISTING, lag=20)
        connection = box.connect(clock=box.clock)
        connection.chats.get_subscriptions()
        stream = connection.events(timeout=PATIENCE, own=True)
        write(connection)
        before = connection.chats.get_subscriptions()
        take(stream)

        assert connection.chats.get_subscriptions() == before
        assert box.count(*LISTING) == 2

    def test_their_echo_spoils_no_listing_that_is_under_way(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        connection.chats.at(KNOWN_CHAT).set_title("renamed")
        with Threads(1) as threads, box.hold(*LISTING) as held:
            listing = threads.start(connection.chats.get_subscriptions)
            held.wait_arrived()
            take(stream)
            held.release()
            listing.result(PATIENCE)
        connection.chats.get_subscriptions()

        assert box.count(*LISTING) == 2

    def test_their_echo_leaves_a_chat_that_the_list_does_not_show_yet(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        connection = box.connect(clock=box.clock)
        connection.chats.get_subscriptions()
        stream = connection.events(timeout=PATIENCE, own=True)
        created = connection.chats.create_chat(title="new", users=[KNOWN_USER])
        take(stream)

        for _ in range(25):
            box.advance(1)
            assert connection.chats.get_by_title("new") == [created]

    def test_a_change_of_others_after_an_own_one_is_seen(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        connection.chats.at(KNOWN_CHAT).set_title("ours")
        box.rename_chat(KNOWN_CHAT, "theirs")
        take(stream, 2)

        assert connection.chats.get_by_title("ours") == []
        assert len(connection.chats.get_by_title("theirs")) == 1

    def test_an_own_chat_that_others_remove_is_no_longer_found(
        self, box: Sandbox, connection: Connection, stream: EventStream
    ) -> None:
        created = connection.chats.create_chat(title="new", users=[KNOWN_USER])
        box.remove_chat(created)
        take(stream, 2)

        assert connection.chats.get_by_title("new") == []

    def test_a_program_that_talks_and_listens_makes_one_listing(
        self, box: Sandbox, connection: Connection
    ) -> None:
        stream = connection.events(timeout=PATIENCE)
        for number in range(20):
            box.post_message(KNOWN_CHAT, f"question {number}")
            (event,) = take(stream)
            chat = connection.chats.get_by_thread_id(event.chat.tid)
            assert chat is not None
            chat.post(f"answer {number}")

        assert box.count(*LISTING) == 1


def test_a_chat_of_an_event_is_like_the_one_that_is_listed(
    box: Sandbox, connection: Connection, stream: EventStream, chat: Chat
) -> None:
    box.post_message(chat, "hello")

    assert take(stream)[0].chat == chat
