"""The chats, as clients of a gateway see them, over each transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync import ConnectionConfig, TWNotFoundError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.support.gateways import ServedGateway

_LISTING = ("GET", "/v1/bot/chats/")


def _tids(box: Sandbox) -> list[str]:
    return [chat.tid for chat in box.connect().chats.get_subscriptions()]


class TestLookUps:
    def test_a_client_sees_the_chats_of_the_upstream(
        self, gateway: ServedGateway, box: Sandbox
    ) -> None:
        """Its names, too, and what it does not tell."""
        chats = gateway.connect().chats.get_subscriptions()

        assert chats == list(gateway.gateway.cache.all(None, refresh=False))
        assert [chat.tid for chat in chats] == _tids(box)

    def test_a_client_finds_a_chat_by_its_thread_id_and_by_its_title(
        self, gateway: ServedGateway
    ) -> None:
        chats = gateway.connect().chats
        found = chats.get_by_thread_id(KNOWN_CHAT)

        assert found is not None
        assert found.title is not None
        assert found in chats.get_by_title(found.title)

    def test_twenty_clients_cost_one_listing_of_the_upstream(
        self, gateway: ServedGateway, box: Sandbox
    ) -> None:
        with Threads(20) as threads:
            found = [threads.start(gateway.connect().chats.get_subscriptions) for _ in range(20)]
            assert {len(each.result()) for each in found} == {100}

        assert box.count(*_LISTING) == 1

    def test_its_pages_cost_one_listing_even_if_that_is_slower_than_the_ttl(
        self, gateway: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        chats = gateway.connect(config=ConnectionConfig(page_size=10)).chats
        listed = chats.get_subscriptions(progress=lambda *_: clock.advance(301))

        assert len(listed) == 100
        assert len(gateway.served) == 10
        assert box.count(*_LISTING) == 1

    def test_a_refresh_that_a_client_demands_is_a_new_listing_of_the_upstream(
        self, gateway: ServedGateway, box: Sandbox
    ) -> None:
        chats = gateway.connect().chats
        chats.get_subscriptions()
        box.rename_chat(KNOWN_CHAT, "renamed")

        assert not chats.get_by_title("renamed")
        assert len(chats.get_subscriptions(refresh=True)) == 100
        assert len(chats.get_by_title("renamed")) == 1

    def test_invalidated_chats_are_listed_by_the_upstream(
        self, gateway: ServedGateway, box: Sandbox
    ) -> None:
        chats = gateway.connect().chats
        chats.get_subscriptions()
        box.rename_chat(KNOWN_CHAT, "renamed")
        chats.invalidate()

        assert len(chats.get_by_title("renamed")) == 1

    def test_unchanged_chats_are_not_sent_again(self, gateway: ServedGateway, clock: Clock) -> None:
        clients = [gateway.connect(clock=clock).chats for _ in range(3)]
        for chats in clients:
            chats.get_subscriptions()
        clock.advance(301)
        for chats in clients:
            chats.get_subscriptions()

        assert gateway.statuses(*_LISTING) == [200] * 3 + [304] * 3

    def test_a_client_reads_only_the_changes(
        self, gateway: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        chats = gateway.connect(clock=clock).chats
        chats.get_subscriptions()
        box.rename_chat(KNOWN_CHAT, "renamed")
        added = box.add_chat(title="added", users=[KNOWN_USER])
        gone = chats.get_subscriptions()[-1]
        box.remove_chat(gone.tid)
        clock.advance(301)
        after = chats.get_subscriptions()

        assert [chat.tid for chat in after] == _tids(box)
        assert after[-1].tid == added.tid
        assert len(chats.get_by_title("renamed")) == 1
        info = chats.cache_info()
        assert (info.listings, info.updates) == (1, 1)

    def test_a_chat_that_goes_and_comes_back_is_the_last(
        self, gateway: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        followers, latecomer = gateway.connect(clock=clock).chats, gateway.connect().chats
        followers.get_subscriptions()
        latecomer.get_subscriptions()
        box.remove_chat(KNOWN_CHAT)
        clock.advance(301)
        assert followers.get_by_thread_id(KNOWN_CHAT) is None
        box.restore_chat(KNOWN_CHAT)
        for chats in (followers, latecomer):
            clock.advance(301)
            found = chats.get_subscriptions(refresh=True)

            assert found[-1].tid == KNOWN_CHAT
            assert [chat.tid for chat in found] == _tids(box)
            assert chats.cache_info().listings == 1

    def test_pages_are_as_long_as_the_client_asks(self, gateway: ServedGateway) -> None:
        chats = gateway.connect(config=ConnectionConfig(page_size=7)).chats

        assert len(chats.get_subscriptions()) == 100
        assert chats.cache_info().pages == 15


@pytest.mark.parametrize("gateway", ["http", "vendor-1.4", "vendor-1.8"], indirect=True)
class TestWrites:
    def test_a_chat_is_at_once_there_for_its_creator_and_for_others(
        self, gateway: ServedGateway
    ) -> None:
        creator, other = gateway.connect().chats, gateway.connect().chats
        creator.get_subscriptions()
        created = creator.create_chat(title="created", users=[KNOWN_USER], message="hello")

        assert creator.get_by_title("created") == [created]
        assert other.get_by_title("created") == [created]

    def test_a_message_is_posted_once(self, gateway: ServedGateway, box: Sandbox) -> None:
        gateway.connect().chats.at(KNOWN_CHAT).post("posted once")
        messages = box.connect().chats.at(KNOWN_CHAT).get_messages(10)

        assert [message.msg for message in messages].count("posted once") == 1

    def test_a_chat_that_does_not_exist_is_not_found(self, gateway: ServedGateway) -> None:
        with pytest.raises(TWNotFoundError):
            gateway.connect().chats.at("nowhere").post("hello")
