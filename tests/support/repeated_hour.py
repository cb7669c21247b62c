"""A time zone at the end of summer time."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


class RepeatedHour(tzinfo):
    """A zone whose local times come twice, as from 2:00 to 3:00 on 26 October 2025 in Berlin."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1 if moment is not None and moment.fold else 2)

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        return "CEST" if self.dst(moment) else "CET"
