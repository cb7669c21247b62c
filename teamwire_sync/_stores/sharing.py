"""The listing in a slot of a store. A store's failure is logged once, and stops no look-up.

The glossary in `teamwire_sync._cache` defines slot, generation and lease.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Callable, TypeVar

from attrs import evolve

from teamwire_sync import exceptions
from teamwire_sync._cache.cool_down import COOL_DOWN
from teamwire_sync._cache.listing import ConfirmedListing, SlotRevision
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.waiting import is_inside, new_lock, run_in_thread
from teamwire_sync._stores.base import (
    DamagedError,
    Failure,
    SlotStatus,
    StoredListing,
    StoreError,
    StoreSlot,
    new_token,
)

if TYPE_CHECKING:
    from teamwire_sync.exceptions import TWError

T = TypeVar("T")

# Seconds of a lease. A leader that is killed keeps other processes waiting for this time at most.
LEASE = 10.0
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
        # The marks that have to be removed.
        self._ended: set[str] = set()
        self._slot = slot
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
        """Replace the lock, which a thread of the parent may hold, and drop the parent's leases."""
        self._flushing = new_lock()
        _held.clear()

    @property
    def next_look(self) -> float:
        """Seconds until the next check of the slot; longer while the store fails."""
        return max(self.check_interval, self._failed_until - self.clock())

    @property
    def is_leading(self) -> bool:
        """Whether this thread or this Connection has a lease. If so, it must not wait for a lease.

        Thread A lists the chats with the lease; thread B receives 404, which outdates A's listing,
        and looks up a chat. B must not wait for the lease of A's listing.
        """
        here = threading.get_ident()
        # A signal handler in the middle of a use of the store: the other thread may wait for it.
        return is_inside() or any(
            each.shared is self or each.thread == here for each in list(_held)
        )

    def mark(self, write: str, seconds: float) -> None:
        """Add the mark of a write, for this time. Nothing happens if the store fails."""
        self._try(lambda: self._slot.mark(write, seconds))

    def flush(
        self,
        changes: int,
        *,
        ended: str | None = None,
        revision: int | None = None,
        at_once: bool = False,
    ) -> None:
        """Replace the generation, unless the store has already recorded all own changes.

        Args:
            changes: The number of own changes; each change outdates the stored listing.
            ended: The write whose mark has to be removed; None without one.
            revision: The highest revision of own writes; None without one.
            at_once: Whether to try although the store has just failed. `close` needs this, because
                no later try follows.
        """
        if ended is not None:
            self._ended.add(ended)
        if self._owes(changes):
            if at_once:
                self._failed_until = -math.inf
            self._try(lambda: self._flush(changes, revision))

    def _owes(self, changes: int) -> bool:
        return changes > self._flushed or bool(self._ended)

    def _flush(self, changes: int, revision: int | None) -> None:
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
                if changes > self._flushed:
                    self._slot.bump_generation(ended=ended, revision=revision, grace=self._grace)
                else:
                    self._slot.unmark(ended)
            except StoreError:
                self._failed_until = self.clock() + _PAUSE
                raise
            self._ended.difference_update(ended)
            self._flushed = max(changes, self._flushed)

    def status(self, changes: int, revision: int | None = None) -> SlotStatus | None:
        """Record own changes as `flush` does, and return the status; None while the store fails."""
        return self._try(lambda: self._status(changes, revision))

    def _status(self, changes: int, revision: int | None) -> SlotStatus:
        if self._owes(changes):
            self._flush(changes, revision)
        try:
            return self._slot.status()
        except DamagedError as error:
            self._warn_of(error)
            return self._slot.status()

    def load(self, revision: SlotRevision) -> StoredListing | None:
        """Return the listing with this revision; None if the slot lacks it, or the store fails."""
        listing = self._try(lambda: self._slot.load(revision))
        if listing is not None:
            self._attach(listing)
        return listing

    @staticmethod
    def unsaved(status: SlotStatus) -> SlotRevision:
        """Return the revision that a listing has before it is stored.

        Args:
            status: The status before the request for the listing.
        """
        return SlotRevision("", status.generation, status.now)

    def save(
        self, listing: ConfirmedListing, status: SlotStatus, *, unchanged: SlotRevision | None
    ) -> SlotRevision | None:
        """Store *listing*, unless the generation has changed since *status*.

        Process A requests a listing; process B renames a chat, lists the chats and stores its
        listing. A must not replace B's listing by its own, which is not valid any more.

        Args:
            listing: The listing.
            status: The status before the request.
            unchanged: The listing's revision before the request if the server reported no change;
                otherwise None.

        Returns:
            The new revision of the listing; None if the listing is not stored, for example because
            the stored listing has a higher revision.
        """
        return self._try(lambda: self._save(listing, status, unchanged))

    def _save(
        self, listing: ConfirmedListing, status: SlotStatus, unchanged: SlotRevision | None
    ) -> SlotRevision | None:
        slot, asked_at = self._slot, status.now
        before = slot.status()
        if before.generation != status.generation:
            return None
        # `mark_unchanged` keeps the listing's generation. A listing of an older generation is valid
        # only if it is stored again.
        if unchanged is not None and unchanged == status.revision == evolve(
            unchanged, generation=status.generation
        ):
            confirmed = slot.mark_unchanged(unchanged, asked_at=asked_at)
            if confirmed is not None:
                return confirmed
        listed = listing.listed
        stored = StoredListing(
            listed.by_tid, listing.validator, revisions=listed.revisions, revision=listed.revision
        )
        try:
            return slot.save(
                stored, generation=status.generation, asked_at=asked_at, grace=self._grace
            )
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
        self._try(lambda: self._slot.fail(failure))

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

    def lease(self, is_listing: Callable[[], bool]) -> LeaseKeeper:
        """Return the keeper of a lease that this thread may take. There is no I/O before that.

        Args:
            is_listing: A function that returns False when the listing has ended.
        """
        return LeaseKeeper(self, is_listing)

    def _try(self, call: Callable[[], T]) -> T | None:
        if self.clock() < self._failed_until:
            return None
        try:
            result = call()
        except _Paused:
            return None
        except DamagedError as error:
            self._warn_of(error)
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


