"""Showing what a server gave asks it nothing, and goes on when there is no Connection any more."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import EventList
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, PUBLIC_CIRCLE
from tests.support.builders import pickled
from tests.support.leaks import leak_in
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox


@pytest.fixture
def given(box: Sandbox, connection: Connection) -> list[Any]:
    """What a server gave, of each kind."""
    stream = connection.events()
    box.post_message(KNOWN_CHAT, text="hello", files={"a.txt": b"abc"})
    event = next(iter(stream))
    chats = connection.chats.get_subscriptions()
    messages = connection.chats.at(KNOWN_CHAT).get_messages()
    with_groups = next(chat for chat in chats if chat.groups)
    return [
        chats,
        with_groups,
        with_groups.groups[0],
        with_groups.users[0],
        with_groups.users,
        with_groups.groups,
        connection.users.get_all(),
        connection.groups.get_all(),
        connection.groups.get_group(PUBLIC_CIRCLE),
        connection.check(),
        messages,
        messages[0],
        messages[0].attachments,
        (messages[0].attachments or [None])[0],
        event,
        EventList([event]),
    ]


def show(values: list[Any]) -> str:
    """What a notebook shows of them, and a terminal."""
    return "".join(value._repr_html_() + repr(value) for value in values)


class TestShowing:
    def test_no_request_is_made_for_it(
        self, box: Sandbox, connection: Connection, given: list[Any]
    ) -> None:
        before = len(box.requests)
        show([*given, connection, connection.chats.cache_info()])

        assert len(box.requests) == before

    @pytest.mark.parametrize("change", [pickled, lambda values: values], ids=["pickled", "closed"])
    def test_no_connection_is_needed(
        self, connection: Connection, given: list[Any], change: Callable[[Any], Any]
    ) -> None:
        before = show(given)
        again = change(given)
        connection.close()

        assert show(again) == before

    def test_no_secret_is_in_it(
        self, box: Sandbox, connection: Connection, given: list[Any]
    ) -> None:
        shown = show([*given, connection, connection.chats.cache_info()])

        assert leak_in(shown, box.secret, box.app_id) is None
        assert box.app_id not in shown

    def test_the_services_and_the_sandbox_say_what_they_are(
        self, box: Sandbox, connection: Connection
    ) -> None:
        hold = box.hold("GET", "/v1/bot/chats/")
        shown = [repr(connection.chats), repr(connection.users), repr(connection.groups)]

        assert [*shown, repr(box), repr(hold)] == [
            "<Chats: 0 in memory; get_subscriptions() lists them>",
            "<Users: get_user() returns one by its ID>",
            "<Groups: get_group() returns one by its ID>",
            f"<Sandbox at {box.url}>",
            "<Hold on GET /v1/bot/chats/: 0 arrived>",
        ]
        assert box.requests == []

    def test_the_chats_in_memory_are_counted(self, connection: Connection) -> None:
        number = len(connection.chats.get_subscriptions())

        assert repr(connection.chats).startswith(f"<Chats: {number:,} in memory;")

    def test_no_lock_is_needed_for_it(self, connection: Connection) -> None:
        """A debugger shows values while another thread, which it has stopped, holds a lock."""
        shown: list[str] = []
        thread = threading.Thread(target=lambda: shown.append(repr(connection.chats)), daemon=True)
        with connection.chats._state._lock:
            thread.start()
            thread.join(PATIENCE)

            assert shown

    def test_it_works_while_an_event_loop_runs(self, given: list[Any]) -> None:
        async def cell() -> str:
            return show(given)

        assert asyncio.run(cell()) == show(given)
