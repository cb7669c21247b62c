"""A sandbox of a hundred chats, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync import _listening
from teamwire_sync._sandbox.seed import KNOWN_CHAT
from teamwire_sync._transports import retries
from teamwire_sync.testing import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat, Connection
    from teamwire_sync.testing import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with sandbox(chats=100, seed=7) as box:
        yield box


@pytest.fixture
def connection(box: Sandbox) -> Connection:
    """A connection to it."""
    return box.connect()


@pytest.fixture
def chat(connection: Connection) -> Chat:
    """A chat that the bot administers, with a history; it has taken a listing."""
    found = connection.chats.get_by_thread_id(KNOWN_CHAT)
    assert found is not None
    return found


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tries again does so as good as at once."""
    for module in (retries, _listening):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(_listening, "_SHORTEST_WAIT", 0.001)
