"""A view of the chats whose listing other processes share, by a store."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from attrs import evolve

from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._cache.state import ConfirmedListing, SharedView, pause_of
from teamwire_sync._internal.deadlines import is_own_timeout
from teamwire_sync.exceptions import TWError, TWTimeoutError

if TYPE_CHECKING:
    from teamwire_sync._cache.listing import ListingRequest
    from teamwire_sync._cache.single_flight import Flight
    from teamwire_sync._cache.state import Freshness
    from teamwire_sync._stores.base import Failure, SlotRevision, SlotStatus
    from teamwire_sync._stores.sharing import SharedListing


class StoredView(SharedView):
    """A shared view that takes its listing from a store, where another process has left one.

    Without a store it is a shared view and nothing else. Of all the processes that need a listing,
    the one that has the lease asks the server, and the others wait for what it stores.
    """

    # Only a listing for which the server was asked since then will do, whoever asked.
    _listed_since = -math.inf

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:
        """*view*, or the same for longer, if no other process has written since the last look.

        Only one thread looks. The others go on with what they have: that is as old as the interval
        between two looks, and the time that a look takes.

        Args:
            view: Is no longer fresh.
            now: The moment, on the cache's clock.
        """
        sharing = self._sharing
        if sharing is None or now >= view.covered:
            return view
        # Before the look: so no other thread looks, and none has to wait for it.
        longer = view.until(view.covered, now + sharing.check_interval)
        with self._lock:
            if self.view is not view:
                return self.view
            self.view = longer
        status = sharing.status()
        outdated = status is not None and status.generation != view.generation
        with self._lock:
            if self.view is not longer:
                return self.view
            if outdated:
                self.view = view
                return view
            self.view = view.until(view.covered, now + sharing.next_look)
        # For this look-up in any case, though the next may have to look again.
        return view.until(view.covered)

    def _bring(
        self, flight: Flight[ChatSnapshot], load: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        sharing = self._sharing
        if sharing is None or self._ttl <= 0:
            return super()._bring(flight, load, need)
        with ExitStack() as held:
            leads, gives_up_at = False, sharing.clock() + sharing.patience
            for pause in sharing.pauses():
                load.go_on()
                self._require_open()
                now, status = self.clock(), sharing.status()
                if status is None:
                    good = self._ask(flight, load, self._last_good)
                    good = evolve(good, revision=None)
                    look_at = now + sharing.next_look
                    return self._publish(flight, good, self.clock(), look_at=look_at)
                known = self._taken_over(sharing, status, now, need)
                if known is not None:
                    look_at = now + sharing.next_look
                    return self._publish(flight, known, now, look_at=look_at, is_ours=False)
                if leads:
                    return self._list(sharing, status, now, flight, load)
                failure = _failure_that_counts(status, now, need)
                if failure is not None:
                    self._raise_shared(sharing, failure, status, now, flight)
                    # It was the leader's own, its network's perhaps: each tries for itself.
                    return self._list(sharing, status, now, flight, load)
                lease = sharing.lease()
                if lease is not None:
                    # First: Ctrl-C may come as it starts.
                    held.push(lease)
                    lease.keep()
                    # What the last leader stored may have come since the look.
                    leads = True
                elif sharing.is_leading or sharing.clock() >= gives_up_at:
                    return self._list(sharing, status, now, flight, load)
                else:
                    _wait(sharing, pause, load.deadline)
        raise AssertionError  # pragma: no cover  the pauses do not end

    def _taken_over(
        self, sharing: SharedListing, status: SlotStatus, now: float, need: Freshness
    ) -> ConfirmedListing | None:
        """The listing of the place, if it will do; it is read only then."""
        revision = _counting(status)
        if revision is None:
            return None
        asked_at = self._asked_at(revision, status, now)
        doubtful = now < self._doubt_until
        since = max(need.since, self._listed_since, now if doubtful else -math.inf)
        if asked_at <= since or now >= self._covered(asked_at)[0]:
            return None
        found = self._read(sharing, revision, asked_at)
        with self._lock:
            known = self._last_good
            self._counts.store_loads += found is not None and (
                known is None or known.listed is not found.listed
            )
        return found

    def _asked_at(self, revision: SlotRevision, status: SlotStatus, now: float) -> float:
        mine = self._last_good
        if mine is not None and mine.revision == revision:
            return mine.asked_at
        return _moment(revision.asked_at, status, now)

    def _read(
        self, sharing: SharedListing, revision: SlotRevision, asked_at: float
    ) -> ConfirmedListing | None:
        mine = self._last_good
        if mine is not None and mine.revision is not None and mine.revision.body == revision.body:
            return evolve(mine, asked_at=asked_at, revision=revision)
        contents = sharing.load(revision)
        if contents is None:
            return None
        return ConfirmedListing(
            ChatSnapshot.of(dict(contents.chats)), contents.validator, asked_at, revision
        )

    def _list(
        self,
        sharing: SharedListing,
        status: SlotStatus,
        now: float,
        flight: Flight[ChatSnapshot],
        load: ListingRequest,
    ) -> ChatSnapshot:
        """Ask the server for all who share the place."""
        began = self.clock()
        base = self._base(sharing, status, now, flight)
        try:
            good = self._ask(flight, load, base)
        except TWError as error:
            if not is_own_timeout(error, load.deadline):
                sharing.failed(error, status, took=self.clock() - began, pause=pause_of(error))
            raise
        ended_at = self.clock()
        good = evolve(good, revision=sharing.unsaved(status))
        view = self._publish(flight, good, ended_at, look_at=now + sharing.next_look)
        # Nobody here has to wait until it is stored.
        flight.land(view)
        is_same = base is not None and base.listed is good.listed
        saved = sharing.keep(good, status, unchanged=base.revision if base and is_same else None)
        if saved is not None:
            with self._lock:
                if self._last_good is good:
                    self._last_good = evolve(good, revision=saved)
        return view

    def _base(
        self, sharing: SharedListing, status: SlotStatus, now: float, flight: Flight[ChatSnapshot]
    ) -> ConfirmedListing | None:
        """The newest listing, to ask whether it has changed."""
        with self._lock:
            mine, drops = self._last_good, self._drops
        revision = _counting(status)
        if revision is None:
            return mine
        asked_at = _moment(revision.asked_at, status, now)
        if mine is not None and mine.asked_at > asked_at:
            return mine
        stored = self._read(sharing, revision, asked_at)
        if stored is None:
            return mine
        with self._lock:
            # It may be served when the server fails, like one of our own.
            if drops == self._drops and flight.generation == self._generation:
                self._last_good = stored
        return stored

    def _raise_shared(
        self,
        sharing: SharedListing,
        failure: Failure,
        status: SlotStatus,
        now: float,
        flight: Flight[ChatSnapshot],
    ) -> None:
        error = sharing.shared_error(failure, status)
        if error is None:
            return
        if self._stale_if_error > 0:
            # What the place has may be served instead.
            self._base(sharing, status, now, flight)
        raise error

    def _outdate(self) -> None:
        if self._sharing is not None:
            self._sharing.owe()

    def _settle(self, *, at_once: bool = False) -> None:
        if self._sharing is not None:
            self._sharing.settle(at_once=at_once)


def _counting(status: SlotStatus) -> SlotRevision | None:
    """The listing of the place, unless a write has outdated it."""
    revision = status.revision
    return revision if revision is not None and revision.generation == status.generation else None


def _failure_that_counts(status: SlotStatus, now: float, need: Freshness) -> Failure | None:
    failure = status.failure
    if failure is None or failure.generation != status.generation:
        return None
    if not failure.failed_at <= status.now < failure.until:
        return None
    too_old = need.urgent and _moment(failure.failed_at, status, now) < need.since
    return None if too_old else failure


def _moment(stored: float, status: SlotStatus, now: float) -> float:
    """The moment *stored*, of the store's clock, on the cache's."""
    return now - (status.now - stored)


def _wait(sharing: SharedListing, pause: float, deadline: float | None) -> None:
    left = math.inf if deadline is None else deadline - time.monotonic()
    if left <= 0:
        message = "no answer within the timeout of this call; another process still lists the chats"
        raise TWTimeoutError(message)
    sharing.sleep(min(pause, left))
