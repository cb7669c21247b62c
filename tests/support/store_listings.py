"""Places, listings and failures, with as few words as a test wants to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen

from teamwire_sync._stores.base import Failure, StoredListing, new_token
from tests.support.builders import make_chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync import Chat
    from teamwire_sync._cache.listing import SlotRevision
    from teamwire_sync._stores.base import SlotStatus, StoreSlot

IDENTITY = "https://a.example\nbot\n1"


def slot_in(store: Any, identity: str = IDENTITY) -> Any:
    """The place of a bot in *store*."""
    return store._slot(identity)


def set_clock(store: Any, clock: Callable[[], float]) -> None:
    """Have *store*, in memory or in files, ask *clock* for the time."""
    store._now = clock


def contents(*titles: str, validator: str | None = "v1") -> StoredListing:
    """A listing of chats with these titles."""
    chats = [make_chat(f"t{number}", title) for number, title in enumerate(titles)]
    return StoredListing({chat.tid: chat for chat in chats}, validator)


def save(slot: StoreSlot, *titles: str, status: SlotStatus | None = None) -> SlotRevision:
    """Save such a listing, as of *status* or now."""
    status = status or slot.status()
    return slot.save(contents(*titles), generation=status.generation, asked_at=status.now)


def confirm(slot: StoreSlot, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
    """Record that a request at *asked_at* has found the listing unchanged."""
    return slot.extend(revision, None, generation=revision.generation, asked_at=asked_at)


def extend(
    slot: StoreSlot,
    base: SlotRevision,
    *chats: Chat,
    gone: Sequence[str] = (),
    revision: int | None = None,
) -> SlotRevision | None:
    """Add changes that were asked for now."""
    status = slot.status()
    changes = StoredListing(
        {chat.tid: chat for chat in chats}, "v2", revision=revision, gone=list(gone)
    )
    return slot.extend(base, changes, generation=status.generation, asked_at=status.now)


def titles(slot: StoreSlot, revision: SlotRevision) -> list[str | None] | None:
    """The titles in the listing *revision*; None when it is not there."""
    loaded = slot.load(revision)
    return None if loaded is None else [chat.title for chat in loaded.chats.values()]


def failure_of(status: SlotStatus, text: str = "früh") -> Failure:
    """A refusal at the time of *status*."""
    error = {"type": "TWServerError", "status": 503, "text": text}
    return Failure(status.generation, status.now, status.now + 5.5, error)


def fields(failure: Failure | None) -> tuple[Any, ...] | None:
    """What can be compared of *failure*."""
    if failure is None:
        return None
    return failure.generation, failure.failed_at, failure.until, dict(failure.error)


@frozen
class TakenLease:
    """A lease that an owner has taken."""

    slot: StoreSlot
    owner: str
    seconds: float

    def extend(self) -> bool:
        """Extend the lease; return False if the owner has lost it."""
        return self.slot.extend_lease(self.owner, self.seconds)

    def release(self) -> None:
        """Free the lease, unless the owner has lost it."""
        self.slot.release_lease(self.owner)


def take_lease(slot: StoreSlot, seconds: float) -> TakenLease | None:
    """Take the lease for a new owner; None if another owner has it."""
    lease = TakenLease(slot, new_token(), seconds)
    return lease if slot.take_lease(lease.owner, seconds) else None
