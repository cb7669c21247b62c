"""Conversion of the server's timestamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync._internal.imports import LazyModule

if TYPE_CHECKING:
    import datetime
else:
    datetime = LazyModule("datetime")


def date_of(timestamp: int) -> datetime.datetime:
    """Return the aware datetime in UTC, *timestamp* milliseconds after 1970-01-01 UTC."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(milliseconds=timestamp)
