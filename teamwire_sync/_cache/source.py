"""Where listings come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from teamwire_sync._cache.listing import ConfirmedListing, Freshness, ListingRequest, ReadListing
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._internal.log import logger
from teamwire_sync.exceptions import TWClosedError, TWError, TWProtocolError

if TYPE_CHECKING:
    from teamwire_sync._cache.single_flight import Flight
    from teamwire_sync._cache.state import CacheState

_UNASKED = "the server says that nothing has changed, but it was not asked that"


class Source(Protocol):
    """Brings listings, and tells other processes of writes."""

    def bring(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        """Get a listing, and publish it."""

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:
        """*view*, fresh for longer if no other process has written.

        Args:
            view: Is no longer fresh.
            now: The moment, on the cache's clock.
        """

    def flush(self, *, at_once: bool = False) -> None:
        """Let other processes know of the `changes` of the state.

        Args:
            at_once: Even if that has just failed: there is no later.
        """


class ServerSource:
    """Asks the server. No other process knows of its listings.

    Args:
        state: The cache's.
        read: Reads a listing, in the thread of the look-up that needs it.
    """

    def __init__(self, state: CacheState, read: ReadListing) -> None:
        self._state = state
        self._read = read

    def bring(
        self,
        flight: Flight[ChatSnapshot],
        request: ListingRequest,
        need: Freshness,  # noqa: ARG002  any answer of the server is new enough
    ) -> ChatSnapshot:
        """Ask the server, and publish what it says."""
        return self.publish(flight, self.ask(flight, request, self._state.confirmed))

    def ask(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, known: ConfirmedListing | None
    ) -> ConfirmedListing:
        """Ask the server for the chats, or whether they are still those of *known*."""
        state = self._state
        asked_at = state.clock()
        state.count("refreshes")
        request.validator = state.validator_of(known, asked_at)
        try:
            read = self._read(request)
            if read is not None:
                listed = ChatSnapshot.of(read.chats)
                listing = ConfirmedListing(listed, read.validator, asked_at)
            elif known is not None:
                listing = evolve(known, asked_at=asked_at)
            else:
                raise TWProtocolError(_UNASKED)
        except TWClosedError:
            raise
        except TWError:
            state.count("failures")
            raise
        state.request_answered(flight, changed=read is not None)
        return listing

    def publish(
        self,
        flight: Flight[ChatSnapshot],
        listing: ConfirmedListing,
        *,
        check_at: float = math.inf,
    ) -> ChatSnapshot:
        """Make *listing*, which the server has just sent, the view.

        Args:
            flight: Its flight.
            listing: The listing.
            check_at: When to look whether another process has written.
        """
        state = self._state
        ended_at = state.clock()
        view = state.publish(flight, listing, ended_at, check_at=check_at)
        took = ended_at - listing.asked_at
        if 0 < state.ttl <= took and state.view is view and state.is_first("overdue"):
            text = "listing the chats took %.1f s, longer than cache_ttl (%s s): nothing is cached"
            logger.warning(text, took, state.ttl)
        return view

    def extended(self, view: ChatSnapshot, now: float) -> ChatSnapshot:  # noqa: ARG002
        """*view*: nobody else's writes are known."""
        return view

    def flush(self, *, at_once: bool = False) -> None:
        """No other process has to know."""
