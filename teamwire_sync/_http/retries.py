"""Retries of failed requests, with growing pauses, until a deadline."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING, Callable

from attrs import frozen

from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWDeliveryUnknownError, TWError

if TYPE_CHECKING:
    from teamwire_sync._http.responses import Response

# The first pause and the longest pause, in seconds. If the server asks for a longer pause, we wait
# as long as the server asks.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0


@frozen(eq=False)
class FailedAttempt:
    """A failed try.

    Attributes:
        error: The error to raise if no retry follows.
        again: Whether a retry is useful and safe: it may succeed, and it can't repeat a write that
            must be done only once.
    """

    error: TWError
    again: bool = False


class Retries:
    """A loop of tries, with growing pauses, that ends at a deadline.

    Args:
        most: The maximum number of retries after the first try.
        clock: A function that returns the time in seconds; only differences count.
        pause: A function that waits for a number of seconds.
        jitter: A function that returns numbers from 0 to 1. They spread the retries of clients that
            failed at the same time.
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
        """Return the first response of *attempt* that is not a failed try.

        Args:
            attempt: A function that tries once.
            ends_at: The deadline of all tries and pauses together, in seconds of the clock.
            longest: The maximum pause in seconds. If the next pause would be longer, no retry
                follows. It also limits requests with an infinite deadline.

        Raises:
            TWError: Every try failed. The error is a `TWDeliveryUnknownError` if the server may
                have done the write in any of the tries.
        """
        unknown: TWError | None = None
        is_refusal = True
        for number in itertools.count(1):
            try:
                outcome = attempt()
            except not_by_signal(TWError) as raised:
                outcome = FailedAttempt(raised)
            if not isinstance(outcome, FailedAttempt):
                return outcome
            error = outcome.error
            error._is_refusal = is_refusal = is_refusal and error._is_refusal
            if unknown is None and isinstance(error, TWDeliveryUnknownError):
                unknown = error
            pause = self._pause_after(number, error)
            in_time = pause <= longest and self._clock() + pause < ends_at
            if not (outcome.again and number <= self._most and in_time):
                break
            # Log only the cause: the full text may tell the user to look before trying again.
            reason = f"{error.method} {error.path}: {error.cause}" if error.cause else error
            logger.info(
                "%s; trying again in %.1f s, %d of %d times", reason, pause, number, self._most
            )
            self._pause(pause)
        # Raise this error outside the except block. Inside the block, Python would set the replaced
        # error as the context of this error.
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
    # The last error does not show whether the server did the write in an earlier try.
    unknown.args = (f"{unknown} (tried {tries} times, the last one: {error})",)
    return unknown
