"""Listings that processes share by a store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from attrs import evolve

from teamwire_sync._cache.cool_down import pause_after
from teamwire_sync._cache.listing import ConfirmedListing, Freshness, ListingRequest, SlotRevision
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.deadlines import is_own_timeout, time_left
from teamwire_sync.exceptions import TWError, TWTimeoutError

if TYPE_CHECKING:
    from teamwire_sync._cache.single_flight import Flight
    from teamwire_sync._cache.source import ServerSource
    from teamwire_sync._cache.state import CacheState
    from teamwire_sync._stores.base import Failure, SlotStatus
    from teamwire_sync._stores.sharing import SharedListing


class StoreSource:
    """Takes the listing from a store where another process has left one, else asks the server.

    Of all the processes that need a listing, the one that has the lease asks the server, and the
    others wait for what it stores.

    Args:
        state: The cache's.
        server: Asks the server.
        shared: The listing in the store.
    """

    def __init__(self, state: CacheState, server: ServerSource, shared: SharedListing) -> None:
        self._state = state
        self._server = server
        self._shared = shared

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:
        """*view*, fresh for longer if no other process has written since the last look.

        Only one thread looks. The others go on with what they have: it is as old as the interval
        between two looks, and the time that a look takes.
        """
        state, shared = self._state, self._shared
        if now >= view.expires_at:
            return view
        # Before the look: so no other thread looks, and none has to wait for it.
        longer = view.until(view.expires_at, now + shared.check_interval)
        if not state.replace_view(view, longer):
            return state.view
        status = shared.status(state.changes)
        if status is not None and status.generation != view.store_generation:
            return view if state.replace_view(longer, view) else state.view
        if not state.replace_view(longer, view.until(view.expires_at, now + shared.next_look)):
            return state.view
        # For this look-up in any case, though the next may have to look again.
        return view.until(view.expires_at)

    def flush(self, *, at_once: bool = False) -> None:
        """Let the other processes know that the stored listing is outdated."""
        self._shared.flush(self._state.changes, at_once=at_once)

    def bring(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        """Take the stored listing, or ask the server, and publish it."""
        state, shared = self._state, self._shared
        if state.ttl <= 0:
            return self._server.bring(flight, request, need)
        with ExitStack() as held:
            leads, gives_up_at = False, shared.clock() + shared.patience
            for pause in shared.pauses():
                request.check_needed()
                state.require_open()
                now, status = state.clock(), shared.status(state.changes)
                check_at = now + shared.next_look
                if status is None:
                    listing = self._server.ask(flight, request, state.confirmed)
                    unstored = evolve(listing, revision=None)
                    return self._server.publish(flight, unstored, check_at=check_at)
                stored = self._acceptable(status, now, need)
                if stored is not None:
                    return state.publish(flight, stored, now, check_at=check_at, is_ours=False)
                if leads:
                    return self._list(status, now, flight, request)
                failure = _failure_that_counts(status, now, need)
                if failure is not None:
                    self._raise_shared(failure, status, now, flight)
                    # It was the other process's own, its network's perhaps: each asks for itself.
                    return self._list(status, now, flight, request)
                lease = shared.lease()
                if lease is not None:
                    # Registered first, since Ctrl-C may come during the start.
                    held.push(lease)
                    lease.start()
                    # What the last leader stored may have come since the look.
                    leads = True
                elif shared.is_leading or shared.clock() >= gives_up_at:
                    return self._list(status, now, flight, request)
                else:
                    _wait(shared, pause, request.deadline)
        raise AssertionError  # pragma: no cover  the pauses do not end

    def _acceptable(
        self, status: SlotStatus, now: float, need: Freshness
    ) -> ConfirmedListing | None:
        """The stored listing, if it is new enough; it is read only then."""
        revision, ours = _current(status), self._state.confirmed
        if revision is None:
            return None
        if ours is not None and ours.revision == revision:
            asked_at = ours.asked_at
        else:
            asked_at = _moment(revision.asked_at, status, now)
        if not self._state.accepts(asked_at, need, now):
            return None
        stored = self._read(revision, asked_at)
        ours = self._state.confirmed
        if stored is not None and (ours is None or ours.listed is not stored.listed):
            self._state.count("store_loads")
        return stored

    def _read(self, revision: SlotRevision, asked_at: float) -> ConfirmedListing | None:
        ours = self._state.confirmed
        if ours is not None and ours.revision is not None and ours.revision.body == revision.body:
            return evolve(ours, asked_at=asked_at, revision=revision)
        stored = self._shared.load(revision)
        if stored is None:
            return None
        listed = ChatSnapshot.of(dict(stored.chats))
        return ConfirmedListing(listed, stored.validator, asked_at, revision)

    def _list(
        self,
        status: SlotStatus,
        now: float,
        flight: Flight[ChatSnapshot],
        request: ListingRequest,
    ) -> ChatSnapshot:
        """Ask the server for all who share the listing."""
        state, shared = self._state, self._shared
        began = state.clock()
        base = self._newest(status, now, flight)
        try:
            listing = self._server.ask(flight, request, base)
        except TWError as error:
            if not is_own_timeout(error, request.deadline):
                took = state.clock() - began
                shared.failed(error, status, took=took, pause=pause_after(error))
            raise
        listing = evolve(listing, revision=shared.unsaved(status))
        view = self._server.publish(flight, listing, check_at=now + shared.next_look)
        # The other threads need not wait until it is stored.
        flight.set_result(view)
        is_same = base is not None and base.listed is listing.listed
        unchanged = base.revision if base and is_same else None
        saved = shared.save(listing, status, unchanged=unchanged)
        if saved is not None:
            state.saved(listing, saved)
        return view

    def _newest(
        self, status: SlotStatus, now: float, flight: Flight[ChatSnapshot]
    ) -> ConfirmedListing | None:
        """The newest listing, to ask whether it has changed."""
        losses, ours = self._state.losses, self._state.confirmed
        revision = _current(status)
        if revision is None:
            return ours
        asked_at = _moment(revision.asked_at, status, now)
        if ours is not None and ours.asked_at > asked_at:
            return ours
        stored = self._read(revision, asked_at)
        if stored is None:
            return ours
        self._state.keep(flight, stored, losses)
        return stored

    def _raise_shared(
        self, failure: Failure, status: SlotStatus, now: float, flight: Flight[ChatSnapshot]
    ) -> None:
        error = self._shared.shared_error(failure, status)
        if error is None:
            return
        if self._state.stale_if_error > 0:
            # The stored listing may be served instead.
            self._newest(status, now, flight)
        raise error


def _current(status: SlotStatus) -> SlotRevision | None:
    """The stored listing's revision, unless a write has outdated it."""
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
    """The moment *stored* of the store's clock, on the cache's clock."""
    return now - (status.now - stored)


def _wait(shared: SharedListing, pause: float, deadline: float | None) -> None:
    left = time_left(deadline)
    if left <= 0:
        message = "no answer within the timeout of this call; another process still lists the chats"
        raise TWTimeoutError(message)
    shared.sleep(min(pause, left))
