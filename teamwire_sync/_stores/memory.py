"""MemoryStore: the listing outlives a Connection, but not the process."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Callable, NoReturn

from attrs import evolve, frozen

from teamwire_sync._cache.listing import SlotRevision, Written
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_DOUBT,
    Failure,
    SlotStatus,
    StoredListing,
    new_token,
)
from teamwire_sync._stores.codec import joined, pack, pack_changes, room_for_changes, unpack_parts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class MemoryStore:
    """A store in the memory of this process, for all Connections that use the same object.

    Args:
        max_age: Seconds after which stored data expires.
    """

    def __init__(self, *, max_age: float = MAX_AGE) -> None:
        self._max_age = check_seconds("max_age", max_age)
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
        had = sum(slot._parts != () for slot in slots)
        for slot in slots:
            slot.clear()
        return had

    def __reduce__(self) -> NoReturn:
        message = "a MemoryStore can't be pickled or copied: it belongs to one process"
        raise TypeError(message)

    def __repr__(self) -> str:
        return "MemoryStore()"


@frozen(eq=False, repr=False)
class _Part:
    revision: SlotRevision
    listed: int | None
    room: int
    packed: bytes


class _MemorySlot:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._lock = new_lock()
        self._generation = new_token()
        # The slot keeps bytes, not chats. A chat sends its requests through one Connection, and
        # several Connections share the slot.
        self._parts: tuple[_Part, ...] = ()
        self._failure: Failure | None = None
        self._marks: dict[str, float] = {}
        self._written: Written | None = None
        self._owner, self._leased_until = "", 0.0
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold, and free the lease."""
        self._lock = new_lock()
        self._owner, self._leased_until = "", 0.0

    def status(self) -> SlotStatus:
        with self._lock:
            now = self._store._now()
            parts = self._parts
            revision = parts[-1].revision if parts else None
            if revision is not None and not 0 <= now - revision.asked_at < self._store._max_age:
                self._parts, revision = (), None
            doubt_until = max(self._marks.values(), default=-math.inf)
            return SlotStatus(
                now, self._generation, revision, self._failure, doubt_until, self._written
            )

    def load(self, revision: SlotRevision, known: str | None = None) -> StoredListing | None:
        parts = [(part.revision.body, part.packed) for part in self._parts]
        tokens = [token for token, _ in parts]
        if tokens[-1:] != [revision.body]:
            return None
        after = tokens.index(known) + 1 if known in tokens else 0
        unpacked, _ = unpack_parts(parts[after:], known)
        return joined(unpacked) if unpacked else None

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        revision, packed = SlotRevision(new_token(), generation, asked_at), pack(listing)
        with self._lock:
            parts, number = self._parts, listing.revision
            if parts:
                last, stays = parts[-1], 0.0
                if number is not None and last.listed is not None:
                    stays = grace if number < last.listed else -math.inf
                if asked_at < last.revision.asked_at + stays:
                    return None
            part = _Part(revision, number, room_for_changes(packed), packed)
            self._parts, self._failure = (part,), None
        return revision

    def extend(
        self,
        base: SlotRevision,
        changes: StoredListing | None,
        *,
        generation: str,
        asked_at: float,
    ) -> SlotRevision | None:
        token, packed = pack_changes(changes, base)
        revision = SlotRevision(token, generation, asked_at)
        with self._lock:
            parts = self._parts
            if not parts or parts[-1].revision.body != base.body:
                return None
            part = evolve(parts[-1], revision=revision)
            if changes is not None:
                part = _Part(revision, changes.revision, part.room - len(packed), packed)
                if part.room < 0:
                    return None
            self._parts = (*(parts[:-1] if changes is None else parts), part)
            self._failure = None
        return revision

    def fail(self, failure: Failure) -> None:
        with self._lock:
            self._failure = failure

    def bump_generation(
        self, *, ended: Collection[str] = (), revision: int | None = None, grace: float = 0.0
    ) -> str:
        now, generation = self._store._now(), new_token()
        with self._lock:
            self._generation = generation
            self._owner, self._leased_until = "", 0.0
            if revision is not None:
                self._written = Written(revision, now + grace).after(self._written, now)
            self._remove(ended)
        return generation

    def mark(self, write: str, seconds: float) -> None:
        now = self._store._now()
        with self._lock:
            self._remove(self._ended_marks(now))
            self._marks[write] = now + seconds

    def _ended_marks(self, now: float) -> list[str]:
        # A copy: a signal handler may add or remove a mark during the loop.
        marks = list(self._marks.items())
        past = sorted((end, each) for each, end in marks if end <= now)
        wrong = [each for each, end in marks if end > now + MAX_DOUBT]
        return [*wrong, *(each for _, each in past[:-1])]

    def unmark(self, writes: Collection[str]) -> None:
        with self._lock:
            self._remove(writes)

    def _remove(self, writes: Iterable[str]) -> None:
        for write in writes:
            self._marks.pop(write, None)

    def take_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, is_taken=True)

    def extend_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, is_taken=False)

    def _lease(self, owner: str, seconds: float, *, is_taken: bool) -> bool:
        now = self._store._now()
        with self._lock:
            if self._owner != owner and not (is_taken and now >= self._leased_until):
                return False
            self._owner, self._leased_until = owner, now + seconds
        return True

    def release_lease(self, owner: str) -> None:
        with self._lock:
            if self._owner == owner:
                self._owner, self._leased_until = "", 0.0

    def clear(self) -> None:
        generation = new_token()
        with self._lock:
            self._parts, self._failure = (), None
            self._generation = generation
