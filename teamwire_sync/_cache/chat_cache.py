"""The chat cache. It finds chats by thread ID and by title.

This Connection's own writes, and events, make the view of the cache expire.

The glossary in `teamwire_sync._cache` defines view and fact.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, TypeVar

from teamwire_sync._cache.facts import Write
from teamwire_sync._cache.listing import Freshness, Progress
from teamwire_sync._cache.refresher import Refresher
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._cache.info import CacheInfo
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._cache.source import Source
    from teamwire_sync._cache.state import CacheState
    from teamwire_sync._models.chats import Chat

T = TypeVar("T")

# The errors of a write that the server may have done.
_MAY_BE_DONE = (TWDeliveryUnknownError, TWServerError, TWProtocolError)


class ChatCache:
    """The chats of one bot, by thread ID and by title.

    The public look-ups of `Chats` handle a hit in their own code, because a call of this class
    would double the cost of a hit. They read ``state.view`` and compare ``state.clock()`` with
    ``view.fresh_until``. They count with ``next(state.tries)``, and with ``next(state.fails)`` if
    they found nothing.

    Args:
        state: The state of the cache.
        source: The source of listings.
    """

    def __init__(self, state: CacheState, source: Source) -> None:
        self.state = state
        self._source = source
        self.refresher = Refresher(state, source)

    def find(self, pick: Callable[[ChatSnapshot], T | None], deadline: float | None) -> T | None:
        """Call *pick* with a fresh view, and return the result of *pick*.

        If the view is not fresh, refresh it first. If *pick* finds nothing, and the last listing is
        older than `recheck_after`, refresh the view and call *pick* again.

        Args:
            pick: A function that takes a snapshot, and returns its result or None.
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
            # A listing from a store may be old: it does not prove that the chat is missing.
            fresh = found is None and view.number == 0 and state.clock() < view.expires_at
        if fresh and state.is_recheck_due(now):
            found = self._recheck(pick, view, deadline)
        state.count("misses")
        return found

    def all(
        self, deadline: float | None, *, refresh: bool = False, progress: Progress | None = None
    ) -> tuple[Chat, ...]:
        """Return all the chats; see `snapshot`."""
        return self.snapshot(deadline, refresh=refresh, progress=progress).chats

    def snapshot(
        self, deadline: float | None, *, refresh: bool = False, progress: Progress | None = None
    ) -> ChatSnapshot:
        """Return the view of all the chats.

        Args:
            deadline: The moment of `time.monotonic` at which this has to end, or None.
            refresh: Whether to list the chats even if the view is fresh.
            progress: A callback that runs after each page, if this thread lists the chats.

        Raises:
            TWError: The chats could not be listed.
        """
        state = self.state
        if refresh:
            # The refresh does not make the view expire: if the refresh fails, look-ups still use
            # the old view.
            seen, need = state.view, state.require_newer()
            found = self.refresher.refresh(seen, deadline, progress, need=need)
        else:
            now, view = self._current()
            if now < view.fresh_until:
                next(state.tries)
                return view
            found = self._find_after_refresh(lambda new: new, view, deadline, progress) or view
        state.count("misses")
        return found

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
        except not_by_signal(TWError) as error:
            # Within the TTL, a miss in the view is still a valid result.
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
        except not_by_signal(
            TWConnectionError, TWServerError, TWRateLimitError, TWProtocolError
        ) as error:
            stale = self.state.stale()
            found = None if stale is None else pick(stale)
            # An old listing does not prove that a chat is missing, so the look-up fails. If the
            # look-up returned nothing, a program that creates missing chats would create the chat
            # twice.
            if found is None:
                raise
            self.state.count("stale_serves")
            self._warn_of(error)
            return found

    def _warn_of(self, error: TWError) -> None:
        if self.state.is_first("failure"):
            logger.warning("look-ups are answered from the last listing of the chats: %s", error)

    # Writes, events and the end

    @contextmanager
    def writing(self, *, in_doubt: bool = True) -> Iterator[Write]:
        """Surround a write that changes the list of the chats.

        The write is in doubt until its outcome is known, and the view expires. A write that has
        certainly changed nothing has no effect on the cache: it was not sent, or the server has
        refused it.

        Args:
            in_doubt: Whether the write is in doubt before it is sent. False for a write that the
                server can't do twice: it returns the same chat again.

        Yields:
            The `Write` in which the caller records the result.
        """
        write = Write()
        unknown, may_be_done = True, False
        try:
            if in_doubt:
                self.state.begin(write)
                self._source.begin(write)
            may_be_done = True
            yield write
            if not in_doubt and self._source.shows(write):
                # The chat existed before, and other processes know it, so nothing was written.
                self.state.on_state(write.tid, write.chat, write.revision)
                may_be_done = False
            unknown = False
        except not_by_signal(TWError) as error:
            may_be_done = isinstance(error, _MAY_BE_DONE) and not error._is_refusal
            raise
        finally:
            if may_be_done:
                self.state.wrote(write, unknown=unknown)
                self._source.flush(None if unknown else write)
            else:
                self.state.withdraw(write)
                self._source.flush(write)

    # The next method needs no flush: each process gets its own events and 404 responses from the
    # server.

    def on_state(self, tid: str | None, chat: Chat | None, revision: int | None) -> None:
        """Apply what an event or a 404 says about a chat. See `CacheState.on_state`."""
        self.state.on_state(tid, chat, revision)

    def on_unauthorized(self) -> None:
        """Drop the listing and the view: the server has rejected the credentials (401)."""
        self.state.on_unauthorized()
        self._source.flush()

    def invalidate(self) -> None:
        """Drop the listing and the view, but keep the facts. The next look-up lists the chats."""
        self.state.invalidate()
        self._source.flush()

    def close(self) -> None:
        """Drop all chats, and wake all waiters. Later look-ups raise TWClosedError."""
        for flight in self.state.close():
            flight.abandon()
        self._source.flush(at_once=True)

    def info(self) -> CacheInfo:
        """Return the counters, and the age of the listing."""
        return self.state.info()
