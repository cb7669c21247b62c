"""The cache of the chats: one snapshot with a time to live, of which a hit takes no lock.

It knows chats and clocks, and nothing of HTTP or JSON: `load` brings a listing. The state changes
under one lock that is never held over a load, the clock, logging or a callback.
"""

from __future__ import annotations

import copy
import itertools
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, TypeVar

from attrs import asdict, frozen

from teamwire_sync._flight import Flight, Void, own_haste
from teamwire_sync._load import Load, Loader, Progress
from teamwire_sync._report import CacheInfo, Counts
from teamwire_sync._snapshot import OwnChat, View, merge
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._load import Listing
    from teamwire_sync._models import Chat

T = TypeVar("T")

logger = logging.getLogger("teamwire_sync")

# Seconds after a failed load in which no other is tried, unless the server asks for more.
_COOL_DOWN = 1.0
# How often a load that a write outdated is given up for a new one, before one is read to its end:
# writes that never stop would keep a look-up waiting for ever.
_RESTARTS = 2


class _Outdated(Exception):  # noqa: N818  it is no error: a load gives up, since nobody needs it
    """A write came while the load was under way."""


@frozen(eq=False)
class _LastGood:
    """What the server sent last, and nothing else."""

    listed: View
    validator: str | None
    asked_at: float


class Write:
    """A write under way; see `ChatCache.writing`."""

    chat: Chat | None = None

    def created(self, chat: Chat) -> None:
        """The server has answered with *chat*."""
        self.chat = chat


