"""MemoryStore: the listing outlives a Connection, but not the process."""

from __future__ import annotations

import threading
import time
from typing import Callable, NoReturn

from attrs import evolve

from teamwire_sync._cache.listing import SlotRevision
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._stores.base import MAX_AGE, Failure, Lease, SlotStatus, StoredListing, new_token
from teamwire_sync._stores.codec import pack, unpack


class MemoryStore:
    """A store in the memory of this process, for all Connections that use the same object.

    Args:
        max_age: Seconds after which stored data expires.
    """

    def __init__(self, *, max_age: float = MAX_AGE) -> None:
        self._max_age = max_age
        self._slots: dict[str, _MemorySlot] = {}
        self._now: Callable[[], float] = time.time

    def _slot(self, identity: str) -> _MemorySlot:
        return self._slots.setdefault(identity, _MemorySlot(self))

    def clear(self) -> int:
        """Remove the stored data of all bots.

        Returns:
            The number of snapshots that the store had.
        """
        slots = list(self._slots.values())
        had = sum(slot._body is not None for slot in slots)
        for slot in slots:
            slot.clear()
        return had

    def __reduce__(self) -> NoReturn:
        message = "a MemoryStore can't be pickled or copied: it belongs to one process"
        raise TypeError(message)

    def __repr__(self) -> str:
        return "MemoryStore()"


class _MemorySlot:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._generation = new_token()
        # The slot keeps bytes, not chats. A chat sends its requests through one Connection, and
        # several Connections share the slot.
        self._body: tuple[SlotRevision, bytes] | None = None
        self._failure: Failure | None = None
        self._owner, self._leased_until = "", 0.0
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold, and free the lease."""
        self._lock = threading.Lock()
        self._owner, self._leased_until = "", 0.0

    def status(self) -> SlotStatus:
        with self._lock:
            now = self._store._now()
            revision = self._body[0] if self._body else None
            if revision is not None and not 0 <= now - revision.asked_at < self._store._max_age:
                self._body = revision = None
            return SlotStatus(now, self._generation, revision, self._failure)

    def load(self, revision: SlotRevision) -> StoredListing | None:
        with self._lock:
            body = self._body
        return unpack(body[1]) if body and body[0].body == revision.body else None

    def save(self, listing: StoredListing, *, generation: str, asked_at: float) -> SlotRevision:
        revision, packed = SlotRevision(new_token(), generation, asked_at), pack(listing)
        with self._lock:
            self._body, self._failure = (revision, packed), None
        return revision

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        with self._lock:
            if self._body is None or self._body[0].body != revision.body:
                return None
            confirmed = evolve(self._body[0], asked_at=asked_at)
            self._body, self._failure = (confirmed, self._body[1]), None
        return confirmed

    def fail(self, failure: Failure) -> None:
        with self._lock:
            self._failure = failure

    def bump_generation(self) -> str:
        with self._lock:
            self._generation = new_token()
            self._owner, self._leased_until = "", 0.0
            return self._generation

    def lease(self, seconds: float) -> Lease | None:
        lease = _MemoryLease(self, new_token(), seconds)
        return lease if lease._take(free=True) else None

    def clear(self) -> None:
        with self._lock:
            self._body = self._failure = None
            self._generation = new_token()


class _MemoryLease:
    def __init__(self, slot: _MemorySlot, owner: str, seconds: float) -> None:
        self._slot, self._owner, self._seconds = slot, owner, seconds

    def _take(self, *, free: bool) -> bool:
        slot, now = self._slot, self._slot._store._now()
        with slot._lock:
            if slot._owner != self._owner and not (free and now >= slot._leased_until):
                return False
            slot._owner, slot._leased_until = self._owner, now + self._seconds
        return True

    def extend(self) -> bool:
        return self._take(free=False)

    def release(self) -> None:
        with self._slot._lock:
            if self._slot._owner == self._owner:
                self._slot._owner, self._slot._leased_until = "", 0.0
