"""A cache of the chats, put together as a Connection does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamwire_sync._cache.chat_cache import ChatCache
from teamwire_sync._cache.source import ServerSource
from teamwire_sync._cache.state import CacheState
from teamwire_sync._stores.source import StoreSource

if TYPE_CHECKING:
    from teamwire_sync._cache.listing import ReadListing
    from teamwire_sync._stores.sharing import SharedListing

_DEFAULTS = {
    "ttl": 300,
    "recheck_after": 5,
    "own_write_grace": 30,
    "write_timeout": 60,
    "stale_if_error": 0,
}


def make_state(**settings: Any) -> CacheState:
    """A state with the default settings, and *settings*."""
    return CacheState(**{**_DEFAULTS, **settings})


def make_chat_cache(
    read: ReadListing, *, shared: SharedListing | None = None, **settings: Any
) -> ChatCache:
    """A cache whose listings *read* brings, of default settings but for *settings*."""
    state = make_state(**settings)
    server = ServerSource(state, read)
    return ChatCache(state, server if shared is None else StoreSource(state, server, shared))
