"""The cache of the chats: look-ups by thread ID and by title, of which a hit takes no lock.

It knows chats and clocks, and nothing of HTTP or JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, TypeVar

from attrs import asdict

from teamwire_sync._cache.expiring_view import ExpiringView
from teamwire_sync._cache.info import CacheInfo
from teamwire_sync._cache.state import Freshness
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
)

if TYPE_CHECKING:
    from teamwire_sync._cache.listing import Progress
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.chats import Chat

T = TypeVar("T")


class ChatCache(ExpiringView):
    """The chats of one bot, by thread ID and by title.

    A look-up reads `view` and compares `clock()` with its deadline. In a fresh one it counts with
    ``next(tries)``, looks, and counts with ``next(fails)`` when it found nothing. That is done in
    the public look-ups themselves, since one more call would cost as much again. What is found goes
    straight to the caller: whatever came between would wait for the memory that the chat is in.

    ``recheck_after`` also is how many seconds after a listing a look-up that finds nothing asks for
    another.
    """

    def find(self, pick: Callable[[ChatSnapshot], T | None], deadline: float | None) -> T | None:
        """What *pick* finds in the chats; it is asked again after a refresh when it finds nothing.

        Args:
            pick: Gives what is looked for, or None.
            deadline: The moment of `time.monotonic` at which this has to end, or None.

        Raises:
            TWError: The chats could not be listed.
        """
        now = self.clock()
        view = self.view
        if now >= view.deadline:
            view = self.extended(view, now)
        fresh = now < view.deadline
        found = pick(view) if fresh else None
        if found is not None:
            next(self.tries)
            return found
        if not fresh:
            found = self._find_anew(pick, view, deadline)
            view = self.view
            # What came from a store may be too old to say that there is nothing.
            fresh = found is None and view.number == 0 and self.clock() < view.covered
        if fresh and now - self._last_attempt > self._recheck_after:
            found = self._recheck(pick, view, deadline)
        with self._lock:
            self._counts.misses += 1
        return found

    def all(
        self, deadline: float | None, *, refresh: bool = False, progress: Progress | None = None
    ) -> tuple[Chat, ...]:
        """All the chats.

        Raises:
            TWError: They could not be listed.
        """
        view, now = self.view, self.clock()
        if not refresh and now >= view.deadline:
            view = self.extended(view, now)
        if not refresh and now < view.deadline:
            next(self.tries)
            return view.chats
        if refresh:
            with self._lock:
                self._cool_down = None
                need = Freshness(newer_than=self._flights_made, since=now, urgent=True)
            # The view stays until there is a newer one: a failure costs nobody what is still good.
            chats = self.refreshed(view, deadline, progress, need=need).chats
        else:
            chats = self._find_anew(lambda view: view.chats, view, deadline, progress) or ()
        with self._lock:
            self._counts.misses += 1
        return chats

    def _recheck(
        self, pick: Callable[[ChatSnapshot], T | None], view: ChatSnapshot, deadline: float | None
    ) -> T | None:
        since = self.clock() - self._recheck_after
        try:
            return pick(self.refreshed(view, deadline, need=Freshness(view.number, since)))
        except (TWAuthError, TWClosedError):
            raise
        except TWError as error:
            # The time to live still covers what the view says, and it says that there is nothing.
            covered = self.view
            if self.clock() >= covered.covered:
                raise
            self._warn_of(error)
            return pick(covered)

    def _find_anew(
        self,
        pick: Callable[[ChatSnapshot], T | None],
        seen: ChatSnapshot,
        deadline: float | None,
        progress: Progress | None = None,
    ) -> T | None:
        try:
            view = self.refreshed(seen, deadline, progress)
        except (TWConnectionError, TWServerError, TWRateLimitError, TWProtocolError) as error:
            stale = self.stale()
            found = None if stale is None else pick(stale)
            # That something is not in old data proves nothing: who looks a chat up to create it
            # when it is missing would create it twice.
            if found is None:
                raise
            with self._lock:
                self._counts.stale_serves += 1
            self._warn_of(error)
            return found
        return pick(view)

    def _warn_of(self, error: TWError) -> None:
        with self._lock:
            known, self._failure_warned = self._failure_warned, True
        if not known:
            self._logger.warning(
                "look-ups are answered from the last listing of the chats: %s", error
            )

    def info(self) -> CacheInfo:
        """What the cache has done so far, and how old it is."""
        now = self.clock()
        with self._lock:
            # Reading a count takes a step of it, of both the same. The fails first: one that comes
            # in between would be taken from tries that do not have it yet.
            failed = next(self.fails)
            hits = next(self.tries) - failed
            good, view = self._last_good, self.view
            return CacheInfo(
                hits=hits,
                chats=len(view.chats),
                age=None if good is None else now - good.asked_at,
                expires_in=max(0.0, view.covered - now),
                **asdict(self._counts),
            )
