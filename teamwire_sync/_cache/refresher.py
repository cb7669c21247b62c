"""Refreshes of the view: one thread lists the chats, the other threads wait for the listing.

The glossary in `teamwire_sync._cache` defines view, flight and epoch.
"""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING

from teamwire_sync._cache.listing import ANY, Freshness, ListingRequest, Progress
from teamwire_sync._cache.single_flight import Flight, lead_or_wait
from teamwire_sync._cache.state import CacheState, Outdated
from teamwire_sync._internal.deadlines import is_own_timeout, time_left
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWClosedError, TWError

if TYPE_CHECKING:
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._cache.source import Source

# The number of outdated listings after which the next listing of a look-up is read to its end.
# Without this limit, a look-up could wait forever in a program that writes all the time.
_GIVEN_UP = 2
# A cool-down also follows a listing that the time-out of its leader ended. In this cool-down, a
# caller may list the chats only if its remaining time is at least this factor times the time that
# the leader had.
_MORE_TIME = 1.5


class Refresher:
    """A single flight for the chats: one listing serves all threads that need a newer view.

    An own write of this Connection outdates a listing in progress. For example, thread A lists the
    chats. Then thread B creates a chat and looks it up. A's pages may be older than the write, so B
    starts its own flight (`CacheState.join_or_start`). B's write has started a new epoch, and A's
    flight belongs to an older epoch. A's flight is not published, and A stops it before the next
    page. Then A and its waiters start again. After two such listings, the next listing of a thread
    is read to its end, even if another thread reads it.

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
        """Return a newer view, from a listing of this thread or of another thread.

        Args:
            seen: The view that the caller can't use.
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            progress: A callback that runs after each page, if this thread lists the chats.
            need: The conditions for a view that is new enough.

        Raises:
            TWError: The chats could not be listed.
        """
        state, attempts = self._state, itertools.count()
        need = state.required(need)

        def join(led: Flight[ChatSnapshot]) -> Flight[ChatSnapshot] | tuple[ChatSnapshot]:
            led.is_kept = next(attempts) >= _GIVEN_UP
            left = _time_left(deadline)
            return state.join_or_start(led, seen, time_left=left, newer_than=need.newer_than)

        def lead(flight: Flight[ChatSnapshot]) -> ChatSnapshot:
            def check_needed() -> None:
                if flight.epoch != state.epoch and not flight.is_kept:
                    raise Outdated

            request = ListingRequest(
                deadline=deadline,
                check_needed=check_needed,
                progress=progress,
                is_forced=flight.is_forced,
            )
            return self._lead(flight, request, need)

        return lead_or_wait(
            join,
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
        except not_by_signal(TWError) as error:
            if is_own_timeout(error, request.deadline):
                # For example, thread A has a time-out of 1 s. Thread B has no time-out, and waits
                # for A. A's time-out must not make B fail. The flight is abandoned, and B starts
                # again.
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
    # Without a deadline, the result is the largest float, not infinity. So a cool-down whose
    # `enough` is infinity stops callers without a deadline too.
    return min(time_left(deadline), sys.float_info.max)
