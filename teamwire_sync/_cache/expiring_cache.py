"""A cache of values by key. Threads that need the same key share one load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Generic, Optional, TypeVar

from cachetools import TLRUCache

from teamwire_sync._cache.single_flight import Flight, lead_or_wait
from teamwire_sync._internal.deadlines import is_own_timeout
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync.exceptions import TWClosedError, TWError

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

if TYPE_CHECKING:
    _Items = TLRUCache[str, tuple[Optional[T], float]]

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
        self._items: _Items[T] = self._no_items()
        self._flights: dict[str, Flight[T | None]] = {}
        self._lock = new_lock()
        self._changes = 0

    def _no_items(self) -> _Items[T]:
        # The TTL counts from just before the request, so each entry has its own expiry time.
        return TLRUCache(_MOST, ttu=lambda _key, item, _now: item[1], timer=self._clock)

    def _change(self, change: Callable[[_Items[T]], object]) -> None:
        """Call *change* with the entries. If an exception ends it, drop all entries.

        cachetools is written in Python. A signal handler may interrupt it when it has changed half
        of its data. The handler may raise an exception, or use this cache. So this cache is empty
        during a change. The entries come back only if no handler has changed the cache.
        """
        with self._lock:
            self._changes += 1
            number, items = self._changes, self._items
            self._items = self._no_items()
            change(items)
            if self._changes == number:
                self._items = items

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
                    # A signal handler may have discarded the key since the comparison.
                    self._flights.pop(key, None)
            led.abandon()

        return lead_or_wait(
            join,
            lambda led: self._lead(key, led, deadline),
            leave,
            deadline,
        )

    def _found(self, key: str, other_than: T | None) -> tuple[T | None] | None:
        if self._closed:
            message = "the Connection is closed"
            raise TWClosedError(message)
        try:
            item = self._items[key]  # cachetools takes twice as long for `get`
        except not_by_signal(KeyError):
            return None
        # cachetools stops its clock in some calls. After an exception of a signal handler in such
        # a call, the clock stands still forever, and its entries never expire.
        if self._clock() >= item[1]:
            return None
        # A cached value may be None, so other_than=None must not be compared with it.
        if other_than is not None and item[0] is other_than:
            return None
        return item[:1]

    def _lead(self, key: str, flight: Flight[T | None], deadline: float | None) -> T | None:
        asked_at = self._clock()
        try:
            value = self._load(key, deadline)
        except not_by_signal(TWError) as error:
            if not is_own_timeout(error, deadline):
                flight.set_exception(error)
            raise
        ttl = self._ttl_of_none if value is None else self._ttl

        def add(items: _Items[T]) -> None:
            # Thread A loads the key; thread B changes the object and discards the key. A's value
            # may be older than the change, so A returns it but does not cache it.
            if self._flights.get(key) is flight:
                items[key] = value, asked_at + ttl

        self._change(add)
        flight.set_result(value)
        return value

    def put(self, items: Iterable[tuple[str, T]], asked_at: float) -> None:
        """Store values from the response to another request.

        Args:
            items: Pairs of key and value.
            asked_at: The time just before that request, on the cache's clock.
        """
        entries = {key: (value, asked_at + self._ttl) for key, value in items}
        self._change(lambda kept: kept.update(entries))

    def discard(self, key: str) -> None:
        """Drop the value of *key*.

        The next `get` loads a new value. The value of a load in progress is not cached.
        """
        # Drop the flight first: it must not add its value after the entry is dropped.
        flight = self._flights.pop(key, None)
        self._change(lambda kept: kept.pop(key, None))
        if flight is not None:
            flight.abandon()

    def close(self) -> None:
        """Drop all entries, and wake all waiters. Later calls of `get` raise TWClosedError."""
        with self._lock:
            self._closed = True
            self._changes += 1
            self._items = self._no_items()
            flights = list(self._flights.values())
        for flight in flights:
            flight.abandon()
