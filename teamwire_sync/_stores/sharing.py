"""The listing in a slot of a store. A failure of the store is logged once, and stops no look-up."""

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

# Seconds that a leader who was killed keeps the others waiting at most.
LEASE = 10.0
# Seconds after a failure of the store in which it is left alone.
_PAUSE = 5.0
# Seconds that a server's wish to be left alone is passed on for at most.
_LONGEST_FAILURE = 3600.0
# Seconds between two looks of who waits for another process's listing: at first, and at most.
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.1

# What a server that refuses says to all who share it.
_SHARED = ("TWRateLimitError", "TWServerError")
# What may be one process's own. The others don't fail with it, nor one after the other.
_OWN = ("TWConnectionError", "TWTimeoutError")
_CONTEXT = ("status", "code", "request_id", "method", "path", "retry_after")


class _Paused(Exception):  # noqa: N818  it is no error: the store is left alone
    """The store has failed a moment ago."""


class SharedListing:
    """The stored listing of one bot. No failure of the store reaches a look-up.

    A write that could not be told to the store is told later: until then, nothing stored is used.

    Args:
        slot: Where the chats are.
        check_interval: Seconds between two looks at a slot whose listing is in use.
        attach: Lets the chats of a listing act, and whom they name.
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
        # How many changes of ours the store knows.
        self._flushed = 0
        self._failed_until = -math.inf
        self._is_warned = False
        self.clock: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], object] = time.sleep
        on_fork(self)

    def after_fork(self) -> None:
        """Make the lock anew, which a thread of the parent may have."""
        self._flushing = threading.Lock()
        self.held = set()

    @property
    def next_look(self) -> float:
        """Seconds until the next look: longer while the store fails."""
        return max(self.check_interval, self._failed_until - self.clock())

    @staticmethod
    def pauses() -> Iterator[float]:
        """Seconds to wait before each further look, for another process's listing; never ends."""
        pause = _FIRST_WAIT
        while True:
            yield pause
            pause = min(pause * 1.5, _LONGEST_WAIT)

    @property
    def is_leading(self) -> bool:
        """Whether one who waits for the lease waits for this thread, or for this Connection."""
        return bool(self.held) or getattr(_here, "leads", 0) > 0

    def flush(self, changes: int, *, at_once: bool = False) -> None:
        """Let the other processes know that the stored listing is outdated, if they don't.

        Args:
            changes: How many changes of ours there were, of which each outdates it.
            at_once: Even if the store has just failed: there is no later.
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
                # Those who waited here don't wait for the store one after the other.
                raise _Paused
            try:
                self._slot.bump_generation()
            except StoreError:
                self._failed_until = self.clock() + _PAUSE
                raise
            self._flushed = changes

    def status(self, changes: int) -> SlotStatus | None:
        """What the slot has, after *changes* of ours; None while the store fails."""
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
        """The listing *revision*; None when it is gone."""
        listing = self._try(lambda: self._slot.load(revision))
        if listing is not None:
            self._attach(listing)
        return listing

    @staticmethod
    def unsaved(status: SlotStatus) -> SlotRevision:
        """The revision of a listing that was asked for after *status*, until it is stored."""
        return SlotRevision("", status.generation, status.now)

    def save(
        self, listing: ConfirmedListing, status: SlotStatus, *, unchanged: SlotRevision | None
    ) -> SlotRevision | None:
        """Store what the server said.

        Args:
            listing: The listing.
            status: The look before the server was asked.
            unchanged: Its revision by then, where the server said that it has not changed.

        Returns:
            The revision that it has now; None where it is not stored.
        """
        return self._try(lambda: self._save(listing, status, unchanged))

    def _save(
        self, listing: ConfirmedListing, status: SlotStatus, unchanged: SlotRevision | None
    ) -> SlotRevision | None:
        slot, asked_at = self._slot, status.now
        before = slot.status()
        if before.generation != status.generation:
            return None  # one that counts may be there by now
        # One that was asked for in another generation counts only when it is stored again.
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
            # Those who wait for it would list one after the other.
            with suppress(StoreError):
                until = before.now + COOL_DOWN
                slot.fail(Failure(status.generation, before.now, until, {"type": "StoreError"}))
            raise

    def failed(self, error: TWError, status: SlotStatus, *, took: float, pause: float) -> None:
        """Tell those who wait that the server has not listed the chats.

        Args:
            error: What it says.
            status: The look before it was asked.
            took: Seconds since then.
            pause: Seconds in which it is not to be asked again.
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
        """The error of which *failure* tells; None for one that may be the other process's own."""
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
        """The right to ask the server for all; None while another has it, or the store fails."""
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
            # First: a logging handler may look chats up.
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
    """A lease that lasts as long as the block that it surrounds."""

    def __init__(self, lease: Lease, shared: SharedListing) -> None:
        self._lease = lease
        self._shared = shared
        self._is_started = False
        self._ended = threading.Event()
        self._owner = os.getpid()

    def start(self) -> None:
        """Extend it, as long as nobody has ended it."""
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
        # In a child that was forked meanwhile, it is the parent's.
        if os.getpid() == self._owner:
            with suppress(StoreError):  # it ends by itself
                self._lease.release()

    def _extend(self) -> None:
        is_ours = True
        while is_ours and not self._ended.wait(LEASE / 3):
            with suppress(StoreError):  # the next time, perhaps
                is_ours = self._lease.extend()
