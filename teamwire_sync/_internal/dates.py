"""Moments as the server counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def date_of(timestamp: int) -> datetime:
    """The moment *timestamp* milliseconds after 1970-01-01 UTC, aware, in UTC."""
    from datetime import datetime, timedelta, timezone  # noqa: PLC0415  only for this

    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return epoch + timedelta(milliseconds=timestamp)
