"""What makes the view of the chats expire: own writes, the server's word, the program's wish."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from teamwire_sync._cache.facts import Write, live, own_write
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._stores.source import StoredView
from teamwire_sync.exceptions import (
    TWClosedError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWServerError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._models.chats import Chat


class ExpiringView(StoredView):
    """A shared view, and what makes it expire."""

    @contextmanager
    def writing(self) -> Iterator[Write]:
        """Surround a write that changes the list of the chats.

        However it ends, the view expires, and a load that was under way is not published. A write
        that provably never left changes nothing.
        """
        write = Write()
        sent = unknown = True
        try:
            yield write
            unknown = False
        except (TWConnectionError, TWClosedError, TWUnsupportedError):
            sent = False
            raise
        except TWError as error:
            unknown = isinstance(error, (TWDeliveryUnknownError, TWServerError, TWProtocolError))
            raise
        finally:
            if sent:
                self._wrote(write, unknown=unknown)

    def _wrote(self, write: Write, *, unknown: bool) -> None:
        now = self.clock()
        until = now + self._own_write_grace
        with self._lock:
            # Pruned here too, for a program that writes and never looks up.
            self._overlay = live(self._overlay, now)
            if write.tid is not None:
                listed = None if self._last_good is None else self._last_good.listed
                self._overlay[write.tid] = own_write(
                    write,
                    write.tid,
                    self._overlay.get(write.tid),
                    listed,
                    now=now,
                    expires_at=until,
                )
                self._cool_down = None
            if unknown:
                self._doubt_until = until
                self._stale_allowed = False
            self._outdate()
            self._expire()
        self._settle()

    def on_not_found(self, tid: str) -> None:
        """The server says that there is no chat *tid* (any more)."""
        now = self.clock()
        with self._lock:
            own = self._overlay.get(tid)
            # Of a chat that we left, 404 says nothing new, and the list may still show it.
            if own is not None and own.chat is not None:
                del self._overlay[tid]
            self._listed_since = now
            self._expire()

    def on_event(self, tid: str, chat: Chat | None, *, is_own: bool = False) -> None:
        """The server says of itself that the chat *tid* is *chat* now, or gone.

        The view expires, unless it shows that: what we did ourselves comes back to us.

        Args:
            tid: The chat.
            chat: The chat, or None when it is gone.
            is_own: Whether the bot did it.
        """
        now = self.clock()
        with self._lock:
            self._overlay = live(self._overlay, now)
            own = self._overlay.get(tid)
            if own and is_own and own.chat == chat:
                self._overlay[tid] = own = evolve(own, is_echoed=True)
            # One comes after the other: what others did after our echo, they did after our write.
            is_undone = own is not None and own.is_echoed and not is_own
            fresh, shown = now < self.view.covered, self.view.by_tid.get(tid)
            # What came before our last write is no news, either; but what somebody made of it
            # since then, and the view shows, may be undone by this.
            if (
                own
                and not is_undone
                and (own.chat == chat or own.is_past(chat))
                and not (fresh and shown != own.chat)
            ):
                return
            if chat is None or is_undone:
                self._overlay.pop(tid, None)
            # A load that is under way may have read what was before.
            if not fresh or shown != chat or self._flight is not None:
                self._listed_since = now
                self._expire()

    def invalidate(self) -> None:
        """Drop what the server sent; the next look-up lists the chats anew."""
        with self._lock:
            self._outdate()
            self._drop()
            self._cool_down = None
            self._expire()
        self._settle()

    def on_unauthorized(self) -> None:
        """The server no longer knows the bot: what it sent is not the bot's any more."""
        with self._lock:
            self._outdate()
            self._drop()
            self.view = ChatSnapshot()
        self._settle()

    def _drop(self) -> None:
        self._last_good = None
        self._drops += 1

    def _expire(self) -> None:
        self._generation += 1
        self._flight = None
        self.view = ChatSnapshot()

    def close(self) -> None:
        """Drop everything and wake all who wait; look-ups raise TWClosedError from now on."""
        with self._lock:
            self._closed = True
            self._drop()
            self._overlay = {}
            self._expire()
            flights = list(self._flights)
        for flight in flights:
            flight.void()
        self._settle(at_once=True)
