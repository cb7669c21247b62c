"""The state of the chat cache, and every transition of it.

One lock guards the whole state. No thread holds the lock during I/O, logging, a callback or a call
of the clock: these may take any time, and may look up chats themselves.

A signal handler may run in the middle of a block with the lock, and look up or change chats: so the
lock is an RLock. Each block leaves a valid state at every point. It makes the new values first.
Then it checks that they are still valid, and assigns them, without a call in between.

The glossary in `teamwire_sync._cache` defines view, flight, epoch, loss, doubt and fact.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Callable

from attrs import evolve

from teamwire_sync._cache.cool_down import CoolDown, pause_after
from teamwire_sync._cache.facts import Fact, Facts, Write
from teamwire_sync._cache.info import CacheInfo
from teamwire_sync._cache.listing import (
    ConfirmedListing,
    Freshness,
    Listing,
    SlotRevision,
    Written,
)
from teamwire_sync._cache.single_flight import Abandoned, Flight
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync.exceptions import TWAuthError, TWClosedError, TWError

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat


class Outdated(Abandoned):
    """A new epoch or a loss has outdated a flight. The flight's leader and waiters start again."""


class CacheState:
    """The state of the cache.

    Look-ups read `view` without the lock. This is safe, because a snapshot never changes: a new
    snapshot replaces it.

    The cache is in doubt while a write is in progress, and for `own_write_grace` after a write of
    unknown outcome. For example, thread A's write times out. Then thread B lists the chats. After
    that, the server completes A's write. Without the doubt, B's listing would hide the write for
    the whole TTL. In doubt, a listing lasts for `recheck_after` at most, requests are
    unconditional, no cache in front of the server may answer, and no stored listing is new enough.
    A look-up that finds nothing lists the chats.

    Args:
        clock: A function that returns seconds; only differences between its results matter.
        ttl: Seconds for which a listing is valid, from just before its request.
        recheck_after: Seconds after a listing or a failed listing. During this time, a look-up that
            finds nothing in a fresh view starts no new listing.
        own_write_grace: Seconds for which a listing may lack a change that the server has reported.
        write_timeout: Seconds after which a write has certainly left this process, or never will.
        stale_if_error: Seconds after the TTL in which the last listing may still be served.

    Attributes:
        view: The snapshot that look-ups read. `_expire` replaces it by an empty one.
        tries: A counter of the look-ups in a fresh view.
        fails: A counter of the look-ups in a fresh view that found no chat.
        confirmed: The last listing that the server confirmed. It contains no facts, because a 304
            would then confirm chats that the server has never listed.
        facts: The last known states of chats that a listing may not show yet.
        epoch: The number of times that a write, an event, a 404, `invalidate` or `close` expired
            the view. A flight of an older epoch is neither joined nor published. For example,
            thread A lists the chats. Then thread B creates a chat and looks it up. A's pages may be
            older than B's write.
        losses: The number of losses. Content from before a loss is not published. For example,
            thread A sends a conditional request. Then thread B receives 401, which drops
            `confirmed`. If A receives 304 after that, A must not publish the dropped chats again.
        changes: The number of changes. A change is an own write, an `invalidate` or a 401. It
            outdates the listings of other processes, so the source informs these processes.
        written: The own writes; None without revisions.
        longest_doubt: Seconds for which a write can be in doubt.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        own_write_grace: float,
        write_timeout: float,
        stale_if_error: float,
    ) -> None:
        self.clock = clock
        self.ttl = ttl
        self.recheck_after = recheck_after
        self.stale_if_error = stale_if_error
        self._own_write_grace = own_write_grace
        self.longest_doubt = write_timeout + own_write_grace
        # The writes in doubt, each with the end of its doubt. `_of_all` stands for the writes of
        # the processes that share the listings.
        self._doubts: dict[Write, float] = {}
        self._of_all = Write()
        self.written: Written | None = None
        # The highest revision of a write of these processes, and the time until which a listing may
        # lack the write.
        self._written_by_all: Written | None = None
        self.view = ChatSnapshot()
        self.tries = itertools.count()
        self.fails = itertools.count()
        self._lock = new_lock()
        self._closed = False
        self.epoch = self.losses = self.changes = self._started = 0
        # Look-ups join `_flight`, the flight of the present epoch. `close` ends all `_flights`.
        self._flight: Flight[ChatSnapshot] | None = None
        self._flights: set[Flight[ChatSnapshot]] = set()
        self.confirmed: ConfirmedListing | None = None
        self.facts = Facts()
        # Flights with a higher number are forced, until one of them has a listing.
        self._forced_after = math.inf
        self._last_attempt = self._asked_since = self._started_at = -math.inf
        self._cool_down: CoolDown | None = None
        self._is_authorized = True
        self._told: set[str] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, and drop the flights: their threads do not exist in the child."""
        self._lock = new_lock()
        self._flight = None
        self._flights = set()

    @property
    def doubt_until(self) -> float:
        """The time until which the cache is in doubt; -infinity without a doubt."""
        # A handler or another thread may end a doubt at any point: so this reads only once.
        return max(self._doubts.values(), default=-math.inf)

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
            view, cool, flight = self.view, self._cool_down, self._flight
            if self._closed:
                cool = None
            elif view is not seen and now < view.fresh_until and view.number > newer_than:
                return (view,)
            elif flight is not None:
                self._counts["joined"] += 1
                flight.is_kept |= led.is_kept
                return flight
            elif cool is None or now >= cool.until or time_left >= cool.enough:
                self._flights.add(led)
                self._started += 1
                self._started_at = now
                led.number, led.epoch = self._started, self.epoch
                led.is_forced = led.number > self._forced_after or now < self.doubt_until
                led.losses = self.losses
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
            # Another thread may start the flight, and the caller joins it.
            self._forced_after = self._started
            return Freshness(newer_than=self._started, since=now, urgent=True)

    def required(self, need: Freshness) -> Freshness:
        """Return *need*. After a flight of a time in doubt, only a later flight is new enough.

        For example, thread A's create times out. Then thread B lists the chats. Then the server
        completes the create, and thread C looks it up. C must not take B's listing.
        """
        now = self.clock()
        if self._started_at >= self.doubt_until:
            return need
        return evolve(need, newer_than=self._started, since=now)

    # Requests to the server

    def validator_of(self, known: ConfirmedListing | None, asked_at: float) -> str | None:
        """Return the ETag for a conditional request at *asked_at*.

        Returns:
            None for an unconditional request: no listing with an ETag is known, or the cache is in
            doubt.
        """
        return known.validator if known and asked_at >= self.doubt_until else None

    def request_answered(self, flight: Flight[ChatSnapshot], read: Listing | None) -> None:
        """Count a response of the server.

        If the server has sent all the chats, the flight uses no older content. So losses before
        this moment do not outdate the flight.

        Args:
            flight: The flight that sent the request.
            read: What the server has sent; None if it reported no change.
        """
        with self._lock:
            self.require_open()
            if read is None:
                self._counts["not_modified"] += 1
            elif read.gone is None:
                flight.losses = self.losses
                self._counts["listings"] += 1
            else:
                self._counts["updates"] += 1

    def publish(
        self,
        flight: Flight[ChatSnapshot],
        listing: ConfirmedListing,
        ended_at: float,
        *,
        check_at: float = math.inf,
        stamp: tuple[str, float] | None = None,
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
            stamp: See `ChatSnapshot.store_stamp`.
            is_ours: Whether *flight* requested the listing from the server. False for a listing
                from a store.

        Raises:
            TWClosedError: The Connection is closed.
            Outdated: The listing has content from before a loss.
        """
        if not is_ours:
            flight.asked_at = listing.asked_at
        while True:
            facts, doubt_until = self.facts, self.doubt_until
            live = facts.live(listing.asked_at)
            view = evolve(
                live.merge(listing.listed).until(self.end_of(listing), check_at),
                store_stamp=stamp,
                number=flight.number if is_ours else 0,
            )
            with self._lock:
                self.require_open()
                if flight.epoch != self.epoch:
                    return view
                if flight.losses != self.losses:
                    raise Outdated
                if self.doubt_until != doubt_until or self.facts is not facts:
                    continue
                self.confirmed = listing
                self._last_attempt = ended_at if is_ours else listing.asked_at
                self._is_authorized = True
                if is_ours and flight.number > self._forced_after:
                    self._forced_after = math.inf
                self._cool_down = None
                self._flight = None
                self.view = view
                # The lines below only free memory, so Ctrl-C may skip them.
                # A listing in progress may have been requested before the last fact expired.
                if self._flights <= {flight}:
                    self.facts = live
                for write in self._ended_before(listing.asked_at):
                    self._end_doubt(write)
                self._told.discard("failure")
            return view

    def end_of(self, listing: ConfirmedListing) -> float:
        """Return the time at which *listing* expires.

        A listing that lacks a fact expires with the fact. In doubt, a listing lasts for
        `recheck_after` at most. So does a listing that lacks a write of another process.
        """
        asked_at = listing.asked_at
        # Use the request time: a fact that expired since then may be missing from this listing.
        lacking = self.facts.live(asked_at).against(listing.listed)
        ends_at = min(asked_at + self.ttl, lacking.expires_at)
        if asked_at < self.doubt_until or self._lacks_write(listing):
            ends_at = min(ends_at, asked_at + self.recheck_after)
        return ends_at

    def _lacks_write(self, listing: ConfirmedListing) -> bool:
        revision, written = listing.listed.revision, self._written_by_all
        if revision is None or written is None:
            return False
        return revision < written.revision and listing.asked_at < written.until

    def failed(self, flight: Flight[ChatSnapshot], error: TWError, *, enough: float) -> None:
        """Start the cool-down after a flight has failed, unless the epoch has changed.

        After 401 or 403, look-ups do not use the last listing any more if the server fails.

        Args:
            flight: The flight.
            error: The error of the flight.
            enough: See `CoolDown.enough`.
        """
        ended_at = self.clock()
        cool_down = CoolDown(ended_at + pause_after(error), copy.copy(error), enough)
        is_refusal = isinstance(error, TWAuthError)
        with self._lock:
            if flight.epoch == self.epoch:
                self._last_attempt = ended_at
                self._cool_down = cool_down
                self._flight = None
                if is_refusal:
                    self._is_authorized = False

    def is_recheck_due(self, now: float) -> bool:
        """Return whether a look-up that finds nothing at the time *now* must list the chats again.

        It must in doubt, and if the last listing or failed listing is older than `recheck_after`.
        """
        return now < self.doubt_until or now - self._last_attempt > self.recheck_after

    def stale(self) -> ChatSnapshot | None:
        """Return the last listing with the facts, for a look-up whose refresh failed.

        Returns:
            The chats, or None. The result is None if there is no listing, and after
            `stale_if_error`. It is also None after 401 or 403, until a listing succeeds, and in
            doubt, until a listing requested after the doubt succeeds.
        """
        now, listing = self.clock(), self.confirmed
        if listing is None or not self._is_authorized or listing.asked_at < self.doubt_until:
            return None
        if now >= listing.asked_at + self.ttl + self.stale_if_error:
            return None
        return self.facts.live(listing.asked_at).merge(listing.listed)

    # Listings that processes share

    def accepts(self, asked_at: float, need: Freshness, now: float, began: float) -> bool:
        """Return whether a listing that another process requested at *asked_at* is new enough.

        A listing from before the last event or 404 is too old. For example, another process lists
        the chats. Then a thread of this process receives an event, which makes the view expire. The
        thread must not take the older listing from the store. If the cache is in doubt, a listing
        from before the look-up *began* is too old. One from after that is new enough even if it
        has expired already, as an own listing would be.
        """
        in_doubt = now < self.doubt_until
        since = max(need.since, self._asked_since, began if in_doubt else -math.inf)
        return since < asked_at and (began < asked_at or now < asked_at + self.ttl)

    def on_slot(self, doubt_until: float, written: Written | None) -> None:
        """Apply the status of a slot: the writes of all processes that share it.

        Args:
            doubt_until: The latest end of the doubt about a write, even if it has passed, on the
                cache's clock. -infinity without a doubt.
            written: The writes that a listing may lack, on the cache's clock; None without
                revisions.
        """
        with self._lock:
            self._doubts[self._of_all] = doubt_until
            self._written_by_all = written

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

    def begin(self, write: Write) -> None:
        """Put *write* in doubt, before its request is sent.

        The view expires. If *write* is interrupted at any line, it stays in doubt until the end of
        its time-out and of `own_write_grace`.
        """
        now = self.clock()
        until = now + self.longest_doubt
        write.empty = ChatSnapshot()
        with self._lock:
            self._doubts[write] = until
            write.view, self.view = self.view, write.empty

    def withdraw(self, write: Write) -> None:
        """End the doubt about a write that has certainly changed nothing.

        The view comes back, unless something else has made it expire since `begin`.
        """
        with self._lock:
            self._end_doubt(write)
            if self.view is write.empty:
                self.view = write.view

    def wrote(self, write: Write, *, unknown: bool) -> None:
        """Expire the view and add a fact: a write has reached the server, or may have reached it.

        The view expires and the fact is added in one step under the lock. Otherwise, a listing
        could be published between the two actions, without the write.

        Args:
            write: The write, which has ended.
            unknown: Whether the outcome of the write is unknown. If so, the cache is in doubt for
                `own_write_grace`.
        """
        now = self.clock()
        until = now + self._own_write_grace
        fact = Fact(write.chat, write.revision, until, write.is_created)
        with self._lock:
            is_shown = self._shows(write.tid, write.revision, now, is_created=write.is_created)
            is_news = write in self._doubts or not is_shown
            if is_news:
                # Expire first, since Ctrl-C may interrupt any line: look-ups must not show the
                # state before the write.
                self._expire()
                self.changes += 1
                if write.revision is not None:
                    self.written = Written(write.revision, until).after(self.written, now)
            # Even if the view shows the write: the next listing may come from a server that lags.
            if write.tid is not None:
                self._note(write.tid, fact)
                # The server has confirmed a write, so it is available again.
                self._cool_down = None
            if unknown:
                self._doubts[write] = until
            else:
                self._end_doubt(write)
            if is_news:
                # Expire again: a signal handler may have looked up chats before the fact was added.
                self._expire()

    def on_state(self, tid: str | None, chat: Chat | None, revision: int | None) -> None:
        """Apply what an event or a 404 says about a chat. Expire the view if that is news.

        Args:
            tid: The thread ID; None if it is unknown whether there is news.
            chat: The chat; None if the bot is not in the chat any more.
            revision: The revision of the chat's last change; None if the server has no revisions.
        """
        now = self.clock()
        fact = Fact(chat, revision, now + self._own_write_grace)
        with self._lock:
            is_shown = self._shows(tid, revision, now)
            if tid is not None:
                self._note(tid, fact)
            if revision is None:
                self._asked_since = now
                self._expire()
            elif not is_shown:
                # The fact is enough for each listing in progress, so none of them is outdated.
                self._hide()

    def _shows(
        self, tid: str | None, revision: int | None, now: float, *, is_created: bool = False
    ) -> bool:
        """Return whether look-ups show this state of a chat, or a newer one, without a refresh."""
        view = self.view
        if tid is None or now >= view.expires_at:
            return False
        known = view.revision_of(tid)
        if revision is None or known is None:
            # The server may have returned a one-to-one chat that existed already.
            return is_created and tid in view.by_tid
        return known >= revision

    def _note(self, tid: str, fact: Fact) -> None:
        while True:
            facts = self.facts
            noted = facts.noted(tid, fact)
            # A signal handler may have added a fact during the call.
            if self.facts is facts:
                self.facts = noted
                return

    def _ended_before(self, asked_at: float) -> list[Write]:
        # A copy: a signal handler may begin or end a doubt during the loop.
        return [write for write, end in list(self._doubts.items()) if end <= asked_at]

    def _end_doubt(self, write: Write) -> None:
        self._doubts.pop(write, None)

    def invalidate(self) -> None:
        """Drop `confirmed` and the view, but keep the facts. The next look-up lists the chats."""
        with self._lock:
            self.changes += 1
            self._drop()
            self._cool_down = None
            self._forced_after = self._started
            self._expire()

    def on_unauthorized(self) -> None:
        """Drop `confirmed` and the view. After a 401, the bot has no right to read the chats.

        The epoch stays, for two reasons. A flight that fails with the 401 still starts the
        cool-down. A flight that receives all the chats after the 401 still publishes them.
        """
        with self._lock:
            self.changes += 1
            self._drop()
            self._hide()

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

    def _hide(self) -> None:
        # A new object: `withdraw` compares it.
        self.view = ChatSnapshot()

    def _expire(self) -> None:
        self._hide()
        self.epoch += 1
        self._flight = None

    # Counting

    def count(self, name: str, more: int = 1) -> None:
        """Increase a count of `CacheInfo`.

        Args:
            name: The name of the count.
            more: The number to add.
        """
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
