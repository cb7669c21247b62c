"""A server that is listened to, whose time a test sets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection
from tests.support.event_server import EventServer

if TYPE_CHECKING:
    from teamwire_sync import EventStream


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
    monkeypatch.setattr("teamwire_sync._services.events.random.random", lambda: 1.0)
    connection = Connection(transport=event_server, clock=lambda: event_server.now)

    def make(**arguments: Any) -> EventStream:
        return connection.events(**{"since": "c0", **arguments})

    return make
