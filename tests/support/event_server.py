"""A server that is listened to, in a time of its own, and the events that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamwire_sync import NewMessageInfo
from teamwire_sync._transport import EventPage
from tests.support.builders import make_chat, make_event, make_message
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync import Event


class EventServer(FakeTransport):
    """What it is asked and what is paused takes time, on a clock of its own.

    Attributes:
        now: The moment.
        takes: Seconds that the next answers take; the others take as long as is waited for them.
    """

    def __init__(self) -> None:
        super().__init__(make_chat("t1", "one"))
        self.now = 1000.0
        self.takes: list[float] = []

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        self.now += self.takes.pop(0) if self.takes else wait
        if not wait and cursor and not self.event_answers:
            self.tell(cursor=cursor)  # the last question of a stream whose time is over
        return super().get_events(cursor=cursor, wait=wait, deadline=deadline)

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        self.now += seconds

    def tell(self, *events: Event, cursor: str | None = None) -> None:
        """Answer the next question with these."""
        # An event of others changes the chat here. An own change was made before its event.
        revisions = [
            self.revisions.get(event.chat.tid) if event.is_own else self.changed(event.chat.tid)
            for event in events
        ]
        self.event_answers.append(
            EventPage(events, cursor or events[-1].cursor, revisions=revisions)
        )

    def fail(self, *errors: BaseException) -> None:
        """Answer the next questions so."""
        self.event_answers.extend(errors)

    @property
    def polls(self) -> list[tuple[str | None, float]]:
        return [(asked["cursor"], asked["wait"]) for asked in self.asked if "wait" in asked]


def event(number: int, kind: str = "message_deleted", **fields: Any) -> Event:
    return make_event(kind, f"c{number}", **fields)


def posted(number: int, **fields: Any) -> Event:
    message = make_message(f"m{number}", **fields)
    return event(number, "new_message", cls=NewMessageInfo, message=message)


def cursors(events: Iterable[Event]) -> list[str]:
    return [each.cursor for each in events]
