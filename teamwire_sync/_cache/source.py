"""The sources of listings.

The glossary in `teamwire_sync._cache` defines view, flight and doubt.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from teamwire_sync._cache.listing import (
    ConfirmedListing,
    Freshness,
    Listing,
    ListingRequest,
    ReadListing,
)
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._models.chats import UNREADABLE
from teamwire_sync.exceptions import (
    TWClosedError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWRequestError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from teamwire_sync._cache.facts import Write
    from teamwire_sync._cache.single_flight import Flight
    from teamwire_sync._cache.state import CacheState

_UNASKED = "the server reported no change, but the request was not conditional"


class Source(Protocol):
    """A source of listings. It also informs other processes of this cache's changes."""

    def bring(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        """Get a listing, publish it, and return the view."""

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:
        """Return *view*, with a later ``fresh_until`` if no other process has written.

        Args:
            view: A view that is no longer fresh.
            now: The present time on the cache's clock.
        """

    def begin(self, write: Write) -> None:
        """Inform other processes of a write in doubt, before its request is sent."""

    def shows(self, write: Write) -> bool:
        """Return whether the listing for other processes shows the result of *write*."""

    def flush(self, ended: Write | None = None, *, at_once: bool = False) -> None:
        """Inform other processes of all `CacheState.changes`.

        Args:
            ended: A write that is no longer in doubt; None without one.
            at_once: Whether to try although the last try has just failed. `close` needs this,
                because no later try follows.
        """


class ServerSource:
    """A source that requests listings from the server. Other processes don't share the listings.

    Args:
        state: The state of the cache.
        read: A function that reads a listing. It runs in the thread of the look-up that needs the
            listing.
    """

    def __init__(self, state: CacheState, read: ReadListing) -> None:
        self._state = state
        self._read = _read_of_list(read)

    def bring(
        self,
        flight: Flight[ChatSnapshot],
        request: ListingRequest,
        need: Freshness,  # noqa: ARG002  every response of the server is new enough
    ) -> ChatSnapshot:
        """Request a listing from the server, publish it, and return the view."""
        listing, _ = self.ask(flight, request, self._state.confirmed)
        return self.publish(flight, listing)

    def ask(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, known: ConfirmedListing | None
    ) -> tuple[ConfirmedListing, Listing | None]:
        """Request the chats from the server.

        The request contains the revision of *known*, and its ETag unless the cache is in doubt. If
        the changes since *known* do not lead to the server's list, all the chats are requested.

        Returns:
            The new listing, and what the server sent. If the server reported no change, the listing
            *known* with the time of this request, and None.

        Raises:
            TWProtocolError: The server reported no change, and *known* is None.
            TWError: The request failed.
        """
        state = self._state
        asked_at = state.clock()
        state.count("refreshes")
        request.validator = state.validator_of(known, asked_at)
        # It is unknown which chat can't be decoded, so changes can't replace it.
        if known is not None and UNREADABLE not in known.listed.by_tid:
            request.since = known.listed.revision
        while True:
            try:
                read = self._read(request)
                listing = _listing(read, known, asked_at)
            except TWClosedError:
                raise
            except not_by_signal(TWError) as error:
                if request.since is None or not _only_for_changes(error):
                    state.count("failures")
                    raise
                listing = None
            if listing is not None:
                state.request_answered(flight, read)
                return listing, read
            logger.info("the changes do not lead to the server's chats: listing all the chats")
            request.validator = request.since = known = None
            request.check_needed()

    def publish(
        self,
        flight: Flight[ChatSnapshot],
        listing: ConfirmedListing,
        *,
        check_at: float = math.inf,
        stamp: tuple[str, float] | None = None,
    ) -> ChatSnapshot:
        """Publish a listing that the server has just confirmed, and return the view.

        If the listing took longer than the TTL, its waiters use it, but it has expired already.

        Args:
            flight: The flight that requested the listing.
            listing: The listing.
            check_at: The time of the next check for writes of other processes, on the cache's
                clock.
            stamp: See `ChatSnapshot.store_stamp`.
        """
        state = self._state
        ended_at = state.clock()
        view = state.publish(flight, listing, ended_at, check_at=check_at, stamp=stamp)
        took = ended_at - listing.asked_at
        if 0 < state.ttl <= took and state.view is view and state.is_first("overdue"):
            text = "listing the chats took %.1f s, longer than cache_ttl (%s s): nothing is cached"
            logger.warning(text, took, state.ttl)
        return view

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:  # noqa: ARG002
        """Return *view*: this source has no information about other processes."""
        return view

    def begin(self, write: Write) -> None:
        """Do nothing: no other process shares the listings."""

    def shows(self, write: Write) -> bool:  # noqa: ARG002  there is no other listing
        """Return False: no other process shares the listings."""
        return False

    def flush(self, ended: Write | None = None, *, at_once: bool = False) -> None:
        """Do nothing: no other process shares the listings."""


def _read_of_list(read: ReadListing) -> ReadListing:
    """Return *read*, with `TWProtocolError` for each `TWNotFoundError`.

    From a look-up, a `TWNotFoundError` would say that a chat does not exist.
    """

    def read_list(request: ListingRequest) -> Listing | None:
        try:
            return read(request)
        except not_by_signal(TWNotFoundError) as error:
            names = ("status", "code", "request_id", "method", "path")
            context = {name: getattr(error, name) for name in names}
            message = f"{error}; does the URL point to the bot API?"
        raise TWProtocolError(message, **context)

    return read_list


def _only_for_changes(error: TWError) -> bool:
    """Return whether the server may fail in this way only if it is asked for changes."""
    kinds = (TWProtocolError, TWRequestError, TWUnsupportedError)
    return not error._is_foreign and (isinstance(error, kinds) or error.status == 500)


def _listing(
    read: Listing | None, known: ConfirmedListing | None, asked_at: float
) -> ConfirmedListing | None:
    """Return the listing that the server has confirmed.

    Returns:
        None if *read* has changes that do not lead from *known* to the server's chats.
    """
    if read is not None and read.gone is None:
        listed = ChatSnapshot.of(read.chats, read.revisions, read.revision)
        return ConfirmedListing(listed, read.validator, asked_at)
    if known is None:
        raise TWProtocolError(_UNASKED)
    if read is None:
        return evolve(known, asked_at=asked_at)
    updated = _updated(known.listed, read)
    return None if updated is None else ConfirmedListing(updated, read.validator, asked_at)


def _updated(known: ChatSnapshot, changes: Listing) -> ChatSnapshot | None:
    """Return *known* with *changes*; None if they do not lead to the server's chats."""
    revision, revisions = changes.revision, changes.revisions
    if revision is None or known.revision is None or revision < known.revision:
        return None
    if UNREADABLE in changes.chats:
        return None  # this may be the new state of any chat
    gone, newest = changes.gone or (), max(known.revisions.values(), default=known.revision)
    if newest > known.revision and not changes.chats.keys().isdisjoint(gone):
        return None  # such a chat is behind some of the new chats that are known already
    # A server that lags may send an older state than the one that is known.
    later = {
        tid: each for tid, each in known.revisions.items() if each > revisions.get(tid, revision)
    }
    chats = {tid: chat for tid, chat in changes.chats.items() if tid not in later}
    updated = known.changed(
        known.shared(chats),
        [tid for tid in gone if tid not in later],
        {**revisions, **later},
        revision,
    )
    return updated if len(updated.by_tid) == changes.total else None
