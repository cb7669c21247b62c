"""The listing in a slot of a store. A store's failure is logged once, and stops no look-up.

The glossary in `teamwire_sync._cache` defines slot, generation and lease.
"""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, TypeVar

from attrs import evolve

from teamwire_sync import exceptions
from teamwire_sync._cache.cool_down import COOL_DOWN
from teamwire_sync._cache.listing import ConfirmedListing, SlotRevision
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._stores.base import (
    DamagedError,
    Failure,
    Lease,
    SlotStatus,
    StoredListing,
    StoreError,
    StoreSlot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.exceptions import TWError

T = TypeVar("T")

_here = threading.local()

# Seconds of a lease. A leader that is killed keeps other processes waiting for this time at most.
LEASE = 10.0
# After a failure of the store, the store is not used for this number of seconds.
_PAUSE = 5.0
# The maximum pause after a stored failure in seconds, also if the server's Retry-After is longer.
_LONGEST_FAILURE = 3600.0
# The first and the maximum pause between two checks for another process's listing, in seconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.1

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
    """

    def __init__(
        self,
        slot: StoreSlot,
        *,
        check_interval: float,
        attach: Callable[[StoredListing], None],
        patience: float = math.inf,
    ) -> None:
        self.check_interval = check_interval
        self.patience = patience
        self.held: set[LeaseKeeper] = set()
        self._flushing = threading.Lock()
        self._slot = slot
        self._attach = attach
        # The number of own changes that the store has recorded.
        self._flushed = 0
        self._failed_until = -math.inf
        self._is_warned = False
        self.clock: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], object] = time.sleep
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold, and drop the parent's leases."""
        self._flushing = threading.Lock()
        self.held = set()

    @property
    def next_look(self) -> float:
        """Seconds until the next check of the slot; longer while the store fails."""
        return max(self.check_interval, self._failed_until - self.clock())

    @staticmethod
    def pauses() -> Iterator[float]:
        """Yield, without end, the seconds between two checks for another process's listing."""
        pause = _FIRST_WAIT
        while True:
            yield pause
            pause = min(pause * 1.5, _LONGEST_WAIT)

    @property
    def is_leading(self) -> bool:
        """Whether this thread or this Connection has a lease. If so, it must not wait for a lease.

        Thread A lists the chats with the lease; thread B receives 404, which outdates A's listing,
        and looks up a chat. B must not wait for the lease of A's listing.
        """
        return bool(self.held) or getattr(_here, "leads", 0) > 0

    def flush(self, changes: int, *, at_once: bool = False) -> None:
        """Replace the generation, unless the store has already recorded all own changes.

        Args:
            changes: The number of own changes; each change outdates the stored listing.
            at_once: Whether to try although the store has just failed. `close` needs this, because
                no later try follows.
        """
        if changes > self._flushed:
            if at_once:
                self._failed_until = -math.inf
            self._try(lambda: self._flush(changes))

    def _flush(self, changes: int) -> None:
        with self._flushing:
            if changes <= self._flushed:
                return
            if self.clock() < self._failed_until:
                # Thread A has waited for a failing store; thread B has waited for A's lock. B does
                # not wait for the store again.
                raise _Paused
            try:
                self._slot.bump_generation()
            except StoreError:
                self._failed_until = self.clock() + _PAUSE
                raise
            self._flushed = changes

    def status(self, changes: int) -> SlotStatus | None:
        """Record own changes as `flush` does, and return the status; None while the store fails."""
        return self._try(lambda: self._status(changes))

    def _status(self, changes: int) -> SlotStatus:
        if changes > self._flushed:
            self._flush(changes)
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
            The new revision of the listing; None if the listing is not stored.
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
        stored = StoredListing(listing.listed.by_tid, listing.validator)
        try:
            return slot.save(stored, generation=status.generation, asked_at=asked_at)
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

    def lease(self) -> LeaseKeeper | None:
        """Take the lease; return None while another process has it, or while the store fails."""
        lease = self._try(lambda: self._slot.lease(LEASE))
        return None if lease is None else LeaseKeeper(lease, self)

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
    """A lease that is extended until the end of its ``with`` block.

    A listing may take longer than a lease. Without extensions, a second process would take the
    lease and list the chats too.
    """

    def __init__(self, lease: Lease, shared: SharedListing) -> None:
        self._lease = lease
        self._shared = shared
        self._is_started = False
        self._ended = threading.Event()
        self._owner = os.getpid()

    def start(self) -> None:
        """Start the thread that extends the lease."""
        self._shared.held.add(self)
        _here.leads = getattr(_here, "leads", 0) + 1
        self._is_started = True
        thread = threading.Thread(target=self._extend, name="teamwire_sync lease", daemon=True)
        with suppress(RuntimeError):  # the interpreter is ending
            thread.start()

    def __enter__(self) -> LeaseKeeper:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._shared.held.discard(self)
        _here.leads = getattr(_here, "leads", 0) - self._is_started
        # In a child that was forked inside the block, the lease belongs to the parent.
        if os.getpid() == self._owner:
            with suppress(StoreError):  # the lease ends by itself
                self._lease.release()

    def _extend(self) -> None:
        is_ours = True
        while is_ours and not self._ended.wait(LEASE / 3):
            with suppress(StoreError):  # the next extension may succeed
                is_ours = self._lease.extend()
