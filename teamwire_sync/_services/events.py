"""The stream of events in the bot's chats."""

from __future__ import annotations

import random
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Callable, NoReturn, Optional

from attrs import define

from teamwire_sync._display.html import count_of
from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import Limit, Ticket
from teamwire_sync._models.events import Event, Events, NewMessageInfo
from teamwire_sync.exceptions import (
    TWConnectionError,
    TWError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._transport import EventPage, Transport

    # The arguments of `CacheState.on_state`.
    _Said = tuple[Optional[str], Optional[Chat], Optional[int]]

# Seconds that one request waits at the server. Proxies close a connection that is silent for 30 s,
# the value in HAProxy's examples.
_LONGEST_WAIT = 25.0
# Seconds: the first pause before a retry, the longest one, and the longest that a server can
# request.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_LONGEST_ASKED = 3600.0
# The shortest interval of requests in seconds, for a server that returns no new events immediately.
_SHORTEST_WAIT = 1.0
# Events that change the list of the chats, or a field that the list shows.
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
# Errors after which the loop retries, however long they last.
_PASSING = (TWConnectionError, TWServerError, TWRateLimitError)


@define(eq=False, repr=False)
class _Batch:
    """Events that were read and are to be returned.

    Attributes:
        events: The events.
        cursor: The position after these events.
        given: The number of events that were returned.
    """

    events: Sequence[Event]
    cursor: str
    given: int = 0


def changes_in(
    events: Iterable[tuple[Event, int | None]], vague: Collection[str]
) -> Iterator[_Said]:
    """Yield what events say about the chats that have changed.

    Args:
        events: The events and their revisions.
        vague: See `EventPage.vague`.

    Yields:
        The thread ID, or None if the state of the chat is unknown; the chat, or None if the bot is
        no longer in it; and the revision of the chat's last change, or None.
    """
    for event, revision in events:
        if event.type in _CHANGES:
            chat = None if event.type is Events.CHAT_DELETED else event.chat
            yield None if event.chat.tid in vague else event.chat.tid, chat, revision


class _Use:
    """Lets one call at a time use a stream."""

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the limit: a thread of the parent may be using the stream."""
        self.limit = Limit(1)


class EventStream:
    """An iterator that returns one event after the other and waits for the next one.

    ``connection.events()`` creates it. Only one thread at a time may use it. Ctrl-C or
    ``break`` ends a loop, but not the stream: another loop continues with the next event.

    Attributes:
        cursor: The position after the last event that was returned.
            ``connection.events(since=cursor)`` continues there.
    """

    # Also an attribute of the class, for `unittest.mock.create_autospec`.
    cursor = ""

    def __init__(
        self,
        transport: Transport,
        cursor: str,
        *,
        ends_at: float | None,
        own: bool,
        hide_deleted_messages: bool,
        proxy_error_timeout: float,
        attach: Callable[[EventPage], object],
        on_event: Callable[..., object],
    ) -> None:
        """Start after *cursor*.

        Args:
            transport: The transport that reads the events.
            cursor: The position where the events begin.
            ends_at: The moment of `time.monotonic` at which the stream ends. None means never.
            own: Whether to return events that the bot itself caused.
            hide_deleted_messages: Whether to leave out deleted messages.
            proxy_error_timeout: The seconds for which to retry while something between this
                client and the server sends the responses.
            attach: A callback that binds the models of a page to their services.
            on_event: A callback for each chat that changed. It receives the thread ID (None if the
                state of the chat is unknown), the chat (None for `Events.CHAT_DELETED`), and the
                revision of its last change (None if the server has no revisions).
        """
        self.cursor = cursor
        self._transport = transport
        self._ends_at = ends_at
        self._own = own
        self._hide_deleted = hide_deleted_messages
        self._proxy_error_timeout = proxy_error_timeout
        self._attach = attach
        self._on_event = on_event
        self._batch = _Batch((), cursor)
        # The positions of the events on the last page, and the pages in a row with these events.
        self._seen: set[str] = {cursor}
        self._repeats = 0
        self._failures = 0
        self._foreign_since: float | None = None
        self._is_over = False
        self._use = _Use()

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        """Return the next event. Wait until there is one.

        Raises:
            StopIteration: The time-out of the stream has passed.
            TWAuthError: The server no longer accepts the credentials.
            TWRequestError: The server does not accept the cursor.
            TWClosedError: The Connection is closed.
            TWError: Requests fail and no time is left for a retry, or a response violates the
                contract.
            RuntimeError: Another thread is waiting in this stream, or a signal handler has
                interrupted this thread in it.
        """
        ticket, limit = Ticket(), self._use.limit
        try:
            if not limit.acquire(ticket, 0):
                message = (
                    "this EventStream is in use by another call: call connection.events() per "
                    "thread, and don't use the stream in a signal handler"
                )
                raise RuntimeError(message)
            batch = self._wanted()
        finally:
            # Called twice because Ctrl-C may interrupt the first call; idempotent.
            try:
                limit.release(ticket)
            finally:
                limit.release(ticket)
        # No call from here on: Ctrl-C during a call would lose the event.
        event = batch.events[batch.given]
        self.cursor = event.cursor
        batch.given += 1
        return event

    def _wanted(self) -> _Batch:
        """Return a batch with an event to return. Read batches until there is one."""
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
        """Read the batch after *cursor*. Pause after a failure.

        Raises:
            StopIteration: The time-out of the stream has passed.
        """
        asked_at = time.monotonic()
        wait = max(0.0, min(self._left(), _LONGEST_WAIT))
        if not wait:
            if self._is_over:
                raise StopIteration
            # Send one last request: events may have happened in time while the program was busy.
            self._is_over = True
        try:
            page = self._transport.get_events(cursor=cursor, wait=wait, deadline=None)
        except not_by_signal(TWError) as error:
            failure = error
        else:
            if not self._arrived(page, cursor):
                self._is_over = self._left() <= 0
                pause = _SHORTEST_WAIT * 2.0 ** max(0, min(self._repeats, 30) - 1)
                early = min(wait, pause) - (time.monotonic() - asked_at)
                if early > 0:
                    self._transport.pause(early)
            return
        # Outside the except block: otherwise this error becomes the context of the next error.
        self._failed(failure)

    def _arrived(self, page: EventPage, asked: str) -> bool:
        """Take the page after the cursor *asked*, and return whether an event on it is new."""
        if self._failures:
            logger.info("listening resumed after %s", count_of(self._failures, "failure"))
            self._failures, self._foreign_since = 0, None
        self._attach(page)
        # A server that repeats a page must not make a bot answer the same message again.
        new = [
            (event, revision)
            for event, revision in zip_longest(page.events, page.revisions)
            if event.cursor not in self._seen
        ]
        for said in changes_in(new, page.vague):
            self._on_event(*said)
        is_repeated = bool(page.events) and not new
        if is_repeated and not self._repeats:
            repeated = count_of(len(page.events), "event")
            logger.warning("the server repeats %s, which the loop leaves out", repeated)
        self._repeats = self._repeats + 1 if is_repeated else 0
        cursor = new[-1][0].cursor if new and page.cursor == asked else page.cursor
        wanted = [event for event, _ in new if self._is_wanted(event)]
        # One assignment: Ctrl-C between two assignments would return events twice.
        self._batch = _Batch(wanted, cursor)
        self._seen = {cursor, *(event.cursor for event in page.events)}
        return bool(new)

    def _failed(self, error: TWError) -> None:
        now = time.monotonic()
        if not error._is_foreign:
            self._foreign_since = None
        elif self._foreign_since is None:
            self._foreign_since = now
        if not isinstance(error, _PASSING) and (
            self._foreign_since is None or now - self._foreign_since >= self._proxy_error_timeout
        ):
            raise error
        asked = min(float(getattr(error, "retry_after", None) or 0), _LONGEST_ASKED)
        left = self._left()
        if max(asked, _FIRST_PAUSE) >= left:
            # Ending the loop without an error would claim that nothing happened.
            raise error
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 30), _LONGEST_PAUSE)
        # Random, so that clients do not all retry at once. The last retry is before the end.
        pause *= (1 + random.random()) / 2  # noqa: S311  no secret
        pause = max(asked, min(pause, left - _FIRST_PAUSE))
        if not self._failures:
            logger.warning("listening is interrupted and will be retried: %s", error)
        self._failures += 1
        self._transport.pause(pause)

    def _left(self) -> float:
        return time_left(self._ends_at)

    def __reduce__(self) -> NoReturn:
        message = (
            "an EventStream can't be pickled or copied: store its cursor and pass it to "
            "connection.events(since=...)"
        )
        raise TypeError(message)

    def __repr__(self) -> str:
        return f"<EventStream after {self.cursor}>"
