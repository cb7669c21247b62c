"""One listing for several Connections, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWRateLimitError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.store_sharers import Sharers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


class TestTheWire:
    @pytest.fixture
    def store(self, kit: Any) -> Any:
        """The store, with a clock that goes on."""
        kit.go_on()
        return kit.store

    @pytest.fixture
    def box(self) -> Iterator[Sandbox]:
        with sandbox(chats=30) as box:
            yield box

    def test_a_restart_asks_whether_the_chats_have_changed(self, box: Sandbox, store: Any) -> None:
        for _ in range(2):
            box.connect(store=store).chats.get_subscriptions(refresh=True)

        assert [each.status for each in box.requests] == [200, 304]

    def test_chats_of_the_store_can_act(self, box: Sandbox, store: Any) -> None:
        box.connect(store=store).chats.get_subscriptions()
        chat = box.connect(store=store).chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        chat.post("hello")

        assert box.count(*LISTING) == 1

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_refusal_is_shared(self, box: Sandbox, store: Any, status: int) -> None:
        kind = TWRateLimitError if status == 429 else TWServerError
        box.fault(*LISTING, status=status, times=9, retry_after=60)
        for _ in range(2):
            with pytest.raises(kind):
                box.connect(store=store).chats.get_subscriptions()

        assert box.count(*LISTING) == 1

    def test_a_401_of_any_call_has_the_others_list_anew(self, box: Sandbox, store: Any) -> None:
        config = ConnectionConfig(store_check_interval=0)
        one, other = box.connect(store=store), box.connect(store=store, config=config)
        other.chats.get_subscriptions()
        box.fault("GET", "/v1/bot/me/", status=401)
        with pytest.raises(TWAuthError):
            one.check()
        other.chats.get_subscriptions()

        assert box.count(*LISTING) == 2

    @pytest.mark.parametrize(
        "write",
        [
            lambda chats, _: chats.create_chat(title="new", users=[KNOWN_USER]),
            lambda _, chat: chat.set_title("new"),
            lambda _, chat: chat.set_closed(True),
            lambda _, chat: chat.add_members([KNOWN_USER]),
            lambda _, chat: chat.leave(),
        ],
        ids=["create", "rename", "close", "members", "leave"],
    )
    def test_each_write_reaches_the_others(
        self, box: Sandbox, write: Callable[[Any, Any], object], sharers: Sharers
    ) -> None:
        config = ConnectionConfig(store_check_interval=0)
        one, other = (box.connect(store=sharers.store, config=config) for _ in range(2))
        other.chats.get_subscriptions()
        write(one.chats, one.chats.get_by_thread_id(KNOWN_CHAT))
        other.chats.get_subscriptions()

        assert box.count(*LISTING) == 2

    def test_a_post_does_not(self, box: Sandbox, sharers: Sharers) -> None:
        config = ConnectionConfig(store_check_interval=0)
        one, other = (box.connect(store=sharers.store, config=config) for _ in range(2))
        other.chats.get_subscriptions()
        chat = one.chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        chat.post("hello")
        other.chats.get_subscriptions()

        assert box.count(*LISTING) == 1
