"""Deadlines: moments of `time.monotonic` at which a call must end.

The time for which a call waits for an import does not count: `now` stands still during the import.
"""

from __future__ import annotations

import time

from teamwire_sync._internal.imports import reset_seconds_waited, seconds_waited
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync.exceptions import TWError, TWTimeoutError

# Seconds: timers round, so a time-out may happen this much before its deadline.
_ALMOST = 0.05
_NEVER = float("inf")  # not math.inf: `import teamwire_sync` would import math only for this


def deadline_of(timeout: float | None) -> float | None:
    """Return the deadline of a call with the argument *timeout*; None without a time-out.

    Args:
        timeout: The limit for the call in seconds, or None.

    Raises:
        TypeError: *timeout* is not a number.
        ValueError: *timeout* is out of range.
    """
    reset_seconds_waited()
    if timeout is None:
        return None
    return check_seconds("timeout", timeout) + time.monotonic()


def now() -> float:
    """Return `time.monotonic` without the seconds that this thread's call waited for imports."""
    return time.monotonic() - seconds_waited()


def time_left(deadline: float | None) -> float:
    """Return the seconds until *deadline*; infinity if it is None."""
    return _NEVER if deadline is None else deadline - now()


def within(deadline: float | None, seconds: float) -> float:
    """Return the earlier of *deadline* and the moment *seconds* from now."""
    latest = now() + seconds
    return latest if deadline is None else min(deadline, latest)


def is_own_timeout(error: TWError, deadline: float | None) -> bool:
    """Return whether *error* is a time-out that only the leader's own *deadline* caused.

    Then only the leader fails: the threads that wait for its result may have later deadlines.
    """
    return time_left(deadline) <= _ALMOST and isinstance(error, TWTimeoutError)
