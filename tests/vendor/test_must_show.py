"""What the vendor's SDK is spared, and what is never done twice through it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWTimeoutError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.vendor.conftest import Vendor

# Of the connection; all the other calls ask the server for something.
MANNERS = {"init", "enter", "exec_async"}


@pytest.fixture
def connection(vendor: Vendor, clock: Clock) -> Iterator[Connection]:
    """A Connection through the vendor's SDK, by the injected clock."""
    with Connection.from_vendor(vendor.factory, clock=clock) as connection:
        yield connection


def asked(vendor: Vendor) -> dict[str, int]:
    """What was asked for so far, and how often."""
    return {name: count for name, count in vendor.calls.items() if name not in MANNERS}


def since(before: Counter[str], vendor: Vendor) -> dict[str, int]:
    """All the calls since *before*."""
    return dict(vendor.calls - before)


class TestListings:
    def test_sixty_four_threads_at_once_make_one(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        chats = connection.chats
        start = threading.Barrier(64)

        def look_up() -> object:
            start.wait()
            return chats.get_by_thread_id(KNOWN_CHAT)

        with vendor.faults.hold("get_subscriptions") as held, Threads(64) as threads:
            found = [threads.start(look_up) for _ in range(64)]
            wait_until(lambda: chats.cache_info().joined == 63)
            held.release()

        assert len({id(each.result()) for each in found}) == 1
        assert found[0].result() is not None
        assert asked(vendor) == {"get_subscriptions": 1}

    def test_what_they_share_is_one_connection_of_the_vendors(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        # In this order: whoever fails lets go what it held before it waits for the threads.
        with Threads(8) as threads, vendor.faults.hold("get_user") as held:
            found = [
                threads.start(lambda uid=uid: connection.users.get_user(uid))
                for uid in (KNOWN_USER, *(f"nobody {number}" for number in range(7)))
            ]
            held.wait_arrived(8)  # side by side
            held.release()

        assert [each.result() is not None for each in found] == [True, *[False] * 7]
        assert (vendor.calls["enter"], len(vendor.faults.threads)) == (1, 1)

    def test_a_connection_that_was_not_asked_for_anything_asks_nothing(
        self, vendor: Vendor
    ) -> None:
        before = threading.active_count()
        with Connection.from_vendor() as connection:
            chat = connection.chats.at(KNOWN_CHAT)

            assert chat.tid == KNOWN_CHAT
            assert threading.active_count() == before
        assert not vendor.calls


class TestHits:
    def test_a_repeated_look_up_makes_no_call_at_all(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        def look_up() -> tuple[object, ...]:
            return (
                connection.chats.get_by_thread_id(KNOWN_CHAT),
                connection.chats.get_by_title("test"),
                connection.chats.get_subscriptions(),
                connection.users.get_user(KNOWN_USER),
                connection.groups.get_group(PUBLIC_CIRCLE),
            )

        first = look_up()
        before = vendor.calls
        for _ in range(1_000):
            assert look_up() == first

        assert since(before, vendor) == {}

    def test_that_a_chat_is_not_there_is_known_as_well(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        for _ in range(1_000):
            assert connection.chats.get_by_thread_id("nope") is None
            assert connection.chats.get_by_title("nope") == []

        assert asked(vendor) == {"get_subscriptions": 1}

    def test_a_hit_does_not_wait_for_a_vendors_sdk_that_hangs(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        connection.chats.get_subscriptions()
        with vendor.faults.block("get_user") as blocked, Threads(1) as threads:
            waiting = threads.start(lambda: connection.users.get_user("nobody"))
            blocked.wait_arrived()

            assert connection.chats.get_by_thread_id(KNOWN_CHAT) is not None
            assert not waiting.done()

            blocked.release()
            assert waiting.result() is None


class TestCreating:
    @pytest.mark.parametrize("lag", [0, 20], ids=["at once", "late"])
    def test_a_new_chat_is_found_at_once_by_one_listing(
        self, vendor: Vendor, connection: Connection, box: Sandbox, lag: float
    ) -> None:
        """Also when the list shows it late."""
        box.fault("GET", "/v1/bot/chats/", lag=lag)
        connection.chats.get_subscriptions()
        created = connection.chats.create_chat(title="hello world", users=[KNOWN_USER])
        before = vendor.calls
        for _ in range(100):
            assert connection.chats.get_by_title("hello world") == [created]
            assert connection.chats.get_by_thread_id(created.tid) == created
            assert connection.chats.get_subscriptions().count(created) == 1

        assert since(before, vendor) == {"get_subscriptions": 1}

    @pytest.mark.parametrize("lag", [0, 20], ids=["at once", "late"])
    def test_get_or_create_in_a_loop_makes_each_chat_once(
        self, vendor: Vendor, connection: Connection, box: Sandbox, lag: float
    ) -> None:
        box.fault("GET", "/v1/bot/chats/", lag=lag)
        titles = [f"ward {number}" for number in range(5)]
        tids: dict[str, set[str]] = {title: set() for title in titles}
        for _ in range(20):
            for title in titles:
                found = connection.chats.get_by_title(title)
                chat = (
                    found[0]
                    if found
                    else connection.chats.create_chat(title=title, users=[KNOWN_USER])
                )
                tids[title].add(chat.tid)

        assert [len(tids[title]) for title in titles] == [1] * len(titles)
        calls = asked(vendor)
        assert calls["create_chat"] == len(titles)
        assert calls["get_subscriptions"] == 1 + len(titles)


class TestPosting:
    def test_look_up_and_post_in_a_loop_make_one_listing(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        """The vendor's chat object is looked up for each post: `post` is a method of that."""
        for number in range(20):
            chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
            assert chat is not None
            chat.post(f"number {number}")

        assert asked(vendor) == {"get_subscriptions": 1, "get_by_thread_id": 20, "post": 20}

    def test_what_is_posted_arrives_once_and_in_order(
        self, connection: Connection, box: Sandbox
    ) -> None:
        chat = connection.chats.at(KNOWN_CHAT)
        for number in range(20):
            chat.post(f"number {number}")

        messages = box.connect().chats.at(KNOWN_CHAT).get_messages(limit=20)
        assert [message.msg for message in messages] == [f"number {n}" for n in range(19, -1, -1)]

    def test_a_post_by_thread_id_alone_makes_no_listing(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        connection.chats.at(KNOWN_CHAT).post("hello")

        assert asked(vendor) == {"get_by_thread_id": 1, "post": 1}

    def test_who_was_told_that_nothing_was_sent_was_told_the_truth(
        self, vendor: Vendor, connection: Connection
    ) -> None:
        """Also when the vendor's SDK does not mind that it is cancelled, and goes on."""
        with vendor.faults.hold("get_group") as held, Threads(1) as threads:
            # As long as this is under way, what was given up has a loop to go on in.
            other = threads.start(lambda: connection.groups.get_group(PUBLIC_CIRCLE))
            held.wait_arrived()
            stubborn = vendor.faults.stubborn("get_by_thread_id", after=True)
            with stubborn, pytest.raises(TWTimeoutError):
                connection.chats.at(KNOWN_CHAT).post("late", timeout=0.5)
            held.release()

            assert other.result() is not None

        assert vendor.calls["post"] == 0


class TestRefreshes:
    def test_each_is_one_listing(
        self, vendor: Vendor, connection: Connection, clock: Clock
    ) -> None:
        for _ in range(5):
            assert len(connection.chats.get_subscriptions()) == 100
            clock.advance(ConnectionConfig().cache_ttl)

        assert asked(vendor) == {"get_subscriptions": 5}
