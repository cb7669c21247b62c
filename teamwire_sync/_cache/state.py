"""The state of the chat cache, and every transition of it.

One lock guards the whole state. No thread holds the lock during I/O, logging, a callback or a call
of the clock: these may take any time, and may look up chats themselves.

The glossary in `teamwire_sync._cache` defines view, flight, epoch, loss, doubt and fact.
"""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Callable

from attrs import evolve

from teamwire_sync._cache.cool_down import CoolDown, pause_after
from teamwire_sync._cache.facts import Facts, Write
from teamwire_sync._cache.info import CacheInfo
from teamwire_sync._cache.listing import ConfirmedListing, Freshness, SlotRevision
from teamwire_sync._cache.single_flight import Abandoned, Flight
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.fork import on_fork
from teamwire_sync.exceptions import TWAuthError, TWClosedError, TWError

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat

_NOTHING = ChatSnapshot()


class Outdated(Abandoned):
    """A new epoch or a loss has outdated a flight. The flight's leader and waiters start again."""


class CacheState:
    """The state of the cache.

    Look-ups read `view` without the lock. This is safe, because a snapshot never changes: a new
    snapshot replaces it.

    The cache is in doubt for `own_write_grace` after a write of unknown outcome. For example,
    thread A's write times out. Then thread B lists the chats. After that, the server completes A's
    write. Without the doubt, B's listing would hide the write for the whole TTL. In doubt, a
    listing lasts for `recheck_after` at most, requests are unconditional, and no stored listing is
    new enough.

    Args:
        clock: A function that returns seconds; only differences between its results matter.
        ttl: Seconds for which a listing is valid, from just before its request.
        recheck_after: Seconds after a listing or a failed listing. During this time, a look-up that
            finds nothing in a fresh view starts no new listing.
        own_write_grace: Seconds for which this Connection's own writes are merged into listings
            that lack them.
        stale_if_error: Seconds after the TTL in which the last listing may still be served.

    Attributes:
        view: The snapshot that look-ups read. `_expire` replaces it by an empty one.
        tries: A counter of the look-ups in a fresh view.
        fails: A counter of the look-ups in a fresh view that found no chat.
        confirmed: The last listing that the server confirmed. It contains no facts, because a 304
            would then confirm chats that the server has never listed.
        facts: This Connection's own writes that a listing may not show yet.
        epoch: The number of times that a write, an event, a 404, `invalidate` or `close` expired
            the view. A flight of an older epoch is neither joined nor published. For example,
            thread A lists the chats. Then thread B creates a chat and looks it up. A's pages may be
            older than B's write.
        losses: The number of losses. Content from before a loss is not published. For example,
            thread A sends a conditional request. Then thread B receives 401, which drops
            `confirmed`. If A receives 304 after that, A must not publish the dropped chats again.
        changes: The number of changes. A change is an own write, an `invalidate` or a 401. It
            outdates the listings of other processes, so the source informs these processes.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        own_write_grace: float,
        stale_if_error: float,
    ) -> None:
        self.clock = clock
        self.ttl = ttl
        self.recheck_after = recheck_after
        self.stale_if_error = stale_if_error
        self._own_write_grace = own_write_grace
        self.view = _NOTHING
        self.tries = itertools.count()
        self.fails = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self.epoch = self.losses = self.changes = self._started = 0
        # Look-ups join `_flight`, the flight of the present epoch. `close` ends all `_flights`.
        self._flight: Flight[ChatSnapshot] | None = None
        self._flights: set[Flight[ChatSnapshot]] = set()
        self.confirmed: ConfirmedListing | None = None
        self.facts = Facts()
        self._last_attempt = self._doubt_until = self._asked_since = -math.inf
        self._cool_down: CoolDown | None = None
        self._stale_allowed = True
        self._told: set[str] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, and drop the flights: their threads do not exist in the child."""
        self._lock = threading.Lock()
        self._flight = None
        self._flights = set()

    def require_open(self) -> None:
        """Raise TWClosedError if the state is closed."""
        if self._closed:
            raise _closed_error()

    # Flights

    def join_or_start(
        self, led: Flight[ChatSnapshot], seen: ChatSnapshot, *, time_left: float, newer_than: int
    ) -> Flight[ChatSnapshot] | tuple[ChatSnapshot]:
        """Return a newer view in a tuple, or the flight to wait for.

        If neither exists, start *led* and return it. The lock makes all checks one step. For
        example, thread A finds that the view has expired. Then thread B publishes a new view and
        ends its flight. A must find B's view here, and not list the chats again.

        Args:
            led: The caller's new flight.
            seen: The view that the caller can't use.
            time_left: Seconds that the caller has left.
            newer_than: A flight with this number or a lower number is too old.

        Raises:
            TWClosedError: The Connection is closed.
            TWError: The cool-down of a failed listing stops this caller.
        """
        now = self.clock()
        with self._lock:
            view, cool = self.view, self._cool_down
            if self._closed:
                cool = None
            elif view is not seen and now < view.fresh_until and view.number > newer_than:
                return (view,)
            elif self._flight is not None:
                self._counts["joined"] += 1
                return self._flight
            elif cool is None or now >= cool.until or time_left >= cool.enough:
                self._started += 1
                led.number, led.epoch = self._started, self.epoch
                led.losses = self.losses
                self._flights.add(led)
                self._flight = led
                return led
        raise _closed_error() if cool is None else copy.copy(cool.error)

    def finish(self, flight: Flight[ChatSnapshot]) -> None:
        """Remove a flight that has ended in any way, and wake its waiters."""
        with self._lock:
            self._flights.discard(flight)
            if self._flight is flight:
                self._flight = None
        flight.abandon()

    def require_newer(self) -> Freshness:
        """End the cool-down, and return the conditions for the listing of a forced refresh."""
        now = self.clock()
        with self._lock:
            self._cool_down = None
            return Freshness(newer_than=self._started, since=now, urgent=True)

    # Requests to the server

    def validator_of(self, known: ConfirmedListing | None, asked_at: float) -> str | None:
        """Return the ETag for a conditional request at *asked_at*.

        Returns:
            None for an unconditional request: no listing with an ETag is known, or the cache is in
            doubt.
        """
        return known.validator if known and asked_at >= self._doubt_until else None

    def request_answered(self, flight: Flight[ChatSnapshot], *, changed: bool) -> None:
        """Count a response of the server.

        If the server has sent all the chats, the flight uses no older content. So losses before
        this moment do not outdate the flight.

        Args:
            flight: The flight that sent the request.
            changed: True if the server has sent all the chats, False if it reported no change.
        """
        with self._lock:
            self.require_open()
            if changed:
                flight.losses = self.losses
            self._counts["listings" if changed else "not_modified"] += 1

    def publish(
        self,
        flight: Flight[ChatSnapshot],
        listing: ConfirmedListing,
        ended_at: float,
        *,
        check_at: float = math.inf,
        is_ours: bool = True,
    ) -> ChatSnapshot:
        """Combine *listing* and the facts, publish the result as the new view, and return it.

        If the epoch has changed since the start of *flight*, the view is returned, but not
        published. The waiters of *flight* may use it, because they joined before the change.

        Args:
            flight: The flight that has got the listing.
            listing: The listing.
            ended_at: The time at which the listing was complete, on the cache's clock.
            check_at: The time of the next check for writes of other processes, on the cache's
                clock.
            is_ours: Whether *flight* requested the listing from the server. False for a listing
                from a store.

        Raises:
            TWClosedError: The Connection is closed.
            Outdated: The listing has content from before a loss.
        """
        expires_at, facts = self._coverage(listing.asked_at)
        view = evolve(
            facts.merge(listing.listed).until(expires_at, check_at),
            store_generation=listing.revision.generation if listing.revision else None,
            number=flight.number if is_ours else 0,
        )
        if not is_ours:
            flight.asked_at = listing.asked_at
        with self._lock:
            self.require_open()
            if flight.epoch != self.epoch:
                return view
            if flight.losses != self.losses:
                raise Outdated
            self.facts = self.facts.live(listing.asked_at)
            self.confirmed = listing
            self._last_attempt = ended_at if is_ours else listing.asked_at
            self._stale_allowed = True
            self._told.discard("failure")
            self._cool_down = None
            self._flight = None
            self.view = view
        return view

    def _coverage(self, asked_at: float) -> tuple[float, Facts]:
        """Return the expiry time of a listing, and the facts that it may lack.

        Args:
            asked_at: The time of the request for the listing.
        """
        with self._lock:
            by_tid = dict(self.facts.by_tid)
        # Use the request time: a fact that expired since then may be missing from this listing.
        facts = Facts(by_tid).live(asked_at)
        expires_at = min(asked_at + self.ttl, facts.expires_at)
        if asked_at < self._doubt_until:
            expires_at = min(expires_at, asked_at + self.recheck_after)
        return expires_at, facts

    def failed(self, flight: Flight[ChatSnapshot], error: TWError, *, enough: float) -> None:
        """Start the cool-down after a flight has failed, unless the epoch has changed.

        After 401 or 403, look-ups do not use the last listing any more if the server fails.

        Args:
            flight: The flight.
            error: The error of the flight.
            enough: See `CoolDown.enough`.
        """
        ended_at = self.clock()
        with self._lock:
            if flight.epoch == self.epoch:
                self._last_attempt = ended_at
                until = ended_at + pause_after(error)
                self._cool_down = CoolDown(until, copy.copy(error), enough)
                self._flight = None
                if isinstance(error, TWAuthError):
                    self._stale_allowed = False

    def is_recheck_due(self, now: float) -> bool:
        """Return whether a look-up that finds nothing at the time *now* must list the chats again.

        It must if the last listing or failed listing is older than `recheck_after`.
        """
        return now - self._last_attempt > self.recheck_after

    def stale(self) -> ChatSnapshot | None:
        """Return the last listing with the facts, for a look-up whose refresh failed.

        Returns:
            The chats, or None. The result is None if there is no listing, and after
            `stale_if_error`. It is also None after 401, 403 or a write of unknown outcome, until a
            listing succeeds.
        """
        now = self.clock()
        with self._lock:
            listing = self.confirmed if self._stale_allowed else None
            by_tid = dict(self.facts.by_tid)
        if listing is None or now >= listing.asked_at + self.ttl + self.stale_if_error:
            return None
        return Facts(by_tid).live(now).merge(listing.listed)

    # Listings that processes share

    def accepts(self, asked_at: float, need: Freshness, now: float) -> bool:
        """Return whether a listing that another process requested at *asked_at* is new enough.

        A listing from before the last event or 404 is too old. For example, another process lists
        the chats. Then a thread of this process receives an event, which makes the view expire. The
        thread must not take the older listing from the store. If the cache is in doubt, every
        stored listing is too old.
        """
        in_doubt = now < self._doubt_until
        since = max(need.since, self._asked_since, now if in_doubt else -math.inf)
        return asked_at > since and now < self._coverage(asked_at)[0]

    def keep(self, flight: Flight[ChatSnapshot], listing: ConfirmedListing, losses: int) -> None:
        """Set `confirmed` to a stored listing, which look-ups may then use if the server fails.

        This has no effect after a loss or a new epoch. For example, thread A reads the stored
        listing. Then thread B receives 401 and drops `confirmed`. A must not restore the dropped
        chats.

        Args:
            flight: The flight that has read the listing.
            listing: The listing.
            losses: The value of `CacheState.losses` before the listing was read.
        """
        with self._lock:
            if losses == self.losses and flight.epoch == self.epoch:
                self.confirmed = listing

    def saved(self, listing: ConfirmedListing, revision: SlotRevision) -> None:
        """Add *revision*, the identifier of *listing* in the store, if `confirmed` is *listing*."""
        with self._lock:
            if self.confirmed is listing:
                self.confirmed = evolve(listing, revision=revision)

    def replace_view(self, view: ChatSnapshot, replacement: ChatSnapshot) -> bool:
        """Replace the view by *replacement*, unless the view has changed.

        For example, thread A extends the view, while a write of thread B makes the view expire. A
        must not restore the view.

        Args:
            view: The view that the caller has read.
            replacement: The new view.

        Returns:
            False, without effect, if the present view is not *view*.
        """
        with self._lock:
            if self.view is not view:
                return False
            self.view = replacement
            return True

    # Writes, events and the end

    def wrote(self, write: Write, *, unknown: bool) -> None:
        """Expire the view and add a fact: a write has reached the server, or may have reached it.

        Both happen in one step under the lock. With two steps, a listing that is published between
        them could lack the write.

        Args:
            write: The write, which has ended.
            unknown: Whether the outcome of the write is unknown. If so, the cache is in doubt.
        """
        now = self.clock()
        until = now + self._own_write_grace
        with self._lock:
            # Expire first, since Ctrl-C may interrupt any line: look-ups must not show the state
            # before the write.
            self._expire()
            self.changes += 1
            # Drop expired facts here too: a program that only writes publishes no listing.
            self.facts = self.facts.live(now)
            listed = None if self.confirmed is None else self.confirmed.listed
            self.facts.record(write, listed, now=now, expires_at=until)
            # The server has confirmed a write, so it is available again.
            if write.tid is not None:
                self._cool_down = None
            if unknown:
                self._doubt_until = until
                self._stale_allowed = False

    def on_not_found(self, tid: str) -> None:
        """Expire the view, and drop the fact of this chat: the server has responded 404."""
        now = self.clock()
        with self._lock:
            self.facts.on_not_found(tid)
            self._asked_since = now
            self._expire()

    def on_event(self, tid: str, chat: Chat | None, *, is_own: bool = False) -> None:
        """Apply an event. Expire the view if the event is news.

        An event is not news if the facts cover it (`Facts.on_event`), or if a fresh view shows
        the reported chat and no listing is in progress. Events also report our own writes.

        Args:
            tid: The thread ID.
            chat: The chat that the event reports, or None if the chat is gone.
            is_own: Whether the bot caused the event.
        """
        now = self.clock()
        with self._lock:
            self.facts = self.facts.live(now)
            shown = self.view if now < self.view.expires_at else None
            if not self.facts.on_event(tid, chat, shown, is_own=is_own):
                return
            # A listing in progress may have read another state, even if the view shows this chat.
            # The chat may have changed and changed back.
            if shown is None or shown.by_tid.get(tid) != chat or self._flight is not None:
                self._asked_since = now
                self._expire()

    def invalidate(self) -> None:
        """Drop `confirmed` and the view, but keep the facts. The next look-up lists the chats."""
        with self._lock:
            self.changes += 1
            self._drop()
            self._cool_down = None
            self._expire()

    def on_unauthorized(self) -> None:
        """Drop `confirmed` and the view. After a 401, the bot has no right to read the chats.

        The epoch stays, for two reasons. A flight that fails with the 401 still starts the
        cool-down. A flight that receives all the chats after the 401 still publishes them.
        """
        with self._lock:
            self.changes += 1
            self._drop()
            self.view = _NOTHING

    def close(self) -> list[Flight[ChatSnapshot]]:
        """Drop everything.

        Returns:
            The flights in progress. The caller has to wake their waiters.
        """
        with self._lock:
            self._closed = True
            self._drop()
            self.facts = Facts()
            self._expire()
            return list(self._flights)

    def _drop(self) -> None:
        self.confirmed = None
        self.losses += 1

    def _expire(self) -> None:
        self.view = _NOTHING
        self.epoch += 1
        self._flight = None

    # Counting

    def count(self, name: str, more: int = 1) -> None:
        """Increase a count of `CacheInfo`.

        Args:
            name: The name of the count.
            more: The number to add.
        """
        # The block must call no Python function. Otherwise, a signal handler could run during the
        # call, and wait forever for the lock, which its own thread holds.
        with self._lock:
            self._counts[name] += more

    def is_first(self, event: str) -> bool:
        """Return whether to log *event*.

        An event is logged only once. Exception: after each published listing, a "failure" is logged
        once more.
        """
        with self._lock:
            known = event in self._told
            self._told.add(event)
        return not known

    def info(self) -> CacheInfo:
        """Return the counters, and the age of the listing."""
        now = self.clock()
        with self._lock:
            # Reading an `itertools.count` increments it. Each call reads both, so their difference
            # stays right. `fails` is read first: otherwise, a look-up between the two reads could
            # count in `fails` only.
            failed = next(self.fails)
            hits = next(self.tries) - failed
            listing, view, counts = self.confirmed, self.view, dict(self._counts)
        return CacheInfo(
            hits=hits,
            chats=len(view.chats),
            age=None if listing is None else now - listing.asked_at,
            expires_in=max(0.0, view.expires_at - now),
            **counts,
        )


def _closed_error() -> TWClosedError:
    return TWClosedError("the Connection is closed")
