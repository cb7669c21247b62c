"""The counters of the chat cache."""

from __future__ import annotations

from typing import Any

from attrs import asdict, frozen

from teamwire_sync._display.html import html_table
from teamwire_sync._internal.immutable import Immutable


@frozen
class CacheInfo(Immutable):
    """The counters of the chat cache since the Connection was made, and the age of the cache.

    Attributes:
        hits: Look-ups that found their result in memory.
        misses: Look-ups that needed a refresh, or found nothing.
        refreshes: Refreshes that sent a request to the server. Each one is counted in listings,
            updates, not_modified or failures, or it ended early, for example because a write
            outdated it.
        listings: Refreshes in which the server sent all the chats.
        updates: Refreshes in which the server sent only what had changed.
        pages: Pages of chats received, also by a refresh that failed or ended early.
        not_modified: Refreshes in which the server reported no change.
        failures: Refreshes that failed.
        joined: The number of times that a thread waited for another thread's refresh, instead of
            making its own.
        stale_serves: Look-ups that found their result in an expired listing, because the server
            failed.
        store_loads: Listings that came from the store, where another process had saved them.
        chats: Chats that look-ups find without a request; 0 after a write, until the next look-up.
        age: Seconds since the last successful request for the chats; None without a listing.
        expires_in: Seconds until a look-up requests the chats from the server.
    """

    hits: int = 0
    misses: int = 0
    refreshes: int = 0
    listings: int = 0
    updates: int = 0
    pages: int = 0
    not_modified: int = 0
    failures: int = 0
    joined: int = 0
    stale_serves: int = 0
    store_loads: int = 0
    chats: int = 0
    age: float | None = None
    expires_in: float = 0.0

    @property
    def lookups(self) -> int:
        """The look-ups that returned. A look-up that raised an error is not counted."""
        return self.hits + self.misses

    @property
    def requests_saved(self) -> int:
        """The number of look-ups minus the number of refreshes."""
        return self.lookups - self.refreshes

    def to_dict(self) -> dict[str, Any]:
        """Return the counters as a dict of numbers, for JSON."""
        return {"lookups": self.lookups, **asdict(self), "requests_saved": self.requests_saved}

    def _rows(self) -> list[tuple[str, str]]:
        return [(name, _shown(value)) for name, value in self.to_dict().items()]

    def __str__(self) -> str:
        return "\n".join(f"{name:<16}{value:>12}" for name, value in self._rows())

    def _repr_html_(self) -> str:
        return html_table(("chat cache", ""), self._rows())


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f} s" if isinstance(value, float) else f"{value:,}"
