"""Conversion of timestamps and dates."""

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


def milliseconds_of(moment: datetime.datetime) -> int:
    """Return the whole milliseconds from 1970-01-01 UTC to *moment*.

    They are not rounded up: the last microsecond of the year 9999 would be in the year 10000.
    """
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


def utc_text(moment: datetime.datetime) -> str:
    """Return *moment* in UTC as text in the format of ISO 8601."""
    return moment.astimezone(datetime.timezone.utc).isoformat()


def instant_of(moment: datetime.datetime) -> float:
    """Return *moment* in seconds since 1970-01-01 UTC, for comparisons.

    Python compares two dates of the same time zone by their local times. When summer time ends, the
    local times of one hour are repeated.
    """
    return moment.timestamp()
