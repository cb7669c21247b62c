"""What the tests of events have in common."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from teamwire_sync import Event, NewMessageInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._services.events import EventStream

EVENTS = ("GET", "/v1/bot/events/")


def take(stream: EventStream, count: int = 1) -> list[Event]:
    """The next events, so many."""
    events = list(islice(stream, count))
    assert len(events) == count, "the others never came"
    return events


def texts(events: Iterable[Event]) -> list[str | None]:
    """Those of the new messages."""
    messages = [event for event in events if isinstance(event, NewMessageInfo)]
    return [event.message.msg for event in messages]
