"""Conversion of the server's timestamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def date_of(timestamp: int) -> datetime:
    """Return the aware datetime in UTC, *timestamp* milliseconds after 1970-01-01 UTC."""
    from datetime import datetime, timedelta, timezone  # noqa: PLC0415  only for this

    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return epoch + timedelta(milliseconds=timestamp)
