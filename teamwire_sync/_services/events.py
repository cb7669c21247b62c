"""Listening: what happens in the bot's chats, one event after the other."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Callable, NoReturn

from attrs import define

from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._internal.log import logger
from teamwire_sync._models.events import Event, Events, NewMessageInfo
from teamwire_sync.exceptions import (
    TWConnectionError,
    TWError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync._transport import EventPage, Transport

# Seconds that one question waits at the server. Proxies end a silence of 30 s, as HAProxy's
# examples have it.
_LONGEST_WAIT = 25.0
# Seconds before the first further try, and between two at most, unless the server asks for more.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_LONGEST_ASKED = 3600.0
# Seconds between two questions to a server that answers at once, though there is nothing to tell.
_SHORTEST_WAIT = 1.0
# What changes the list of the chats, or a field that it shows.
_CHANGES = {
    Events.CHAT_CREATED,
    Events.CHAT_JOINED,
    Events.CHAT_LEFT,
    Events.CHAT_DELETED,
    Events.CHAT_TITLE_CHANGED,
    Events.CHAT_ADMINS_CHANGED,
    Events.CHAT_ALLOW_SENDING_CHANGED,
    Events.CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED,
    Events.CHAT_IS_CLOSED_CHANGED,
}


@define(eq=False, repr=False)
class _Batch:
    """Events that wait to be given.

    Attributes:
        events: The events.
        cursor: Where those after them begin.
        given: How many of them have been given.
    """

    events: Sequence[Event]
    cursor: str
    given: int = 0


class EventStream:
    """Gives one event after the other, and waits for the next; from ``connection.events()``.

    It is for one thread at a time. What ends a loop over it, such as Ctrl-C or ``break``, does not
    end the stream: a further loop goes on with the next event.

    Attributes:
        cursor: Of the last event that was given; ``connection.events(since=...)`` goes on after it.
    """

    def __init__(
        self,
        transport: Transport,
        cursor: str,
        *,
        ends_at: float | None,
        own: bool,
        hide_deleted_messages: bool,
        attach: Callable[[EventPage], object],
        on_event: Callable[..., object],
    ) -> None:
        """Begin after *cursor*.

        Args:
            transport: Asks the server.
            cursor: After which the events begin.
            ends_at: The moment of `time.monotonic` at which it ends, or None.
            own: Whether to give what the bot itself did.
            hide_deleted_messages: Whether to leave out messages that were deleted.
            attach: Lets what the events are about act.
            on_event: Is told of each chat that changed: its thread ID, the chat or None when it is
                gone, and whether the bot did it.
        """
        self.cursor = cursor
        self._transport = transport
        self._ends_at = ends_at
        self._own = own
        self._hide_deleted = hide_deleted_messages
        self._attach = attach
        self._on_event = on_event
        self._batch = _Batch((), cursor)
        self._failures = 0
        self._is_over = False
        self._in_use = threading.Lock()

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        """The next event.

        Raises:
            StopIteration: The time is over.
            TWAuthError: The server does not know the credentials any more.
            TWRequestError: It does not know the cursor.
            TWClosedError: The Connection is closed.
            TWError: The time is over, and the server could not be asked; or it answers what is not
                the contract.
            RuntimeError: Another thread waits in this object.
        """
        if not self._in_use.acquire(blocking=False):
            message = (
                "this EventStream is in use by another thread: call connection.events() in each"
            )
            raise RuntimeError(message)
        try:
            batch = self._wanted()
        finally:
            self._in_use.release()
        # No call from here on: Ctrl-C in one would lose the event.
        event = batch.events[batch.given]
        self.cursor = event.cursor
        batch.given += 1
        return event

    def _wanted(self) -> _Batch:
        """A batch whose next event is to be given."""
        while True:
            batch = self._batch
            if batch.given < len(batch.events):
                return batch
            self.cursor = batch.cursor
            self._ask(batch.cursor)

    def _is_wanted(self, event: Event) -> bool:
        if event.is_own and not self._own:
            return False
        hidden = self._hide_deleted and isinstance(event, NewMessageInfo) and event.message.deleted
        return not hidden

    def _ask(self, cursor: str) -> None:
        """Have the events after *cursor* waiting, or none if it takes too long.

        Raises:
            StopIteration: The time is over.
        """
        asked_at = time.monotonic()
        wait = max(0.0, min(self._left(), _LONGEST_WAIT))
        if not wait:
            if self._is_over:
                raise StopIteration
            # What happened within the time, while the program was busy, is asked for once more.
            self._is_over = True
        try:
            page = self._transport.get_events(cursor=cursor, wait=wait, deadline=None)
        except (TWConnectionError, TWServerError, TWRateLimitError) as error:
            failure: TWError = error
        else:
            self._arrived(page)
            if not page.events:
                self._is_over = self._left() <= 0
                early = min(wait, _SHORTEST_WAIT) - (time.monotonic() - asked_at)
                if early > 0:
                    self._transport.pause(early)
            return
        # Not in the except block, whose error would be the context of what comes next.
        self._failed(failure)

    def _arrived(self, page: EventPage) -> None:
        if self._failures:
            logger.info("listening goes on after %d failures", self._failures)
            self._failures = 0
        self._attach(page)
        for event in page.events:
            if event.type in _CHANGES:
                chat = None if event.type is Events.CHAT_DELETED else event.chat
                self._on_event(event.chat.tid, chat, is_own=event.is_own)
        # In one: Ctrl-C between two assignments would give events twice.
        self._batch = _Batch(list(filter(self._is_wanted, page.events)), page.cursor)

    def _failed(self, error: TWError) -> None:
        asked = min(float(getattr(error, "retry_after", None) or 0), _LONGEST_ASKED)
        left = self._left()
        if max(asked, _FIRST_PAUSE) >= left:
            # Silence would say that nothing has happened.
            raise error
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 30), _LONGEST_PAUSE)
        # Those whose server is back do not come back together, and each asks before its end.
        pause *= (1 + random.random()) / 2  # noqa: S311  no secret
        pause = max(asked, min(pause, left - _FIRST_PAUSE))
        if not self._failures:
            logger.warning("listening is interrupted, and goes on when it can: %s", error)
        self._failures += 1
        self._transport.pause(pause)

    def _left(self) -> float:
        return time_left(self._ends_at)

    def __reduce__(self) -> NoReturn:
        message = (
            "an EventStream can't be pickled or copied: note its cursor, and give that to "
            "connection.events(since=...)"
        )
        raise TypeError(message)

    def __repr__(self) -> str:
        return f"<EventStream after {self.cursor}>"