class LeaseKeeper:
    """The lease of one listing. A thread extends the lease until the listing ends.

    A listing may take longer than a lease. Without extensions, a second process would take the
    lease and list the chats too.

    Args:
        shared: The listing in the store.
        is_listing: See `SharedListing.lease`.

    Attributes:
        shared: The listing in the store.
        thread: The identity of the thread that lists the chats.
    """

    def __init__(self, shared: SharedListing, is_listing: Callable[[], bool]) -> None:
        self.shared = shared
        self.thread = threading.get_ident()
        self._is_listing = is_listing
        self._process = os.getpid()
        self._owner = new_token()
        self._may_be_taken = False
        # Not a threading.Event: a signal may leave the lock of an Event acquired.
        self._ended = threading.Lock()
        self._ended.acquire()

    def take(self) -> bool:
        """Take the lease; return False while another process has it, or while the store fails."""
        # Set before the lease is taken: Ctrl-C may come before the result is stored.
        self._may_be_taken = True
        # A signal handler that interrupts the request must not wait for this lease.
        _held.add(self)
        taken = self.shared._try(lambda: self.shared._slot.take_lease(self._owner, LEASE))
        # If the store failed, only its response may have been lost.
        self._may_be_taken = taken is not False
        if not taken:
            _held.discard(self)
        else:
            with suppress(RuntimeError):  # the interpreter is ending
                run_in_thread(self._extend)
        return bool(taken)

    def end(self) -> None:
        """Free the lease if it was taken."""
        # In a child that was forked during the listing, the lease belongs to the parent.
        if self._may_be_taken and os.getpid() == self._process:
            with suppress(StoreError):  # the lease ends by itself
                self.shared._slot.release_lease(self._owner)
            self._may_be_taken = False
        # Last: a signal handler that interrupts the request must not wait for this lease.
        if self._ended.locked():
            self._ended.release()
        _held.discard(self)

    def _extend(self) -> None:
        gives_up_at, is_ours = self.shared.clock() + self.shared.patience, True
        while is_ours and not self._ended.acquire(timeout=LEASE / 3):
            # The listing may have ended without `end`, if signals interrupted each call of `end`.
            if not self._is_listing() or self.shared.clock() >= gives_up_at:
                break
            with suppress(StoreError):  # the next extension may succeed
                is_ours = self.shared._slot.extend_lease(self._owner, LEASE)
        _held.discard(self)


# The leases of this process.
_held: set[LeaseKeeper] = set()


@atexit.register
def _end_all() -> None:
    """Free the leases of daemon threads: the interpreter ends before their listings do."""
    for keeper in list(_held):
        keeper.end()
