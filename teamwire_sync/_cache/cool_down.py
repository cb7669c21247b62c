"""After a failed listing, a dead server is left alone for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from teamwire_sync.exceptions import TWError

COOL_DOWN = 1.0
"""Seconds after a failed listing in which no other is tried, unless the server asks for more."""


@frozen(eq=False, repr=False)
class CoolDown:
    """After a failed listing, others fail with the same error.

    Attributes:
        until: When it ends, on the cache's clock.
        error: The failure.
        enough: Callers who have at least this many seconds may ask all the same.
    """

    until: float
    error: TWError
    enough: float


def pause_after(error: TWError) -> float:
    """Seconds after *error* in which the chats are not listed again."""
    return max(COOL_DOWN, getattr(error, "retry_after", None) or 0.0)
