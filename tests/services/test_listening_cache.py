"""Events make look-ups list the chats anew, when they change them and are not our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from teamwire_sync import Connection, Event, Events
from tests.support.builders import make_chat, make_event

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from tests.support.event_server import EventServer

NEUTRAL = [Events.NEW_MESSAGE, Events.MESSAGE_READ, Events.MESSAGE_DELETED]
CHANGING = [kind for kind in Events if kind not in NEUTRAL]


@pytest.fixture
def connection(event_server: EventServer) -> Connection:
    return Connection(transport=event_server, clock=lambda: event_server.now)


def happened(kind: str, chat: Chat, **fields: Any) -> Event:
    return make_event(kind, "c1", chat=chat, **fields)


def heard(connection: Connection, server: EventServer, *events: Event) -> list[Event]:
    """What a program gets that listens until these have come."""
    server.takes = [0.0]
    server.tell(*events)
    stream = connection.events(since="c0", own=True)
    return [next(stream) for _ in events]


@pytest.mark.parametrize("kind", CHANGING, ids=str)
def test_what_changes_a_chat_is_seen_at_once(
    kind: Events, connection: Connection, event_server: EventServer
) -> None:
    (old,) = connection.chats.get_subscriptions()
    new = attrs.evolve(old, title="new")
    event_server.chats = [] if kind is Events.CHAT_DELETED else [new]
    heard(connection, event_server, happened(kind, new))

    found = connection.chats.get_by_thread_id("t1")
    assert found == (None if kind is Events.CHAT_DELETED else new)
    assert event_server.calls.count("iter_chat_pages") == 2


@pytest.mark.parametrize("kind", [*NEUTRAL, "brand_new"], ids=str)
def test_what_changes_no_chat_costs_no_listing(
    kind: str, connection: Connection, event_server: EventServer
) -> None:
    (old,) = connection.chats.get_subscriptions()
    heard(connection, event_server, happened(kind, attrs.evolve(old, title="new")))
    connection.chats.get_subscriptions()

    assert event_server.calls.count("iter_chat_pages") == 1


def test_it_is_seen_before_the_event_is_given(
    connection: Connection, event_server: EventServer
) -> None:
    """Of several that come together, the first is given when all of them are known."""
    connection.chats.get_subscriptions()
    event_server.tell(
        happened("message_deleted", make_chat("t1", "one")),
        happened("chat_title_changed", make_chat("t1", "new")),
    )
    event_server.chats = [make_chat("t1", "new")]
    next(connection.events(since="c0"))

    assert len(connection.chats.get_by_title("new")) == 1


def test_own_events_that_are_left_out_are_seen_too(
    connection: Connection, event_server: EventServer
) -> None:
    """Another program of the bot may have done it."""
    connection.chats.get_subscriptions()
    event_server.chats = [make_chat("t1", "new")]
    event_server.tell(happened("chat_title_changed", make_chat("t1", "new"), is_own=True))

    assert list(connection.events(since="c0", timeout=25)) == []
    assert len(connection.chats.get_by_title("new")) == 1


def test_the_echo_of_an_own_change_costs_no_listing(
    connection: Connection, event_server: EventServer
) -> None:
    renamed = connection.chats.one_by_title("one").set_title("new")
    connection.chats.get_subscriptions()
    heard(connection, event_server, happened("chat_title_changed", renamed, is_own=True))

    assert connection.chats.one_by_title("new") == renamed
    assert event_server.calls.count("iter_chat_pages") == 2


def test_neither_does_that_of_an_own_creation(
    connection: Connection, event_server: EventServer
) -> None:
    made = connection.chats.create_chat(title="made", users=["u1"])
    connection.chats.get_subscriptions()
    heard(connection, event_server, happened("chat_created", made, is_own=True))
    connection.chats.get_subscriptions()

    assert event_server.calls.count("iter_chat_pages") == 1


def test_a_chat_that_the_bot_left_stays_away(
    connection: Connection, event_server: EventServer
) -> None:
    chat = connection.chats.one_by_title("one")
    event_server.behind = list(event_server.chats)
    chat.leave()
    heard(connection, event_server, happened("chat_deleted", chat, is_own=True))

    assert connection.chats.get_by_thread_id("t1") is None


def test_a_chat_that_was_renamed_and_is_gone_is_not_brought_back(
    connection: Connection, event_server: EventServer
) -> None:
    renamed = connection.chats.one_by_title("one").set_title("new")
    connection.chats.get_subscriptions()
    event_server.chats = []
    heard(connection, event_server, happened("chat_deleted", renamed))

    assert connection.chats.get_by_thread_id("t1") is None
    assert connection.chats.get_by_title("new") == []
