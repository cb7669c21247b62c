"""Trying again: after which failures, when, and for how long in all."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING, Callable

from attrs import frozen

from teamwire_sync._internal.log import logger
from teamwire_sync.exceptions import TWDeliveryUnknownError, TWError

if TYPE_CHECKING:
    from teamwire_sync._http.errors import Response

# Seconds before the first further try, and between two at most, unless the server asks for more.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0


@frozen(eq=False)
class FailedAttempt:
    """A try that failed.

    Attributes:
        error: What it comes to when nobody tries again.
        again: Whether another try may go better, and does not do twice what is to be done once.
    """

    error: TWError
    again: bool = False


class Retries:
    """Tries again, with pauses that grow, until the time for it is over.

    Args:
        most: How often at most, after the first try.
        clock: Gives seconds; only differences count.
        pause: Waits for so many seconds.
        jitter: Gives numbers from 0 to 1, so that clients which failed together don't come back
            together.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], object],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._most = most
        self._clock = clock
        self._pause = pause
        self._jitter = jitter

    def run(
        self,
        attempt: Callable[[], Response | FailedAttempt],
        ends_at: float,
        longest: float = math.inf,
    ) -> Response:
        """What *attempt* answers.

        Args:
            attempt: Tries once.
            ends_at: The moment of the clock at which all of it has to end.
            longest: Seconds that one pause may take; what has no end of its own pauses, too.

        Raises:
            TWError: It failed for good. `TWDeliveryUnknownError` when any of the tries may have
                been done.
        """
        unknown: TWError | None = None
        for number in itertools.count(1):
            try:
                outcome = attempt()
            except TWError as raised:
                outcome = FailedAttempt(raised)
            if not isinstance(outcome, FailedAttempt):
                return outcome
            error = outcome.error
            if unknown is None and isinstance(error, TWDeliveryUnknownError):
                unknown = error
            pause = self._pause_after(number, error)
            in_time = pause <= longest and self._clock() + pause < ends_at
            if not (outcome.again and number <= self._most and in_time):
                break
            # The text of a lost answer says to look before trying again, which is what comes next.
            reason = f"{error.method} {error.path}: {error.cause}" if error.cause else error
            logger.info(
                "%s; trying again in %.1f s, %d of %d times", reason, pause, number, self._most
            )
            self._pause(pause)
        # Not in an except block: there it would get the context of what it replaces.
        raise _last(error, unknown, number)

    def _pause_after(self, number: int, error: TWError) -> float:
        longest = min(_FIRST_PAUSE * 2.0 ** min(number - 1, 30), _LONGEST_PAUSE)
        pause = longest * (1 + self._jitter()) / 2
        return max(pause, float(getattr(error, "retry_after", None) or 0))


def _last(error: TWError, unknown: TWError | None, tries: int) -> TWError:
    if tries == 1:
        return error
    if unknown is None or isinstance(error, TWDeliveryUnknownError):
        error.args = (f"{error} (tried {tries} times)",)
        return error
    # What comes after a try that may have been done says nothing about that one.
    unknown.args = (f"{unknown} (tried {tries} times, the last one: {error})",)
    return unknown
