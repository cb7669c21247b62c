"""One view of the chats for all threads: how it is refreshed and published.

The state changes under one lock that is never held over a load, the clock, logging or a callback.
"""

from __future__ import annotations

import copy
import itertools
import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable

from attrs import evolve, frozen

from teamwire_sync._cache.facts import Fact, live, merge
from teamwire_sync._cache.info import Counts
from teamwire_sync._cache.listing import ListingRequest, Loader, Progress
from teamwire_sync._cache.single_flight import Flight, Void
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.deadlines import is_own_timeout
from teamwire_sync._internal.fork import on_fork
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWError,
    TWProtocolError,
)

if TYPE_CHECKING:
    from teamwire_sync._stores.base import SlotRevision
    from teamwire_sync._stores.sharing import SharedListing

_UNASKED = "the server says that nothing has changed, but it was not asked that"

# Seconds after a failed load in which no other is tried, unless the server asks for more.
COOL_DOWN = 1.0
# How often a load that a write outdated is given up for a new one, before one is read to its end:
# writes that never stop would keep a look-up waiting for ever.
_RESTARTS = 2
# How many times the time of a caller in haste another one needs, to ask soon after it gave up.
_MORE_TIME = 1.5


class Outdated(Exception):  # noqa: N818  it is no error: a load gives up, since nobody needs it
    """A write came while the load was under way."""


@frozen(eq=False, repr=False)
class ConfirmedListing:
    """What the server sent last, and nothing else.

    Attributes:
        listed: The chats.
        validator: What a conditional request sends back to ask whether they changed.
        asked_at: When the server was asked, on the cache's clock.
        revision: What the store says of it; None for one that is in no store.
    """

    listed: ChatSnapshot
    validator: str | None
    asked_at: float
    revision: SlotRevision | None = None


@frozen(eq=False, repr=False)
class Freshness:
    """What a look-up needs of a view that it has not seen yet.

    Attributes:
        newer_than: The number of the last load that is too old.
        since: Where another asked the server, only what it asked for after this moment will do.
        urgent: Whether to ask although the server has just failed.
    """

    newer_than: int = -1
    since: float = -math.inf
    urgent: bool = False


ANY = Freshness()


@frozen(eq=False, repr=False)
class _CoolDown:
    """After a failed load: who needs another gets the same failure, without asking.

    Attributes:
        until: When it is over.
        error: The failure.
        enough: Who has as many seconds may ask all the same: the load that failed had fewer.
    """

    until: float
    error: TWError
    enough: float


def pause_of(error: TWError) -> float:
    """Seconds after *error* in which the chats are not asked for again."""
    return max(COOL_DOWN, getattr(error, "retry_after", None) or 0.0)


def _patience(deadline: float | None) -> float:
    # Below infinity, so that a cool-down for all is one for callers who would wait for ever too.
    return sys.float_info.max if deadline is None else deadline - time.monotonic()


