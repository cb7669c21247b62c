"""A cache of values by key. Threads that need the same key share one load."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from cachetools import TLRUCache

from teamwire_sync._cache.single_flight import Flight, lead_or_wait
from teamwire_sync._internal.deadlines import is_own_timeout
from teamwire_sync._internal.fork import on_fork
from teamwire_sync.exceptions import TWClosedError, TWError

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

_MOST = 4096


class ExpiringCache(Generic[T]):
    """Values by key, each kept until it expires. The value None records that nothing exists.

    Args:
        load: A function that takes the key and the deadline, and requests the value. It returns
            None if nothing exists.
        clock: A function that returns seconds; only differences between its results matter.
        ttl: Seconds for which a value is kept.
        ttl_of_none: Seconds for which None is kept; at most *ttl*.
    """

    def __init__(
        self,
        load: Callable[[str, float | None], T | None],
        *,
        clock: Callable[[], float],
        ttl: float,
        ttl_of_none: float,
    ) -> None:
        self._load = load
        self._clock = clock
        self._ttl = ttl
        self._ttl_of_none = min(ttl, ttl_of_none)
        self._closed = False
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Drop all entries: a thread of the parent may have been changing them at the fork."""
        # The TTL counts from just before the request, so each entry has its own expiry time.
        self._items: TLRUCache[str, tuple[T | None, float]] = TLRUCache(
            _MOST, ttu=lambda _key, item, _now: item[1], timer=self._clock
        )
        self._flights: dict[str, Flight[T | None]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, deadline: float | None, other_than: T | None = None) -> T | None:
        """Return the value of *key* from the cache, or else from `load`.

        Args:
            key: The key.
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            other_than: A value that the caller can't use, or None. Other callers still get this
                value until the cache has a newer value.

        Raises:
            TWClosedError: The Connection is closed.
            TWError: The value could not be loaded.
        """
        with self._lock:
            found = self._found(key, other_than)
        if found is not None:
            return found[0]

        def join(led: Flight[T | None]) -> Flight[T | None] | tuple[T | None]:
            with self._lock:
                return self._found(key, other_than) or self._flights.setdefault(key, led)

        def leave(led: Flight[T | None]) -> None:
            with self._lock:
                if self._flights.get(key) is led:
                    del self._flights[key]
            led.abandon()

        return lead_or_wait(join, lambda led: self._lead(key, led, deadline), leave, deadline)

    def _found(self, key: str, other_than: T | None) -> tuple[T | None] | None:
        if self._closed:
            message = "the Connection is closed"
            raise TWClosedError(message)
        item = self._items.get(key)
        # A cached value may be None, so other_than=None must not be compared with it.
        if item is None or (other_than is not None and item[0] is other_than):
            return None
        return item[:1]

    def _lead(self, key: str, flight: Flight[T | None], deadline: float | None) -> T | None:
        asked_at = self._clock()
        try:
            value = self._load(key, deadline)
        except TWError as error:
            if not is_own_timeout(error, deadline):
                flight.set_exception(error)
            raise
        with self._lock:
            # Thread A loads the key; thread B changes the object and discards the key. A's value
            # may be older than the change, so A returns it but does not cache it.
            if self._flights.get(key) is flight:
                ttl = self._ttl_of_none if value is None else self._ttl
                self._items[key] = value, asked_at + ttl
        flight.set_result(value)
        return value

    def put(self, items: Iterable[tuple[str, T]], asked_at: float) -> None:
        """Store values from the response to another request.

        Args:
            items: Pairs of key and value.
            asked_at: The time just before that request, on the cache's clock.
        """
        with self._lock:
            for key, value in items:
                self._items[key] = value, asked_at + self._ttl

    def discard(self, key: str) -> None:
        """Drop the value of *key*.

        The next `get` loads a new value. The value of a load in progress is not cached.
        """
        with self._lock:
            self._items.pop(key, None)
            flight = self._flights.pop(key, None)
        if flight is not None:
            flight.abandon()

    def close(self) -> None:
        """Drop all entries, and wake all waiters. Later calls of `get` raise TWClosedError."""
        with self._lock:
            self._closed = True
            self._items.clear()
            flights = list(self._flights.values())
        for flight in flights:
            flight.abandon()
