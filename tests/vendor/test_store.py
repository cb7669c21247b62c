"""Chats that were listed through the vendor's SDK, in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection, MemoryStore, TWConfigError

if TYPE_CHECKING:
    from tests.vendor.conftest import Vendor


class TestStore:
    def test_another_connection_of_the_bot_takes_them(self, vendor: Vendor) -> None:
        store, listed = MemoryStore(), []
        for _ in range(2):
            with Connection.from_vendor(vendor.factory, bot="bot", store=store) as connection:
                listed.append(connection.chats.get_subscriptions())

        assert listed[0] == listed[1]
        assert vendor.calls["get_subscriptions"] == 1

    def test_they_act_through_the_connection_that_took_them(self, vendor: Vendor) -> None:
        store = MemoryStore()
        with Connection.from_vendor(vendor.factory, bot="bot", store=store) as first:
            first.chats.get_subscriptions()
        with Connection.from_vendor(vendor.factory, bot="bot", store=store) as second:
            chat = second.chats.get_by_title("test")[0]

            assert chat.post("hello").msg == "hello"

    def test_another_bot_lists_its_own(self, vendor: Vendor) -> None:
        store = MemoryStore()
        for bot in ("one", "two"):
            with Connection.from_vendor(vendor.factory, bot=bot, store=store) as connection:
                connection.chats.get_subscriptions()

        assert vendor.calls["get_subscriptions"] == 2

    def test_without_a_name_of_the_bot_there_is_none(self, vendor: Vendor) -> None:
        with pytest.raises(TWConfigError, match=r"from_vendor\(bot="):
            Connection.from_vendor(vendor.factory, store=MemoryStore())

    @pytest.mark.parametrize(("bot", "error"), [(7, TypeError), ("", ValueError)])
    def test_a_name_that_is_none_is_an_error(
        self, vendor: Vendor, bot: object, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=r"^bot "):
            Connection.from_vendor(vendor.factory, bot=bot)  # type: ignore[arg-type]
