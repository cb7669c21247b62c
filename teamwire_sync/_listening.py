"""Listening: what happens in the bot's chats, one event after the other."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Callable, NoReturn

from teamwire_sync._log import logger
from teamwire_sync._models.events import Event, Events, NewMessageInfo
from teamwire_sync.exceptions import (
    TWConnectionError,
    TWError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._transports.base import EventPage, Transport

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


class EventStream:
    """Gives one event after the other, and waits for the next; from ``connection.events()``.

    It is for one thread at a time. What ends a loop over it, such as Ctrl-C or ``break``, does not
    end the stream: a further loop goes on with the next event.

    Args:
        transport: Asks the server.
        cursor: After which the events begin.
        ends_at: The moment of `time.monotonic` at which it ends, or None.
        own: Whether to give what the bot itself did.
        hide_deleted_messages: Whether to leave out messages that were deleted.
        adopt: Lets what the events are about act.
        pushed: Is told of each chat that changed: its thread ID, and None for one that is gone.

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
        adopt: Callable[[EventPage], object],
        pushed: Callable[[str, Chat | None], object],
    ) -> None:
        self.cursor = cursor
        self._transport = transport
        self._ends_at = ends_at
        self._own = own
        self._hide_deleted = hide_deleted_messages
        self._adopt = adopt
        self._pushed = pushed
        # In one: Ctrl-C between two assignments would give events twice.
        self._batch: tuple[deque[Event], str] = deque(), cursor
        self._failures = 0

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
        """
        while True:
            waiting, after = self._batch
            while waiting:
                # Before it is taken out: Ctrl-C in between would lose it.
                is_wanted = self._is_wanted(waiting[0])
                event = waiting.popleft()
                self.cursor = event.cursor
                if is_wanted:
                    return event
            self.cursor = after
            self._ask(after)

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
        wait = min(self._left(), _LONGEST_WAIT)
        if wait <= 0:
            raise StopIteration
        try:
            page = self._transport.get_events(cursor=cursor, wait=wait, deadline=None)
        except (TWConnectionError, TWServerError, TWRateLimitError) as error:
            failure: TWError = error
        else:
            self._arrived(page)
            early = min(wait, _SHORTEST_WAIT) - (time.monotonic() - asked_at)
            if not page.events and early > 0:
                self._transport.pause(early)
            return
        # Not in the except block, whose error would be the context of what comes next.
        self._failed(failure)

    def _arrived(self, page: EventPage) -> None:
        if self._failures:
            logger.info("listening goes on after %d failures", self._failures)
            self._failures = 0
        self._adopt(page)
        for event in page.events:
            if event.type in _CHANGES:
                gone = event.type is Events.CHAT_DELETED
                self._pushed(event.chat.tid, None if gone else event.chat)
        self._batch = deque(page.events), page.cursor

    def _failed(self, error: TWError) -> None:
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 30), _LONGEST_PAUSE)
        asked = float(getattr(error, "retry_after", None) or 0)
        pause = max(pause, min(asked, _LONGEST_ASKED))
        if pause >= self._left():
            # Silence would say that nothing has happened.
            raise error
        if not self._failures:
            logger.warning("listening is interrupted, and goes on when it can: %s", error)
        self._failures += 1
        self._transport.pause(pause)

    def _left(self) -> float:
        return float("inf") if self._ends_at is None else self._ends_at - time.monotonic()

    def __reduce__(self) -> NoReturn:
        message = (
            "an EventStream can't be pickled or copied: note its cursor, and give that to "
            "connection.events(since=...)"
        )
        raise TypeError(message)

    def __repr__(self) -> str:
        return f"<EventStream after {self.cursor}>"
