"""Refreshes of the view: one thread lists the chats, the other threads wait for the listing."""

from __future__ import annotations

import itertools
import math
import sys
import time
from typing import TYPE_CHECKING

from teamwire_sync._cache.listing import ANY, Freshness, ListingRequest, Progress
from teamwire_sync._cache.single_flight import Flight, lead_or_wait
from teamwire_sync._cache.state import CacheState, Outdated
from teamwire_sync._internal.deadlines import is_own_timeout
from teamwire_sync.exceptions import TWClosedError, TWError

if TYPE_CHECKING:
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._cache.source import Source

# The number of outdated listings that a look-up stops early. The look-up reads the next one to its
# end: writes that never end would otherwise keep it waiting forever.
_GIVEN_UP = 2
# After the leader's own time-out, a caller needs this many times the leader's time to list the
# chats during the cool-down.
_MORE_TIME = 1.5


class Refresher:
    """The single flight of the chats: gets a newer view for all threads that need one.

    An own write outdates a listing in progress: thread A lists the chats; thread B creates a chat
    and looks it up. A's pages may be older than the write, so B starts its own flight
    (`CacheState.join_or_start`). A's flight is of an older epoch now. It is not published, and A
    stops it before the next page: A and its waiters start again. After two such listings, A reads
    the next one to its end.

    Args:
        state: The state of the cache.
        source: The source of listings.
    """

    def __init__(self, state: CacheState, source: Source) -> None:
        self._state = state
        self._source = source

    def refresh(
        self,
        seen: ChatSnapshot,
        deadline: float | None,
        progress: Progress | None = None,
        *,
        need: Freshness = ANY,
    ) -> ChatSnapshot:
        """Return a view other than *seen*, by a listing of this thread or of another thread.

        Args:
            seen: The view that the caller can't use.
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            progress: A callback for the pages of a listing by this thread.
            need: The conditions for a view that is new enough.

        Raises:
            TWError: The chats could not be listed.
        """
        state, attempts = self._state, itertools.count()

        def lead(flight: Flight[ChatSnapshot]) -> ChatSnapshot:
            may_give_up = next(attempts) < _GIVEN_UP

            def check_needed() -> None:
                if may_give_up and flight.epoch != state.epoch:
                    raise Outdated

            request = ListingRequest(
                deadline=deadline, check_needed=check_needed, progress=progress
            )
            return self._lead(flight, request, need)

        return lead_or_wait(
            lambda led: state.join_or_start(
                led, seen, time_left=_time_left(deadline), newer_than=need.newer_than
            ),
            lead,
            state.finish,
            deadline,
            accepts=lambda flight: flight.number > need.newer_than and flight.asked_at > need.since,
        )

    def _lead(
        self, flight: Flight[ChatSnapshot], request: ListingRequest, need: Freshness
    ) -> ChatSnapshot:
        time_left = _time_left(request.deadline)
        try:
            view = self._source.bring(flight, request, need)
        except TWClosedError:
            raise
        except TWError as error:
            if is_own_timeout(error, request.deadline):
                # Thread A has a time-out of 1 s; thread B waits for A without one. A's time-out
                # must not fail B. The flight is abandoned, and B starts again.
                self._state.failed(flight, error, enough=time_left * _MORE_TIME)
            else:
                self._state.failed(flight, error, enough=math.inf)
                flight.set_exception(error)
            raise
        finally:
            self._state.count("pages", request.pages)
        flight.set_result(view)
        return view


def _time_left(deadline: float | None) -> float:
    # Not infinity: a cool-down for every caller (`enough` is infinity) must stop callers without a
    # deadline too.
    return sys.float_info.max if deadline is None else deadline - time.monotonic()
