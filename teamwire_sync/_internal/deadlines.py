"""The moment of `time.monotonic` at which a call has to end."""

from __future__ import annotations

import time

from teamwire_sync._internal.validation import check_seconds
from teamwire_sync.exceptions import TWError, TWTimeoutError

# Seconds by which a time-out may come before the deadline that it is for: timers round.
_ALMOST = 0.05


def deadline_of(timeout: float | None) -> float | None:
    """The moment of `time.monotonic` at which a call with the argument *timeout* has to end.

    Raises:
        TypeError: *timeout* is no number.
        ValueError: It is not above zero.
    """
    if timeout is None:
        return None
    check_seconds("timeout", timeout)
    return time.monotonic() + timeout


def within(deadline: float | None, seconds: float) -> float:
    """*deadline*, but not more than *seconds* from now."""
    latest = time.monotonic() + seconds
    return latest if deadline is None else min(deadline, latest)


def is_own_timeout(error: TWError, deadline: float | None) -> bool:
    """Whether *error* says only that a leader with this *deadline* had no more time.

    Then it fails alone: those who wait for it may have the time.
    """
    late = deadline is not None and time.monotonic() >= deadline - _ALMOST
    return late and isinstance(error, TWTimeoutError)
