"""The moment of `time.monotonic` at which a call has to end.

An import that the call waits for in the middle of its work does not count: `now` stands still.
"""

from __future__ import annotations

import time

from teamwire_sync._internal.imports import reset_seconds_waited, seconds_waited
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync.exceptions import TWError, TWTimeoutError

# Seconds by which a time-out may come before the deadline that it is for: timers round.
_ALMOST = 0.05
_NEVER = float("inf")  # not math.inf: `import teamwire_sync` has no other use for math


def deadline_of(timeout: float | None) -> float | None:
    """The moment of `time.monotonic` at which a call with the argument *timeout* has to end.

    Raises:
        TypeError: *timeout* is no number.
        ValueError: It is not above zero.
    """
    reset_seconds_waited()
    if timeout is None:
        return None
    check_seconds("timeout", timeout)
    return time.monotonic() + timeout


def now() -> float:
    """Return `time.monotonic` without the seconds that this thread's call waited for imports."""
    return time.monotonic() - seconds_waited()


def time_left(deadline: float | None) -> float:
    """Return the seconds until *deadline*; infinity where that is None."""
    return _NEVER if deadline is None else deadline - now()


def within(deadline: float | None, seconds: float) -> float:
    """*deadline*, but not more than *seconds* from now."""
    latest = now() + seconds
    return latest if deadline is None else min(deadline, latest)


def is_own_timeout(error: TWError, deadline: float | None) -> bool:
    """Whether *error* says only that a leader with this *deadline* had no more time.

    Then it fails alone: those who wait for it may have the time.
    """
    return time_left(deadline) <= _ALMOST and isinstance(error, TWTimeoutError)
