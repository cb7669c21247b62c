"""Fixtures of the tests of the cache, and of those of listening."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection
from teamwire_sync._cache import ChatCache
from tests.builders import make_chat
from tests.unit.chat_server import ChatServer
from tests.unit.event_server import EventServer

if TYPE_CHECKING:
    from teamwire_sync import EventStream
    from tests.builders import Clock


@pytest.fixture
def server() -> ChatServer:
    """Two chats, t1 with the title "one" and t2 with the title "two"."""
    return ChatServer(make_chat("t1", "one"), make_chat("t2", "two"))


@pytest.fixture
def make_cache(server: ChatServer, clock: Clock) -> Callable[..., ChatCache]:
    """Makes a cache of the server with other settings."""

    def make(**settings: Any) -> ChatCache:
        defaults = {"ttl": 300, "recheck_after": 5, "own_write_grace": 30, "stale_if_error": 0}
        return ChatCache(server.load, clock=clock, **{**defaults, **settings})

    return make


@pytest.fixture
def cache(make_cache: Callable[..., ChatCache]) -> ChatCache:
    """A cache of the server with the default settings."""
    return make_cache()


@pytest.fixture
def event_server(monkeypatch: pytest.MonkeyPatch) -> EventServer:
    """A server whose time is that of the listening."""
    fake = EventServer()
    monkeypatch.setattr(time, "monotonic", lambda: fake.now)
    return fake


@pytest.fixture
def listen(
    event_server: EventServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., EventStream]:
    """Makes a stream that goes on after the cursor c0; its pauses are of the longest kind."""
    monkeypatch.setattr("teamwire_sync._listening.random.random", lambda: 1.0)
    connection = Connection(transport=event_server, clock=lambda: event_server.now)

    def make(**arguments: Any) -> EventStream:
        return connection.events(**{"since": "c0", **arguments})

    return make
