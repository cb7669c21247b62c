"""What the cache says of itself."""

from __future__ import annotations

from attrs import asdict, frozen

from teamwire_sync._display.html import html_table


@frozen
class CacheInfo:
    """What the cache of the chats has done since the Connection was made, and how old it is.

    Attributes:
        hits: Look-ups answered from memory with what they looked for.
        misses: Look-ups answered after a refresh, or with nothing found.
        refreshes: How often the server was asked for the chats. That is listings, not_modified,
            failures, and those given up since a write outdated them.
        listings: Refreshes that brought all the chats.
        pages: Pages of chats that came, also for a refresh that was given up or failed.
        not_modified: Refreshes that found nothing changed.
        failures: Refreshes that failed.
        joined: Waits for another thread's refresh in place of an own one.
        stale_serves: Look-ups answered past the time to live, because the server failed.
        store_loads: Listings that came from the store, where another process had left them.
        chats: Chats that look-ups find without asking; 0 after a write, until the next look-up.
        age: Seconds since the server was last asked with success; None when it has not been.
        expires_in: Seconds until the next look-up asks the server.
    """

    hits: int = 0
    misses: int = 0
    refreshes: int = 0
    listings: int = 0
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
        """All the look-ups that were answered; one that raised is counted nowhere."""
        return self.hits + self.misses

    @property
    def requests_saved(self) -> int:
        """Look-ups minus refreshes, as without the cache each look-up asks the server."""
        return self.lookups - self.refreshes

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("lookups", self.lookups), *asdict(self).items()]
        rows.append(("requests_saved", self.requests_saved))
        return [(name, _shown(value)) for name, value in rows]

    def __str__(self) -> str:
        return "\n".join(f"{name:<16}{value:>12}" for name, value in self._rows())

    def _repr_html_(self) -> str:
        return html_table(("chat cache", ""), self._rows())


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f} s" if isinstance(value, float) else f"{value:,}"
