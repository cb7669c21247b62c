"""Users and groups, one at a time, each kept for the time to live."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from teamwire_sync._config import check_seconds
from teamwire_sync._flight import Flight, Void, deadline_after, own_haste
from teamwire_sync._fork import renew_after_fork
from teamwire_sync._models import Group, User, bind
from teamwire_sync.exceptions import TWClosedError, TWError, TWNotFoundError, TWProtocolError

if TYPE_CHECKING:
    from cachetools import TLRUCache

    from teamwire_sync._transports.base import Transport

T = TypeVar("T")

_MOST = 4096


class _Kept(Generic[T]):
    """Something by id, or that there is no such thing, until it expires.

    Args:
        load: Asks for one; None when there is none. Takes the id and the deadline.
        clock: Gives seconds; only differences count.
        ttl: Seconds that something is kept.
        ttl_of_none: Seconds that it is remembered that there is none.
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
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start empty: another thread may have been in the middle of a change."""
        from cachetools import TLRUCache  # noqa: PLC0415  no part of the import of the package

        # Expiry counts from just before the question, so each entry brings its own.
        self._items: TLRUCache[str, tuple[T | None, float]] = TLRUCache(
            _MOST, ttu=lambda _key, item, _now: item[1], timer=self._clock
        )
        self._flights: dict[str, Flight[T | None]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, deadline: float | None) -> T | None:
        while True:
            led: Flight[T | None] = Flight()
            # Whatever ends this thread's work, Ctrl-C too, ends the flight: others wait for it.
            try:
                with self._lock:
                    if self._closed:
                        message = "the Connection is closed"
                        raise TWClosedError(message)
                    item = self._items.get(key)
                    if item is not None:
                        return item[0]
                    flight = self._flights.setdefault(key, led)
                return self._lead(key, led, deadline) if flight is led else flight.wait(deadline)
            except Void:
                continue
            finally:
                # Twice, and the second time for nothing, unless Ctrl-C comes right here.
                try:
                    self._end(key, led)
                finally:
                    self._end(key, led)

    def _end(self, key: str, led: Flight[T | None]) -> None:
        with self._lock:
            if self._flights.get(key) is led:
                del self._flights[key]
        led.void()

    def _lead(self, key: str, flight: Flight[T | None], deadline: float | None) -> T | None:
        asked_at = self._clock()
        try:
            value = self._load(key, deadline)
        except TWError as error:
            if not own_haste(error, deadline):
                flight.fail(error)
            raise
        expires_at = asked_at + (self._ttl_of_none if value is None else self._ttl)
        with self._lock:
            self._items[key] = value, expires_at
        flight.land(value)
        return value

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._items.clear()
            flights = list(self._flights.values())
        for flight in flights:
            flight.void()


def _checked(identifier: str, name: str) -> str:
    if not isinstance(identifier, str):
        message = (
            f"{name} must be a str, not {type(identifier).__name__}: {name}s are opaque strings"
        )
        raise TypeError(message)
    if not identifier:
        message = f"{name} is empty"
        raise ValueError(message)
    return identifier


def deadline_of(timeout: float | None) -> float | None:
    """The moment at which a call with the argument *timeout* has to end.

    Raises:
        TypeError: *timeout* is no number.
        ValueError: It is not above zero.
    """
    if timeout is not None:
        check_seconds("timeout", timeout)
    return deadline_after(timeout)


class Users:
    """The people and bots that the bot can see; ``connection.users``."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float], ttl: float, ttl_of_none: float
    ) -> None:
        self._kept: _Kept[User] = _Kept(
            lambda uid, deadline: transport.get_user(uid, deadline=deadline),
            clock=clock,
            ttl=ttl,
            ttl_of_none=ttl_of_none,
        )

    def get_user(self, uid: str, *, timeout: float | None = None) -> User | None:
        """The user with the id *uid*, or None. Kept for ``cache_ttl`` seconds.

        Args:
            uid: The user id.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        return self._kept.get(_checked(uid, "uid"), deadline_of(timeout))

    def _close(self) -> None:
        self._kept.close()


class Groups:
    """The circles and lists that the bot can see; ``connection.groups``."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float], ttl: float, ttl_of_none: float
    ) -> None:
        def load(gid: str, deadline: float | None) -> Group | None:
            group = transport.get_group(gid, deadline=deadline)
            if group is not None:
                bind([group], self)
            return group

        self._kept: _Kept[Group] = _Kept(load, clock=clock, ttl=ttl, ttl_of_none=ttl_of_none)

    def get_group(self, gid: str, *, timeout: float | None = None) -> Group | None:
        """The circle or list with the id *gid*, or None. Kept for ``cache_ttl`` seconds.

        Args:
            gid: The group id.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        return self._kept.get(_checked(gid, "gid"), deadline_of(timeout))

    def _members_of(self, gid: str, *, timeout: float | None) -> list[User]:
        group = self.get_group(gid, timeout=timeout)
        if group is None:
            message = f"there is no group {gid!r} any more, or the bot can't see it"
            raise TWNotFoundError(message)
        members = group._members
        if members is None:
            message = f"the group {gid!r} came without its members"
            raise TWProtocolError(message)
        return list(members)

    def _close(self) -> None:
        self._kept.close()
