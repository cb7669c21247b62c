"""The state of the chat cache, and every transition of it.

One lock guards all of it. It is never held over I/O, the clock, logging or a callback.
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
    """A write was made, or the listing dropped, while another listing was read."""


class CacheState:
    """The state of the cache. Look-ups read `view` without the lock; it is replaced, never changed.

    Args:
        clock: Returns seconds; only differences count.
        ttl: Seconds for which a listing answers look-ups, from just before it was asked for.
        recheck_after: Seconds after a listing in which a miss does not ask for another. While the
            outcome of a write is unknown, a listing answers for so many seconds only.
        own_write_grace: Seconds for which own writes are merged into listings that lack them.
        stale_if_error: Seconds after the TTL in which the last listing may still be served.

    Attributes:
        view: What look-ups read.
        tries: Counts the look-ups in a fresh view.
        fails: Counts those of them that found nothing.
        confirmed: The last listing that the server confirmed.
        facts: Own writes that it may not show.
        epoch: Counts what has expired the view: writes, events, and `invalidate`.
        losses: Counts how often `confirmed` was dropped.
        changes: Counts what other processes have to know: own writes, and what was dropped.
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
        """Replace the lock, and drop the flights of threads that the child does not have."""
        self._lock = threading.Lock()
        self._flight = None
        self._flights = set()

    def require_open(self) -> None:
        """Raise TWClosedError after `close`."""
        if self._closed:
            raise _closed_error()

    # Flights

    def join_or_start(
        self, led: Flight[ChatSnapshot], seen: ChatSnapshot, *, time_left: float, newer_than: int
    ) -> Flight[ChatSnapshot] | tuple[ChatSnapshot]:
        """A newer view in a tuple, or the flight to wait for, or *led*, which has started.

        Args:
            led: The caller's.
            seen: The view that the caller can't use.
            time_left: Seconds that the caller has.
            newer_than: The number of the last flight that is too old.

        Raises:
            TWError: A listing has failed a moment ago.
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
        """The flight has ended, however it did."""
        with self._lock:
            self._flights.discard(flight)
            if self._flight is flight:
                self._flight = None
        flight.abandon()

    def require_newer(self) -> Freshness:
        """End the cool-down, and return how new the listing of a forced refresh has to be."""
        now = self.clock()
        with self._lock:
            self._cool_down = None
            return Freshness(newer_than=self._started, since=now, urgent=True)

    # Requests to the server

    def validator_of(self, known: ConfirmedListing | None, asked_at: float) -> str | None:
        """Return the ETag for a conditional request at *asked_at*.

        None asks for a listing in any case: there is no known one, or the outcome of a write is
        unknown.
        """
        return known.validator if known and asked_at >= self._doubt_until else None

    def request_answered(self, flight: Flight[ChatSnapshot], *, changed: bool) -> None:
        """The server has listed the chats, or said that they have not changed."""
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
        """Make *listing* the view, unless a write was made since *flight* started.

        Args:
            flight: Its flight.
            listing: The listing.
            ended_at: When it had come.
            check_at: When to look whether another process has written.
            is_ours: Whether the server was asked by *flight* itself.

        Raises:
            Outdated: What the server did not send again was dropped meanwhile.
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
        """Until when a listing asked for at *asked_at* answers, and the facts that it may lack."""
        with self._lock:
            by_tid = dict(self.facts.by_tid)
        # As of the request: a write that expired since then may be missing from its answer.
        facts = Facts(by_tid).live(asked_at)
        expires_at = min(asked_at + self.ttl, facts.expires_at)
        if asked_at < self._doubt_until:
            expires_at = min(expires_at, asked_at + self.recheck_after)
        return expires_at, facts

    def failed(self, flight: Flight[ChatSnapshot], error: TWError, *, enough: float) -> None:
        """The flight has failed: the cool-down begins.

        Args:
            flight: The flight.
            error: The failure.
            enough: Callers who have at least this many seconds may ask all the same.
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
        """Whether the last listing is so old that a miss asks for another."""
        return now - self._last_attempt > self.recheck_after

    def stale(self) -> ChatSnapshot | None:
        """The last listing with the facts, while it may be served for a server that fails."""
        now = self.clock()
        with self._lock:
            listing = self.confirmed if self._stale_allowed else None
            by_tid = dict(self.facts.by_tid)
        if listing is None or now >= listing.asked_at + self.ttl + self.stale_if_error:
            return None
        return Facts(by_tid).live(now).merge(listing.listed)

    # Listings that processes share

    def accepts(self, asked_at: float, need: Freshness, now: float) -> bool:
        """Whether a listing that another process asked for at *asked_at* is new enough *now*."""
        in_doubt = now < self._doubt_until
        since = max(need.since, self._asked_since, now if in_doubt else -math.inf)
        return asked_at > since and now < self._coverage(asked_at)[0]

    def keep(self, flight: Flight[ChatSnapshot], listing: ConfirmedListing, losses: int) -> None:
        """Let a stored *listing* be served when the server fails, as one of our own.

        Args:
            flight: The flight that has read it; no write came since its start.
            listing: The listing.
            losses: `losses` before it was read.
        """
        with self._lock:
            if losses == self.losses and flight.epoch == self.epoch:
                self.confirmed = listing

    def saved(self, listing: ConfirmedListing, revision: SlotRevision) -> None:
        """The store has *listing* as *revision*."""
        with self._lock:
            if self.confirmed is listing:
                self.confirmed = evolve(listing, revision=revision)

    def replace_view(self, view: ChatSnapshot, replacement: ChatSnapshot) -> bool:
        """Whether *replacement* is the view now, since *view* was."""
        with self._lock:
            if self.view is not view:
                return False
            self.view = replacement
            return True

    # Writes, events and the end

    def wrote(self, write: Write, *, unknown: bool) -> None:
        """A write has reached the server, or may have: the view expires.

        Args:
            write: The write.
            unknown: Whether nobody knows if it was done.
        """
        now = self.clock()
        until = now + self._own_write_grace
        with self._lock:
            # First, since Ctrl-C may come anywhere: look-ups must not show what was before.
            self._expire()
            self.changes += 1
            # Pruned here too, for a program that writes and never looks up.
            self.facts = self.facts.live(now)
            listed = None if self.confirmed is None else self.confirmed.listed
            self.facts.record(write, listed, now=now, expires_at=until)
            if write.tid is not None:
                self._cool_down = None
            if unknown:
                self._doubt_until = until
                self._stale_allowed = False

    def on_not_found(self, tid: str) -> None:
        """The server says that there is no chat *tid* (any more)."""
        now = self.clock()
        with self._lock:
            self.facts.on_not_found(tid)
            self._asked_since = now
            self._expire()

    def on_event(self, tid: str, chat: Chat | None, *, is_own: bool = False) -> None:
        """An event says that the chat *tid* is *chat* now, or gone.

        The view expires unless it shows that already: our own writes come back to us.

        Args:
            tid: The chat.
            chat: The chat, or None when it is gone.
            is_own: Whether the bot did it.
        """
        now = self.clock()
        with self._lock:
            self.facts = self.facts.live(now)
            shown = self.view if now < self.view.expires_at else None
            if not self.facts.on_event(tid, chat, shown, is_own=is_own):
                return
            # A listing in progress may have read what was before.
            if shown is None or shown.by_tid.get(tid) != chat or self._flight is not None:
                self._asked_since = now
                self._expire()

    def invalidate(self) -> None:
        """Drop what the server sent; the next look-up lists the chats."""
        with self._lock:
            self.changes += 1
            self._drop()
            self._cool_down = None
            self._expire()

    def on_unauthorized(self) -> None:
        """401: what the server sent is no longer the bot's."""
        with self._lock:
            self.changes += 1
            self._drop()
            self.view = _NOTHING

    def close(self) -> list[Flight[ChatSnapshot]]:
        """Drop everything.

        Returns:
            The flights whose waiters are to be woken.
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
        """Add *more* to the count *name* of `CacheInfo`."""
        # No call in the block: a signal's handler may come there, and wait for the lock.
        with self._lock:
            self._counts[name] += more

    def is_first(self, event: str) -> bool:
        """Whether *event* is to be logged: once, and a "failure" once after each listing."""
        with self._lock:
            known = event in self._told
            self._told.add(event)
        return not known

    def info(self) -> CacheInfo:
        """The counts, and the age of the listing."""
        now = self.clock()
        with self._lock:
            # Reading a count steps it, so both are stepped. The fails first: one that comes in
            # between would be subtracted from tries that do not have it yet.
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