class ChatCache:
    """The chats of one bot, by thread ID and by title.

    A hit reads `view`, compares `clock()` with its deadline and counts with ``next(hits)``: that
    is done in the public look-ups themselves, since one more call would cost as much again.

    Args:
        load: Brings a listing; called in the thread of the look-up that needs it.
        clock: Gives seconds; only differences count.
        ttl: Seconds that a listing answers look-ups, counted from just before it was asked for.
        recheck_after: Seconds after a listing until a look-up that finds nothing asks for another.
        own_write_grace: Seconds that an own write is remembered which the listing does not show.
        stale_if_error: Seconds after the time to live in which the last listing answers while
            there is no other to be had.
    """

    def __init__(
        self,
        load: Loader,
        *,
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        own_write_grace: float,
        stale_if_error: float,
    ) -> None:
        self._load = load
        self._ttl = ttl
        self._recheck_after = recheck_after
        self._own_write_grace = own_write_grace
        self._stale_if_error = stale_if_error
        self.clock = clock
        self.view = View()
        self.hits = itertools.count()
        self._hits_read = 0
        self._lock = threading.Lock()
        self._closed = False
        self._generation = 0
        self._flight: Flight[View] | None = None
        self._flights: set[Flight[View]] = set()
        self._last_good: _LastGood | None = None
        self._overlay: dict[str, OwnChat] = {}
        self._last_attempt = self._cool_until = self._doubt_until = float("-inf")
        self._cool_error: TWError | None = None
        self._stale_allowed = True
        self._overdue_warned = self._failure_warned = False
        self._counts = Counts()

    # Look-ups

    def find(self, pick: Callable[[View], T | None], deadline: float | None) -> T | None:
        """What *pick* finds in the chats; it is asked again after a refresh when it finds nothing.

        Args:
            pick: Gives what is looked for, or None.
            deadline: The moment of `time.monotonic` at which this has to end, or None.

        Raises:
            TWError: The chats could not be listed.
        """
        now = self.clock()
        view = self.view
        fresh = now < view.deadline
        found = pick(view) if fresh else None
        if found is not None:
            next(self.hits)
            return found
        with self._lock:
            self._counts.misses += 1
            recheck = now - self._last_attempt > self._recheck_after
        if not fresh:
            return self._find_anew(pick, view, deadline)
        if not recheck:
            return None
        try:
            return pick(self._refreshed(view, deadline))
        except (TWAuthError, TWClosedError):
            raise
        except TWError as error:
            # The time to live still covers what the view says, and it says that there is nothing.
            covered = self.view
            if self.clock() >= covered.deadline:
                raise
            self._warn_of(error)
            return pick(covered)

    def all(
        self, deadline: float | None, *, refresh: bool = False, progress: Progress | None = None
    ) -> tuple[Chat, ...]:
        """All the chats.

        Raises:
            TWError: They could not be listed.
        """
        view = self.view
        if not refresh and self.clock() < view.deadline:
            next(self.hits)
            return view.chats
        with self._lock:
            self._counts.misses += 1
            if refresh:
                self._cool_until = float("-inf")
        if refresh:
            # The view stays until there is a newer one: a failure costs nobody what is still good.
            return self._refreshed(view, deadline, progress).chats
        return self._find_anew(lambda view: view.chats, view, deadline, progress) or ()

    def _find_anew(
        self,
        pick: Callable[[View], T | None],
        seen: View,
        deadline: float | None,
        progress: Progress | None = None,
    ) -> T | None:
        try:
            view = self._refreshed(seen, deadline, progress)
        except (TWConnectionError, TWServerError, TWRateLimitError, TWProtocolError) as error:
            stale = self._stale()
            found = None if stale is None else pick(stale)
            # That something is not in old data proves nothing: who looks a chat up to create it
            # when it is missing would create it twice.
            if found is None:
                raise
            with self._lock:
                self._counts.stale_serves += 1
            self._warn_of(error)
            return found
        return pick(view)

    def _stale(self) -> View | None:
        now = self.clock()
        with self._lock:
            good = self._last_good if self._stale_allowed else None
            overlay = self._live_overlay(now)
        if good is None or now >= good.asked_at + self._ttl + self._stale_if_error:
            return None
        return merge(good.listed, overlay)

    def _warn_of(self, error: TWError) -> None:
        with self._lock:
            known, self._failure_warned = self._failure_warned, True
        if not known:
            logger.warning("look-ups are answered from the last listing of the chats: %s", error)

    # Refreshing

    def _refreshed(
        self, seen: View, deadline: float | None, progress: Progress | None = None
    ) -> View:
        """A view newer than *seen*, by a load of our own or by the one that is under way."""
        for attempt in itertools.count():
            now = self.clock()
            with self._lock:
                if self._closed:
                    message = "the Connection is closed"
                    raise TWClosedError(message)
                if self.view is not seen and now < self.view.deadline:
                    return self.view
                flight = self._flight
                if flight is None:
                    if now < self._cool_until and self._cool_error is not None:
                        raise copy.copy(self._cool_error)
                    led = self._flight = Flight(self._generation)
                    self._flights.add(led)
                    self._counts.refreshes += 1
                else:
                    self._counts.joined += 1
            try:
                if flight is not None:
                    return flight.wait(deadline)
                return self._lead(led, deadline, progress, may_stop=attempt < _RESTARTS)
            except (Void, _Outdated):
                continue
        raise AssertionError  # pragma: no cover  count() has no end

    def _lead(
        self,
        flight: Flight[View],
        deadline: float | None,
        progress: Progress | None,
        *,
        may_stop: bool,
    ) -> View:
        good = self._last_good
        asked_at = self.clock()

        def go_on() -> None:
            if may_stop and flight.generation != self._generation:
                raise _Outdated

        load = Load(
            validator=good.validator if good and asked_at >= self._doubt_until else None,
            deadline=deadline,
            go_on=go_on,
            progress=progress,
        )
        try:
            listing = self._load(load)
            view = self._publish(flight, listing, good, asked_at)
            flight.land(view)
        except TWClosedError:
            raise
        except TWError as error:
            if not own_haste(error, deadline):
                self._failed(flight, error)
            raise
        finally:
            with self._lock:
                self._counts.pages += load.pages
                self._flights.discard(flight)
                if self._flight is flight:
                    self._flight = None
            flight.void()
        return view

    def _publish(
        self, flight: Flight[View], listing: Listing | None, good: _LastGood | None, asked_at: float
    ) -> View:
        ended_at = self.clock()
        if listing is not None:
            good = _LastGood(View.of(listing.chats), listing.validator, asked_at)
        elif good is not None:
            good = _LastGood(good.listed, good.validator, asked_at)
        else:
            message = "the server says that nothing has changed, but it was not asked that"
            raise TWProtocolError(message)
        with self._lock:
            overlay = self._live_overlay(ended_at)
        view = merge(good.listed, overlay)
        deadline = min([asked_at + self._ttl, *(own.expires_at for own in overlay.values())])
        if asked_at < self._doubt_until:
            deadline = min(deadline, asked_at + self._recheck_after)
        view = view.until(deadline)
        overdue = 0 < self._ttl <= ended_at - asked_at
        with self._lock:
            if listing is None:
                self._counts.not_modified += 1
            else:
                self._counts.listings += 1
            if flight.generation != self._generation or self._closed:
                return view
            self._overlay = overlay
            self._last_good = good
            self._last_attempt = ended_at
            self._stale_allowed = True
            self._failure_warned = False
            self._cool_error = None
            self._flight = None
            self.view = view
            warn = overdue and not self._overdue_warned
            self._overdue_warned |= overdue
        if warn:
            logger.warning(
                "listing the chats took %.1f s, longer than cache_ttl (%s s): nothing is cached",
                ended_at - asked_at,
                self._ttl,
            )
        return view

    def _failed(self, flight: Flight[View], error: TWError) -> None:
        ended_at = self.clock()
        pause = max(_COOL_DOWN, getattr(error, "retry_after", None) or 0.0)
        with self._lock:
            self._counts.failures += 1
            if flight.generation == self._generation:
                self._last_attempt = ended_at
                self._cool_until = ended_at + pause
                self._cool_error = copy.copy(error)
                self._flight = None
                if isinstance(error, TWAuthError):
                    self._last_good = None
                    if error.status == 401:
                        self.view = View()
        flight.fail(error)

    def _live_overlay(self, now: float) -> dict[str, OwnChat]:
        return {tid: own for tid, own in self._overlay.items() if now < own.expires_at}

    # Writes

    @contextmanager
    def writing(self) -> Iterator[Write]:
        """Surround a write that changes the list of the chats.

        However it ends, the view expires, and a load that was under way is not published. A write
        that provably never left changes nothing.
        """
        write = Write()
        sent = unknown = True
        try:
            yield write
            unknown = False
        except (TWConnectionError, TWClosedError):
            sent = False
            raise
        except TWError as error:
            unknown = isinstance(error, (TWDeliveryUnknownError, TWServerError, TWProtocolError))
            raise
        finally:
            if sent:
                self._wrote(write.chat, unknown=unknown)

    def _wrote(self, chat: Chat | None, *, unknown: bool) -> None:
        until = self.clock() + self._own_write_grace
        with self._lock:
            if chat is not None:
                self._overlay[chat.tid] = OwnChat(chat, until)
                self._cool_until = float("-inf")
            if unknown:
                self._doubt_until = until
                self._stale_allowed = False
            self._expire()

    def forget(self, tid: str) -> None:
        """The server says that there is no chat *tid* (any more)."""
        with self._lock:
            self._overlay.pop(tid, None)
            self._expire()

    def invalidate(self) -> None:
        """Drop what the server sent; the next look-up lists the chats anew."""
        with self._lock:
            self._last_good = None
            self._cool_until = float("-inf")
            self._expire()

    def _expire(self) -> None:
        self._generation += 1
        self._flight = None
        self.view = View()

    def close(self) -> None:
        """Drop everything and wake all who wait; look-ups raise TWClosedError from now on."""
        with self._lock:
            self._closed = True
            self._last_good = None
            self._overlay = {}
            self._expire()
            flights = list(self._flights)
        for flight in flights:
            flight.void()

    def info(self) -> CacheInfo:
        """What the cache has done so far, and how old it is."""
        now = self.clock()
        with self._lock:
            # Reading a count takes a step of it; the steps taken are known.
            hits = next(self.hits) - self._hits_read
            self._hits_read += 1
            good, view = self._last_good, self.view
            return CacheInfo(
                hits=hits,
                chats=len(view.chats),
                age=None if good is None else now - good.asked_at,
                expires_in=max(0.0, view.deadline - now),
                **asdict(self._counts),
            )
