"""The request and the result of one listing of the chats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Callable, Optional

from attrs import define, frozen

if TYPE_CHECKING:
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.chats import Chat

Progress = Callable[[int, int], object]
"""Called with the pages and the chats that have come so far."""


@define(eq=False, repr=False)
class ListingRequest:
    """One listing: what the reader needs to know, and how far it is.

    Attributes:
        validator: The ETag of the listing that is known; None asks for a listing in any case.
        deadline: The moment of `time.monotonic` at which the reading has to end, or None.
        check_needed: To be called before each further page; raises when nobody needs the listing
            any more.
        pages: The pages that have come.
    """

    deadline: float | None
    check_needed: Callable[[], None]
    _progress: Progress | None = None
    validator: str | None = None
    pages: int = 0

    def page(self, chats: int) -> None:
        """Report one more page, and *chats* known by now."""
        self.pages += 1
        if self._progress is not None:
            self._progress(self.pages, chats)


@frozen(eq=False, repr=False)
class Listing:
    """All the chats as the server sent them.

    Attributes:
        chats: The chats by thread ID, in the server's order.
        validator: The ETag to ask with whether they changed.
    """

    chats: dict[str, Chat]
    validator: str | None = None


ReadListing = Callable[[ListingRequest], Optional[Listing]]
"""Reads the chats from the server; None when they are as the validator says."""


@frozen
class SlotRevision:
    """Names a listing that processes share, without its chats.

    Attributes:
        body: Names its chats; another listing has another.
        generation: That of the slot when the server was asked for it.
        asked_at: When the server was last asked for it, or said that it had not changed; seconds
            of the store's clock.
    """

    body: str
    generation: str
    asked_at: float


@frozen(eq=False, repr=False)
class ConfirmedListing:
    """The last listing that the server confirmed, without any own writes.

    Attributes:
        listed: The chats.
        validator: The ETag for a conditional request.
        asked_at: When the server was asked, on the cache's clock.
        revision: Names it in the store; None when it is in no store.
    """

    listed: ChatSnapshot
    validator: str | None
    asked_at: float
    revision: SlotRevision | None = None


@frozen(eq=False, repr=False)
class Freshness:
    """How new the listing has to be that a look-up needs.

    Attributes:
        newer_than: The number of the last listing that is too old.
        since: A listing that another process asked for before this moment is too old.
        urgent: Whether to ask although the server has just failed.
    """

    newer_than: int = -1
    since: float = -math.inf
    urgent: bool = False


ANY = Freshness()
