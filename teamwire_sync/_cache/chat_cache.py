"""The chat cache: look-ups by thread ID and by title, and the writes that expire it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, TypeVar

from teamwire_sync._cache.facts import Write
from teamwire_sync._cache.listing import Freshness, Progress
from teamwire_sync._cache.refresher import Refresher
from teamwire_sync._internal.log import logger
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._cache.info import CacheInfo
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._cache.source import Source
    from teamwire_sync._cache.state import CacheState
    from teamwire_sync._models.chats import Chat

T = TypeVar("T")


class ChatCache:
    """The chats of one bot, by thread ID and by title.

    A hit is in the public look-ups of `Chats` themselves, since one more call would double its
    cost: they read ``state.view``, compare ``state.clock()`` with its deadline, and count with
    ``next(state.tries)``, and with ``next(state.fails)`` when they found nothing.

    Args:
        state: What the cache knows.
        source: Where listings come from.
    """

    def __init__(self, state: CacheState, source: Source) -> None:
        self.state = state
        self._source = source
        self.refresher = Refresher(state, source)

    def find(self, pick: Callable[[ChatSnapshot], T | None], deadline: float | None) -> T | None:
        """Return what *pick* finds. After a refresh, *pick* is called again if it found nothing.

        Args:
            pick: Returns what is looked for, or None.
            deadline: The moment of `time.monotonic` at which this has to end, or None.

        Raises:
            TWError: The chats could not be listed.
        """
        state = self.state
        now, view = self._current()
        fresh = now < view.fresh_until
        found = pick(view) if fresh else None
        if found is not None:
            next(state.tries)
            return found
        if not fresh:
            found = self._find_after_refresh(pick, view, deadline)
            view = state.view
            # What came from a store may be too old to say that there is nothing.
            fresh = found is None and view.number == 0 and state.clock() < view.expires_at
        if fresh and state.is_recheck_due(now):
            found = self._recheck(pick, view, deadline)
        state.count("misses")
        return found

    def all(
        self, deadline: float | None, *, refresh: bool = False, progress: Progress | None = None
    ) -> tuple[Chat, ...]:
        """All the chats.

        Raises:
            TWError: They could not be listed.
        """
        state = self.state
        if refresh:
            # The view stays until there is a newer one: after a failure, it still answers.
            seen, need = state.view, state.require_newer()
            chats = self.refresher.refresh(seen, deadline, progress, need=need).chats
        else:
            now, view = self._current()
            if now < view.fresh_until:
                next(state.tries)
                return view.chats
            found = self._find_after_refresh(lambda new: new.chats, view, deadline, progress)
            chats = found or ()
        state.count("misses")
        return chats

    def _current(self) -> tuple[float, ChatSnapshot]:
        now, view = self.state.clock(), self.state.view
        return now, view if now < view.fresh_until else self._source.extended(view, now)

    def _recheck(
        self, pick: Callable[[ChatSnapshot], T | None], view: ChatSnapshot, deadline: float | None
    ) -> T | None:
        state = self.state
        need = Freshness(view.number, state.clock() - state.recheck_after)
        try:
            return pick(self.refresher.refresh(view, deadline, need=need))
        except (TWAuthError, TWClosedError):
            raise
        except TWError as error:
            # Within the TTL, the view's "not there" still counts.
            current = state.view
            if state.clock() >= current.expires_at:
                raise
            self._warn_of(error)
            return pick(current)

    def _find_after_refresh(
        self,
        pick: Callable[[ChatSnapshot], T | None],
        seen: ChatSnapshot,
        deadline: float | None,
        progress: Progress | None = None,
    ) -> T | None:
        try:
            return pick(self.refresher.refresh(seen, deadline, progress))
        except (TWConnectionError, TWServerError, TWRateLimitError, TWProtocolError) as error:
            stale = self.state.stale()
            found = None if stale is None else pick(stale)
            # Old data can't prove that a chat is missing: a program that looks a chat up to create
            # it when it is missing would create it twice.
            if found is None:
                raise
            self.state.count("stale_serves")
            self._warn_of(error)
            return found

    def _warn_of(self, error: TWError) -> None:
        if self.state.is_first("failure"):
            logger.warning("look-ups are answered from the last listing of the chats: %s", error)

    # What expires the view

    @contextmanager
    def writing(self) -> Iterator[Write]:
        """Surround a write that changes the list of the chats.

        However it ends, the view expires, and a listing in progress is not published. A write that
        provably never left changes nothing.
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
                self.state.wrote(write, unknown=unknown)
                self._source.flush()

    # The server tells each process of these two by itself.

    def on_not_found(self, tid: str) -> None:
        """The server says that there is no chat *tid* (any more)."""
        self.state.on_not_found(tid)

    def on_event(self, tid: str, chat: Chat | None, *, is_own: bool = False) -> None:
        """An event says that the chat *tid* is *chat* now, or gone; see `CacheState.on_event`."""
        self.state.on_event(tid, chat, is_own=is_own)

    def on_unauthorized(self) -> None:
        """The server no longer accepts the credentials (401)."""
        self.state.on_unauthorized()
        self._source.flush()

    def invalidate(self) -> None:
        """Drop what the server sent; the next look-up lists the chats."""
        self.state.invalidate()
        self._source.flush()

    def close(self) -> None:
        """Drop everything, and wake all who wait; look-ups raise TWClosedError from now on."""
        for flight in self.state.close():
            flight.abandon()
        self._source.flush(at_once=True)

    def info(self) -> CacheInfo:
        """Return the counts, and the age of the listing."""
        return self.state.info()
