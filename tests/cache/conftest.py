"""A cache, and the server that it lists."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Callable

import pytest

from tests.support.builders import make_chat
from tests.support.caches import make_chat_cache
from tests.support.chat_server import ChatServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Pause the measurement of coverage, which would take several times as long as the test.

    For tests that run the same lines thousands of times. Other tests run them, too.
    """
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


@pytest.fixture
def server() -> ChatServer:
    """Two chats, t1 with the title "one" and t2 with the title "two"; it sends changes."""
    server = ChatServer(make_chat("t1", "one"), make_chat("t2", "two"))
    server.knows_changes = True
    return server


@pytest.fixture
def make_cache(server: ChatServer, clock: Clock) -> Callable[..., ChatCache]:
    """Makes a cache of the server with other settings."""

    def make(**settings: Any) -> ChatCache:
        return make_chat_cache(**{"read": server.read, "clock": clock, **settings})

    return make


@pytest.fixture
def cache(make_cache: Callable[..., ChatCache]) -> ChatCache:
    """A cache of the server with the default settings."""
    return make_cache()
