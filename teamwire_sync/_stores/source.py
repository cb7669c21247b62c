"""The source of listings that processes share through a store.

The glossary in `teamwire_sync._cache` defines view, flight, slot, generation and lease.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from attrs import evolve

from teamwire_sync._cache.cool_down import pause_after
from teamwire_sync._cache.listing import ConfirmedListing, Freshness, ListingRequest, SlotRevision
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.deadlines import is_own_timeout, time_left
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._stores.base import MAX_DOUBT, new_token
from teamwire_sync._stores.lease import LeaseKeeper
from teamwire_sync.exceptions import TWError, TWTimeoutError

if TYPE_CHECKING:
    from teamwire_sync._cache.facts import Write
    from teamwire_sync._cache.single_flight import Flight
    from teamwire_sync._cache.source import ServerSource
    from teamwire_sync._cache.state import CacheState
    from teamwire_sync._stores.base import Failure, SlotStatus
    from teamwire_sync._stores.sharing import SharedListing

# The first and the maximum pause between two checks for another process's listing, in seconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.1


class StoreSource:
    """A source that takes listings from a store, or else requests them from the server.

    If several processes need a listing, the process that has the lease requests it. The other
    processes wait for the listing in the store.

    Args:
        state: The state of the cache.
        server: The source of listings from the server.
        shared: The listing in the store.
    """

    def __init__(self, state: CacheState, server: ServerSource, shared: SharedListing) -> None:
        self._state = state
        self._server = server
        self._shared = shared

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:
        """Return *view*, with a later ``fresh_until`` if no other process has written.

        Only one thread checks the slot; the other threads use the view during the check. So another
        process's write stays hidden for the check interval and the duration of a check at most.
        """
        state, shared = self._state, self._shared
        if now >= view.expires_at:
            return view
        # Extend the view before the check: other threads then neither check nor wait.
        longer = view.until(view.expires_at, now + shared.check_interval)
        if not state.replace_view(view, longer):
            return state.view
        status = self._status(now)
        if status is not None and status.stamp != view.store_stamp:
            return view if state.replace_view(longer, view) else state.view
        if not state.replace_view(longer, view.until(view.expires_at, now + shared.next_look)):
            return state.view
        # This look-up may use the view, even if the check took so long that the next one is due.
        return view.until(view.expires_at)

    def begin(self, write: Write) -> None:
        """Add a mark to the slot, which stays if this process is killed during the write."""
        write.mark = new_token()
        seconds = min(self._state.longest_doubt, MAX_DOUBT)
        self._shared.mark(_name_of(write.mark), seconds)

    def shows(self, write: Write) -> bool:
        """Return whether the stored listing shows the result of *write*."""
        now = self._state.clock()
        status = self._status(now)
        revision = None if status is None else _current(status)
        if status is None or revision is None or write.tid is None:
            return False
        stored = self._read(revision, _moment(revision.asked_at, status, now))
        if stored is None or write.tid not in stored.listed.by_tid:
            return False
        known = stored.listed.revision_of(write.tid)
        return known is None or write.revision is None or known >= write.revision

    def flush(self, ended: Write | None = None, *, at_once: bool = False) -> None:
        """Replace the slot's generation, so that other processes stop using the stored listing."""
        mark = None if ended is None or ended.mark is None else _name_of(ended.mark)
        state = self._state
        self._shared.flush(state.changes, ended=mark, written=state.written, at_once=at_once)

    def _status(self, now: float) -> SlotStatus | None:
        """Return the slot's status, and pass what it says about writes to the state."""
        state = self._state
        status = self._shared.status(state.changes, state.written)
        if status is not None:
            known = status.written
            written = known and evolve(known, until=_moment(known.until, status, now))
            # If the clock has been set back by years, a mark must not last for years.
            is_wrong = status.doubt_until > status.now + MAX_DOUBT
            ends_at = -math.inf if is_wrong else _moment(status.doubt_until, status, now)
            state.on_slot(ends_at, written)
        return status

    def bring(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        """Take the stored listing or request one, publish it, and return the view."""
        if self._state.ttl <= 0:
            return self._server.bring(flight, request, need)
        lease = LeaseKeeper(self._shared, lambda: not flight.is_over)
        # Twice, because Ctrl-C may interrupt the first call of `end`, which is idempotent.
        try:
            try:
                return self._bring(flight, request, need, lease)
            finally:
                lease.end()
        finally:
            lease.end()

    def _bring(
        self,
        flight: Flight[ChatSnapshot],
        request: ListingRequest,
        need: Freshness,
        lease: LeaseKeeper,
    ) -> ChatSnapshot:
        """Do what `bring` does, except for the end of the lease.

        Each round checks the slot, then does one of these: publish the stored listing, list the
        chats with the lease, raise the stored failure, take the lease, or wait. The thread lists
        the chats without the lease in four cases:

        - The store fails.
        - The stored failure may concern only the process that stored it.
        - The thread or its Connection has the lease, so the thread would wait for itself.
        - The thread has waited for the seconds of `SharedListing.patience`.
        """
        state, shared = self._state, self._shared
        leads, gives_up_at, began = False, shared.clock() + shared.patience, state.clock()
        pause = _FIRST_WAIT
        while True:
            request.check_needed()
            state.require_open()
            now = state.clock()
            status = self._status(now)
            check_at = now + shared.next_look
            if status is None:
                listing, _ = self._server.ask(flight, request, state.confirmed)
                unstored = evolve(listing, revision=None)
                return self._server.publish(flight, unstored, check_at=check_at)
            stored = self._acceptable(status, now, need, began)
            if stored is not None:
                return state.publish(
                    flight, stored, now, check_at=check_at, stamp=status.stamp, is_ours=False
                )
            if leads:
                return self._list(status, now, flight, request)
            failure = _failure_that_counts(status, now, need)
            if failure is not None:
                self._raise_shared(failure, status, now, flight)
                # The failure may concern only the other process, for example its network.
                return self._list(status, now, flight, request)
            if lease.take():
                # Check the slot once more. Process A checks; process B stores its listing and
                # frees the lease; A takes the lease. A must find B's listing.
                leads = True
            elif lease.is_leading or shared.clock() >= gives_up_at:
                return self._list(status, now, flight, request)
            else:
                _wait(shared, pause, request.deadline)
                pause = min(pause * 1.5, _LONGEST_WAIT)

    def _acceptable(
        self, status: SlotStatus, now: float, need: Freshness, began: float
    ) -> ConfirmedListing | None:
        """Return the stored listing if it is new enough. Only then read its chats."""
        revision, ours = _current(status), self._state.confirmed
        if revision is None:
            return None
        if ours is not None and ours.revision == revision:
            # A change of the store's clock must not make our own listing younger.
            asked_at = ours.asked_at
        else:
            asked_at = _moment(revision.asked_at, status, now)
        if not self._state.accepts(asked_at, need, now, began):
            return None
        stored = self._read(revision, asked_at)
        # If the listing took longer than it lasts, those who waited for it use it. Otherwise, they
        # would list the chats one after the other.
        if stored is not None and asked_at <= began and now >= self._state.end_of(stored):
            return None
        ours = self._state.confirmed
        if stored is not None and (ours is None or ours.listed is not stored.listed):
            self._state.count("store_loads")
        return stored

    def _read(self, revision: SlotRevision, asked_at: float) -> ConfirmedListing | None:
        ours = self._state.confirmed
        known = None if ours is None or ours.revision is None else ours.revision.body
        if ours is not None and known == revision.body:
            return evolve(ours, asked_at=asked_at, revision=revision)
        stored = self._shared.load(revision, known)
        if stored is None:
            return None
        if ours is None or stored.gone is None:
            listed = ChatSnapshot.of(dict(stored.chats), stored.revisions, stored.revision)
        else:
            chats = ours.listed.shared(dict(stored.chats))
            listed = ours.listed.changed(chats, stored.gone, stored.revisions, stored.revision)
        return ConfirmedListing(listed, stored.validator, asked_at, revision)

    def _list(
        self,
        status: SlotStatus,
        now: float,
        flight: Flight[ChatSnapshot],
        request: ListingRequest,
    ) -> ChatSnapshot:
        """Request a listing for all processes that share the slot, publish it and store it."""
        state, shared = self._state, self._shared
        began = state.clock()
        base = self._newest(status, now, flight)
        try:
            listing, sent = self._server.ask(flight, request, base)
        except not_by_signal(TWError) as error:
            if not is_own_timeout(error, request.deadline):
                took = state.clock() - began
                shared.failed(error, status, took=took, pause=pause_after(error))
            raise
        # The chats have no token before they are stored.
        listing = evolve(listing, revision=SlotRevision("", status.generation, status.now))
        check_at = now + shared.next_look
        view = self._server.publish(flight, listing, check_at=check_at, stamp=status.stamp)
        # End the flight first, so that its waiters do not wait until the listing is stored.
        flight.set_result(view)
        extends = None if base is None else base.revision
        saved = shared.save(listing, status, sent=sent, base=extends)
        if saved is not None:
            state.saved(listing, saved)
        return view

    def _newest(
        self, status: SlotStatus, now: float, flight: Flight[ChatSnapshot]
    ) -> ConfirmedListing | None:
        """Return the newest known listing, for a conditional request.

        A stored listing that is not valid any more is what the server sent once, so the server can
        send the changes since then. After a loss of this process, the next request is for all the
        chats.
        """
        losses, ours = self._state.losses, self._state.confirmed
        is_valid = _current(status) is not None
        revision = status.revision if is_valid or not losses else None
        if revision is None:
            return ours
        asked_at = _moment(revision.asked_at, status, now)
        if ours is not None and ours.asked_at > asked_at:
            return ours
        stored = self._read(revision, asked_at)
        if stored is None:
            return ours
        if is_valid:
            self._state.keep(flight, stored, losses)
        return stored

    def _raise_shared(
        self, failure: Failure, status: SlotStatus, now: float, flight: Flight[ChatSnapshot]
    ) -> None:
        error = self._shared.shared_error(failure, status)
        if error is None:
            return
        if self._state.stale_if_error > 0:
            # Makes the stored listing available to `CacheState.stale`.
            self._newest(status, now, flight)
        raise error


def _name_of(mark: str) -> str:
    # The text contains the process ID: a forked child does not remove a mark of its parent.
    return f"{mark} {os.getpid()}"


def _current(status: SlotStatus) -> SlotRevision | None:
    """Return the stored listing's revision; None if the slot has no valid listing."""
    revision = status.revision
    return revision if revision and revision.generation == status.generation else None


def _failure_that_counts(status: SlotStatus, now: float, need: Freshness) -> Failure | None:
    failure = status.failure
    if failure is None or failure.generation != status.generation:
        return None
    if not failure.failed_at <= status.now < failure.until:
        return None
    too_old = need.urgent and _moment(failure.failed_at, status, now) < need.since
    return None if too_old else failure


def _moment(stored: float, status: SlotStatus, now: float) -> float:
    """Convert a time on the store's clock to the cache's clock."""
    return now - (status.now - stored)


def _wait(shared: SharedListing, pause: float, deadline: float | None) -> None:
    left = time_left(deadline)
    if left <= 0:
        message = (
            "no response within the timeout of this call; "
            "another process is still listing the chats"
        )
        raise TWTimeoutError(message)
    shared.sleep(min(pause, left))
