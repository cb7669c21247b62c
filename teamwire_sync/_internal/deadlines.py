"""Deadlines: moments of `time.monotonic` at which a call must end."""

from __future__ import annotations

import time

from teamwire_sync._internal.validation import check_seconds
from teamwire_sync.exceptions import TWError, TWTimeoutError

# Seconds: timers round, so a time-out may happen this much before its deadline.
_ALMOST = 0.05


def deadline_of(timeout: float | None) -> float | None:
    """Return the deadline of a call with the argument *timeout*; None without a time-out.

    Args:
        timeout: The limit for the call in seconds, or None.

    Raises:
        TypeError: *timeout* is not a number.
        ValueError: *timeout* is out of range.
    """
    if timeout is None:
        return None
    check_seconds("timeout", timeout)
    return time.monotonic() + timeout


def within(deadline: float | None, seconds: float) -> float:
    """Return the earlier of *deadline* and the moment *seconds* from now."""
    latest = time.monotonic() + seconds
    return latest if deadline is None else min(deadline, latest)


def is_own_timeout(error: TWError, deadline: float | None) -> bool:
    """Return whether *error* is a time-out that only the leader's own *deadline* caused.

    Then only the leader fails: the threads that wait for its result may have later deadlines.
    """
    late = deadline is not None and time.monotonic() >= deadline - _ALMOST
    return late and isinstance(error, TWTimeoutError)
