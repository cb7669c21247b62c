"""The listing in a slot of a store. A store's failure is logged once, and stops no look-up.

The glossary in `teamwire_sync._cache` defines slot, generation and lease.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Callable, TypeVar

from attrs import evolve

from teamwire_sync import exceptions
from teamwire_sync._cache.cool_down import COOL_DOWN
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.waiting import is_inside, new_lock
from teamwire_sync._stores.base import (
    DamagedError,
    Failure,
    SlotStatus,
    StoredListing,
    StoreError,
    StoreSlot,
)

if TYPE_CHECKING:
    from teamwire_sync._cache.listing import ConfirmedListing, Listing, SlotRevision, Written
    from teamwire_sync.exceptions import TWError

T = TypeVar("T")

# After a failure of the store, the store is not used for this number of seconds.
_PAUSE = 5.0
# The maximum pause after a stored failure in seconds, also if the server's Retry-After is longer.
_LONGEST_FAILURE = 3600.0

# Failures of the server. All processes that share the slot raise them.
_SHARED = ("TWRateLimitError", "TWServerError")
# Failures that may concern one process only. Other processes do not raise them, but list the chats
# in parallel. If they took turns, the last process would wait for the time-outs of all the others.
_OWN = ("TWConnectionError", "TWTimeoutError")
_CONTEXT = ("status", "code", "request_id", "method", "path", "retry_after")


class _Paused(Exception):  # noqa: N818  control flow, no error
    """The store has just failed, so it is not used now."""


class SharedListing:
    """The stored listing of one bot. No failure of the store reaches a look-up.

    Each change of this process (`CacheState.changes`) replaces the slot's generation. If the store
    fails at that moment, the generation is replaced before the next use of the slot. Process A
    renames a chat while the store fails; the store works again, with a listing that shows the old
    title. If the slot still had the old generation, A would use this listing.

    Args:
        slot: The slot of the bot.
        check_interval: Seconds between two checks of a slot whose listing is in use.
        attach: A function that binds the chats, users and groups of a listing to the Connection,
            so that their methods can send requests.
        patience: Seconds to wait for another process's listing.
        grace: Seconds for which the server's list may lack a write.
    """

    def __init__(
        self,
        slot: StoreSlot,
        *,
        check_interval: float,
        attach: Callable[[StoredListing], None],
        patience: float = math.inf,
        grace: float = 0.0,
    ) -> None:
        self.check_interval = check_interval
        self.patience = patience
        self._flushing = new_lock()
        self._grace = grace
        # The marks that have to be added, because the store failed, each with its end; and those
        # that have to be removed.
        self._missing: dict[str, float] = {}
        self._ended: set[str] = set()
        self.slot = slot
        self._attach = attach
        # The number of own changes that the store has recorded.
        self._flushed = 0
        self._failed_until = -math.inf
        self._is_warned = False
        self.clock: Callable[[], float] = time.monotonic
        # Looked up at each call: gevent and eventlet may replace the function later.
        self.sleep: Callable[[float], object] = lambda seconds: time.sleep(seconds)  # noqa: PLW0108
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold."""
        self._flushing = new_lock()

    @property
    def next_look(self) -> float:
        """Seconds until the next check of the slot; longer while the store fails."""
        return max(self.check_interval, self._failed_until - self.clock())

    def mark(self, write: str, seconds: float) -> None:
        """Add the mark of a write, for this time. If the store fails, `flush` adds it later."""

        def mark() -> bool:
            self.slot.mark(write, seconds)
            return True

        until = self.clock() + seconds
        if not self.attempt(mark):
            self._missing[write] = until

    def flush(
        self,
        changes: int,
        *,
        ended: str | None = None,
        written: Written | None = None,
        at_once: bool = False,
    ) -> None:
        """Replace the generation, unless the store has already recorded all own changes.

        Args:
            changes: The number of own changes; each change outdates the stored listing.
            ended: The write whose mark has to be removed; None without one.
            written: The own writes; None without revisions.
            at_once: Whether to try although the store has just failed. `close` needs this, because
                no later try follows.
        """
        if ended is not None:
            self._ended.add(ended)
        if self._owes(changes):
            if at_once:
                self._failed_until = -math.inf
            self.attempt(lambda: self._flush(changes, written))

    def _owes(self, changes: int) -> bool:
        return changes > self._flushed or bool(self._ended or self._missing)

    def _flush(self, changes: int, written: Written | None) -> None:
        # A signal handler in the middle of a use of the store must not wait for another thread's
        # flush, which may wait for the store.
        with nullcontext() if is_inside() else self._flushing:
            if not self._owes(changes):
                return
            if self.clock() < self._failed_until:
                # Thread A has waited for a failing store; thread B has waited for A's lock. B does
                # not wait for the store again.
                raise _Paused
            ended = tuple(self._ended)
            try:
                for write, until in list(self._missing.items()):
                    left = until - self.clock()
                    if write not in ended and left > 0:
                        self.slot.mark(write, left)
                    self._missing.pop(write, None)
                if changes > self._flushed:
                    revision = None if written is None else written.revision
                    self.slot.bump_generation(ended=ended, revision=revision, grace=self._grace)
                elif ended:
                    self.slot.unmark(ended)
            except DamagedError:
                raise
            except StoreError:
                self._failed_until = self.clock() + _PAUSE
                raise
            self._ended.difference_update(ended)
            self._flushed = max(changes, self._flushed)

    def status(self, changes: int, written: Written | None = None) -> SlotStatus | None:
        """Record own changes as `flush` does, and return the status; None while the store fails."""
        return self.attempt(lambda: self._status(changes, written))

    def _status(self, changes: int, written: Written | None) -> SlotStatus:
        if self._owes(changes):
            self._flush(changes, written)
        return self.slot.status()

    def load(self, revision: SlotRevision, known: str | None = None) -> StoredListing | None:
        """Return the listing with this revision; None if the slot lacks it, or the store fails.

        Args:
            revision: The listing's revision.
            known: See `StoreSlot.load`.
        """
        listing = self.attempt(lambda: self.slot.load(revision, known))
        if listing is not None:
            self._attach(listing)
        return listing

    def save(
        self,
        listing: ConfirmedListing,
        status: SlotStatus,
        *,
        sent: Listing | None,
        base: SlotRevision | None = None,
    ) -> SlotRevision | None:
        """Store *listing*, unless the generation has changed since *status*.

        Process A requests a listing; process B renames a chat, lists the chats and stores its
        listing. A must not replace B's listing by its own, which is not valid any more.

        Args:
            listing: The listing.
            status: The status before the request.
            sent: The response to the request; None if the server reported no change.
            base: The revision of the listing that the server has confirmed or changed; None without
                one.

        Returns:
            The new revision of the listing; None if the listing is not stored, for example because
            the stored listing has a higher revision.
        """
        return self.attempt(lambda: self._save(listing, status, sent, base))

    def _save(
        self,
        listing: ConfirmedListing,
        status: SlotStatus,
        sent: Listing | None,
        base: SlotRevision | None,
    ) -> SlotRevision | None:
        slot, asked_at = self.slot, status.now
        before = slot.status()
        if before.generation != status.generation:
            return None
        listed, generation = listing.listed, status.generation
        whole = StoredListing(
            listed.by_tid, listing.validator, revisions=listed.revisions, revision=listed.revision
        )
        changes = None if sent is None else evolve(whole, chats=sent.chats, gone=sent.gone)
        try:
            # If single chats are known up to other revisions, not all that was sent may be in use.
            is_simple = sent is None or (sent.gone is not None and not listed.revisions)
            if base is not None and is_simple:
                saved = slot.extend(base, changes, generation=generation, asked_at=asked_at)
                if saved is not None:
                    return saved
            return slot.save(whole, generation=generation, asked_at=asked_at, grace=self._grace)
        except StoreError:
            # After this failure, all waiting processes list the chats in parallel. Otherwise, they
            # would list the chats one after the other, each with the lease.
            with suppress(StoreError):
                until = before.now + COOL_DOWN
                slot.fail(Failure(status.generation, before.now, until, {"type": "StoreError"}))
            raise

    def failed(self, error: TWError, status: SlotStatus, *, took: float, pause: float) -> None:
        """Store the failure of a listing for the processes that wait for the listing.

        Args:
            error: The error of the request. Errors that concern this call only are not stored.
            status: The status before the request.
            took: Seconds from the status to the failure.
            pause: Seconds in which the server is not asked again.
        """
        kind = type(error).__name__
        if kind not in _SHARED + _OWN:
            return
        said = {name: getattr(error, name, None) for name in _CONTEXT}
        failed_at = status.now + took
        failure = Failure(
            generation=status.generation,
            failed_at=failed_at,
            until=failed_at + min(pause, _LONGEST_FAILURE),
            error={"type": kind, "text": str(error), **said},
        )
        self.attempt(lambda: self.slot.fail(failure))

    @staticmethod
    def shared_error(failure: Failure, status: SlotStatus) -> TWError | None:
        """Return the error of a stored failure; None if it may concern only the other process."""
        said = dict(failure.error)
        kind, text = said.get("type"), said.get("text")
        if kind not in _SHARED or not isinstance(text, str):
            return None
        context = {name: said[name] for name in _CONTEXT if said.get(name) is not None}
        if said.get("retry_after"):
            context["retry_after"] = failure.until - status.now
        error: TWError = getattr(exceptions, kind)(text, **context)
        return error

    def attempt(self, call: Callable[[], T]) -> T | None:
        """Return the result of *call*, which uses the slot; None while the store fails."""
        if self.clock() < self._failed_until:
            return None
        try:
            try:
                result = call()
            except DamagedError as error:
                # The damaged data has been removed, so the call may succeed now.
                self._warn_of(error)
                result = call()
        except _Paused:
            return None
        except StoreError as error:
            # Set this before logging: a logging handler that looks up chats must not use the store.
            self._failed_until = self.clock() + _PAUSE
            self._warn_of(error)
            return None
        if self._is_warned:
            self._is_warned = False
            logger.info("the store of the chats works again")
        return result

    def _warn_of(self, error: StoreError) -> None:
        known, self._is_warned = self._is_warned, True
        if not known:
            logger.warning("the store of the chats can't be used, going on without it: %s", error)
