"""The cool-down: a pause after a failed listing, in which the server gets no new requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from teamwire_sync.exceptions import TWError

COOL_DOWN = 1.0
"""Seconds without a new listing after a failed listing. A longer Retry-After extends the time."""
_LONGEST = 3600.0


@frozen(eq=False, repr=False)
class CoolDown:
    """The pause after a failed listing. Look-ups that need a listing raise the same error.

    Attributes:
        until: The end of the cool-down, on the cache's clock.
        error: The error of the failed listing.
        enough: Seconds. A caller with at least this much time left may list the chats during the
            cool-down. Infinity stops every caller.
    """

    until: float
    error: TWError
    enough: float


def pause_after(error: TWError) -> float:
    """Return the seconds after this error without a new listing, at most an hour."""
    return min(max(COOL_DOWN, getattr(error, "retry_after", None) or 0.0), _LONGEST)
