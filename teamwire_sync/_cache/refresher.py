"""Refreshes of the view: one thread lists the chats, the others wait for it."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING

from teamwire_sync._cache.listing import ANY, Freshness, ListingRequest, Progress
from teamwire_sync._cache.single_flight import Flight, lead_or_wait
from teamwire_sync._cache.state import CacheState, Outdated
from teamwire_sync._internal.deadlines import is_own_timeout, time_left
from teamwire_sync.exceptions import TWClosedError, TWError

if TYPE_CHECKING:
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._cache.source import Source

# How many listings that a write outdates are given up, before one is read to its end: writes that
# never stop would keep a look-up waiting for ever.
_GIVEN_UP = 2
# How many times the time of a caller whose own time-out ended a listing another caller needs, to
# try soon after it.
_MORE_TIME = 1.5


class Refresher:
    """Brings a newer view for all threads that need one.

    Args:
        state: The cache's.
        source: Where listings come from.
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
        """A view other than *seen*: by a listing of our own, or by one in progress.

        Args:
            seen: The view that the caller can't use.
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            progress: Called with the pages of a listing of our own.
            need: How new the view has to be.

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
                # The others may have the time: each asks for itself.
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
    # Below infinity, so that a cool-down for all is one for callers who would wait for ever too.
    return min(time_left(deadline), sys.float_info.max)
