"""Places, listings and failures, with as few words as a test wants to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._stores.base import Failure, SlotRevision, StoredListing
from tests.support.builders import make_chat

if TYPE_CHECKING:
    from teamwire_sync._stores.base import SlotStatus, StoreSlot

IDENTITY = "https://a.example\nbot\n1"


def place_in(store: Any, identity: str = IDENTITY) -> Any:
    """The place of a bot in *store*."""
    return store._place(identity)


def set_clock(store: Any, clock: Callable[[], float]) -> None:
    """Have *store*, in memory or in files, ask *clock* for the time."""
    store._now = clock


def contents(*titles: str, validator: str | None = "v1") -> StoredListing:
    """A listing of chats with these titles."""
    chats = [make_chat(f"t{number}", title) for number, title in enumerate(titles)]
    return StoredListing({chat.tid: chat for chat in chats}, validator)


def save(place: StoreSlot, *titles: str, head: SlotStatus | None = None) -> SlotRevision:
    """Save such a listing, as of *head* or now."""
    head = head or place.look()
    return place.save(contents(*titles), generation=head.generation, asked_at=head.now)


def titles(place: StoreSlot, stamp: SlotRevision) -> list[str | None] | None:
    """The titles in the listing *stamp*; None when it is not there."""
    loaded = place.load(stamp)
    return None if loaded is None else [chat.title for chat in loaded.chats.values()]


def failure_of(head: SlotStatus) -> Failure:
    """A refusal at the time of *head*."""
    error = {"type": "TWServerError", "status": 503, "text": "früh"}
    return Failure(head.generation, head.now, head.now + 5.5, error)


def fields(failure: Failure | None) -> tuple[Any, ...] | None:
    """What can be compared of *failure*."""
    if failure is None:
        return None
    return failure.generation, failure.failed_at, failure.until, dict(failure.error)