class SharedView:
    """One view of the chats of a bot, for all threads.

    Args:
        load: Brings a listing; called in the thread of the look-up that needs it.
        clock: Gives seconds; only differences count.
        ttl: Seconds that a listing answers look-ups, counted from just before it was asked for.
        recheck_after: Seconds that a view may be fresh while the outcome of a write is unknown.
        own_write_grace: Seconds that an own write is remembered which the listing does not show.
        stale_if_error: Seconds after the time to live in which the last listing may be used.
        sharing: Where the listing outlives this view, if anywhere.
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
        sharing: SharedListing | None = None,
    ) -> None:
        from teamwire_sync._internal.log import logger  # noqa: PLC0415  see there

        self._logger = logger
        self._load = load
        self._ttl = ttl
        self._recheck_after = recheck_after
        self._own_write_grace = own_write_grace
        self._stale_if_error = stale_if_error
        self._sharing = sharing
        self.clock = clock
        self.view = ChatSnapshot()
        self.tries = itertools.count()
        self.fails = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._generation = 0
        self._flights_made = self._drops = 0
        self._flight: Flight[ChatSnapshot] | None = None
        self._flights: set[Flight[ChatSnapshot]] = set()
        self._last_good: ConfirmedListing | None = None
        self._overlay: dict[str, Fact] = {}
        self._last_attempt = self._doubt_until = -math.inf
        self._cool_down: _CoolDown | None = None
        self._stale_allowed = True
        self._overdue_warned = self._failure_warned = False
        self._counts = Counts()
        on_fork(self)

    def after_fork(self) -> None:
        """Forget the loads of threads that the child has not; what is known stays."""
        self._lock = threading.Lock()
        self._flight = None
        self._flights = set()

    def refreshed(
        self,
        seen: ChatSnapshot,
        deadline: float | None,
        progress: Progress | None = None,
        *,
        need: Freshness = ANY,
    ) -> ChatSnapshot:
        """A view other than *seen*: by a load of our own, or by one that is under way.

        Args:
            seen: What the caller found wanting.
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            progress: Is told of the pages of a load of our own.
            need: What will do.

        Raises:
            TWError: The chats could not be listed.
        """
        restarts = 0
        while True:
            led: Flight[ChatSnapshot] = Flight()
            # From here on, whatever ends this thread's work ends the flight too: Ctrl-C may come
            # anywhere, and would leave all the others waiting.
            try:
                flight = self._join_or_start(led, seen, deadline, need.newer_than)
                if isinstance(flight, ChatSnapshot):
                    return flight
                if flight is led:
                    load = self._new_load(led, deadline, progress, may_stop=restarts < _RESTARTS)
                    return self._lead(led, load, need)
                view = flight.wait(deadline)
                if flight.number > need.newer_than and flight.brought > need.since:
                    return view
            except Outdated:
                restarts += 1
            except Void:
                pass
            finally:
                # Twice, and the second time for nothing, unless Ctrl-C comes right here.
                try:
                    self._end(led)
                finally:
                    self._end(led)

    def _join_or_start(
        self, led: Flight[ChatSnapshot], seen: ChatSnapshot, deadline: float | None, newer_than: int
    ) -> Flight[ChatSnapshot] | ChatSnapshot:
        now = self.clock()
        patience = _patience(deadline)
        with self._lock:
            self._require_open()
            if self.view is not seen and now < self.view.deadline and self.view.number > newer_than:
                return self.view
            if self._flight is not None:
                self._counts.joined += 1
                return self._flight
            cool = self._cool_down
            if cool is not None and now < cool.until and patience < cool.enough:
                raise copy.copy(cool.error)
            self._flights_made += 1
            led.number, led.generation = self._flights_made, self._generation
            led.drops = self._drops
            self._flights.add(led)
            self._flight = led
            return led

    def _end(self, led: Flight[ChatSnapshot]) -> None:
        if led.number:
            with self._lock:
                self._flights.discard(led)
                if self._flight is led:
                    self._flight = None
            led.void()

    def _new_load(
        self,
        flight: Flight[ChatSnapshot],
        deadline: float | None,
        progress: Progress | None,
        *,
        may_stop: bool,
    ) -> ListingRequest:
        def go_on() -> None:
            if may_stop and flight.generation != self._generation:
                raise Outdated

        return ListingRequest(validator=None, deadline=deadline, go_on=go_on, progress=progress)

    def _lead(
        self, flight: Flight[ChatSnapshot], load: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        patience = _patience(load.deadline)
        try:
            view = self._bring(flight, load, need)
        except TWClosedError:
            raise
        except TWError as error:
            if is_own_timeout(error, load.deadline):
                self._failed(flight, error, enough=patience * _MORE_TIME)
            else:
                self._failed(flight, error, enough=math.inf)
                flight.fail(error)
            raise
        finally:
            with self._lock:
                self._counts.pages += load.pages
        flight.land(view)
        return view

    def _bring(
        self,
        flight: Flight[ChatSnapshot],
        load: ListingRequest,
        need: Freshness,  # noqa: ARG002
    ) -> ChatSnapshot:
        # The need is for a view with a store: the server's answer will always do.
        return self._publish(flight, self._ask(flight, load, self._last_good), self.clock())

    def _ask(
        self, flight: Flight[ChatSnapshot], load: ListingRequest, good: ConfirmedListing | None
    ) -> ConfirmedListing:
        """Ask the server for the chats, or whether they are still those of *good*."""
        asked_at = self.clock()
        with self._lock:
            self._counts.refreshes += 1
        load.validator = good.validator if good and asked_at >= self._doubt_until else None
        try:
            listing = self._load(load)
            if listing is not None:
                known = ConfirmedListing(
                    ChatSnapshot.of(listing.chats), listing.validator, asked_at
                )
            elif good is not None:
                known = evolve(good, asked_at=asked_at)
            else:
                raise TWProtocolError(_UNASKED)
        except TWClosedError:
            raise
        except TWError:
            with self._lock:
                self._counts.failures += 1
            raise
        with self._lock:
            self._require_open()
            if listing is None:
                self._counts.not_modified += 1
            else:
                self._counts.listings += 1
                flight.drops = self._drops
        return known

    def _covered(self, asked_at: float) -> tuple[float, dict[str, Fact]]:
        """Until when a listing asked for at *asked_at* answers, and the own writes it may lack."""
        with self._lock:
            # As of the question: what ran out since then may be in no listing that came for it.
            overlay = live(self._overlay, asked_at)
        covered = min([asked_at + self._ttl, *(own.expires_at for own in overlay.values())])
        if asked_at < self._doubt_until:
            covered = min(covered, asked_at + self._recheck_after)
        return covered, overlay

    def _publish(
        self,
        flight: Flight[ChatSnapshot],
        good: ConfirmedListing,
        ended_at: float,
        *,
        look_at: float = math.inf,
        is_ours: bool = True,
    ) -> ChatSnapshot:
        """Show what *good* has, if no write came since *flight* began.

        Args:
            flight: Brought it.
            good: What the server sent.
            ended_at: When it had come.
            look_at: When to look whether another process has written.
            is_ours: Whether the server was asked by *flight* itself.
        """
        covered, overlay = self._covered(good.asked_at)
        view = evolve(
            merge(good.listed, overlay).until(covered, look_at),
            generation=good.revision.generation if good.revision else None,
            number=flight.number if is_ours else 0,
        )
        if not is_ours:
            flight.brought = good.asked_at
        overdue = is_ours and 0 < self._ttl <= ended_at - good.asked_at
        with self._lock:
            self._require_open()
            if flight.generation != self._generation:
                return view
            if flight.drops != self._drops:
                # What has not changed was dropped meanwhile; see `ExpiringView.on_unauthorized`.
                raise Outdated
            self._overlay = overlay
            self._last_good = good
            self._last_attempt = ended_at if is_ours else good.asked_at
            self._stale_allowed = True
            self._failure_warned = False
            self._cool_down = None
            self._flight = None
            self.view = view
            warn = overdue and not self._overdue_warned
            self._overdue_warned |= overdue
        if warn:
            self._logger.warning(
                "listing the chats took %.1f s, longer than cache_ttl (%s s): nothing is cached",
                ended_at - good.asked_at,
                self._ttl,
            )
        return view

    def _failed(self, flight: Flight[ChatSnapshot], error: TWError, *, enough: float) -> None:
        ended_at = self.clock()
        with self._lock:
            if flight.generation == self._generation:
                self._last_attempt = ended_at
                self._cool_down = _CoolDown(ended_at + pause_of(error), copy.copy(error), enough)
                self._flight = None
                if isinstance(error, TWAuthError):
                    self._stale_allowed = False

    def stale(self) -> ChatSnapshot | None:
        """The last listing with the own writes, while it may be used for a server that fails."""
        now = self.clock()
        with self._lock:
            good = self._last_good if self._stale_allowed else None
            overlay = live(self._overlay, now)
        if good is None or now >= good.asked_at + self._ttl + self._stale_if_error:
            return None
        return merge(good.listed, overlay)

    def _require_open(self) -> None:
        if self._closed:
            message = "the Connection is closed"
            raise TWClosedError(message)
